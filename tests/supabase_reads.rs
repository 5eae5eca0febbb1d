//! Reads of the Supabase mock from outside: forms, ranges and headers of answers, relations, functions, refusals.
//! What queries mean is held against a real PostgreSQL in `postgres_reads.rs`.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::event::EventSink;
use firedrill::model::function::{ArgumentPlan, FunctionBody, FunctionPlan, ReturnsPlan};
use firedrill::model::upstream::{SeedFile, SeedFormat, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::Seed;
use firedrill::upstream::Upstreams;
use http::{HeaderMap, Method};
use proptest::prelude::*;
use reqwest::Client;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const SCHEMA: &str = r#"
create table authors (id int primary key, name text not null);
create table books (
    id int primary key, title text, author_id int references authors(id), editor_id int references authors(id),
    price numeric, meta jsonb, note text
);
create table tags (id int primary key, label text);
create table book_tags (book_id int references books(id), tag_id int references tags(id), primary key (book_id, tag_id));
create table covers (book_id int primary key references books(id), color text);
create table folders (id int primary key, name text, parent_id int references folders(id));
create table notes (id int primary key, owner uuid, body text, book_id int references books(id));
alter table notes enable row level security;
create policy own on notes using (auth.uid() = owner);
insert into authors values (1, 'Ann'), (2, 'Bob');
insert into books values
    (1, 'One', 1, 2, 10.50, '{"a": {"b": 1}, "tags": ["x"]}', null), (2, 'Two, "2"', 1, null, 3, null, 'n'),
    (3, 'Three', 2, null, null, '{"a": null}', '');
insert into tags values (1, 'red'), (2, 'blue');
insert into book_tags values (1, 1), (1, 2), (2, 2);
insert into covers values (1, 'green');
insert into folders values (1, 'root', null), (2, 'sub', 1), (3, 'other', 1);
insert into notes values
    (1, '00000000-0000-4000-8000-000000000001', 'mine', 1), (2, '00000000-0000-4000-8000-000000000002', 'theirs', 1);
"#;

struct Project {
    _upstreams: Upstreams,
    client: Client,
    base: String,
    keys: BTreeMap<String, String>,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

impl Project {
    async fn start(plan: SupabasePlan) -> Self {
        let plan = UpstreamPlan::new("supabase", UpstreamKind::Supabase(plan));
        let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
        let upstreams = Upstreams::start(&[plan], engine, Seed(1), EventSink::channel().0).await.unwrap();
        let keys = upstreams.environment();
        Self { base: upstreams.url("supabase").unwrap(), _upstreams: upstreams, client: Client::new(), keys }
    }

    async fn new() -> Self {
        Self::start(Self::plan()).await
    }

    fn plan() -> SupabasePlan {
        let file = SeedFile { name: "schema.sql".into(), format: SeedFormat::Sql, text: SCHEMA.to_owned() };
        SupabasePlan { seed_files: vec![file], ..SupabasePlan::default() }
    }

    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Reply {
        let mut request = self.client.request(method, format!("{}/rest/v1/{path}", self.base));
        if !headers.iter().any(|(name, _)| *name == "authorization") {
            request = request.bearer_auth(&self.keys["SUPABASE_SERVICE_KEY"]);
        }
        request = request.header("apikey", &self.keys["SUPABASE_ANON_KEY"]);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = body.iter().fold(request, |request, body| request.json(body)).send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Reply { status, headers, text: response.text().await.unwrap() }
    }

    async fn get(&self, path: &str) -> Reply {
        self.ask(Method::GET, path, &[], None).await
    }

    async fn with(&self, path: &str, name: &str, value: &str) -> Reply {
        self.ask(Method::GET, path, &[(name, value)], None).await
    }
}

// --- Answers ----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn an_answer_is_what_json_agg_writes() {
    let project = Project::new().await;
    let reply = project.get("books?select=id,price,meta&order=id&limit=2").await;
    let expected = "[{\"id\":1,\"price\":10.50,\"meta\":{\"a\": {\"b\": 1}, \"tags\": [\"x\"]}}, \n \
                    {\"id\":2,\"price\":3,\"meta\":null}]";
    assert_eq!(reply.text, expected);
    assert_eq!(reply.header("content-type"), "application/json; charset=utf-8");
    assert_eq!(reply.header("content-range"), "0-1/*");
    assert_eq!(reply.header("content-profile"), "public");
    assert_eq!(reply.header("content-location"), "/books?limit=2&order=id&select=id%2Cprice%2Cmeta");
    assert_eq!(project.get("books?select=").await.text, "[{}, \n {}, \n {}]");
}

#[rstest]
#[case("books", "", 200, "0-2/*")]
#[case("books", "count=exact", 200, "0-2/3")]
#[case("books?limit=2", "count=exact", 206, "0-1/3")]
#[case("books?limit=2&offset=2", "count=planned", 206, "2-2/3")]
#[case("books?id=eq.9", "count=exact", 200, "*/0")]
#[case("books?id=eq.9", "", 200, "*/*")]
#[case("books?offset=3", "count=exact", 206, "*/3")]
#[case("books?offset=4", "count=exact", 416, "*/3")]
#[case("books?offset=4", "", 200, "*/*")]
#[case("books?limit=0", "count=exact", 206, "*/3")]
#[case("books?select=id,tags!inner(id)", "count=exact", 200, "0-1/2")]
#[tokio::test]
async fn ranges_and_statuses_follow_the_count(
    #[case] path: &str,
    #[case] prefer: &str,
    #[case] status: u16,
    #[case] range: &str,
) {
    let project = Project::new().await;
    for method in [Method::GET, Method::HEAD] {
        let reply = project.ask(method.clone(), path, &[("prefer", prefer)], None).await;
        assert_eq!((reply.status, reply.header("content-range")), (status, range), "{method}");
        assert!(method == Method::GET || reply.text.is_empty());
    }
}

#[tokio::test]
async fn a_range_header_counts_for_get() {
    let project = Project::new().await;
    let headers = [("range-unit", "items"), ("range", "1-1")];
    let reply = project.ask(Method::GET, "books?select=id&order=id", &headers, None).await;
    assert_eq!((reply.status, reply.header("content-range"), reply.text.as_str()), (200, "1-1/*", "[{\"id\":2}]"));
    let refused = project.with("books", "range", "3-1").await;
    assert_eq!(refused.refusal(), (416, "PGRST103".into()));
}

#[rstest]
#[case("books?id=eq.2&select=id,note", "application/vnd.pgrst.object+json", "{\"id\":2,\"note\":\"n\"}")]
#[case("books?id=eq.1&select=id,note", "application/vnd.pgrst.object+json;nulls=stripped", "{\"id\":1}")]
#[case(
    "books?select=id,note&order=id",
    "application/vnd.pgrst.array+json;nulls=stripped",
    "[{\"id\":1},{\"id\":2,\"note\":\"n\"},{\"id\":3,\"note\":\"\"}]"
)]
#[case(
    "books?select=id,title,note,meta&order=id",
    "text/csv",
    "id,title,note,meta\n1,One,,\"{\"\"a\"\": {\"\"b\"\": 1}, \"\"tags\"\": [\"\"x\"\"]}\"\n2,\"Two, \"\"2\"\"\",n,\n\
     3,Three,\"\",\"{\"\"a\"\": null}\""
)]
#[tokio::test]
async fn rows_come_in_the_form_that_is_asked_for(#[case] path: &str, #[case] accept: &str, #[case] expected: &str) {
    let reply = Project::new().await.with(path, "accept", accept).await;
    assert_eq!((reply.status, reply.text.as_str()), (200, expected));
    assert_eq!(reply.header("content-type"), format!("{accept}; charset=utf-8"));
}

