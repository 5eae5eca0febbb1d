// Every call that apps make to Supabase, through the official Node client.

import { randomUUID } from "node:crypto";
import { asked, check, equal, library, run, Short, shown } from "./harness.mjs";

const input = await asked();
const { createClient, FunctionsHttpError } = await library(input.module);
const { default: ws } = await library("ws");

const PASSWORD = "correct-horse-battery";

const make = (key, auth = {}) =>
  createClient(input.base, key, {
    auth: { persistSession: false, autoRefreshToken: false, ...auth },
    realtime: { transport: ws },
  });

function contextOf(name) {
  const slug = name.replaceAll(/[._]/g, "-");
  return { slug, email: `${slug}@example.com`, db: make(input.service_key), anon: make(input.key), name };
}

/** The data of a result that is no error. */
function good(result, what = "the call") {
  if (result.error) throw new Short(`${what} failed: ${shown(result.error.code ?? result.error.name)} ${shown(result.error.message)}`);
  return result.data;
}

const ids = async (query) => good(await query).map((row) => row.id).sort((a, b) => a - b);

/** The result is an error with that code, and these words in its message, details or hint. */
function fails({ data, error }, code, ...parts) {
  if (!error) throw new Short(`returned ${shown(data)}, and should have failed with ${code}`);
  equal(error.code, code, `code (message: ${error.message})`);
  for (const part of parts) {
    check(`${error.message} ${error.details} ${error.hint}`.includes(part), `${part} is not in ${shown(error.message)}, ${shown(error.details)}`);
  }
  return error;
}

const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url"));

async function signedUp({ email }) {
  const client = make(input.key);
  good(await client.auth.signUp({ email, password: PASSWORD }), "signUp");
  return client;
}

