//! Where the upstreams end: what one request may cost them, what they are given that is not quite right, and what
//! they do when they have no more room.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::event::EventSink;
use firedrill::model::upstream::{SeedFile, SeedFormat, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::Seed;
use firedrill::upstream::Upstreams;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

struct Api {
    upstreams: Upstreams,
    client: reqwest::Client,
    base: String,
}

impl Api {
    async fn start(name: &str, kind: UpstreamKind) -> Self {
        let plan = UpstreamPlan::new(name, kind);
        let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
        let upstreams = Upstreams::start(&[plan], engine, Seed(1), EventSink::channel().0).await.unwrap();
        Self { base: upstreams.url(name).unwrap(), upstreams, client: reqwest::Client::new() }
    }

    async fn supabase(seed: &[(&str, SeedFormat, &str)]) -> Self {
        let file = |(name, format, text): &(&str, SeedFormat, &str)| SeedFile {
            name: (*name).into(),
            format: *format,
            text: (*text).into(),
        };
        let plan = SupabasePlan { seed_files: seed.iter().map(file).collect(), ..SupabasePlan::default() };
        Self::start("supabase", UpstreamKind::Supabase(plan)).await
    }

    /// A read as the service role.
    async fn rows(&self, path: &str) -> (u16, Value) {
        let request = self.client.get(format!("{}/rest/v1/{path}", self.base)).header("apikey", "service");
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }
}

const LIBRARY: &str = "create table authors (id int primary key, name text);
    create table books (id int primary key, author_id int references authors (id), title text);
    insert into authors values (1, 'Ann');";

/// A library with so many books of one author.
async fn library(books: usize) -> Api {
    let mut rows = String::from("id,author_id,title\n");
    for number in 0..books {
        writeln!(rows, "{number},1,book {number}").unwrap();
    }
    Api::supabase(&[("library.sql", SeedFormat::Sql, LIBRARY), ("books.csv", SeedFormat::Csv, &rows)]).await
}

// --- What a read may cost -----------------------------------------------------------------------------------------

#[tokio::test]
async fn only_the_rows_of_a_page_are_looked_for() {
    let api = library(30_000).await;
    // Without a limit where the rows are looked for, 600,000 rows would be looked at.
    let (status, rows) = api.rows("books?select=id,authors(books(id))&authors.books.limit=2&limit=20").await;
    assert_eq!((status, rows.as_array().unwrap().len()), (200, 20));
    assert_eq!(rows[19]["authors"]["books"], json!([{"id": 0}, {"id": 1}]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_would_never_end_is_cancelled_and_makes_way_meanwhile() {
    let api = library(30_000).await;
    let path = "books?select=id,authors(books(id))&authors.books.order=title.desc";
    let done = AtomicBool::new(false);
    let long = async {
        let answered = api.rows(path).await;
        done.store(true, Ordering::Relaxed);
        answered
    };
    let (long, ()) = tokio::join!(long, async {
        // One more than there are threads, so that none can be kept by it.
        for _ in 0..3 {
            assert_eq!(api.rows("authors?select=id").await.0, 200);
        }
        assert!(!done.load(Ordering::Relaxed), "others had to wait for it");
    });
    assert_eq!((long.0, &long.1["code"]), (500, &json!("57014")));
    assert_eq!(long.1["message"], "canceling statement due to statement timeout");
}

// --- Policies -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_restrictive_policy_that_is_not_understood_lets_nothing_through() {
    let schema = "create table notes (id int primary key, text text);
        alter table notes enable row level security;
        create policy everybody on notes using (true);
        create policy some on notes as restrictive using (is_friend(id));
        insert into notes values (1, 'a');";
    let api = Api::supabase(&[("notes.sql", SeedFormat::Sql, schema)]).await;
    let anon = api.upstreams.environment()["SUPABASE_ANON_KEY"].clone();
    let path = format!("{}/rest/v1/notes", api.base);
    let seen = api.client.get(&path).header("apikey", &anon).send().await.unwrap();
    assert_eq!(seen.json::<Value>().await.unwrap(), json!([]));
    let written = api.client.post(&path).header("apikey", &anon).json(&json!({"id": 2})).send().await.unwrap();
    assert_eq!(written.json::<Value>().await.unwrap()["code"], "42501");
}