#[rstest]
#[case("books?select=id", "The result contains 3 rows")]
#[case("books?id=eq.9", "The result contains 0 rows")]
#[tokio::test]
async fn one_row_is_one_row(#[case] path: &str, #[case] details: &str) {
    let reply = Project::new().await.with(path, "accept", "application/vnd.pgrst.object+json").await;
    assert_eq!(reply.refusal(), (406, "PGRST116".into()));
    assert_eq!(reply.json()["details"], details);
    assert_eq!(reply.json()["message"], "Cannot coerce the result to a single JSON object");
}

#[tokio::test]
async fn no_answer_has_more_rows_than_the_project_allows() {
    let rows: Vec<Value> = (0..1_200).map(|id| json!({"id": id})).collect();
    let plan = SupabasePlan { seed: BTreeMap::from([("many".into(), rows)]), ..SupabasePlan::default() };
    let reply = Project::start(plan.clone()).await.with("many?select=id", "prefer", "count=exact").await;
    assert_eq!((reply.status, reply.header("content-range")), (206, "0-999/1200"));
    let plan = SupabasePlan { max_rows: Some(5), ..plan };
    let reply = Project::start(plan).await.get("many?limit=10").await;
    assert_eq!(reply.header("content-range"), "0-4/*");
}

// --- Relations --------------------------------------------------------------------------------------------------

