//! Values and writes of the Supabase mock beside those of a real PostgreSQL: every type with texts that are and are
//! not its values, and random statements against constraints. What is stored must be the same to the byte, refusals
//! the same in SQLSTATE, words and details.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

#[path = "postgres/server.rs"]
mod server;

use firedrill::fault::Engine;
use firedrill::model::event::EventSink;
use firedrill::model::upstream::{SeedFile, SeedFormat, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::Seed;
use firedrill::upstream::Upstreams;
use http::Method;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use reqwest::Client;
use serde_json::{Value, json};
use server::Server;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What either side says: a text, or an SQLSTATE with words and details.
type Said = Result<String, (String, String, Option<String>)>;

struct Mock {
    _upstreams: Upstreams,
    client: Client,
    base: String,
    key: String,
}

impl Mock {
    async fn start(script: &str) -> Self {
        let file = SeedFile { name: "schema.sql".into(), format: SeedFormat::Sql, text: script.to_owned() };
        let plan = SupabasePlan { seed_files: vec![file], ..SupabasePlan::default() };
        let plan = UpstreamPlan::new("supabase", UpstreamKind::Supabase(plan));
        let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
        let upstreams = Upstreams::start(&[plan], engine, Seed(1), EventSink::channel().0).await.unwrap();
        let key = upstreams.environment()["SUPABASE_SERVICE_KEY"].clone();
        Self { base: upstreams.url("supabase").unwrap(), _upstreams: upstreams, client: Client::new(), key }
    }

    async fn ask(&self, method: Method, path: &str, prefer: &str, body: &str) -> Said {
        let url = format!("{}/rest/v1/{path}", self.base);
        let request = self.client.request(method, url).header("apikey", &self.key).bearer_auth(&self.key);
        let request = request.header("prefer", prefer).header("content-type", "application/json").body(body.to_owned());
        let response = request.send().await.unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        if status.is_success() {
            return Ok(body);
        }
        let error: Value = serde_json::from_str(&body).unwrap();
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        Err((text("code").unwrap_or_default(), text("message").unwrap_or_default(), text("details")))
    }
}

async fn ask(client: &tokio_postgres::Client, sql: &str) -> Said {
    match client.query_one(sql, &[]).await {
        Ok(row) => Ok(row.get::<_, Option<String>>(0).unwrap_or_default()),
        Err(error) => {
            let error = error.as_db_error().unwrap_or_else(|| panic!("{error}: {sql}"));
            let details = error.detail().map(str::to_owned);
            Err((error.code().code().to_owned(), error.message().to_owned(), details))
        }
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

const TYPES: [&str; 34] = [
    "boolean",
    "smallint",
    "integer",
    "bigint",
    "real",
    "double precision",
    "numeric",
    "numeric(5,2)",
    "numeric(3,-1)",
    "text",
    "varchar(4)",
    "char(3)",
    "uuid",
    "timestamptz",
    "timestamptz(3)",
    "timestamp",
    "date",
    "time",
    "interval",
    "json",
    "jsonb",
    "bytea",
    "mood",
    "integer[]",
    "text[]",
    "timestamptz[]",
    "mood[]",
    "numeric[]",
    "int4range",
    "int8range",
    "numrange",
    "tstzrange",
    "tsrange",
    "daterange",
];

/// Texts that come close to being values.
const TEXTS: [&str; 137] = [
    "",
    " ",
    "true",
    "TRUE",
    " t ",
    "f",
    "yes",
    "of",
    "on",
    "0",
    "1",
    "-1",
    "+7",
    "007",
    "12",
    "1.5",
    "-0.0",
    "-0",
    ".5",
    "5.",
    "1e3",
    "1E-3",
    "1e400",
    "1e-400",
    "123.456",
    "999.994",
    "999.995",
    "99999",
    "-32768",
    "32768",
    "2147483647",
    "2147483648",
    "-2147483649",
    "9223372036854775807",
    "9223372036854775808",
    "0x10",
    "1_000",
    "NaN",
    "inf",
    "-Infinity",
    "nul\\u006c",
    "3.4e38",
    "3.5e38",
    "1e-46",
    "0.1",
    "0.30000000000000004",
    "1e15",
    "123456789012345678",
    "1e-5",
    "0.0001",
    "1e21",
    "abc",
    "abcd",
    "abcde",
    "abc   ",
    "ä€😀x",
    "a\"b\\c",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "A0EEBC999C0B4EF8BB6D6BB9BD380A11",
    "{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
    "a0eebc99--9c0b-4ef8-bb6d-6bb9bd380a11",
    "2025-11-23",
    "2025-11-23T10:00:00",
    "2025-11-23 10:00:00.123456789",
    "2025-11-23T10:00:00Z",
    "2025-11-23 12:00+02",
    "2025-11-23 12:00:00 -05:30",
    "2025-11-23 12:00:00+0530",
    "20251123",
    "20251123T101500",
    "2025-02-29",
    "2024-02-29",
    "2025-13-01",
    "2025-11-31",
    "2025-11-23 25:00",
    "2025-11-23 24:00:00",
    "2025-11-23 23:59:60",
    "2025-11-23 10:60",
    "2025-11-23T10:00:00+16",
    "11/23/2025",
    "23/11/2025",
    "Nov 23, 2025",
    "23 November 2025 4:05 pm",
    "2025-7-4",
    "infinity",
    "epoch",
    "0044-03-15 BC",
    "10000-01-01",
    "2025-07-01 12:00 Europe/Berlin",
    "2025-07-01 12:00 UTC",
    "2025-11-23 12:00 EST",
    "2025-11-23 10:00:00.5 11",
    "10:00",
    "10:00:00.25",
    "4:05 PM",
    "04:05:06+02",
    "1 day",
    "1 year 2 mons -3 days 04:05:06.5",
    "90 minutes",
    "P1DT2H",
    "2 weeks ago",
    "1.5 days",
    "-1 day +02:00",
    "1 fortnight",
    "3 hours 20 min",
    "null",
    "{}",
    "[]",
    "[1, 2.50,\"x\"]",
    "{\"b\":1,\"a\":[true,null],\"b\":2}",
    "{\"aa\":1,\"b\":1e2}",
    "{\"a\"}",
    "[1,]",
    "\"x\\u00e9\"",
    "nope",
    "{\"a\":1",
    "\\xDEADbeef",
    "\\xabc",
    "\\101\\\\x",
    "sad",
    "happy",
    "Happy",
    "{1,2,3}",
    "{1,NULL,\"3\"}",
    "{{1,2},{3,4}}",
    "{{1},{2,3}}",
    "{1,2",
    "{a,\"b c\",\"\\\"\"}",
    "{sad,ok}",
    "{ a , b }",
    "{\"\",null,NULL}",
    "[1,5)",
    "(1,5]",
    "[1,1)",
    "empty",
    "(,)",
];

/// More texts: those of ranges.
const RANGES: [&str; 14] = [
    "[1,1]",
    "[5,1]",
    "[,3]",
    "(3,]",
    "[1,2147483647]",
    "[1.5,2.5)",
    "[2025-01-01,2025-01-31]",
    "(2025-01-01,2025-01-02)",
    "[2025-01-01 10:00,2025-01-01 12:00+02)",
    "[a,b]",
    "[1,2",
    "1,2]",
    "[1,2,3]",
    "[\"2025-01-01 10:00:00+00\",infinity]",
];

/// JSON that stands in a column.
const JSONS: [&str; 30] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "12",
    "1.50",
    "1e2",
    "1E+2",
    "12345678901234567890",
    "0.1e-7",
    "\"\"",
    "\"12\"",
    "\"true\"",
    "\"sad\"",
    "\"{1,2}\"",
    "\"caf\\u00e9 \\ud83d\\ude00 \\n\\\"\"",
    "\"2025-11-23T10:00:00.000Z\"",
    "[]",
    "[1,2]",
    "[1, null, \"3\"]",
    "[[1,2],[3,4]]",
    "[[1],[2,3]]",
    "[1,[2]]",
    "[\"a\",\"b c\"]",
    "{}",
    "{\"b\": 1,  \"a\": {\"c\": [1.0]}}",
    "{\"a\":1,\"a\":2}",
    "[{\"a\": 1}]",
    "\"[1,5)\"",
];

fn schema() -> String {
    let mut script = String::from("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');\n");
    for (at, kind) in TYPES.iter().enumerate() {
        script.push_str(&format!("CREATE TABLE t{at} (n serial, v {kind});\n"));
    }
    script
}

/// What PostgreSQL makes of a text that nobody sends, by accidents of its parsers; the mock refuses it too, but with
/// another SQLSTATE.
fn is_far_fetched(kind: &str, json: &str) -> bool {
    let any = |texts: &[&str]| texts.iter().any(|text| json.contains(text));
    let moment = kind.starts_with("timestamp") || kind == "date" || kind.starts_with("timestamptz[]");
    moment && any(&["0.30000000000000004", "[1,2147483647]"])
        // A word with a digit in it is looked up as the name of a zone.
        || kind == "time" && any(&["a0eebc99", "A0EEBC99", "P1DT2H", "2147483", "3456789", "92233", "1_000", "[1,2147", "-32768"])
        // A date is an interval: so many years, months and days.
        || kind == "interval" && any(&["2025-13-01", "10:60"])
}

/// The differences, told so that one can act on them.
fn differences(all: Vec<String>, of: usize) {
    let shown = all.len().min(150);
    assert!(all.is_empty(), "{} of {of} differ:\n{}", all.len(), all[..shown].join("\n"));
}

#[tokio::test]
#[ignore = "starts a real PostgreSQL"]
async fn values_are_read_and_written_as_postgresql_does() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute(&schema()).await.unwrap();
    let mock = Mock::start(&schema()).await;
    let (mut different, mut accepted, mut refused) = (Vec::new(), 0, 0);
    let strings = TEXTS.iter().chain(&RANGES).map(|text| Value::from(*text).to_string());
    let jsons: Vec<String> = strings.chain(JSONS.iter().map(|json| (*json).to_owned())).collect();
    for (at, kind) in TYPES.iter().enumerate() {
        for json in jsons.iter().filter(|json| !is_far_fetched(kind, json)) {
            let body = format!("{{\"v\": {json}}}");
            let real = ask(
                &client,
                &format!(
                    "WITH new AS (INSERT INTO t{at} (v) SELECT v FROM json_to_record({}) AS _(v {kind}) RETURNING v) \
                     SELECT (json_agg(new))::text FROM new",
                    quoted(&body)
                ),
            )
            .await;
            let met = mock.ask(Method::POST, &format!("t{at}?select=v"), "return=representation", &body).await;
            match &real {
                Ok(_) => accepted += 1,
                Err(_) => refused += 1,
            }
            if real != met {
                different.push(format!("{kind} of {json}:\n  real {real:?}\n  mock {met:?}"));
            }
        }
    }
    println!("{accepted} accepted, {refused} refused, {} different", different.len());
    assert!(accepted > 500 && refused > 500);
    differences(different, TYPES.len() * jsons.len());
}

#[tokio::test]
#[ignore = "starts a real PostgreSQL"]
async fn values_are_equal_and_ordered_as_in_postgresql() {
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute(&schema()).await.unwrap();
    let mock = Mock::start(&schema()).await;
    let mut different = Vec::new();
    let mut compared = 0;
    for (at, kind) in TYPES.iter().enumerate().filter(|(_, kind)| **kind != "json") {
        for text in TEXTS.iter().chain(&RANGES).filter(|text| !text.contains("now")) {
            let body = format!("{{\"v\": {}}}", Value::from(*text));
            let insert = format!(
                "WITH x AS (INSERT INTO t{at} (v) SELECT v FROM json_to_record({}) AS _(v {kind}) RETURNING 1) SELECT count(*)::text FROM x",
                quoted(&body)
            );
            if ask(&client, &insert).await.is_ok() {
                mock.ask(Method::POST, &format!("t{at}"), "", &body).await.ok();
            }
        }
        let sql = format!("SELECT json_agg(v)::text FROM (SELECT v FROM t{at} ORDER BY v, n LIMIT 500) _");
        let real = ask(&client, &sql).await.unwrap();
        let met = mock.ask(Method::GET, &format!("t{at}?select=v&order=v,n&limit=500"), "", "").await.unwrap();
        let values = |text: &str, inside: bool| -> Vec<String> {
            let rows: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
            rows.into_iter().map(|row| if inside { row["v"].to_string() } else { row.to_string() }).collect()
        };
        let (real, met) = (values(&real, false), values(&met, true));
        compared += real.len();
        if real != met {
            let first = real.iter().zip(&met).position(|(real, met)| real != met).unwrap_or(real.len().min(met.len()));
            let part = |all: &[String]| all[first.saturating_sub(1)..all.len().min(first + 3)].join(" < ");
            different.push(format!(
                "{kind}: {} and {} values, from {first} on:\n  real {}\n  mock {}",
                real.len(),
                met.len(),
                part(&real),
                part(&met)
            ));
        }
    }
    println!("{compared} values in order, {} types different", different.len());
    assert!(compared > 400);
    differences(different, TYPES.len());
}

const CONSTRAINED: &str = "
    CREATE TABLE parents (
        a int, b text, kind text DEFAULT 'x' CONSTRAINT kinds CHECK (kind IN ('x', 'y', 'z')), note varchar(8) NOT NULL DEFAULT 'n',
        low int, high int, code text UNIQUE, CHECK (low <= high), CHECK (length(b) < 6 AND b ~ '^[a-z]+$' OR b = 'B'),
        total int GENERATED ALWAYS AS (coalesce(low, 0) + coalesce(high, 0)) STORED,
        PRIMARY KEY (a, b)
    );
    CREATE UNIQUE INDEX one_y ON parents (low) WHERE kind = 'y';
    CREATE TABLE cascades (id int PRIMARY KEY, a int, b text, FOREIGN KEY (a, b) REFERENCES parents ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE nulls (id int PRIMARY KEY, code text DEFAULT 'c0' REFERENCES parents (code) ON DELETE SET NULL ON UPDATE SET NULL, must int NOT NULL DEFAULT 1);
    CREATE TABLE strict (id int PRIMARY KEY, cascade_id int NOT NULL REFERENCES cascades ON DELETE RESTRICT);
    CREATE TABLE trees (id int PRIMARY KEY, parent int REFERENCES trees ON DELETE CASCADE, UNIQUE NULLS NOT DISTINCT (parent, id));
";

/// A random statement: how a client sends it, and the SQL that PostgREST makes of it.
fn statement(random: &mut ChaCha8Rng) -> (Method, String, &'static str, String, String) {
    let mut pick = |of: &[&str]| of[random.random_range(0..of.len())].to_owned();
    let digit = |pick: &mut dyn FnMut(&[&str]) -> String| pick(&["0", "1", "2", "3"]);
    let table = pick(&["parents", "parents", "cascades", "nulls", "strict", "trees"]);
    let columns: &[(&str, &str, &[&str])] = match table.as_str() {
        "parents" => &[
            ("a", "int", &["0", "1", "2", "3"]),
            ("b", "text", &["\"p\"", "\"q\"", "\"B\"", "\"toolong\"", "\"9\"", "null"]),
            ("kind", "text", &["\"x\"", "\"y\"", "\"w\"", "null"]),
            ("note", "varchar(8)", &["\"n\"", "null", "\"much too long\""]),
            ("low", "int", &["1", "2", "null"]),
            ("high", "int", &["1", "2", "3", "null"]),
            ("code", "text", &["\"c0\"", "\"c1\"", "\"c2\"", "null"]),
        ],
        "cascades" => &[
            ("id", "int", &["0", "1", "2", "3"]),
            ("a", "int", &["0", "1", "2", "null"]),
            ("b", "text", &["\"p\"", "\"q\"", "\"B\"", "null"]),
        ],
        "nulls" => &[
            ("id", "int", &["0", "1", "2", "3"]),
            ("code", "text", &["\"c0\"", "\"c1\"", "\"c2\"", "null"]),
            ("must", "int", &["1", "null"]),
        ],
        "strict" => &[("id", "int", &["0", "1", "2", "3"]), ("cascade_id", "int", &["0", "1", "2", "null"])],
        _ => &[("id", "int", &["0", "1", "2", "3", "4"]), ("parent", "int", &["0", "1", "2", "3", "null"])],
    };
    let key = if table == "parents" { "a, b" } else { "id" };
    // One row, or which of several fails first would be left to chance.
    let number = digit(&mut pick);
    let (filter, wanted) = match table.as_str() {
        "parents" => {
            let text = pick(&["p", "q", "B"]);
            (format!("a=eq.{number}&b=eq.{text}"), format!("parents.a = {number} AND parents.b = '{text}'"))
        }
        table => (format!("id=eq.{number}"), format!("{table}.id = {number}")),
    };
    let of = |names: &[&(&str, &str, &[&str])], pick: &mut dyn FnMut(&[&str]) -> String| {
        let fields: Vec<String> =
            names.iter().map(|(name, _, values)| format!("\"{name}\": {}", pick(values))).collect();
        format!("{{{}}}", fields.join(", "))
    };
    let all = "SELECT coalesce(json_agg(new), '[]')::text FROM (SELECT * FROM changed) new";
    match pick(&["insert", "insert", "batch", "upsert", "ignore", "update", "update", "delete"]).as_str() {
        "delete" => {
            let sql = format!("WITH changed AS (DELETE FROM {table} WHERE {wanted} RETURNING *) {all}");
            (Method::DELETE, format!("{table}?{filter}"), "return=representation", String::new(), sql)
        }
        "update" => {
            let chosen: Vec<&(&str, &str, &[&str])> = columns.iter().filter(|_| pick(&["0", "1"]) == "1").collect();
            let chosen = if chosen.is_empty() { vec![&columns[0]] } else { chosen };
            let body = of(&chosen, &mut pick);
            let set: Vec<String> = chosen.iter().map(|(name, ..)| format!("{name} = body.{name}")).collect();
            let record: Vec<String> = chosen.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
            let sql = format!(
                "WITH changed AS (UPDATE {table} SET {} FROM (SELECT * FROM json_to_record({}) AS _({})) body WHERE {wanted} RETURNING {table}.*) {all}",
                set.join(", "),
                quoted(&body),
                record.join(", ")
            );
            (Method::PATCH, format!("{table}?{filter}"), "return=representation", body, sql)
        }
        kind => {
            let mut chosen: Vec<&(&str, &str, &[&str])> =
                columns.iter().filter(|_| pick(&["0", "1", "1", "1"]) == "1").collect();
            if chosen.is_empty() {
                chosen = columns.iter().collect();
            }
            chosen.sort_by_key(|(name, ..)| *name);
            let rows = if kind == "insert" { 1 } else { 2 };
            let rows: Vec<String> = (0..rows).map(|_| of(&chosen, &mut pick)).collect();
            let body = format!("[{}]", rows.join(", "));
            let names: Vec<&str> = chosen.iter().map(|(name, ..)| *name).collect();
            let record: Vec<String> = chosen.iter().map(|(name, kind, _)| format!("{name} {kind}")).collect();
            let (prefer, conflict) = match kind {
                "upsert" => {
                    let set: Vec<String> = names.iter().map(|name| format!("{name} = EXCLUDED.{name}")).collect();
                    (
                        "return=representation, resolution=merge-duplicates",
                        format!("ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", ")),
                    )
                }
                "ignore" => {
                    ("return=representation, resolution=ignore-duplicates", format!("ON CONFLICT ({key}) DO NOTHING"))
                }
                _ => ("return=representation", String::new()),
            };
            let sql = format!(
                "WITH changed AS (INSERT INTO {table} ({0}) SELECT {0} FROM json_to_recordset({1}) AS _({2}) {conflict} RETURNING *) {all}",
                names.join(", "),
                quoted(&body),
                record.join(", ")
            );
            (Method::POST, table, prefer, body, sql)
        }
    }
}

#[tokio::test]
#[ignore = "starts a real PostgreSQL"]
async fn constraints_hold_and_speak_as_in_postgresql() {
    const STATEMENTS: usize = 6_000;
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute(CONSTRAINED).await.unwrap();
    let mock = Mock::start(CONSTRAINED).await;
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut outcomes, mut different) = (BTreeMap::<String, usize>::new(), Vec::new());
    for number in 0..STATEMENTS {
        let (method, path, prefer, body, sql) = statement(&mut random);
        let real = ask(&client, &sql).await;
        let met = mock.ask(method.clone(), &path, prefer, &body).await;
        let outcome = match &real {
            Ok(rows) if rows == "[]" => "nothing".to_owned(),
            Ok(_) => "rows".to_owned(),
            Err((code, ..)) => code.clone(),
        };
        *outcomes.entry(outcome).or_default() += 1;
        // Rows without an order come in that of the heap: PostgreSQL's moves what it changes to its end.
        let sorted = |said: &Said| {
            said.clone().map(|text| {
                let mut rows: Vec<String> =
                    serde_json::from_str::<Vec<Value>>(&text).unwrap().iter().map(Value::to_string).collect();
                rows.sort();
                rows
            })
        };
        if sorted(&real) != sorted(&met) {
            different.push(format!("{number}: {method} {path} {body}\n  SQL  {sql}\n  real {real:?}\n  mock {met:?}"));
        }
        if number % 50 == 0 {
            for table in ["parents", "cascades", "nulls", "strict", "trees"] {
                let sql = format!("SELECT coalesce(json_agg(t), '[]')::text FROM {table} t");
                let (real, met) = (ask(&client, &sql).await, mock.ask(Method::GET, table, "", "").await);
                assert_eq!(sorted(&real), sorted(&met), "{table} after statement {number}:\n{}", different.join("\n"));
            }
        }
        if different.len() > 20 {
            break;
        }
    }
    println!("{outcomes:?}, {} different", different.len());
    for code in ["23502", "23503", "23505", "23514", "22001", "21000", "rows", "nothing"] {
        assert!(outcomes.get(code).copied().unwrap_or(0) > 5, "no {code} among {outcomes:?}");
    }
    differences(different, STATEMENTS);
}

/// Names that PostgreSQL gives to constraints without one.
#[tokio::test]
#[ignore = "starts a real PostgreSQL"]
async fn constraints_are_named_as_postgresql_names_them() {
    let long = "a_table_whose_name_is_really_rather_long_indeed";
    let script = format!(
        "CREATE TABLE {long} (id int PRIMARY KEY, a_column_with_quite_a_long_name_as_well int UNIQUE CHECK (a_column_with_quite_a_long_name_as_well > 0),
           b int CHECK (b > 0) CHECK (b < 10), c int REFERENCES {long}, CHECK (b <> c), CHECK (b + c < 100), UNIQUE (b, c));
         CREATE UNIQUE INDEX ON {long} (c, b);"
    );
    let server = Server::start().await;
    let client = server.connect().await;
    client.batch_execute(&script).await.unwrap();
    let mock = Mock::start(&script).await;
    let column = "a_column_with_quite_a_long_name_as_well";
    let bodies = [
        json!({"id": 1, column: 1, "b": 1, "c": 1}),
        json!({"id": 1}),
        json!({"id": 2, column: 1}),
        json!({"id": 2, column: 0}),
        json!({"id": 2, "b": 0}),
        json!({"id": 2, "b": 11}),
        json!({"id": 2, "b": 2, "c": 2}),
        json!({"id": 2, "b": 5, "c": 96}),
        json!({"id": 2, "b": 2, "c": 9}),
        json!({"id": 2, "b": 3, "c": 1}),
        json!({"id": 3, "b": 3, "c": 1}),
    ];
    let mut different = Vec::new();
    for body in &bodies {
        let columns: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let record: Vec<String> = columns.iter().map(|name| format!("{name} int")).collect();
        let sql = format!(
            "WITH x AS (INSERT INTO {long} ({0}) SELECT {0} FROM json_to_record({1}) AS _({2}) RETURNING 1) SELECT count(*)::text FROM x",
            columns.join(", "),
            quoted(&body.to_string()),
            record.join(", ")
        );
        let real = ask(&client, &sql).await.map(drop);
        let met = mock.ask(Method::POST, long, "", &body.to_string()).await.map(drop);
        if real != met {
            different.push(format!("{body}\n  real {real:?}\n  mock {met:?}"));
        }
    }
    differences(different, bodies.len());
}
