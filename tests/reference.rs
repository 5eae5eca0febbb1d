//! The reference app against small stand-ins of its upstreams: it must fail the way HolisticOS was seen to fail.

#![expect(clippy::unwrap_used, reason = "a stand-in that stumbles must fail its test")]

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use firedrill::target::reference::{ReferenceConfig, serve};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// What a stand-in does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Up,
    Status(u16),
    /// 200 with a body that is no JSON.
    Garbage,
    /// 200 with the given body (OpenAI only).
    Body(&'static str),
    /// Writes fail with 500 (Supabase only).
    WritesFail,
    Hang,
}

#[derive(Default)]
struct Seen {
    /// (kind, retry count) of chat completions, in order of arrival.
    chats: Vec<(&'static str, u32)>,
    models: usize,
    /// "METHOD table" of Supabase calls, in order.
    calls: Vec<String>,
    retries: usize,
    side: usize,
}

struct World {
    openai: Mutex<Mode>,
    supabase: Mutex<Mode>,
    seen: Mutex<Seen>,
    tables: Mutex<BTreeMap<String, Vec<Map<String, Value>>>>,
    next_id: Mutex<u64>,
}

impl World {
    fn set(&self, openai: Mode, supabase: Mode) {
        *self.openai.lock().unwrap() = openai;
        *self.supabase.lock().unwrap() = supabase;
    }