#[rstest]
#[case("books?select=id,author:authors!author_id(name)&id=eq.1", r#"[{"id":1,"author":{"name":"Ann"}}]"#)]
#[case("books?select=id,editor_id(name)&id=eq.2", r#"[{"id":2,"editor_id":null}]"#)]
#[case("books?select=tags(label)&id=eq.1&tags.order=label", r#"[{"tags":[{"label":"blue"},{"label":"red"}]}]"#)]
#[case("books?select=id,covers(color)&id=in.(1,2)", r#"[{"id":1,"covers":{"color":"green"}},{"id":2,"covers":null}]"#)]
#[case("folders?select=id,folders(id)&id=eq.1", r#"[{"id":1,"folders":[{"id":2},{"id":3}]}]"#)]
#[case("folders?select=id,parent_id(name)&id=eq.2", r#"[{"id":2,"parent_id":{"name":"root"}}]"#)]
#[case("books?select=id,...authors!author_id(by:name)&id=eq.3", r#"[{"id":3,"by":"Bob"}]"#)]
#[case("books?select=id,...tags(label)&id=eq.1", r#"[{"id":1,"label":["red","blue"]}]"#)]
#[case(
    "authors?select=id,books!author_id(count)&order=id",
    r#"[{"id":1,"books":[{"count":2}]},{"id":2,"books":[{"count":1}]}]"#
)]
#[case("books?select=id,tags()&tags=not.is.null", r#"[{"id":1},{"id":2}]"#)]
#[case("books?select=id&order=id.desc&limit=1", r#"[{"id":3}]"#)]
#[case(
    "books?select=id,authors!author_id(name)&order=authors(name).desc,id&limit=1",
    r#"[{"id":3,"authors":{"name":"Bob"}}]"#
)]
#[case(
    "authors?select=name,b:books!author_id(id,tags(id))&b.tags.id=eq.2&b.limit=1&id=eq.1",
    r#"[{"name":"Ann","b":[{"id":1,"tags":[{"id":2}]}]}]"#
)]
#[tokio::test]
async fn relations_are_embedded(#[case] path: &str, #[case] expected: Value) {
    let expected: Value = serde_json::from_str(expected.as_str().unwrap_or_default()).unwrap_or(expected);
    assert_eq!(Project::new().await.get(path).await.json(), expected);
}

