//! The servers that are measured, each in a process of its own.

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::{get, post};
use firedrill::fault::Engine;
use firedrill::model::content::ContentFile;
use firedrill::model::event::EventSink;
use firedrill::model::fault::Delay;
use firedrill::model::pace::{ModelPace, PacePlan};
use firedrill::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{RunClock, Seed, Span};
use firedrill::upstream::Upstreams;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Worker threads of every server whose number can be chosen: with one, throughput shows the work per request, and
/// the client has the other core.
const WORKERS: usize = 1;

/// Serves until standard input ends, which it does with the parent. `setting` is the length of the answer for the
/// servers that compare, and the time between tokens in microseconds for `streams`.
pub fn serve(kind: &str, setting: &str) {
    crate::process::raise_file_limit();
    let setting: u64 = setting.parse().unwrap();
    // Streams are served as a run does it: with as many threads as there are cores.
    let workers = if kind == "streams" { 2 } else { WORKERS };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().unwrap();
    runtime.block_on(async {
        match kind {
            "axum" => bare(answer_of(setting)).await,
            "wiremock" => wiremock(answer_of(setting)).await,
            "openai" => ours(openai(None)).await,
            "supabase" => ours(supabase()).await,
            "stub" => ours(UpstreamPlan::new("stub", UpstreamKind::Stub { answer: 200 })).await,
            "streams" => ours(openai(Some(Duration::from_micros(setting)))).await,
            other => panic!("no server `{other}`"),
        }
    });
}

fn listening(address: SocketAddr) {
    println!("{address}");
}

async fn until_the_parent_ends() {
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap().unwrap();
}

/// A JSON text of exactly this length.
fn answer_of(length: u64) -> Bytes {
    let empty = json!({"id": 1, "text": ""}).to_string().len();
    let text = "x".repeat(usize::try_from(length).unwrap().saturating_sub(empty));
    Bytes::from(json!({"id": 1, "text": text}).to_string())
}

async fn bare(answer: Bytes) {
    let json = || [(CONTENT_TYPE, "application/json")];
    let (to_get, to_post) = (answer.clone(), answer);
    let app = Router::new()
        .route("/rest/v1/items", get(move || async move { (json(), to_get) }))
        .route("/v1/chat/completions", post(move |_body: Bytes| async move { (json(), to_post) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listening(listener.local_addr().unwrap());
    let served =
        axum::serve(axum::serve::ListenerExt::tap_io(listener, |stream| stream.set_nodelay(true).unwrap()), app);
    tokio::select! {
        served = served => served.unwrap(),
        () = until_the_parent_ends() => {}
    }
}

async fn wiremock(answer: Bytes) {
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};
    // As it is used: it records requests unless told not to, and would hold all of them.
    let server = MockServer::builder().disable_request_recording().start().await;
    let template = ResponseTemplate::new(200).set_body_raw(answer.to_vec(), "application/json");
    Mock::given(method("GET")).and(path("/rest/v1/items")).respond_with(template.clone()).mount(&server).await;
    Mock::given(method("POST")).and(path("/v1/chat/completions")).respond_with(template).mount(&server).await;
    listening(*server.address());
    until_the_parent_ends().await;
}

/// Our upstream as in a run: counting, with an engine that has no rule, and somebody who takes the events.
async fn ours(plan: UpstreamPlan) {
    let (sink, mut events) = EventSink::channel();
    let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
    let upstreams = Upstreams::start(std::slice::from_ref(&plan), engine, Seed(1), sink).await.unwrap();
    upstreams.begin(RunClock::start());
    listening(upstreams.address(&plan.name).unwrap());
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    until_the_parent_ends().await;
}

fn openai(token_gap: Option<Duration>) -> UpstreamPlan {
    let pace = token_gap.map(|gap| {
        let token_gap = Delay { mean: Span(gap), ..Delay::default() };
        Box::new(PacePlan { every: ModelPace { token_gap, ..ModelPace::default() }, ..PacePlan::default() })
    });
    // Long enough for a stream of a minute at any rate; a plain answer is cut by `max_tokens` to the length asked for.
    let text = "the quick brown fox jumps over the lazy dog ".repeat(400);
    let rules = json!({"rule": [{"name": "bench", "answer": {"text": text}}]});
    let content: Vec<ContentFile> =
        if token_gap.is_some() { vec![serde_json::from_value(rules).unwrap()] } else { vec![] };
    UpstreamPlan::new("openai", UpstreamKind::Openai(OpenaiPlan { pace, content, ..OpenaiPlan::default() }))
}

fn supabase() -> UpstreamPlan {
    let rows: Vec<Value> = (0..1_000)
        .map(|id| {
            json!({
                "id": id, "user_id": format!("user_{}", id % 100), "created_at": "2026-11-23T10:00:00+00:00",
                "title": "Morning walk", "done": id % 2 == 0, "minutes": 25, "notes": "x".repeat(340),
            })
        })
        .collect();
    let seed = BTreeMap::from([("items".to_owned(), rows)]);
    UpstreamPlan::new("supabase", UpstreamKind::Supabase(SupabasePlan { seed, ..SupabasePlan::default() }))
}