    /// What was seen since the last call.
    fn take(&self) -> Seen {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

struct Stage {
    world: Arc<World>,
    url: String,
    http: reqwest::Client,
    stop: CancellationToken,
    app: tokio::task::JoinHandle<()>,
    stands: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
        for task in self.stands.iter().chain([&self.app]) {
            task.abort();
        }
    }
}

const KEY: &str = "test-key";
const FRESH: &str = "Foundation Builder";

async fn stage(adjust: impl FnOnce(&mut ReferenceConfig)) -> Stage {
    let world = Arc::new(World {
        openai: Mutex::new(Mode::Up),
        supabase: Mutex::new(Mode::Up),
        seen: Mutex::default(),
        tables: Mutex::default(),
        next_id: Mutex::new(1),
    });
    let stand = |world: &Arc<World>| Router::new().fallback(upstream).with_state(Arc::clone(world));
    let (upstream_url, upstream_task) = listen(stand(&world)).await;
    let mut config = ReferenceConfig {
        openai_url: format!("{upstream_url}/v1"),
        supabase_url: upstream_url.clone(),
        openai_key: "sk-test".to_owned(),
        supabase_key: "sb-test".to_owned(),
        side_url: Some(upstream_url),
        resilient: false,
        speed: 2000.0,
        defects: Vec::new(),
        api_key: KEY.to_owned(),
        log: |_| {},
    };
    adjust(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let stop = CancellationToken::new();
    let app = tokio::spawn({
        let stop = stop.clone();
        async move { serve(listener, config, stop).await.unwrap() }
    });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    Stage { world, url, http, stop, app, stands: vec![upstream_task] }
}

async fn listen(router: Router) -> (String, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (url, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

impl Stage {
    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).header("X-API-Key", KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        (status, response.json().await.unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, Some(body)).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, None).await
    }

    /// Sends a request that OpenAI holds up, and leaves once it has got that far.
    async fn abandon(&self, path: &str) {
        let sent = tokio::spawn(self.http.post(format!("{}{path}", self.url)).json(&json!({})).send());
        while self.world.seen.lock().unwrap().chats.is_empty() {
            tokio::task::yield_now().await;
        }
        sent.abort();
        assert!(sent.await.unwrap_err().is_cancelled());
    }

    async fn generate(&self, user: &str, what: &str) -> (StatusCode, Value) {
        self.post(&format!("/api/user/{user}/{what}"), json!({"archetype": FRESH})).await
    }
}

const ROUTINE: &str = "routine/generate";
const NUTRITION: &str = "nutrition/generate";
const BEHAVIOR: &str = "behavior/analyze";
const CIRCADIAN: &str = "circadian/analyze";

// The stand-ins: one server for all three upstreams, told apart by path.

async fn upstream(State(world): State<Arc<World>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body: Value =
        serde_json::from_slice(&axum::body::to_bytes(body, 1 << 20).await.unwrap()).unwrap_or(Value::Null);
    let path = parts.uri.path();
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if let Some(table) = path.strip_prefix("/rest/v1/") {
        assert_eq!(header("apikey"), "sb-test");
        assert_eq!(header("authorization"), "Bearer sb-test");
        let mode = *world.supabase.lock().unwrap();
        {
            let mut seen = world.seen.lock().unwrap();
            seen.calls.push(format!("{} {table}", parts.method));
            seen.retries += usize::from(parts.headers.contains_key("x-retry-count"));
        }
        return match mode {
            Mode::Hang => std::future::pending().await,
            Mode::Status(status) => plain(status, "application/json", r#"{"message":"down","code":"XX000"}"#),
            Mode::Garbage => plain(200, "application/json", "<oops"),
            Mode::WritesFail if parts.method != Method::GET => plain(500, "application/json", "{}"),
            Mode::Up | Mode::WritesFail | Mode::Body(_) => {
                let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
                table_call(
                    &world,
                    &parts.method,
                    table,
                    &query.into_owned().collect::<Vec<_>>(),
                    body,
                    header("accept"),
                )
            }
        };
    }
    if path.starts_with("/v1/") {
        assert_eq!(header("authorization"), "Bearer sk-test");
        let kind = if path == "/v1/models" { "models" } else { kind_of(&body) };
        {
            let mut seen = world.seen.lock().unwrap();
            match kind {
                "models" => seen.models += 1,
                kind => seen.chats.push((kind, header("x-stainless-retry-count").parse().unwrap())),
            }
        }
        let mode = *world.openai.lock().unwrap();
        return match mode {
            Mode::Hang => std::future::pending().await,
            Mode::Status(status) => {
                plain(status, "application/json", r#"{"error":{"message":"it broke","type":"server_error"}}"#)
            }
            Mode::Garbage => plain(200, "application/json", "{oops"),
            Mode::Body(body) => plain(200, "application/json", body),
            Mode::Up | Mode::WritesFail => {
                let reply = json!({
                    "choices": [{"index": 0, "message": {"role": "assistant", "content": content(kind)}}],
                    "usage": {"total_tokens": 321},
                });
                plain(200, "application/json", &reply.to_string())
            }
        };
    }
    world.seen.lock().unwrap().side += 1;
    plain(404, "application/json", "{}")
}

fn plain(status: u16, kind: &'static str, body: &str) -> Response {
    (StatusCode::from_u16(status).unwrap(), [("content-type", kind)], body.to_owned()).into_response()
}

fn kind_of(body: &Value) -> &'static str {
    let text = body["messages"][0]["content"].as_str().unwrap_or_default();
    match (body["model"].as_str().unwrap(), body["max_tokens"].as_u64().unwrap()) {
        ("gpt-4o-mini", 1000) => "context",
        ("gpt-4o", 8000) if text.contains("behavioral patterns") => "behavior",
        ("gpt-4o", 8000) if text.contains("circadian rhythm") => "circadian",
        ("gpt-4o", 2000) if body.get("response_format").is_some() => "routine",
        ("gpt-4o", 2000) => "nutrition",
        ("gpt-4o", 1500) => "insights",
        other => panic!("an unknown kind of completion: {other:?}"),
    }
}

fn content(kind: &str) -> String {
    match kind {
        "behavior" => json!({"behavioral_signature": "steady"}).to_string(),
        "circadian" => json!({"chronotype_assessment": {}}).to_string(),
        "routine" => {
            let block = |name: &str| {
                json!({"block_name": name, "start_time": "07:00", "end_time": "08:00", "purpose": "p", "tasks": [
                    {"title": "t", "start_time": "07:00", "end_time": "07:30", "task_type": "x", "priority": "high"},
                ]})
            };
            json!({"time_blocks": [block("Morning"), block("Evening")]}).to_string()
        }
        "insights" => json!({"insights": [
            {"title": "kept", "confidence_score": 0.9, "actionability_score": 0.9, "category": "sleep"},
            {"title": "dropped", "confidence_score": 0.5, "actionability_score": 0.9},
        ]})
        .to_string(),
        _ => "plain text".to_owned(),
    }
}

/// A table store with as much of PostgREST as the app leans on.
fn table_call(
    world: &World,
    method: &Method,
    table: &str,
    query: &[(String, String)],
    body: Value,
    accept: &str,
) -> Response {
    let mut tables = world.tables.lock().unwrap();
    let rows = tables.entry(table.to_owned()).or_default();
    let get = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let matches = |row: &Map<String, Value>| {
        query.iter().all(|(column, test)| {
            let text = row.get(column).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
            match test.split_once('.') {
                Some(("eq", wanted)) => text.as_deref() == Some(wanted),
                Some(("gte", wanted)) => text.as_deref().is_some_and(|text| text >= wanted),
                Some(("in", list)) => text.is_some_and(|text| {
                    list.trim_matches(['(', ')']).split(',').any(|item| item.trim_matches('"') == text)
                }),
                _ => true,
            }
        })
    };
    let mut out: Vec<Value> = Vec::new();
    match *method {
        Method::GET => {
            out = rows.iter().filter(|row| matches(row)).cloned().map(Value::Object).collect();
            if get("order").is_some_and(|order| order.starts_with("created_at.desc")) {
                out.reverse();
            }
            out.truncate(get("limit").map_or(usize::MAX, |limit| limit.parse().unwrap()));
            if accept.contains("pgrst.object") {
                return match <[Value; 1]>::try_from(out) {
                    Ok([row]) => plain(200, "application/vnd.pgrst.object+json", &row.to_string()),
                    Err(_) => plain(406, "application/json", r#"{"code":"PGRST116","message":"not one row"}"#),
                };
            }
        }
        Method::POST => {
            let keys: Vec<&str> = get("on_conflict").map(|list| list.split(',').collect()).unwrap_or_default();
            for row in body.as_array().cloned().unwrap_or_else(|| vec![body]) {
                let mut row = row.as_object().unwrap().clone();
                let mut next = world.next_id.lock().unwrap();
                row.entry("id").or_insert(json!(format!("00000000-0000-0000-0000-{:012}", *next)));
                row.entry("created_at").or_insert(json!(jiff::Timestamp::now().to_string()));
                row.entry("analysis_date").or_insert(json!(jiff::Timestamp::now().to_string()[..10].to_owned()));
                *next += 1;
                if !keys.is_empty() {
                    rows.retain(|old| keys.iter().any(|key| old.get(*key) != row.get(*key)));
                }
                rows.push(row.clone());
                out.push(Value::Object(row));
            }
            return plain(201, "application/json", &Value::Array(out).to_string());
        }
        Method::PATCH => {
            for row in rows.iter_mut().filter(|row| matches(row)) {
                row.extend(body.as_object().unwrap().clone());
                out.push(Value::Object(row.clone()));
            }
        }
        Method::DELETE => {
            out = rows.iter().filter(|row| matches(row)).cloned().map(Value::Object).collect();
            rows.retain(|row| !matches(row));
        }
        _ => panic!("{method} is not used"),
    }
    let total = out.len();
    let mut response = plain(200, "application/json", &Value::Array(out).to_string());
    response.headers_mut().insert("content-range", format!("0-{total}/{total}").parse().unwrap());
    response
}

fn count(chats: &[(&'static str, u32)]) -> HashMap<&'static str, usize> {
    let mut counts = HashMap::new();
    for (kind, _) in chats {
        *counts.entry(*kind).or_default() += 1;
    }
    counts
}

// The tests.

#[tokio::test]
async fn fresh_users_cost_the_calls_that_were_observed() {
    let stage = stage(|_| {}).await;
    for (user, what, supabase, side, chats) in [
        ("u1", BEHAVIOR, 22, 5, vec!["context", "behavior"]),
        ("u2", CIRCADIAN, 23, 5, vec!["context", "circadian"]),
        ("u3", NUTRITION, 37, 11, vec!["context", "behavior", "nutrition"]),
    ] {
        stage.world.take();
        let (status, body) = stage.generate(user, what).await;
        let seen = stage.world.take();
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("success")), "{what}: {body}");
        assert_eq!(seen.calls.len(), supabase, "{what}: {:#?}", seen.calls);
        assert_eq!(seen.side, side, "{what}");
        assert_eq!(seen.chats.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), chats, "{what}");
    }
    stage.world.take();
    let (_, body) = stage.generate("u4", ROUTINE).await;
    let seen = stage.world.take();
    assert_eq!(seen.calls.len(), 73, "{:#?}", seen.calls);
    assert_eq!(seen.side, 16);
    let counts = count(&seen.chats);
    assert_eq!((counts["context"], counts["behavior"], counts["circadian"], counts["routine"]), (2, 1, 1, 1));
    assert_eq!(seen.chats.last().unwrap().0, "routine");
    let plan = &body["routine_plan"];
    assert!(plan["analysis_id"].is_string() && plan["content"].as_str().unwrap().contains("time_blocks"), "{body}");
    assert_eq!(plan["plan_type"], "comprehensive_routine");
    assert!(body["behavior_analysis"].is_null() && body["cached"] == false);

    // The same user again: behaviour from memory, circadian after its stall, one call of OpenAI.
    stage.generate("u4", ROUTINE).await;
    assert_eq!(stage.world.take().chats, [("routine", 0)]);
    // Another archetype within ten minutes: the context is still young.
    stage.post("/api/user/u4/routine/generate", json!({"archetype": "Peak Performer"})).await;
    assert_eq!(stage.world.take().chats.len(), 3);
    // Nutrition with behaviour in memory.
    stage.generate("u4", NUTRITION).await;
    let seen = stage.world.take();
    assert_eq!((seen.calls.len(), seen.side, seen.chats.len()), (16, 6, 1), "{:#?}", seen.calls);
    // Behaviour after a plan cannot read itself back.
    let (status, body) = stage.generate("u4", BEHAVIOR).await;
    assert_eq!((status, &body["status"], &body["analysis_type"]), (StatusCode::OK, &json!("error"), &json!("none")));
}

#[tokio::test]
async fn envelopes_say_what_was_observed() {
    let stage = stage(|_| {}).await;
    let (_, body) = stage.generate("e1", BEHAVIOR).await;
    assert_eq!(body["analysis_type"], "cached_fallback", "never fresh");
    assert_eq!(body["behavior_analysis"]["analysis_metadata"]["token_usage"], 321);
    assert_eq!(body["metadata"]["archetype_used"], FRESH);
    let (_, body) = stage.generate("e1", BEHAVIOR).await;
    assert_eq!(body["analysis_type"], "cached", "the freshness rule keeps the second one off");

    let (_, body) = stage.generate("e2", CIRCADIAN).await;
    assert_eq!(body["analysis_type"], "cached");
    assert_eq!(body["circadian_analysis"]["energy_timeline"].as_array().unwrap().len(), 96);
    let (_, body) = stage.generate("e2", CIRCADIAN).await;
    assert_eq!((&body["analysis_type"], &body["circadian_analysis"]), (&json!("skipped"), &json!({})));

    let (_, body) = stage.generate("e3", NUTRITION).await;
    assert_eq!(body["nutrition_plan"]["plan_type"], "comprehensive_nutrition");
    assert_eq!(body["generation_metadata"]["analysis_type"], "shared");
    assert!(body["generation_metadata"].get("o3_model_used").is_none());

    let (status, body) = stage.post("/api/v2/insights/e4/generate", json!({})).await;
    assert_eq!((status, &body["count"], &body["source"]), (StatusCode::OK, &json!(1), &json!("generated")));
    assert_eq!(body["insights"][0]["title"], "kept");
    stage.world.take();
    let (_, body) = stage.post("/api/v1/insights/generate", json!({"user_id": "e4"})).await;
    let seen = stage.world.take();
    assert_eq!(body, json!({"success": true, "insights": [], "source": "fresh", "count": 0}));
    assert_eq!((seen.calls.len(), seen.chats.len()), (1, 0));
}

#[tokio::test]
async fn a_dead_openai_is_a_success_for_four_generators() {
    let stage = stage(|_| {}).await;
    for mode in [Mode::Status(500), Mode::Status(429)] {
        stage.world.set(mode, Mode::Up);
        let user = format!("{mode:?}");
        for (n, what, attempts) in [("a", ROUTINE, 15), ("b", NUTRITION, 9), ("c", BEHAVIOR, 6), ("d", CIRCADIAN, 6)] {
            stage.world.take();
            let (status, body) = stage.generate(&format!("{n}{user}"), what).await;
            let seen = stage.world.take();
            assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("success")), "{what}: {body}");
            assert_eq!(seen.chats.len(), attempts, "{what}");
            assert_eq!(seen.chats.iter().filter(|(_, retry)| *retry == 2).count(), attempts / 3, "{what}");
            match what {
                ROUTINE => {
                    let plan = &body["routine_plan"];
                    assert!(plan["error"].as_str().unwrap().starts_with("Error code: "), "{plan}");
                    assert!(plan.get("content").is_none() && plan["analysis_id"].is_string());
                    assert_eq!(plan["model_used"], "gpt-4o - fallback");
                }
                NUTRITION => {
                    assert_eq!(body["nutrition_plan"]["plan_type"], "fallback_nutrition");
                    assert!(body["nutrition_plan"]["error"].is_string());
                }
                BEHAVIOR => assert_eq!(body["behavior_analysis"]["analysis_metadata"]["analysis_type"], "error"),
                _ => assert_eq!(body["circadian_analysis"]["analysis_metadata"]["analysis_type"], "error"),
            }
        }
        let (status, body) = stage.post("/api/v2/insights/x/generate", json!({})).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(body["detail"].as_str().unwrap().starts_with("Failed to generate insights: Error code"), "{body}");
    }
    // Poisoned: the skeleton outlives the outage.
    stage.world.set(Mode::Up, Mode::Up);
    let (_, body) = stage.generate("cStatus(500)", BEHAVIOR).await;
    assert_eq!(body["behavior_analysis"]["analysis_metadata"]["analysis_type"], "error");
}

#[tokio::test]
async fn what_the_client_library_does_not_retry_fails_once() {
    let stage = stage(|_| {}).await;
    for (n, mode) in [
        Mode::Status(401),
        Mode::Status(400),
        Mode::Garbage,
        Mode::Body(r#"{"choices":[]}"#),
        Mode::Body(r#"{"choices":[{"message":{"content":null}}]}"#),
    ]
    .into_iter()
    .enumerate()
    {
        stage.world.set(mode, Mode::Up);
        stage.world.take();
        let (status, body) = stage.generate(&format!("n{n}"), ROUTINE).await;
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("success")), "{mode:?}");
        assert!(body["routine_plan"]["error"].is_string(), "{mode:?}: {body}");
        assert_eq!(stage.world.take().chats.len(), 5, "{mode:?}");
    }
    stage.world.set(Mode::Body(r#"{"choices":[{"message":{"content":"no json"}}]}"#), Mode::Up);
    let (_, body) = stage.generate("text", ROUTINE).await;
    assert_eq!(body["routine_plan"]["content"], r#"{"content":"no json"}"#);
    assert!(body["routine_plan"].get("error").is_none());
    let (_, body) = stage.generate("text", NUTRITION).await;
    assert_eq!(body["nutrition_plan"]["content"], "no json");
}

#[tokio::test]
async fn a_failing_supabase_is_swallowed_or_500() {
    let stage = stage(|_| {}).await;
    for (n, mode) in [Mode::Status(500), Mode::Status(401), Mode::Garbage, Mode::WritesFail, Mode::Status(503)]
        .into_iter()
        .enumerate()
    {
        stage.world.set(Mode::Up, mode);
        let (status, body) = stage.generate(&format!("r{n}"), ROUTINE).await;
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("success")), "{mode:?}");
        assert!(body["routine_plan"]["analysis_id"].is_null() && body["routine_plan"]["content"].is_string());
        assert_eq!(stage.generate(&format!("n{n}"), NUTRITION).await.1["status"], "success", "{mode:?}");
        stage.world.take();
        let (status, body) = stage.generate(&format!("b{n}"), BEHAVIOR).await;
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("error")), "{mode:?}");
        let seen = stage.world.take();
        if mode == Mode::Status(503) {
            assert_eq!(seen.retries, 17 * 3, "three more attempts of each read: {:#?}", seen.calls);
        } else {
            assert_eq!(seen.retries, 0, "{mode:?}");
        }
        assert_eq!(stage.generate(&format!("c{n}"), CIRCADIAN).await.1["status"], "success", "{mode:?}");
        let (status, _) = stage.post("/api/v2/insights/x/generate", json!({})).await;
        assert_eq!(status, StatusCode::OK, "{mode:?}");
        let (status, body) = stage.get("/api/v1/insights/x").await;
        assert_eq!((status, &body["count"]), (StatusCode::OK, &json!(0)));
        let journal = json!({"profile_id": "x", "journal_date": "2026-11-23"});
        let (status, body) = stage.post("/api/v1/engagement/journal", journal).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{mode:?}");
        assert!(body["detail"].as_str().unwrap().starts_with("Failed to "));
        if mode != Mode::WritesFail {
            let (status, body) = stage.get("/api/v1/engagement/engagement-context/x").await;
            assert_eq!((status, &body["total_tasks"]), (StatusCode::OK, &json!(0)));
            assert!(body["metadata"]["error"].is_string());
            assert_eq!(stage.get("/api/v1/engagement/tasks/x").await.0, StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(stage.get("/api/calendar/available-items/x").await.0, StatusCode::INTERNAL_SERVER_ERROR);
        }
        // And through all of it:
        let (status, body) = stage.get("/api/health").await;
        assert_eq!((status, &body["overall_status"]), (StatusCode::OK, &json!("healthy")), "{mode:?}");
    }
    // The context cannot be stored, so it is made a third time.
    stage.world.set(Mode::Up, Mode::Status(500));
    stage.world.take();
    stage.generate("again", ROUTINE).await;
    assert_eq!(stage.world.take().chats.len(), 6);
}

#[tokio::test]
async fn engagement_follows_a_routine() {
    let stage = stage(|_| {}).await;
    stage.generate("j", ROUTINE).await;
    stage.generate("j", NUTRITION).await;
    stage.world.take();
    let (status, body) = stage.get("/api/v1/engagement/tasks/j").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(stage.world.take().calls.len(), 8);
    let blocks = body["time_blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 2, "{body}");
    let item = blocks[0]["tasks"][0]["id"].as_str().unwrap().to_owned();

    let checkin = |item: &str| json!({"profile_id": "j", "plan_item_id": item, "completion_status": "completed", "planned_date": "2026-11-23"});
    let (status, body) = stage.post("/api/v1/engagement/task-checkin", checkin(&item)).await;
    assert_eq!((status, &body["success"]), (StatusCode::OK, &json!(true)), "{body}");
    assert!(body["task_checkin_id"].is_string());
    let (status, body) = stage.post("/api/v1/engagement/task-checkin", checkin("nobody's")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(body["detail"].as_str().unwrap().contains("404"));
    let (status, body) = stage.post("/api/v1/engagement/task-checkin", json!({"completion_status": "done"})).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(body["detail"].as_array().unwrap().len(), 4, "{body}");

    let (_, body) = stage.get("/api/calendar/available-items/j").await;
    assert_eq!(body["total_items"], 2, "{body}");
    let select = |items: Value, user: &str| json!({"profile_id": user, "selected_plan_items": items});
    stage.world.take();
    let (status, body) = stage.post("/api/calendar/select", select(json!([item]), "j")).await;
    assert_eq!((status, &body["selections_created"]), (StatusCode::OK, &json!(1)), "{body}");
    assert_eq!(stage.world.take().calls.len(), 3);
    for (items, user, wanted) in
        [(json!([]), "j", 400), (json!(["x"]), "j", 400), (json!([item]), "k", 403), (json!([item, item]), "j", 409)]
    {
        assert_eq!(stage.post("/api/calendar/select", select(items, user)).await.0.as_u16(), wanted);
    }
    let journal = json!({"profile_id": "j", "journal_date": "2026-11-23", "energy_level": 4});
    assert_eq!(stage.post("/api/v1/engagement/journal", journal).await.0, StatusCode::OK);
    assert_eq!(stage.get("/api/v1/engagement/journal/j?date=2026-11-23").await.1["energy_level"], 4);
    let (status, _) = stage.get("/api/v1/engagement/journal/j?date=2020-01-01").await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "no row is a 500");
}

#[tokio::test]
async fn surfaces_that_are_missing_broken_or_locked() {
    let stage = stage(|_| {}).await;
    for path in [
        "/api/monitoring/health",
        "/api/monitoring/agents",
        "/api/monitoring/memory",
        "/api/admin/cost-tracking",
        "/api/health/simple",
        "/api/health/detailed",
    ] {
        assert_eq!(stage.get(path).await, (StatusCode::NOT_FOUND, json!({"detail": "Not Found"})), "{path}");
    }
    for path in ["/api/admin/cleanup", "/api/monitoring/test-alert"] {
        assert_eq!(stage.post(path, json!({})).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "/api/user/x/nutrition/latest",
        "/api/user/x/insights/latest",
        "/api/user/x/routine/2026-11-23",
        "/api/user/x/plans/nonsense",
    ] {
        assert_eq!(stage.get(path).await.0, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
    }
    for path in ["/api/user/x/insights/generate", "/api/user/x/insights/7/feedback"] {
        let (status, body) = stage.post(path, json!({})).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(body["detail"].as_str().unwrap().contains("name 'HolisticMemoryService' is not defined"));
    }
    let (status, body) = stage.get("/api/user/x/routine/latest").await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("not_found")));
    let (status, body) = stage.post("/api/analyze", json!({"user_id": "x"})).await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("error")));
    assert_eq!(
        stage.get("/api/user/x/routine/generate").await,
        (StatusCode::METHOD_NOT_ALLOWED, json!({"detail": "Method Not Allowed"}))
    );

    let bare = |path: &str, key: Option<&str>| {
        let request = stage.http.post(format!("{}{path}", stage.url)).json(&json!({}));
        let request = if let Some(key) = key { request.header("x-api-key", key) } else { request };
        async move {
            let response = request.send().await.unwrap();
            let headers = response.headers().clone();
            (response.status(), response.json::<Value>().await.unwrap()["detail"].clone(), headers)
        }
    };
    for what in [ROUTINE, CIRCADIAN] {
        let (status, detail, headers) = bare(&format!("/api/user/x/{what}"), Some("wrong")).await;
        assert_eq!((status, detail), (StatusCode::UNAUTHORIZED, json!("User not authenticated")), "{what}");
        assert_eq!((headers["server"].as_bytes(), headers["vary"].as_bytes()), (&b"uvicorn"[..], &b"Origin"[..]));
        assert!(headers.contains_key("content-length") && headers.contains_key("date"));
    }
    let (_, detail, _) = bare("/api/v2/insights/x/generate", None).await;
    assert_eq!(detail, "Not authenticated");
    let (_, detail, _) = bare("/api/v2/insights/x/generate", Some("wrong")).await;
    assert_eq!(detail, "Invalid or missing API key");
    let (status, _, _) = bare(&format!("/api/user/x/{BEHAVIOR}"), None).await;
    assert_eq!(status, StatusCode::OK, "no key needed");
    for body in ["", "{", "[]", r#"{"archetype":5}"#] {
        let url = format!("{}/api/user/x/{NUTRITION}", stage.url);
        let status =
            stage.http.post(url).header("content-type", "application/json").body(body).send().await.unwrap().status();
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    }
    // Two refused requests count as four errors.
    let (_, stats) = stage.get("/api/monitoring/stats").await;
    assert!(stats["metrics"]["total_errors"].as_u64().unwrap() >= 4, "{stats}");
    let metrics = stage.http.get(format!("{}/metrics", stage.url)).send().await.unwrap();
    assert!(metrics.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let text = metrics.text().await.unwrap();
    for name in [
        "holisticos_requests_total{",
        "holisticos_memory_usage_bytes ",
        "holisticos_health_check_status{service=\"openai\"} 1.0",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert_eq!(
        stage.get("/api/admin/rate-limits").await.1["rate_limiting"]["system_stats"]["error"],
        "Redis unavailable"
    );
}

#[tokio::test]
async fn duplicates_are_refused_also_after_their_client_has_left() {
    let stage = stage(|_| {}).await;
    stage.world.set(Mode::Hang, Mode::Up);
    stage.abandon(&format!("/api/user/d/{NUTRITION}")).await;
    let (status, body) = stage.generate("d", NUTRITION).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(body["detail"], "Duplicate nutrition request detected. Please wait 60 seconds before retrying.");
    // Only Supabase stops the loop: OpenAI may hang as it likes.
    assert_eq!(stage.get("/").await.0, StatusCode::OK);
}

#[tokio::test]
async fn everything_waits_for_supabase() {
    let stage = stage(|_| {}).await;
    assert_eq!(stage.get("/").await.0, StatusCode::OK);
    stage.world.set(Mode::Up, Mode::Hang);
    let url = stage.url.clone();
    let client = stage.http.clone();
    let blocked = tokio::spawn(async move { client.get(format!("{url}/api/v1/insights/x")).send().await });
    while stage.world.seen.lock().unwrap().calls.is_empty() {
        tokio::task::yield_now().await;
    }
    for path in ["/", "/metrics", "/api/health", "/nowhere"] {
        let request = stage.http.get(format!("{}{path}", stage.url)).timeout(Duration::from_millis(150));
        assert!(request.send().await.unwrap_err().is_timeout(), "{path} must wait");
    }
    blocked.abort();
}

#[tokio::test]
async fn health_notices_openai_only() {
    let stage = stage(|_| {}).await;
    stage.world.set(Mode::Status(401), Mode::Up);
    let (status, body) = stage.get("/api/health").await;
    assert_eq!((status, &body["overall_status"]), (StatusCode::OK, &json!("degraded")));
    assert_eq!(body["services"]["openai"]["response_time_ms"], -1.0);
    assert!(body["services"]["system"]["details"]["process_memory_mb"].as_f64().unwrap() > 100.0);
}

#[tokio::test]
async fn a_broken_agent_fails_as_if_openai_had() {
    let broken = |config: &mut ReferenceConfig| config.defects = vec!["broken-agent=nutrition".parse().unwrap()];
    let faithful = stage(broken).await;
    let (status, body) = faithful.generate("u", NUTRITION).await;
    assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("success")));
    assert_eq!(body["nutrition_plan"]["model_used"], "fallback");
    assert!(!count(&faithful.world.take().chats).contains_key("nutrition"));
    assert!(faithful.generate("v", ROUTINE).await.1["routine_plan"]["content"].is_string());

    let resilient = stage(|config| {
        broken(config);
        config.resilient = true;
    })
    .await;
    assert_eq!(resilient.generate("u", NUTRITION).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(resilient.generate("u", ROUTINE).await.1["status"], "success");
}

#[tokio::test]
async fn a_slow_endpoint_is_slow_and_its_neighbours_are_not() {
    let stage = stage(|config| {
        config.defects = vec!["slow-endpoint=journal:30s".parse().unwrap(), "leak=64KiB".parse().unwrap()];
    })
    .await;
    let slow = stage.http.get(format!("{}/api/v1/engagement/journal/x", stage.url));
    assert!(slow.timeout(Duration::from_millis(200)).send().await.unwrap_err().is_timeout());
    assert_eq!(stage.get("/api/v1/engagement/tasks/x").await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_resilient_app_works_and_fails_honestly() {
    let stage = stage(|config| config.resilient = true).await;
    for (what, plan) in [(ROUTINE, "routine_plan"), (NUTRITION, "nutrition_plan")] {
        let (status, body) = stage.generate("u", what).await;
        assert_eq!((status, &body["status"]), (StatusCode::OK, &json!("success")), "{body}");
        assert!(body[plan]["content"].is_string() && body.get("fallback").is_none());
    }
    assert_eq!(stage.generate("u", BEHAVIOR).await.1["status"], "success", "also after a plan");
    assert_eq!(stage.generate("u", CIRCADIAN).await.1["status"], "success", "no stall, no skipping");
    for path in
        ["/api/monitoring/health", "/api/monitoring/agents", "/api/monitoring/memory", "/api/admin/cost-tracking"]
    {
        assert_eq!(stage.get(path).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(stage.get("/api/user/u/routine/latest").await.1["status"], "success");

    stage.world.set(Mode::Status(500), Mode::Up);
    stage.world.take();
    let (status, body) = stage.generate("v", ROUTINE).await;
    assert_eq!((status, &body["status"], &body["fallback"]), (StatusCode::OK, &json!("degraded"), &json!(true)));
    assert!(body["routine_plan"]["content"].as_str().unwrap().contains("time_blocks"));
    assert!(stage.world.take().chats.len() <= 5, "two attempts a call, and the breaker");
    let (_, body) = stage.generate("v", NUTRITION).await;
    assert_eq!((&body["status"], body["nutrition_plan"]["content"].is_string()), (&json!("degraded"), true));
    let (_, body) = stage.generate("w", BEHAVIOR).await;
    assert_eq!((&body["status"], &body["fallback"]), (&json!("degraded"), &json!(true)));
    let (_, body) = stage.post("/api/v2/insights/w/generate", json!({})).await;
    assert_eq!((&body["status"], &body["count"]), (&json!("degraded"), &json!(1)));
    let (status, body) = stage.get("/api/health").await;
    assert_eq!((status, &body["overall_status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("degraded")));

    for (mode, overall) in [(Mode::Status(500), "unhealthy"), (Mode::WritesFail, "healthy")] {
        stage.world.set(Mode::Up, mode);
        let url = format!("{}/api/user/x{overall}/{NUTRITION}", stage.url);
        let response = stage.http.post(url).json(&json!({})).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE, "{mode:?}");
        assert!(response.headers().contains_key("retry-after"), "{mode:?}");
        assert_eq!(stage.get("/api/health").await.1["overall_status"], overall, "{mode:?}");
    }
}

#[tokio::test]
async fn the_resilient_app_forgets_abandoned_requests() {
    let stage = stage(|config| config.resilient = true).await;
    stage.world.set(Mode::Hang, Mode::Up);
    stage.abandon(&format!("/api/user/d/{NUTRITION}")).await;
    stage.world.set(Mode::Up, Mode::Up);
    // The server notices the closed connection on its own time.
    for _ in 0..200 {
        if stage.generate("d", NUTRITION).await.0 == StatusCode::OK {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("an abandoned request must not keep out its repetition");
}

#[tokio::test]
async fn stops_at_once_whatever_is_under_way() {
    let mut stage = stage(|_| {}).await;
    stage.world.set(Mode::Hang, Mode::Up);
    let url = format!("{}/api/user/d/{NUTRITION}", stage.url);
    let hanging = tokio::spawn(stage.http.post(url).json(&json!({})).send());
    while stage.world.seen.lock().unwrap().chats.is_empty() {
        tokio::task::yield_now().await;
    }
    stage.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), &mut stage.app).await;
    assert!(ended.is_ok(), "the app ends although a request hangs");
    assert!(hanging.await.unwrap().map_or(true, |response| response.status().is_server_error()));
}

#[tokio::test]
async fn says_which_address_is_no_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = ReferenceConfig {
        openai_url: "localhost:1".to_owned(),
        supabase_url: String::new(),
        openai_key: String::new(),
        supabase_key: String::new(),
        side_url: None,
        resilient: false,
        speed: 1.0,
        defects: Vec::new(),
        api_key: String::new(),
        log: |_| {},
    };
    let error = serve(listener, config, CancellationToken::new()).await.unwrap_err();
    assert_eq!(error.to_string(), "the address of OpenAI is no http(s) URL: `localhost:1`");
}