#[rstest]
#[case(
    "books?select=nothing(id)",
    400,
    "PGRST200",
    "Could not find a relationship between 'books' and 'nothing' in the schema cache"
)]
#[case(
    "books?select=authors(id)",
    300,
    "PGRST201",
    "Could not embed because more than one relationship was found for 'books' and 'authors'"
)]
#[case("books?select=id&tags.id=eq.1", 400, "PGRST108", "'tags' is not an embedded resource in this request")]
#[case("books?select=id,tags(id)&order=tags(id)", 400, "PGRST118", "A related order on 'tags' is not possible")]
#[case("books?select=id.sum()", 400, "PGRST123", "Use of aggregate functions is not allowed")]
#[case("book", 404, "PGRST205", "Could not find the table 'public.book' in the schema cache")]
#[case("books?titel=eq.1", 400, "42703", "column books.titel does not exist")]
#[case("books?select=id,tags(lable)", 400, "42703", "column tags.lable does not exist")]
#[case("books?select=id,covers(colour)", 400, "42703", "column covers_1.colour does not exist")]
#[case("books?id=eq.one", 400, "22P02", "invalid input syntax for type integer: \"one\"")]
#[case("books?id=frob.1", 400, "PGRST100", "\"failed to parse filter (frob.1)\" (line 1, column 1)")]
#[case("books/1/2", 404, "PGRST125", "Invalid path specified in request URL")]
#[tokio::test]
async fn refusals_are_postgrests_own(
    #[case] path: &str,
    #[case] status: u16,
    #[case] code: &str,
    #[case] message: &str,
) {
    let reply = Project::new().await.get(path).await;
    assert_eq!(reply.refusal(), (status, code.into()), "{}", reply.text);
    assert_eq!(reply.json()["message"], message);
    assert_eq!(reply.header("proxy-status"), format!("PostgREST; error={code}"));
}

#[tokio::test]
async fn refusals_say_what_might_be_meant() {
    let project = Project::new().await;
    let hint = |reply: Reply| reply.json()["hint"].clone();
    assert_eq!(hint(project.get("book").await), "Perhaps you meant the table 'public.books'");
    assert_eq!(hint(project.get("books?select=tag(id)").await), "Perhaps you meant 'tags' instead of 'tag'.");
    let column = "Perhaps you meant to reference the column \"books.title\".";
    assert_eq!(hint(project.get("books?select=titel").await), column);
    let several = project.get("books?select=authors(id)").await.json();
    assert_eq!(
        several["details"],
        json!([
            {"cardinality": "many-to-one", "embedding": "books with authors",
             "relationship": "books_author_id_fkey using books(author_id) and authors(id)"},
            {"cardinality": "many-to-one", "embedding": "books with authors",
             "relationship": "books_editor_id_fkey using books(editor_id) and authors(id)"},
        ])
    );
    assert_eq!(
        several["hint"],
        "Try changing 'authors' to one of the following: 'authors!books_author_id_fkey', \
         'authors!books_editor_id_fkey'. Find the desired relationship in the 'details' key."
    );
}

#[tokio::test]
async fn aggregates_are_on_where_the_project_says_so() {
    let project = Project::start(SupabasePlan { aggregates: true, ..Project::plan() }).await;
    let reply = project.get("books?select=author_id,price.sum(),n:count()&order=author_id").await;
    assert_eq!(reply.text, "[{\"author_id\":1,\"sum\":13.50,\"n\":2}, \n {\"author_id\":2,\"sum\":null,\"n\":1}]");
    let spread = project.get("books?select=...authors!author_id(name),count()&order=id").await;
    assert_eq!(spread.refusal(), (400, "42803".into()));
    let spread = project.get("books?select=count(),...authors!author_id(name)").await.json();
    assert_eq!(spread, json!([{"count": 2, "name": "Ann"}, {"count": 1, "name": "Bob"}]));
}

#[tokio::test]
async fn row_level_security_holds_for_what_is_embedded_too() {
    let project = Project::new().await;
    let all = project.get("books?select=notes(body)&id=eq.1&notes.order=id").await.json();
    assert_eq!(all, json!([{"notes": [{"body": "mine"}, {"body": "theirs"}]}]));
    let anon = format!("Bearer {}", project.keys["SUPABASE_ANON_KEY"]);
    let none = project.with("books?select=notes(body)&id=eq.1", "authorization", &anon).await.json();
    assert_eq!(none, json!([{"notes": []}]));
    let count = project.ask(Method::HEAD, "notes", &[("authorization", &anon), ("prefer", "count=exact")], None).await;
    assert_eq!(count.header("content-range"), "*/0");
}