async function until(condition, what, seconds = 10) {
  for (let waited = 0; waited < seconds * 50; waited++) {
    if (condition()) return;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Short(`nothing came: ${what}`);
}

async function subscribed(channel) {
  const states = [];
  channel.subscribe((state, error) => states.push(error ? `${state} ${error.message}` : state));
  await until(() => states.includes("SUBSCRIBED"), `SUBSCRIBED (states: ${states})`);
}

const cases = {
  // --- Reading --------------------------------------------------------------------------------------------------------
  async "select.all"({ db }) {
    const rows = good(await db.from("items").select("*").order("id"));
    equal(rows[0], {
      id: 1, name: "red apple", price: 1.5, qty: 10, done: false, tags: ["fruit", "red"],
      meta: { kind: "fruit", size: { w: 3 }, n: 1 }, span: "[1,5)", note: null, created_at: "2026-01-01T10:00:00+00:00",
    }, "the first row");
    equal(rows.length, 5, "rows");
  },
  async "select.columns"({ db }) {
    const [row] = good(await db.from("items").select("id, n:name, price::text, meta->size->w, kind:meta->>kind").eq("id", 1));
    equal(row, { id: 1, n: "red apple", price: "1.50", w: 3, kind: "fruit" }, "aliases, casts, JSON paths");
  },
  async "select.order"({ db }) {
    const order = async (...how) => good(await db.from("items").select("id").order(...how).order("id")).map((row) => row.id);
    equal(await order("price", { ascending: false }), [4, 3, 2, 1, 5], "price descending");
    equal(await order("qty", { nullsFirst: true }), [4, 3, 2, 1, 5], "nulls first");
    equal(await order("qty", { ascending: false, nullsFirst: false }), [5, 1, 2, 3, 4], "nulls last");
    equal(await order("qty"), [3, 2, 1, 5, 4], "ascending puts nulls last by itself");
    equal(await order("meta->size->w", { ascending: false, nullsFirst: false }), [4, 3, 2, 1, 5], "by a JSON path");
  },
  async "select.limit_offset_range"({ db }) {
    const byId = () => db.from("items").select("id").order("id");
    equal(await ids(byId().limit(2)), [1, 2], "limit");
    equal(await ids(byId().range(1, 2)), [2, 3], "range");
    equal(await ids(byId().range(10, 20)), [], "a range past the end, uncounted");
  },
  async "select.unknown"({ db }) {
    fails(await db.from("nothing").select("*"), "PGRST205", "Could not find the table 'public.nothing' in the schema cache");
    fails(await db.from("items").select("nothing"), "42703", "column items.nothing does not exist");
    fails(await db.from("items").select("id").eq("nothing", 1), "42703", "column items.nothing does not exist");
    fails(await db.from("items").select("id").eq("id", "abc"), "22P02", 'invalid input syntax for type bigint: "abc"');
    fails(await db.from("items").select("id").filter("id", "resembles", 1), "PGRST100");
  },

  async "embed.to_many"({ db }) {
    const rows = good(await db.from("items").select("id, comments(stars, body)").eq("id", 1).order("id", { referencedTable: "comments" }));
    equal(rows, [{ id: 1, comments: [{ stars: 5, body: "crisp" }, { stars: 3, body: "sour" }] }], "rows");
  },
  async "embed.to_one"({ db }) {
    equal(good(await db.from("comments").select("id, items(name)").eq("id", 3)), [{ id: 3, items: { name: "green pear" } }], "rows");
  },
  async "embed.hint"({ db }) {
    const rows = good(await db.from("books").select("title, author:authors!books_author_id_fkey(name), editor:authors!editor_id(name)").order("id"));
    equal(rows[0], { title: "Engines", author: { name: "Ada" }, editor: { name: "Grace" } }, "by constraint and by column");
    equal(rows[1].editor, null, "no editor");
  },
  async "embed.ambiguous"({ db }) {
    fails(await db.from("books").select("title, authors(name)"), "PGRST201", "more than one relationship was found");
    fails(await db.from("items").select("id, nothing(id)"), "PGRST200", "Could not find a relationship between 'items' and 'nothing'");
  },
  async "embed.many_to_many"({ db }) {
    const rows = good(await db.from("books").select("title, labels(name)").order("id").order("id", { referencedTable: "labels" }));
    equal(rows[0], { title: "Engines", labels: [{ name: "math" }, { name: "code" }] }, "the first row");
    equal(rows[1].labels, [], "no labels");
  },
  async "embed.nested"({ db }) {
    const rows = good(await db.from("authors").select("name, books!books_author_id_fkey(title, labels(name))").eq("id", 2));
    equal(rows, [{ name: "Grace", books: [{ title: "Compilers", labels: [{ name: "code" }] }] }], "rows");
  },
  async "embed.inner"({ db }) {
    const rows = good(await db.from("comments").select("id, items!inner(name)").eq("items.name", "fat cat"));
    equal(rows, [{ id: 4, items: { name: "fat cat" } }], "an inner join");
    const outer = good(await db.from("comments").select("id, items(name)").eq("items.name", "fat cat").order("id"));
    equal(outer.map((row) => row.items), [null, null, null, { name: "fat cat" }], "without inner");
  },
  async "embed.filter_order_limit"({ db }) {
    const some = good(await db.from("items").select("id, comments(stars)").gt("comments.stars", 3).in("id", [1, 3]).order("id"));
    equal(some, [{ id: 1, comments: [{ stars: 5 }] }, { id: 3, comments: [] }], "a filter on the embedded");
    const table = { referencedTable: "comments" };
    const one = good(await db.from("items").select("comments(body)").eq("id", 1).order("stars", table).limit(1, table));
    equal(one, [{ comments: [{ body: "sour" }] }], "order and limit of the embedded");
    const either = good(await db.from("items").select("comments(stars)").eq("id", 1).or("stars.eq.3,stars.eq.1", table));
    equal(either, [{ comments: [{ stars: 3 }] }], "or on the embedded");
  },
  async "embed.exists"({ db }) {
    equal(await ids(db.from("items").select("id, comments()").not("comments", "is", null)), [1, 2, 3], "with comments");
    equal(await ids(db.from("items").select("id, comments()").is("comments", null)), [4, 5], "without comments");
  },
  async "embed.order_by"({ db }) {
    const rows = good(await db.from("comments").select("id, items(price)").order("items(price)", { ascending: false }).order("id"));
    equal(rows.map((row) => row.id), [4, 3, 1, 2], "by a column of the embedded row");
  },
  async "embed.spread"({ db }) {
    equal(good(await db.from("comments").select("id, ...items(name, p:price)").eq("id", 3)), [{ id: 3, name: "green pear", p: 2.25 }], "rows");
  },
  async "embed.count"({ db }) {
    const rows = good(await db.from("items").select("id, comments(count)").in("id", [1, 4]).order("id"));
    equal(rows, [{ id: 1, comments: [{ count: 2 }] }, { id: 4, comments: [{ count: 0 }] }], "rows");
  },
  async aggregates({ db }) {
    equal(good(await db.from("items").select("price.sum(), qty.max(), count()")), [{ sum: 1102.75, max: 100, count: 5 }], "of all");
    const groups = good(await db.from("items").select("done, n:count(), price.avg()").order("done"));
    equal(groups.map((row) => [row.done, row.n]), [[false, 3], [true, 2]], "by group");
  },
  async count({ db }) {
    for (const count of ["exact", "planned", "estimated"]) {
      const page = await db.from("items").select("id", { count }).gt("price", 2).order("id").limit(1);
      equal(good(page).length, 1, "rows");
      check(count === "exact" ? page.count === 3 && page.status === 206 : Number.isInteger(page.count), `${count} count ${page.count}, status ${page.status}`);
    }
    equal((await db.from("items").select("id", { count: "exact" }).eq("id", 99)).count, 0, "of nothing");
  },
  async "count.head"({ db }) {
    const page = await db.from("items").select("*", { count: "exact", head: true }).gt("price", 2);
    equal([page.error, page.count, page.data], [null, 3, null], "error, count, data");
  },
  async "count.past_the_end"({ db }) {
    const page = await db.from("items").select("id", { count: "exact" }).range(10, 20);
    fails(page, "PGRST103", "Requested range not satisfiable");
    equal(page.status, 416, "status");
  },
  async single({ db }) {
    equal(good(await db.from("items").select("id,name").eq("id", 1).single()), { id: 1, name: "red apple" }, "one row");
    const none = await db.from("items").select("id").eq("id", 99).single();
    fails(none, "PGRST116", "Cannot coerce the result to a single JSON object", "0 rows");
    equal(none.status, 406, "status");
    fails(await db.from("items").select("id").single(), "PGRST116", "5 rows");
  },
  async maybe_single({ db }) {
    equal(good(await db.from("items").select("id").eq("id", 1).maybeSingle()), { id: 1 }, "one row");
    equal(good(await db.from("items").select("id").eq("id", 99).maybeSingle()), null, "no row");
    fails(await db.from("items").select("id").maybeSingle(), "PGRST116");
  },
  async csv({ db }) {
    const text = good(await db.from("items").select("id,name,note").lt("id", 3).order("id").csv());
    // PostgREST lets PostgreSQL write rows as text, which quotes what holds a space.
    equal(text.trim(), 'id,name,note\n1,"red apple",\n2,"green pear","ripe, ""soft"""', "text");
  },
  async explain({ db }) {
    const { data, error } = await db.from("items").select("id").explain();
    // Supabase has plans switched off unless the project's owner switches them on; both are right.
    check(error ? error.code === "PGRST107" : String(data).includes("cost"), `${shown(error?.code)} ${shown(data)}`);
  },
  async schema({ db }) {
    equal(good(await db.schema("archive").from("old_items").select("*")), [{ id: 1, name: "relic" }], "rows");
    fails(await db.schema("nothing").from("x").select("*"), "PGRST106", "Invalid schema: nothing");
  },

  // --- Writing --------------------------------------------------------------------------------------------------------
  async "insert.one"({ db, slug }) {
    const [row] = good(await db.from("things").insert({ slug, name: "a" }).select());
    const { id, ...rest } = row;
    check(Number.isInteger(id), "id");
    equal(rest, { slug, name: "a", qty: 7, item_id: null }, "the new row");
    equal(good(await db.from("things").select("*").eq("slug", slug)).length, 1, "rows afterwards");
  },
  async "insert.many"({ db, slug }) {
    const rows = [{ slug: `${slug}-1`, name: "a", qty: 1 }, { slug: `${slug}-2`, name: "b" }];
    const done = await db.from("things").insert(rows, { count: "exact" }).select();
    equal([good(done).map((row) => row.qty), done.count], [[1, null], 2], "what is missing is null; count");
  },
  async "insert.defaults"({ db, slug }) {
    const rows = [{ slug: `${slug}-1`, name: "a", qty: 1 }, { slug: `${slug}-2`, name: "b" }];
    equal(good(await db.from("things").insert(rows, { defaultToNull: false }).select()).map((row) => row.qty), [1, 7], "what is missing is the default");
  },
  async "insert.minimal"({ db, slug }) {
    const done = await db.from("things").insert({ slug, name: "a" });
    equal([done.error, done.data, done.status], [null, null, 201], "error, data, status");
    equal(good(await db.from("things").insert({ slug: `${slug}-2`, name: "b" }).select("name").single()), { name: "b" }, "one row back");
  },
  async "insert.unique"({ db, slug }) {
    good(await db.from("things").insert({ slug, name: "a" }));
    const again = await db.from("things").insert({ slug, name: "a" });
    fails(again, "23505", 'duplicate key value violates unique constraint "things_slug_key"', `Key (slug)=(${slug}) already exists.`);
    equal(again.status, 409, "status");
  },
  async "insert.not_null"({ db, slug }) {
    fails(await db.from("things").insert({ slug }), "23502", 'null value in column "name" of relation "things" violates not-null constraint');
  },
  async "insert.check"({ db, slug }) {
    fails(await db.from("things").insert({ slug, name: "a", qty: -1 }), "23514", 'new row for relation "things" violates check constraint "things_qty_check"');
  },
  async "insert.foreign_key"({ db, slug }) {
    const done = await db.from("things").insert({ slug, name: "a", item_id: 999 });
    fails(done, "23503", 'insert or update on table "things" violates foreign key constraint "things_item_id_fkey"', 'Key (item_id)=(999) is not present in table "items".');
    equal(done.status, 409, "status");
  },
  async "insert.unknown_column"({ db, slug }) {
    fails(await db.from("things").insert({ slug, name: "a", colour: "red" }), "PGRST204", "Could not find the 'colour' column of 'things' in the schema cache");
  },
  async "insert.wrong_type"({ db, slug }) {
    fails(await db.from("things").insert({ slug, name: "a", qty: "many" }), "22P02", 'invalid input syntax for type integer: "many"');
  },
  async upsert({ db, slug }) {
    const things = () => db.from("things");
    const [first] = good(await things().insert({ slug, name: "a", qty: 3 }).select());
    equal(good(await things().upsert({ id: first.id, slug, name: "b" }).select()), [{ ...first, name: "b" }], "by the primary key");
    equal(good(await things().upsert({ slug, name: "c" }, { onConflict: "slug" }).select()), [{ ...first, name: "c" }], "by onConflict");
    const many = good(await things().upsert([{ slug, name: "d" }, { slug: `${slug}-2`, name: "e" }], { onConflict: "slug" }).select());
    equal(many.map((row) => row.name), ["d", "e"], "several rows");
  },
  async "upsert.ignore"({ db, slug }) {
    const things = () => db.from("things");
    good(await things().insert({ slug, name: "a" }));
    const rows = [{ slug, name: "b" }, { slug: `${slug}-2`, name: "c" }];
    const done = good(await things().upsert(rows, { onConflict: "slug", ignoreDuplicates: true }).select());
    equal(done.map((row) => row.name), ["c"], "only what is new comes back");
    equal(good(await things().select("name").eq("slug", slug)), [{ name: "a" }], "what was there is as it was");
  },
  async update({ db, slug }) {
    const things = () => db.from("things");
    good(await things().insert([0, 1, 2].map((n) => ({ slug: `${slug}-${n}`, name: "a" }))));
    const done = await things().update({ qty: 9 }, { count: "exact" }).like("slug", `${slug}-%`).neq("slug", `${slug}-0`).select();
    equal([good(done).map((row) => row.qty), done.count], [[9, 9], 2], "rows, count");
    equal(good(await things().update({ qty: 9 }).eq("slug", "nobody").select()), [], "no row");
    fails(await things().update({ qty: -9 }).eq("slug", `${slug}-0`), "23514", "things_qty_check");
    equal((await things().update({ qty: 8 }).eq("slug", `${slug}-0`)).status, 204, "status without select");
  },
  async delete({ db, slug }) {
    const things = () => db.from("things");
    good(await things().insert([0, 1, 2].map((n) => ({ slug: `${slug}-${n}`, name: "a" }))));
    const done = await things().delete({ count: "exact" }).in("slug", [`${slug}-0`, `${slug}-1`]).select();
    equal([good(done).map((row) => row.slug).sort(), done.count], [[`${slug}-0`, `${slug}-1`], 2], "rows, count");
    equal(good(await things().select("id").like("slug", `${slug}-%`)).length, 1, "rows left");
    fails(await db.from("authors").delete().eq("id", 1), "23503", 'update or delete on table "authors" violates foreign key constraint "books_author_id_fkey" on table "books"');
  },
  async "select.after_write"({ db, slug }) {
    const [done] = good(await db.from("things").insert({ slug, name: "a", item_id: 2 }).select("id, slug, items(name)"));
    equal(done.items, { name: "green pear" }, "the new row with what it refers to");
    equal(good(await db.from("things").select("slug, items(name)").eq("id", done.id)), [{ slug, items: { name: "green pear" } }], "the row read again");
  },

  // --- Functions of the database --------------------------------------------------------------------------------------
  async rpc({ db }) {
    equal(good(await db.rpc("greet", { name: "Ada" })), "Hello, Ada!", "a scalar");
    equal(good(await db.rpc("items_over", { min: 2 }).select("id").order("id")), [{ id: 2 }, { id: 3 }, { id: 4 }], "rows");
    equal(good(await db.rpc("items_over", { min: 2 }).eq("done", true)).map((row) => row.id).sort(), [2, 4], "a filter on rows");
    check([null, ""].includes(good(await db.rpc("nothing"))), "void");
  },
  async "rpc.get"({ db }) {
    equal(good(await db.rpc("greet", { name: "Ada" }, { get: true })), "Hello, Ada!", "a scalar");
    equal((await db.rpc("items_over", { min: 2 }, { head: true, count: "exact" })).count, 3, "HEAD with a count");
  },
  async "rpc.unknown"({ db }) {
    const done = await db.rpc("no_such", { a: 1 });
    fails(done, "PGRST202", "Could not find the function public.no_such(a) in the schema cache");
    equal(done.status, 404, "status");
  },

  // --- Row level security and keys ------------------------------------------------------------------------------------
  async rls(context) {
    const { db, anon } = context;
    equal(good(await anon.from("notes").select("*")), [], "what nobody sees");
    check(good(await db.from("notes").select("*").eq("id", 1)).length === 1, "the service key sees all");
    const refused = await anon.from("notes").insert({ user_id: randomUUID(), body: "x" });
    fails(refused, "42501", "row-level security policy");
    equal(refused.status, 401, "status for nobody");
    const user = await signedUp(context);
    const own = good(await user.auth.getUser()).user.id;
    good(await user.from("notes").insert({ user_id: own, body: "mine" }));
    equal(good(await user.from("notes").select("*")).map((row) => row.body), ["mine"], "a user sees their own");
    const others = await user.from("notes").insert({ user_id: randomUUID(), body: "x" });
    fails(others, "42501", "row-level security policy");
    equal(others.status, 403, "status for somebody");
    equal(good(await user.from("notes").update({ body: "stolen" }).eq("id", 1).select()), [], "others' rows cannot be changed");
  },
  async keys() {
    const none = await fetch(`${input.base}/rest/v1/items`);
    equal([none.status, (await none.json()).message], [401, "No API key found in request"], "no key");
    const bad = await make("nonsense").from("items").select("id");
    equal([bad.status, bad.error?.message], [401, "Invalid API key"], "a key that is none");
  },

  // --- Auth -----------------------------------------------------------------------------------------------------------
  async "auth.sign_up"({ anon, email }) {
    const { user, session } = good(await anon.auth.signUp({ email, password: PASSWORD, options: { data: { nick: "ada" } } }));
    equal([user.email, user.role, user.aud, user.user_metadata.nick], [email, "authenticated", "authenticated", "ada"], "user");
    equal(user.app_metadata, { provider: "email", providers: ["email"] }, "app_metadata");
    check(user.email_confirmed_at && user.created_at && user.is_anonymous === false, "times, is_anonymous");
    equal([user.identities.length, user.identities[0].provider, user.identities[0].user_id], [1, "email", user.id], "identity");
    equal([session.token_type, session.expires_in], ["bearer", 3600], "session");
    const claims = claimsOf(session.access_token);
    equal([claims.sub, claims.role, claims.aud, claims.email], [user.id, "authenticated", "authenticated", email], "claims");
    equal([claims.aal, claims.amr[0].method, claims.exp - claims.iat], ["aal1", "password", 3600], "claims");
    check(claims.session_id && session.expires_at === claims.exp && session.refresh_token, "session_id, expires_at");
  },
  async "auth.sign_up.refused"({ email }) {
    const up = (password = PASSWORD) => make(input.key).auth.signUp({ email, password });
    const weak = fails(await up("short"), "weak_password");
    equal([weak.status, weak.reasons?.includes("length")], [422, true], "status, reasons");
    good(await up());
    equal(fails(await up(), "user_already_exists").status, 422, "status");
  },
  async "auth.sign_in"(context) {
    await signedUp(context);
    const client = make(input.key);
    const events = [];
    client.auth.onAuthStateChange((event) => events.push(event));
    const signIn = (more = {}) => client.auth.signInWithPassword({ email: context.email, password: PASSWORD, ...more });
    const { session, user } = good(await signIn());
    check(session.access_token && user.last_sign_in_at && events.includes("SIGNED_IN"), `session, events ${events}`);
    equal(fails(await signIn({ password: "wrong-password" }), "invalid_credentials").status, 400, "status");
    fails(await signIn({ email: "nobody@example.com" }), "invalid_credentials");
  },
  async "auth.anonymous"({ anon }) {
    const { user, session } = good(await anon.auth.signInAnonymously());
    check(user.is_anonymous && claimsOf(session.access_token).is_anonymous === true, "is_anonymous");
  },
  async "auth.refresh"(context) {
    const client = await signedUp(context);
    const before = good(await client.auth.getSession()).session;
    const after = good(await client.auth.refreshSession()).session;
    check(after.refresh_token !== before.refresh_token, "the refresh token is the same");
    equal(claimsOf(after.access_token).session_id, claimsOf(before.access_token).session_id, "session_id");
    equal(good(await client.auth.getUser()).user.email, context.email, "user");
    equal(fails(await make(input.key).auth.refreshSession({ refresh_token: "nothing" }), "refresh_token_not_found").status, 400, "status");
    equal(good(await make(input.key).auth.setSession(after)).user.email, context.email, "setSession");
  },
  async "auth.user"(context) {
    const client = await signedUp(context);
    equal(good(await client.auth.getUser()).user.email, context.email, "getUser");
    const { user } = good(await client.auth.updateUser({ data: { colour: "red" }, password: "another-good-password" }));
    equal(user.user_metadata.colour, "red", "updateUser");
    good(await context.anon.auth.signInWithPassword({ email: context.email, password: "another-good-password" }), "the new password");
    equal(fails(await context.anon.auth.getUser("a.b.c"), "bad_jwt").status, 403, "status");
    equal(good(await client.auth.getUserIdentities()).identities.map((i) => i.provider), ["email"], "identities");
  },
  async "auth.claims"(context) {
    const { claims } = good(await (await signedUp(context)).auth.getClaims());
    equal([claims.email, claims.role], [context.email, "authenticated"], "claims");
  },
  async "auth.sign_out"(context) {
    const client = await signedUp(context);
    const token = good(await client.auth.getSession()).session.access_token;
    good(await client.auth.signOut(), "signOut");
    equal(good(await client.auth.getSession()).session, null, "session");
    const { error } = await context.anon.auth.getUser(token);
    check(error?.code === "session_not_found" || error?.name === "AuthSessionMissingError", `error ${shown(error)}`);
  },
  async "auth.otp"(context) {
    await signedUp(context);
    const { anon, db, email } = context;
    good(await anon.auth.signInWithOtp({ email }), "signInWithOtp");
    good(await anon.auth.resetPasswordForEmail(email), "resetPasswordForEmail");
    good(await anon.auth.resend({ type: "signup", email }), "resend");
    const link = async () => good(await db.auth.admin.generateLink({ type: "magiclink", email })).properties;
    const hash = (await link()).hashed_token;
    equal(good(await make(input.key).auth.verifyOtp({ type: "email", token_hash: hash })).user.email, email, "by token hash");
    const token = (await link()).email_otp;
    check(good(await make(input.key).auth.verifyOtp({ type: "email", email, token })).session.access_token, "by code");
    equal(fails(await make(input.key).auth.verifyOtp({ type: "email", email, token: "000000" }), "otp_expired").status, 403, "status");
  },
  async "auth.oauth"({ anon }) {
    const { url } = good(await anon.auth.signInWithOAuth({ provider: "github", options: { skipBrowserRedirect: true } }));
    check(url.includes("/auth/v1/authorize?provider=github"), url);
    const answer = await fetch(url, { redirect: "manual" });
    check([302, 303, 400].includes(answer.status), `status ${answer.status}`);
  },
  async "auth.pkce"({ email }) {
    const client = make(input.key, { flowType: "pkce" });
    good(await client.auth.signInWithOtp({ email }), "signInWithOtp");
    const { mails } = await (await fetch(`${input.base}/__firedrill/mail`)).json();
    const { link } = mails.find((mail) => mail.to === email);
    const back = (await fetch(link, { redirect: "manual" })).headers.get("location");
    const { session } = good(await client.auth.exchangeCodeForSession(new URL(back).searchParams.get("code")));
    equal(good(await client.auth.getUser(session.access_token)).user.email, email, "user");
  },
  async "auth.id_token"({ anon, slug, email }) {
    const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const claims = { iss: "https://accounts.google.com", sub: slug, aud: "app", email };
    const token = [{ alg: "RS256", typ: "JWT" }, claims, "signature"].map(part).join(".");
    const { user, session } = good(await anon.auth.signInWithIdToken({ provider: "google", token }));
    equal([user.email, user.app_metadata.provider], [email, "google"], "user");
    check(session.access_token, "session");
  },
  async "auth.admin"(context) {
    const { admin } = context.db.auth;
    const { email } = context;
    const made = good(await admin.createUser({ email, password: PASSWORD, email_confirm: true, user_metadata: { a: 1 } })).user;
    equal([made.email, made.user_metadata.a], [email, 1], "createUser");
    const listed = good(await admin.listUsers({ page: 1, perPage: 200 }));
    check(listed.users.some((user) => user.id === made.id) && listed.total > 0, `listUsers, total ${listed.total}`);
    equal(good(await admin.getUserById(made.id)).user.email, email, "getUserById");
    equal(good(await admin.updateUserById(made.id, { app_metadata: { plan: "pro" } })).user.app_metadata.plan, "pro", "updateUserById");
    const { session } = good(await context.anon.auth.signInWithPassword({ email, password: PASSWORD }));
    equal(claimsOf(session.access_token).app_metadata.plan, "pro", "app_metadata in the token");
    good(await admin.deleteUser(made.id), "deleteUser");
    equal(fails(await admin.getUserById(made.id), "user_not_found").status, 404, "status");
    const invited = good(await admin.inviteUserByEmail(`invited-${email}`)).user;
    check(invited.invited_at || invited.confirmation_sent_at, "inviteUserByEmail");
  },
  async "auth.admin.refused"({ anon }) {
    equal(fails(await anon.auth.admin.listUsers(), "not_admin").status, 403, "status");
  },

  // --- Storage, functions ---------------------------------------------------------------------------------------------
  async "storage.buckets"({ db, slug }) {
    good(await db.storage.createBucket(slug, { public: true }), "createBucket");
    check(good(await db.storage.listBuckets()).some((bucket) => bucket.id === slug), "listBuckets");
    equal(good(await db.storage.getBucket(slug)).public, true, "getBucket");
    good(await db.storage.updateBucket(slug, { public: false }), "updateBucket");
    equal(good(await db.storage.getBucket(slug)).public, false, "after updateBucket");
    good(await db.storage.emptyBucket(slug), "emptyBucket");
    good(await db.storage.deleteBucket(slug), "deleteBucket");
    check((await db.storage.getBucket(slug)).error, "a deleted bucket is there");
  },
  async "storage.objects"({ db, slug }) {
    good(await db.storage.createBucket(slug, { public: true }), "createBucket");
    const files = db.storage.from(slug);
    const content = Buffer.from(Array.from({ length: 2560 }, (_, at) => at % 256));
    const bytes = async (path) => Buffer.from(await good(await files.download(path), `download of ${path}`).arrayBuffer());
    const done = good(await files.upload("a/one.bin", content, { contentType: "application/octet-stream", cacheControl: "60" }), "upload");
    equal([done.path, done.fullPath], ["a/one.bin", `${slug}/a/one.bin`], "upload");
    check((await bytes("a/one.bin")).equals(content), "download");
    const listed = good(await files.list("a")).find((file) => file.name === "one.bin");
    equal(listed?.metadata.size, content.length, "list");
    equal(String((await files.upload("a/one.bin", content)).error?.statusCode), "409", "status of a second upload");
    good(await files.upload("a/one.bin", Buffer.from("new"), { upsert: true }), "upsert");
    good(await files.update("a/one.bin", Buffer.from("newer")), "update");
    good(await files.copy("a/one.bin", "a/two.bin"), "copy");
    good(await files.move("a/two.bin", "b/three.bin"), "move");
    equal(String(await bytes("b/three.bin")), "newer", "update, copy, move");
    const { publicUrl } = files.getPublicUrl("a/one.bin").data;
    equal(await (await fetch(publicUrl)).text(), "newer", "public URL");
    const { signedUrl } = good(await files.createSignedUrl("a/one.bin", 60), "createSignedUrl");
    equal(await (await fetch(signedUrl)).text(), "newer", "signed URL");
    equal(good(await files.remove(["a/one.bin"])).map((file) => file.name), ["a/one.bin"], "remove");
    check((await files.download("a/one.bin")).error, "what was removed is there");
  },
  async "storage.signed_upload"({ db, slug }) {
    good(await db.storage.createBucket(slug), "createBucket");
    const files = db.storage.from(slug);
    const { token } = good(await files.createSignedUploadUrl("x.txt"), "createSignedUploadUrl");
    good(await files.uploadToSignedUrl("x.txt", token, Buffer.from("hello")), "uploadToSignedUrl");
    equal(await good(await files.download("x.txt")).text(), "hello", "what was uploaded");
  },
  async "functions.invoke"({ anon }) {
    const answer = good(await anon.functions.invoke("hello", { body: { name: "Ada" } }));
    check(answer && typeof answer === "object", `answer ${shown(answer)}`);
  },
  async "functions.unknown"({ anon }) {
    const { error } = await anon.functions.invoke("no-such-function", { body: {} });
    check(error instanceof FunctionsHttpError && error.context.status === 404, `${error?.name} ${error?.context?.status}`);
  },

  // --- Realtime -------------------------------------------------------------------------------------------------------
  async "realtime.row_changes"({ db, slug }) {
    const came = [];
    const channel = db.channel(slug).on("postgres_changes", { event: "*", schema: "public", table: "things", filter: `slug=eq.${slug}` }, (change) => came.push(change));
    await subscribed(channel);
    await new Promise((done) => setTimeout(done, 200));
    good(await db.from("things").insert({ slug, name: "a" }));
    good(await db.from("things").insert({ slug: `${slug}-other`, name: "a" }));
    good(await db.from("things").update({ name: "b" }).eq("slug", slug));
    await until(() => came.length >= 2, `row changes, came ${shown(came)}`);
    await db.removeAllChannels();
    equal(came.map((change) => [change.eventType, change.new.name]), [["INSERT", "a"], ["UPDATE", "b"]], "changes");
    equal([came[0].schema, came[0].table, came[0].new.slug], ["public", "things", slug], "where");
    check(Number.isInteger(came[0].new.qty) && came[0].commit_timestamp, "types by `columns`, commit_timestamp");
  },
  async "realtime.broadcast"({ slug }) {
    const [one, two] = [make(input.key), make(input.key)];
    const came = [];
    await subscribed(two.channel(slug).on("broadcast", { event: "shout" }, (message) => came.push(message)));
    const speaking = one.channel(slug);
    await subscribed(speaking);
    await speaking.send({ type: "broadcast", event: "shout", payload: { text: "hi" } });
    await until(() => came.length, "the broadcast");
    equal([came[0].event, came[0].payload], ["shout", { text: "hi" }], "broadcast");
    await Promise.all([one.removeAllChannels(), two.removeAllChannels()]);
  },
  async "realtime.presence"({ anon, slug }) {
    const channel = anon.channel(slug).on("presence", { event: "sync" }, () => {});
    await subscribed(channel);
    await channel.track({ user: "ada" });
    await until(() => JSON.stringify(channel.presenceState()).includes("ada"), "presence");
    await anon.removeAllChannels();
  },
};

/** For each filter: the ids that pass it, and the ways to write it. */
const filters = {
  eq: [[1], (q) => q.eq("id", 1)],
  "eq.text": [[3], (q) => q.eq("name", "fat cat")],
  neq: [[2, 3, 4, 5], (q) => q.neq("id", 1)],
  gt: [[3, 4], (q) => q.gt("price", 2.25), (q) => q.gt("created_at", "2026-01-02T10:00:00Z").lt("id", 5)],
  gte: [[2, 3, 4], (q) => q.gte("price", 2.25)],
  lt: [[1, 5], (q) => q.lt("price", 2.25)],
  lte: [[1, 2, 5], (q) => q.lte("price", 2.25)],
  and: [[3], (q) => q.gt("price", 2).lt("price", 500).is("done", false)],
  like: [[1], (q) => q.like("name", "red%"), (q) => q.like("name", "red*")],
  ilike: [[4], (q) => q.ilike("name", "%WHALE")],
  like_any: [[1, 3], (q) => q.likeAnyOf("name", ["red%", "fat%"])],
  like_all: [[1, 2, 5], (q) => q.likeAllOf("name", ["%a%", "%p%"])],
  ilike_any: [[3, 4], (q) => q.ilikeAnyOf("name", ["%BLUE%", "%FAT%"])],
  ilike_all: [[4], (q) => q.ilikeAllOf("name", ["%BLUE%", "%whale%"])],
  match: [[3], (q) => q.filter("name", "match", "^fat")],
  imatch: [[4], (q) => q.filter("name", "imatch", "^blue")],
  is: [[1, 4], (q) => q.is("note", null)],
  "is.true": [[2, 4], (q) => q.is("done", true)],
  in: [[1, 3], (q) => q.in("id", [1, 3])],
  "in.quoted": [[2, 5], (q) => q.filter("note", "in", '("ripe, \\"soft\\"",empty)')],
  isdistinct: [[2, 3, 4, 5], (q) => q.filter("qty", "isdistinct", 10)],
  "contains.array": [[1, 2], (q) => q.contains("tags", ["fruit"])],
  "contains.json": [[3, 4], (q) => q.contains("meta", { kind: "animal" })],
  "contains.range": [[2], (q) => q.contains("span", "[6,7)")],
  contained_by: [[1, 2, 5], (q) => q.containedBy("tags", ["fruit", "red", "green"])],
  overlaps: [[1, 4], (q) => q.overlaps("tags", ["red", "blue"])],
  range_lt: [[1, 2], (q) => q.rangeLt("span", "[10,20)")],
  range_gt: [[3, 4], (q) => q.rangeGt("span", "[5,10)")],
  range_lte: [[1, 2], (q) => q.rangeLte("span", "[5,10)")],
  range_gte: [[3, 4], (q) => q.rangeGte("span", "[10,20)")],
  range_adjacent: [[1, 3], (q) => q.rangeAdjacent("span", "[5,10)")],
  fts: [[3], (q) => q.textSearch("name", "fat&cat"), (q) => q.textSearch("note", "'sleep'")],
  plfts: [[3], (q) => q.textSearch("name", "cat fat", { type: "plain" })],
  phfts: [[3], (q) => q.textSearch("name", "fat cat", { type: "phrase" })],
  wfts: [[3], (q) => q.textSearch("name", "cat -dog", { type: "websearch" }), (q) => q.textSearch("note", "sleeping cat", { type: "websearch", config: "english" })],
  eq_any: [[1, 3], (q) => q.filter("id", "eq(any)", "{1,3}")],
  json_path: [[1, 2], (q) => q.eq("meta->>kind", "fruit"), (q) => q.lt("meta->n", 3)],
  "json_path.deep": [[1], (q) => q.eq("meta->size->>w", "3")],
  not: [[2, 3, 5], (q) => q.not("note", "is", null)],
  "not.in": [[3, 4, 5], (q) => q.not("id", "in", "(1,2)")],
  match_dict: [[2], (q) => q.match({ id: 2, done: true })],
  or: [[1, 4], (q) => q.or("id.eq.1,price.gt.500")],
  "or.nested": [[2, 4, 5], (q) => q.or("and(price.gt.2,done.is.true),name.eq.plain box")],
  "or.in": [[1, 2, 4], (q) => q.or("id.in.(1,2),note.is.null")],
  "or.not": [[1, 5], (q) => q.or("id.eq.1,not.and(tags.not.eq.{},id.lt.99)")],
};
for (const [name, [expected, ...ways]] of Object.entries(filters)) {
  cases[`filter.${name}`] = async ({ db }) => {
    for (const way of ways) equal(await ids(way(db.from("items").select("id"))), expected, name);
  };
}

await run(cases, input, contextOf);
