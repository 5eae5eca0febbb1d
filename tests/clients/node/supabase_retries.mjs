// What the official Node client of Supabase makes of failures: one call per case, with its own retries.

import { asked, emit, library } from "./harness.mjs";

const { cases, module, key } = await asked();
const { createClient } = await library(module);
const { default: ws } = await library("ws");

/** The class of a result: an error's code, or, where the server gave none, its message's beginning. */
function classed({ data, error, status }) {
  if (!error) return data === null ? "done" : "rows";
  if (error.name?.startsWith("Auth")) return error.name === "AuthApiError" && error.code ? `AuthApiError ${error.code}` : error.name;
  if (error.code && !/^\d*$/.test(error.code)) return `error ${error.code}`;
  if (/^\d{5}$/.test(error.code ?? "")) return `error ${error.code}`;
  const message = String(error.message).trimStart();
  if (message.startsWith("<!DOCTYPE")) return `error of HTML`;
  if (status === 200) return "error with status 200";
  return `error \`${message.slice(0, 40)}\``;
}

async function call(client, one) {
  const items = client.from("items");
  const things = client.from("things");
  switch (one.ask) {
    case "get": {
      const query = items.select("*");
      return query.abortSignal ? (one.timeout ? query.abortSignal(AbortSignal.timeout(one.timeout * 1000)) : query) : query;
    }
    case "head": {
      const result = await items.select("*", { count: "exact", head: true });
      return result.error || result.count !== null ? result : { outcome: "no count" };
    }
    case "post":
      return things.insert({ slug: "retry", name: "a" });
    case "post one":
    case "post four": {
      const rows = Array(one.ask === "post one" ? 1 : 4).fill({ name: "read back" });
      const told = await client.from("entries").insert(rows).select();
      if (told.error || told.data.length !== rows.length) return told;
      const there = await client.from("entries").select("id").eq("name", "read back");
      return there.error ? there : { outcome: `${there.data.length} of ${rows.length} rows` };
    }
    case "patch":
      return things.update({ name: "b" }).eq("slug", "retry");
    case "delete":
      return things.delete().eq("slug", "retry");
    case "sign_in":
      return client.auth.signInWithPassword({ email: "a@example.com", password: "secret-password" });
    case "refresh":
      return client.auth.refreshSession({ refresh_token: "some-refresh-token" });
    case "refresh twice":
      await client.auth.refreshSession({ refresh_token: "some-refresh-token" });
      return client.auth.refreshSession({ refresh_token: "some-refresh-token" });
  }
}

await Promise.all(
  cases.map(async (one) => {
    const client = createClient(one.base, key, {
      auth: { persistSession: false, autoRefreshToken: false },
      realtime: { transport: ws },
    });
    const begun = performance.now();
    let outcome;
    let why = "";
    try {
      const result = await call(client, one);
      outcome = result.outcome ?? classed(result);
      why = String(result.error?.message ?? "").slice(0, 160);
    } catch (error) {
      outcome = `raised ${error?.constructor?.name}`;
      why = String(error?.message).slice(0, 160);
    }
    emit({ case: one.case, outcome, why, elapsed: (performance.now() - begun) / 1000 });
  }),
);
process.exit(0);