#[tokio::test]
async fn without_a_schema_names_say_what_belongs_together() {
    let seed = json!({"items": [{"id": "a"}, {"id": "b"}], "comments": [{"id": 1, "item_id": "a", "text": "hi"}]});
    let plan = SupabasePlan { seed: serde_json::from_value(seed).unwrap(), ..SupabasePlan::default() };
    let project = Project::start(plan).await;
    let items = project.get("items?select=id,comments(text)&order=id").await.json();
    assert_eq!(items, json!([{"id": "a", "comments": [{"text": "hi"}]}, {"id": "b", "comments": []}]));
    let comments = project.get("comments?select=items!inner(id)&items.id=eq.a").await.json();
    assert_eq!(comments, json!([{"items": {"id": "a"}}]));
    assert_eq!(project.get("never_written?select=*&a=eq.1").await.text, "[]");
    assert_eq!(
        project.get("items?colour=is.null&select=id,colour&order=id&limit=1").await.json(),
        json!([{"id": "a", "colour": null}])
    );
}

// --- Around it --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn schemas_are_chosen_by_profile() {
    let project = Project::new().await;
    let reply = project.with("books", "accept-profile", "secret").await;
    assert_eq!(reply.refusal(), (406, "PGRST106".into()));
    assert_eq!(reply.json()["message"], "Invalid schema: secret");
    assert_eq!(reply.json()["hint"], "Only the following schemas are exposed: public, graphql_public");
    assert_eq!(project.with("books?limit=1", "content-profile", "secret").await.status, 200);
}

#[rstest]
#[case("application/vnd.pgrst.plan+text; for=\"application/json\"; options=analyze|verbose")]
#[case("application/geo+json")]
#[tokio::test]
async fn forms_that_a_fresh_project_has_not_are_refused(#[case] accept: &str) {
    let reply = Project::new().await.with("books", "accept", accept).await;
    assert_eq!(reply.refusal(), (406, "PGRST107".into()));
    assert_eq!(reply.json()["message"], format!("None of these media types are available: {accept}"));
}

#[tokio::test]
async fn the_root_describes_the_schema() {
    let project = Project::new().await;
    let reply = project.get("").await;
    assert_eq!(reply.header("content-type"), "application/openapi+json; charset=utf-8");
    let document = reply.json();
    assert_eq!(document["definitions"]["books"]["properties"]["price"], json!({"format": "numeric", "type": "number"}));
    assert_eq!(document["definitions"]["authors"]["required"], json!(["id", "name"]));
    assert!(document["paths"]["/tags"]["get"].is_object());
    let options = project.ask(Method::OPTIONS, "books", &[], None).await;
    assert_eq!((options.status, options.header("allow")), (200, "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"));
}

// --- Functions --------------------------------------------------------------------------------------------------

fn function(
    name: &str,
    arguments: &[(&str, &str, Option<Value>)],
    returns: ReturnsPlan,
    body: FunctionBody,
) -> FunctionPlan {
    let arguments = arguments
        .iter()
        .map(|(name, kind, default)| ArgumentPlan {
            name: (*name).into(),
            kind: (*kind).into(),
            default: default.clone(),
        })
        .collect();
    FunctionPlan { schema: "public".into(), name: name.into(), arguments, returns, volatile: false, body }
}

async fn functions() -> Project {
    let query = |from: &str, select: Option<&str>, rows: &str| FunctionBody::Query {
        from: from.into(),
        select: select.map(str::to_owned),
        rows: rows.into(),
        definer: false,
    };
    let constant = |value: Value| FunctionBody::Constant(value);
    let functions = vec![
        function("one", &[], ReturnsPlan::Scalar("int".into()), constant(json!(1))),
        function("nothing", &[], ReturnsPlan::Void, constant(Value::Null)),
        function(
            "greet",
            &[("name", "text", None), ("mark", "text", Some(json!("!")))],
            ReturnsPlan::Scalar("text".into()),
            FunctionBody::Template("{{ \"Hello \" ~ name ~ mark }}".into()),
        ),
        function(
            "books_by",
            &[("author", "int", None)],
            ReturnsPlan::Rows("books".into()),
            query("books", None, "author_id=eq.{author}&order=id.desc"),
        ),
        function("how_many", &[], ReturnsPlan::Scalar("bigint".into()), query("books", Some("count"), "")),
        function(
            "first_book",
            &[("n", "int", None)],
            ReturnsPlan::Row("books".into()),
            query("books", None, "id=eq.{n}"),
        ),
        function(
            "pairs",
            &[],
            ReturnsPlan::Table(vec![("a".into(), "int".into()), ("b".into(), "timestamptz".into())]),
            constant(json!([{"a": 1, "b": "2024-01-01"}, {"a": 2}])),
        ),
        function("numbers", &[], ReturnsPlan::Scalars("int".into()), constant(json!([3, 4]))),
        function("over", &[("a", "int", None)], ReturnsPlan::Scalar("int".into()), constant(json!(1))),
        function("over", &[("a", "text", None)], ReturnsPlan::Scalar("int".into()), constant(json!(2))),
        FunctionPlan { volatile: true, ..function("change", &[], ReturnsPlan::Void, constant(Value::Null)) },
        function(
            "fails",
            &[("why", "text", None)],
            ReturnsPlan::Void,
            FunctionBody::Raise {
                code: "P0001".into(),
                message: "no: {why}".into(),
                details: None,
                hint: Some("try again".into()),
            },
        ),
    ];
    Project::start(SupabasePlan { functions, ..Project::plan() }).await
}

#[rstest]
#[case("rpc/one", json!({}), 200, "1")]
#[case("rpc/nothing", json!({}), 204, "")]
#[case("rpc/greet", json!({"name": "a \"b\""}), 200, "\"Hello a \\\"b\\\"!\"")]
#[case("rpc/greet", json!({"name": "a", "mark": "?"}), 200, "\"Hello a?\"")]
#[case("rpc/books_by?select=id,tags(label)&id=gt.1", json!({"author": 1}), 200, "[{\"id\":2,\"tags\":[{\"label\": \"blue\"}]}]")]
#[case("rpc/books_by?select=id&limit=1", json!({"author": "1"}), 200, "[{\"id\":2}]")]
#[case("rpc/how_many", json!({}), 200, "3")]
#[case("rpc/first_book?select=title", json!({"n": 1}), 200, "{\"title\":\"One\"}")]
#[case("rpc/first_book?select=title", json!({"n": 9}), 200, "{\"title\":null}")]
#[case("rpc/pairs?order=a.desc", json!({}), 200, "[{\"a\":2,\"b\":null}, \n {\"a\":1,\"b\":\"2024-01-01T00:00:00+00:00\"}]")]
#[case("rpc/numbers", json!({}), 200, "[3, 4]")]
#[tokio::test]
async fn functions_give_what_their_rules_say(
    #[case] path: &str,
    #[case] arguments: Value,
    #[case] status: u16,
    #[case] expected: &str,
) {
    let project = functions().await;
    let reply = project.ask(Method::POST, path, &[], Some(arguments.clone())).await;
    assert_eq!((reply.status, reply.text.as_str()), (status, expected));
    let separator = if path.contains('?') { '&' } else { '?' };
    let said: Vec<String> = arguments
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| {
            format!("{name}={}", value.as_str().map_or(value.to_string(), |text| text.replace('?', "%3F")))
        })
        .collect();
    let reply = project.get(&format!("{path}{separator}{}", said.join("&"))).await;
    assert_eq!((reply.status, reply.text.as_str()), (status, expected), "by GET");
}

#[rstest]
#[case(Method::POST, "rpc/gret", json!({"name": "x"}), 404, "PGRST202",
    "Could not find the function public.gret(name) in the schema cache", "Perhaps you meant to call the function public.greet")]
#[case(Method::POST, "rpc/greet", json!({"nam": "x"}), 404, "PGRST202",
    "Could not find the function public.greet(nam) in the schema cache", "Perhaps you meant to call the function public.greet(mark, name)")]
#[case(Method::POST, "rpc/greet", json!({}), 404, "PGRST202",
    "Could not find the function public.greet without parameters in the schema cache", "")]
#[case(Method::POST, "rpc/over", json!({"a": 1}), 300, "PGRST203",
    "Could not choose the best candidate function between: public.over(a => integer), public.over(a => text)",
    "Try renaming the parameters or the function itself in the database so function overloading can be resolved")]
#[case(Method::GET, "rpc/change", json!({}), 405, "25006", "cannot execute INSERT in a read-only transaction", "")]
#[case(Method::PUT, "rpc/one", json!({}), 405, "PGRST101", "Cannot use the PUT method on RPC", "")]
#[case(Method::POST, "rpc/books_by", json!({"author": "x"}), 400, "22P02", "invalid input syntax for type integer: \"x\"", "")]
#[case(Method::POST, "rpc/fails", json!({"why": "because"}), 400, "P0001", "no: because", "try again")]
#[tokio::test]
async fn calls_are_refused_in_postgrests_words(
    #[case] method: Method,
    #[case] path: &str,
    #[case] arguments: Value,
    #[case] status: u16,
    #[case] code: &str,
    #[case] message: &str,
    #[case] hint: &str,
) {
    let body = (method != Method::GET).then_some(arguments);
    let reply = functions().await.ask(method, path, &[], body).await;
    assert_eq!(reply.refusal(), (status, code.into()), "{}", reply.text);
    assert_eq!(reply.json()["message"], message);
    assert_eq!(reply.json()["hint"].as_str().unwrap_or_default(), hint);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_query_brings_the_mock_down(queries in proptest::collection::vec(
        "(select|order|id|title|or|meta->a|price|tags.id|limit|offset|columns)=[a-z(),.:!*>\"{}\\[\\]0-9+%-]{0,30}(&title=(eq|cs|fts|in|like|match|is)\\.[a-z(),*%\\\\]{0,8})?", 1..20,
    )) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let project = Project::new().await;
            for query in queries {
                let reply = project.get(&format!("books?{query}")).await;
                assert!(reply.status < 500 || reply.refusal().1 == "0A000", "{query}: {} {}", reply.status, reply.text);
            }
            assert_eq!(project.get("books?select=id&id=eq.1").await.status, 200);
        });
    }
}

#[tokio::test]
async fn a_function_with_columns_of_its_own_gives_just_these() {
    let query = |select: Option<&str>, rows: &str| FunctionBody::Query {
        from: "books".into(),
        select: select.map(str::to_owned),
        rows: rows.into(),
        definer: false,
    };
    let columns = |all: &[(&str, &str)]| {
        ReturnsPlan::Table(all.iter().map(|(name, kind)| ((*name).into(), (*kind).into())).collect())
    };
    let functions = vec![
        function("by_name", &[], columns(&[("title", "text"), ("id", "bigint")]), query(None, "id=lt.3&order=id.desc")),
        function(
            "by_place",
            &[],
            columns(&[("n", "text"), ("who", "text")]),
            query(Some("id,...authors!books_author_id_fkey(name)"), "id=eq.3"),
        ),
        function("too_few", &[], columns(&[("a", "int"), ("b", "int")]), query(Some("id"), "")),
    ];
    let project = Project::start(SupabasePlan { functions, ..Project::plan() }).await;
    let told = project.get("rpc/by_name").await;
    assert_eq!(told.json(), json!([{"title": "Two, \"2\"", "id": 2}, {"title": "One", "id": 1}]));
    assert_eq!(project.get("rpc/by_name?select=id&id=eq.1").await.json(), json!([{"id": 1}]));
    assert_eq!(project.get("rpc/by_place").await.json(), json!([{"n": "3", "who": "Bob"}]));
    assert_eq!(project.get("rpc/too_few").await.refusal(), (400, "42804".into()));
}
