//! The upstreams from outside: what the mocks answer to the calls that apps make, what is counted, and that
//! everything starts and ends cleanly.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use base64::Engine as _;
use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{Delay, DelayShape};
use firedrill::model::source::SourcePlan;
use firedrill::model::timeline::UpstreamInterval;
use firedrill::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{RunClock, Seed, Share, Span};
use firedrill::upstream::Upstreams;
use http::{Method, StatusCode};
use proptest::prelude::*;
use reqwest::{Client, RequestBuilder, Response};
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};

const OBJECT: &str = "application/vnd.pgrst.object+json";

fn constant(millis: u64) -> Delay {
    Delay {
        mean: Span(Duration::from_millis(millis)),
        jitter: Span::default(),
        shape: DelayShape::Constant,
        correlation: Share::NONE,
    }
}

fn openai() -> UpstreamPlan {
    UpstreamPlan {
        name: "openai".into(),
        kind: UpstreamKind::Openai(OpenaiPlan { latency: constant(0), ..OpenaiPlan::default() }),
        listen: None,
        tls: false,
        source: SourcePlan::Mock,
    }
}

fn supabase(rows: Value) -> UpstreamPlan {
    let seed: BTreeMap<String, Vec<Value>> = serde_json::from_value(rows).unwrap();
    UpstreamPlan {
        name: "supabase".into(),
        kind: UpstreamKind::Supabase(SupabasePlan { seed, latency: constant(0), ..SupabasePlan::default() }),
        listen: None,
        tls: false,
        source: SourcePlan::Mock,
    }
}

async fn start(plans: &[UpstreamPlan]) -> (Upstreams, UnboundedReceiver<RunEvent>) {
    let (sink, events) = EventSink::channel();
    let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
    (Upstreams::start(plans, engine, Seed(1), sink).await.unwrap(), events)
}

struct Api {
    upstreams: Upstreams,
    client: Client,
    base: String,
}

impl Api {
    async fn openai() -> Self {
        let (upstreams, _) = start(&[openai()]).await;
        Self { base: upstreams.url("openai").unwrap(), upstreams, client: Client::new() }
    }

    async fn supabase(rows: Value) -> Self {
        let (upstreams, _) = start(&[supabase(rows)]).await;
        Self { base: upstreams.url("supabase").unwrap(), upstreams, client: Client::new() }
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.client.request(method, format!("{}{path}", self.base));
        request.bearer_auth("sk-test-0123456789").header("apikey", "sk-test-0123456789")
    }

    async fn chat(&self, body: Value) -> Response {
        self.ask(Method::POST, "/chat/completions").json(&body).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path).send().await.unwrap().json().await.unwrap()
    }

    async fn table(&self, method: Method, path: &str, prefer: &str, body: Value) -> (u16, Value) {
        let request = self.ask(method, &format!("/rest/v1/{path}")).header("prefer", prefer).json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or(Value::Null))
    }
}

// --- Lifecycle --------------------------------------------------------------------------------------------------

#[tokio::test]
async fn an_address_in_use_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let plan = UpstreamPlan { listen: Some(address), ..openai() };
    let (sink, _events) = EventSink::channel();
    let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
    let error = Upstreams::start(&[plan], engine, Seed(1), sink).await.unwrap_err().to_string();
    assert!(error.contains("`openai`") && error.contains(&address.to_string()) && error.contains("listen"), "{error}");
}

#[tokio::test]
async fn the_environment_points_an_app_at_everything() {
    let stub = |name: &str| UpstreamPlan {
        name: name.into(),
        kind: UpstreamKind::Stub { answer: 404 },
        listen: None,
        tls: false,
        source: SourcePlan::Mock,
    };
    let (upstreams, _events) = start(&[openai(), supabase(json!({})), stub("sahha"), stub("mail-api")]).await;
    let environment = upstreams.environment();
    assert_eq!(
        environment.keys().collect::<Vec<_>>(),
        [
            "HOS_FAPI_BASE_URL",
            "MAIL_API_BASE_URL",
            "MAIL_API_URL",
            "OPENAI_API_KEY",
            "OPENAI_BASE_URL",
            "SAHHA_API_BASE_URL",
            "SAHHA_BASE_URL",
            "SAHHA_URL",
            "SUPABASE_ANON_KEY",
            "SUPABASE_JWT_SECRET",
            "SUPABASE_KEY",
            "SUPABASE_PUBLISHABLE_KEY",
            "SUPABASE_SECRET_KEY",
            "SUPABASE_SERVICE_KEY",
            "SUPABASE_SERVICE_ROLE_KEY",
            "SUPABASE_URL",
        ]
    );
    let openai = upstreams.address("openai").unwrap();
    assert_eq!(environment["OPENAI_BASE_URL"], format!("http://{openai}/v1"));
    assert_eq!(environment["SUPABASE_URL"], upstreams.url("supabase").unwrap());
    assert_eq!(environment["SUPABASE_KEY"].split('.').count(), 3, "clients insist on a JWT");
    let answer = reqwest::get(format!("{}/any/path", environment["SAHHA_URL"])).await.unwrap();
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.json::<Value>().await.unwrap()["stub"], "sahha");
    upstreams.shutdown().await;
}

#[tokio::test]
async fn counting_begins_with_the_run_and_holds_every_call() {
    let (upstreams, mut events) = start(&[openai(), supabase(json!({}))]).await;
    let client = Client::new();
    let models = format!("{}/models", upstreams.url("openai").unwrap());
    let items = format!("{}/rest/v1/items", upstreams.url("supabase").unwrap());
    client.get(&models).bearer_auth("k").send().await.unwrap();
    upstreams.begin(RunClock::start());
    client.get(&models).bearer_auth("k").header("x-stainless-retry-count", "0").send().await.unwrap();
    client.get(&models).bearer_auth("k").header("x-stainless-retry-count", "2").send().await.unwrap();
    client.get(&models).send().await.unwrap();
    let chat = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "12345678"}]});
    let completions = format!("{}/chat/completions", upstreams.url("openai").unwrap());
    let answer: Value =
        client.post(completions).bearer_auth("k").json(&chat).send().await.unwrap().json().await.unwrap();
    client.post(&items).header("apikey", "k").json(&json!([{"a": 1}, {"a": 2}])).send().await.unwrap();
    client.get(format!("{}/__firedrill/healthz", upstreams.url("supabase").unwrap())).send().await.unwrap();
    upstreams.shutdown().await;

    let mut sums = [UpstreamInterval::default(), UpstreamInterval::default()];
    while let Some(event) = events.recv().await {
        let interval = match event {
            RunEvent::Upstream(interval) => interval,
            RunEvent::Call(_) | RunEvent::CallSettled(_) => continue,
            other => panic!("unexpected {other:?}"),
        };
        let sum = &mut sums[usize::from(interval.upstream)];
        sum.calls += interval.calls;
        sum.retries += interval.retries;
        sum.tokens_in += interval.tokens_in;
        sum.tokens_out += interval.tokens_out;
        sum.writes += interval.writes;
        for (status, count) in interval.statuses {
            *sum.statuses.entry(status).or_default() += count;
        }
    }
    assert_eq!((sums[0].calls, sums[0].retries), (4, 1));
    assert_eq!(sums[0].statuses, BTreeMap::from([(200, 3), (401, 1)]));
    assert_eq!(sums[0].tokens_in, answer["usage"]["prompt_tokens"].as_u64().unwrap());
    assert_eq!(sums[0].tokens_in, 3 + 3 + 1 + 3, "three tokens of digits, one message and its role, the primer");
    assert_eq!(sums[0].tokens_out, answer["usage"]["completion_tokens"].as_u64().unwrap());
    assert_eq!((sums[1].calls, sums[1].writes), (1, 2));
    assert_eq!(sums[1].statuses, BTreeMap::from([(201, 1)]));
}

#[tokio::test]
async fn a_second_is_reported_soon_after_it_is_over_even_if_nothing_follows() {
    let (upstreams, mut events) = start(&[openai()]).await;
    upstreams.begin(RunClock::start());
    Client::new().get(format!("{}/models", upstreams.url("openai").unwrap())).send().await.unwrap();
    let event = timeout(Duration::from_secs(10), events.recv()).await.unwrap();
    assert!(matches!(event, Some(RunEvent::Upstream(interval)) if interval.calls == 1));
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_mock_takes_its_time_for_completions_only() {
    let plan = UpstreamPlan {
        kind: UpstreamKind::Openai(OpenaiPlan { latency: constant(120), ..OpenaiPlan::default() }),
        ..openai()
    };
    let (upstreams, _events) = start(&[plan]).await;
    let api = Api { base: upstreams.url("openai").unwrap(), upstreams, client: Client::new() };
    let chat = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]});
    let started = Instant::now();
    let response = api.chat(chat).await;
    assert!(started.elapsed() >= Duration::from_millis(120));
    assert_eq!(response.headers()["openai-processing-ms"], "120");
    let models = api.ask(Method::GET, "/models").send().await.unwrap();
    assert_eq!(models.headers()["openai-processing-ms"], "0");
    api.upstreams.shutdown().await;
}

#[tokio::test]
async fn a_body_of_more_than_32_mb_is_refused_in_the_providers_form() {
    let api = Api::openai().await;
    let response = api.ask(Method::POST, "/chat/completions").body(vec![b' '; (32 << 20) + 1]).send().await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["type"], "invalid_request_error");
    let most = api.ask(Method::POST, "/chat/completions").body(vec![b' '; 32 << 20]).send().await.unwrap();
    assert_eq!(most.status(), 400);
}

// --- OpenAI -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_completion_has_the_shape_and_headers_of_openais() {
    let api = Api::openai().await;
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]});
    let first = api.chat(body.clone()).await;
    assert_eq!(first.status(), 200);
    let headers = first.headers().clone();
    for name in ["x-request-id", "openai-processing-ms", "openai-version", "openai-organization", "date"] {
        assert!(headers.contains_key(name), "{name}");
    }
    let left = |response: &Response| -> u64 {
        response.headers()["x-ratelimit-remaining-tokens"].to_str().unwrap().parse().unwrap()
    };
    let before = left(&first);
    let completion: Value = first.json().await.unwrap();
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["model"], "gpt-4o-2024-08-06");
    assert!(completion["id"].as_str().unwrap().starts_with("chatcmpl-"));
    let choice = &completion["choices"][0];
    assert_eq!(
        (choice["finish_reason"].as_str(), choice["message"]["role"].as_str()),
        (Some("stop"), Some("assistant"))
    );
    let usage = &completion["usage"];
    assert_eq!(
        usage["total_tokens"].as_u64().unwrap(),
        usage["prompt_tokens"].as_u64().unwrap() + usage["completion_tokens"].as_u64().unwrap()
    );
    let mut large = body;
    large["max_tokens"] = json!(16_384);
    large["n"] = json!(128);
    assert!(left(&api.chat(large).await) < before, "what is reserved is gone from what remains");
}

#[tokio::test]
async fn a_stream_has_openais_order_of_chunks() {
    let api = Api::openai().await;
    for include_usage in [false, true] {
        let response = api
            .chat(json!({"model": "gpt-4o-mini", "stream": true, "n": 2, "stream_options": {"include_usage": include_usage},
                         "messages": [{"role": "user", "content": "hi"}]}))
            .await;
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        let text = response.text().await.unwrap();
        let events: Vec<&str> = text.split("\n\n").filter(|event| !event.is_empty()).collect();
        assert_eq!(*events.last().unwrap(), "data: [DONE]");
        let chunks: Vec<Value> = events[..events.len() - 1]
            .iter()
            .map(|event| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap())
            .collect();
        assert!(
            chunks.iter().all(|chunk| chunk["object"] == "chat.completion.chunk" && chunk["id"] == chunks[0]["id"])
        );
        let deltas = &chunks[..chunks.len() - usize::from(include_usage)];
        assert!(deltas.iter().all(|chunk| chunk.get("usage") == include_usage.then_some(&Value::Null)));
        for choice in 0..2 {
            let own: Vec<&Value> =
                deltas.iter().map(|chunk| &chunk["choices"][0]).filter(|c| c["index"] == choice).collect();
            assert_eq!(own[0]["delta"], json!({"role": "assistant", "content": "", "refusal": null}));
            assert_eq!(own.last().unwrap()["delta"], json!({}));
            assert_eq!(own.last().unwrap()["finish_reason"], "stop");
            let said: String = own.iter().filter_map(|c| c["delta"]["content"].as_str()).collect();
            assert!(said.len() > 100);
        }
        if include_usage {
            let last = chunks.last().unwrap();
            assert_eq!(last["choices"], json!([]));
            assert!(last["usage"]["total_tokens"].as_u64().unwrap() > 50);
        }
    }
}

#[tokio::test]
async fn max_tokens_and_stop_end_the_content() {
    let api = Api::openai().await;
    let messages = json!([{"role": "user", "content": "hi"}]);
    let short: Value = api
        .chat(json!({"model": "gpt-4o", "max_completion_tokens": 3, "messages": messages}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(short["choices"][0]["finish_reason"], "length");
    assert_eq!(short["usage"]["completion_tokens"], 3);
    let stopped: Value =
        api.chat(json!({"model": "gpt-4o", "stop": " answer", "messages": messages})).await.json().await.unwrap();
    assert_eq!(stopped["choices"][0]["message"]["content"], "This is an");
    assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
}

#[rstest]
#[case::no_json(r#"{"model":"#, 400, "", "could not parse the JSON body")]
#[case::wrong_type(r#"{"model":"gpt-4o","messages":"hi"}"#, 400, "invalid_type", "Invalid type for 'messages'")]
#[case::no_model(r#"{"messages":[{"role":"user","content":"x"}]}"#, 400, "", "must provide a model")]
#[case::unknown_model(
    r#"{"model":"gpt-77","messages":[{"role":"user","content":"x"}]}"#,
    404,
    "model_not_found",
    "does not exist"
)]
#[case::no_chat_model(
    r#"{"model":"text-embedding-3-small","messages":[{"role":"user","content":"x"}]}"#,
    403,
    "",
    "not allowed to sample"
)]
#[case::no_messages(r#"{"model":"gpt-4o"}"#, 400, "missing_required_parameter", "messages")]
#[case::empty_messages(r#"{"model":"gpt-4o","messages":[]}"#, 400, "empty_array", "messages")]
#[tokio::test]
async fn a_bad_completion_request_gets_the_true_envelope(
    #[case] body: &'static str,
    #[case] status: u16,
    #[case] code: &str,
    #[case] message: &str,
) {
    let api = Api::openai().await;
    let response = api.ask(Method::POST, "/chat/completions").body(body).send().await.unwrap();
    assert_eq!(response.status(), status);
    assert!(response.headers().contains_key("x-request-id"));
    let error = response.json::<Value>().await.unwrap()["error"].clone();
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error["code"].as_str().unwrap_or(""), code);
    assert!(error["message"].as_str().unwrap().contains(message), "{error}");
    assert_eq!(error.as_object().unwrap().len(), 4);
}

#[tokio::test]
async fn a_prompt_beyond_the_models_context_is_refused() {
    let api = Api::openai().await;
    let body = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "hello ".repeat(150_000)}]});
    let response = api.chat(body).await;
    assert_eq!(response.status(), 400);
    assert_eq!(response.json::<Value>().await.unwrap()["error"]["code"], "context_length_exceeded");
}

#[tokio::test]
async fn models_urls_and_keys_are_checked() {
    let api = Api::openai().await;
    let list = api.get("/models").await;
    assert_eq!(list["object"], "list");
    assert!(list["data"].as_array().unwrap().iter().any(|model| model["id"] == "gpt-4o"));
    assert_eq!(api.get("/models/gpt-4o-2024-08-06").await["id"], "gpt-4o-2024-08-06");
    assert_eq!(api.get("/models/nope").await["error"]["code"], "model_not_found");
    let lost = api.get("/frobnicate").await["error"].clone();
    assert_eq!(lost["message"], "Invalid URL (GET /v1/frobnicate)");
    let bare = api.client.get(format!("{}/models", api.base)).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    let body = bare.json::<Value>().await.unwrap();
    assert!(body["error"]["message"].as_str().unwrap().starts_with("You didn't provide an API key"));
    assert_eq!(body["error"]["code"], Value::Null);
    assert_eq!(api.ask(Method::GET, "/chat/completions").send().await.unwrap().status(), 405);
}

#[tokio::test]
async fn embeddings_are_unit_vectors_of_their_input() {
    let api = Api::openai().await;
    let embed = async |body: Value| -> Value {
        api.ask(Method::POST, "/embeddings").json(&body).send().await.unwrap().json().await.unwrap()
    };
    let floats =
        embed(json!({"model": "text-embedding-3-small", "input": ["a", "b", "a"], "encoding_format": "float"})).await;
    let vector = |at: usize| -> Vec<f32> {
        floats["data"][at]["embedding"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
    };
    assert_eq!(vector(0).len(), 1536);
    assert_eq!(vector(0), vector(2));
    assert_ne!(vector(0), vector(1));
    let length: f32 = vector(0).iter().map(|part| part * part).sum();
    assert!((length - 1.0).abs() < 1e-4, "{length}");
    let packed = embed(json!({"model": "text-embedding-3-small", "input": "a", "encoding_format": "base64"})).await;
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(packed["data"][0]["embedding"].as_str().unwrap()).unwrap();
    let unpacked: Vec<f32> = bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
    assert_eq!(unpacked, vector(0));
    let short = embed(json!({"model": "text-embedding-3-large", "input": [[1, 2], [3]], "dimensions": 256})).await;
    assert_eq!(short["data"][1]["embedding"].as_array().unwrap().len(), 256);
    assert_eq!(short["usage"]["prompt_tokens"], 3);
    for bad in [
        json!({"model": "text-embedding-ada-002", "input": "a", "dimensions": 5}),
        json!({"model": "text-embedding-3-small", "input": "a", "dimensions": 5000}),
        json!({"model": "text-embedding-3-small", "input": []}),
        json!({"model": "text-embedding-3-small"}),
    ] {
        assert_eq!(embed(bad.clone()).await["error"]["type"], "invalid_request_error", "{bad}");
    }
}

// --- Supabase ---------------------------------------------------------------------------------------------------

fn plants() -> Value {
    json!({
        "plants": [
            {"id": 1, "name": "oak", "height": 20, "kind": "tree", "tags": {"leaf": {"shape": "lobed"}}, "planted_at": "2024-05-01T10:00:00"},
            {"id": 2, "name": "birch", "height": 15, "kind": "tree", "tags": {}, "planted_at": "2025-01-01T00:00:00Z"},
            {"id": 3, "name": "fern", "height": null, "kind": "herb", "planted_at": "2025-06-01T00:00:00+02:00"},
            {"id": 4, "name": "Oat, wild", "height": 1.5, "kind": "grass", "planted_at": null},
        ],
        "seeds": [{"id": 10, "plant_id": 1, "weight": 3}, {"id": 11, "plant_id": 1, "weight": 5}, {"id": 12, "plant_id": 2, "weight": 1}],
    })
}

#[rstest]
#[case("select=id", "1,2,3,4")]
#[case("select=id&name=eq.oak", "1")]
#[case("select=id&name=neq.oak", "2,3,4")]
#[case("select=id&height=gt.1.5", "1,2")]
#[case("select=id&height=gte.1.5&kind=eq.tree", "1,2")]
#[case("select=id&height=lt.20", "2,4")]
#[case("select=id&height=is.null", "3")]
#[case("select=id&height=not.is.null", "1,2,4")]
#[case("select=id&name=like.o*", "1")]
#[case("select=id&name=ilike.o%25", "1,4")]
#[case("select=id&name=in.(oak,%22Oat,%20wild%22)", "1,4")]
#[case("select=id&id=not.in.(1,2)", "3,4")]
#[case("select=id&or=(kind.eq.herb,and(kind.eq.tree,height.lt.20))", "2,3")]
#[case("select=id&not.or=(kind.eq.herb,kind.eq.tree)", "4")]
#[case("select=id&planted_at=gte.2025-01-01T00:00:00%2B00:00", "2,3")]
#[case("select=id&planted_at=lt.2025-01-01", "1")]
#[case("select=id&tags->leaf->>shape=eq.lobed", "1")]
#[case("select=id&order=height.desc", "3,1,2,4")]
#[case("select=id&order=height.desc.nullslast", "1,2,4,3")]
#[case("select=id&order=height", "4,2,1,3")]
#[case("select=id&order=kind.asc,name.desc", "4,3,1,2")]
#[case("select=id&order=planted_at.desc&limit=2&offset=1", "3,2")]
#[case("select=id&limit=0", "")]
#[case("select=id&offset=9", "")]
#[case("select=id,seeds!inner(id)&seeds.weight=gt.4", "1")]
#[tokio::test]
async fn reads_select_what_postgrest_would(#[case] query: &str, #[case] ids: &str) {
    let api = Api::supabase(plants()).await;
    let rows = api.get(&format!("/rest/v1/plants?{query}")).await;
    let got: Vec<String> =
        rows.as_array().unwrap_or_else(|| panic!("{rows}")).iter().map(|row| row["id"].to_string()).collect();
    assert_eq!(got.join(","), ids);
}

#[rstest]
#[case("plants?id=eq.1&select=n:name,size:height::text,shape:tags->leaf->>shape", json!([{"n": "oak", "size": "20", "shape": "lobed"}]))]
#[case("plants?id=eq.3&select=name,tags,missing", json!([{"name": "fern", "tags": null, "missing": null}]))]
#[case("plants?id=eq.1&select=planted_at", json!([{"planted_at": "2024-05-01T10:00:00+00:00"}]))]
#[case("plants?id=eq.3&select=planted_at", json!([{"planted_at": "2025-05-31T22:00:00+00:00"}]))]
#[case("plants?id=eq.1&select=seeds(weight)&seeds.order=weight.desc", json!([{"seeds": [{"weight": 5}, {"weight": 3}]}]))]
#[case("plants?id=eq.1&select=seeds(count)", json!([{"seeds": [{"count": 2}]}]))]
#[case("plants?id=eq.3&select=seeds(id)", json!([{"seeds": []}]))]
#[case("seeds?id=eq.12&select=of:plants(name)", json!([{"of": {"name": "birch"}}]))]
#[case("seeds?id=eq.12&select=id,...plants(name)", json!([{"id": 12, "name": "birch"}]))]
#[case("plants?id=eq.1&select=id,weather(id)", json!([{"id": 1, "weather": null}]))]
#[case("never_written?select=*&a=eq.1", json!([]))]
#[tokio::test]
async fn reads_render_what_postgrest_would(#[case] path: &str, #[case] expected: Value) {
    let api = Api::supabase(plants()).await;
    assert_eq!(api.get(&format!("/rest/v1/{path}")).await, expected);
}

#[rstest]
#[case("plants", "count=exact", "", 200, "0-3/4")]
#[case("plants?limit=2", "count=exact", "", 206, "0-1/4")]
#[case("plants?limit=2&offset=2", "count=estimated", "", 206, "2-3/4")]
#[case("plants?limit=2", "", "", 200, "0-1/*")]
#[case("plants?id=eq.99", "count=exact", "", 200, "*/0")]
#[case("plants?id=eq.99", "", "", 200, "*/*")]
#[case("plants?offset=5", "count=exact", "", 416, "*/4")]
#[case("plants?offset=5", "", "", 200, "*/*")]
#[case("plants", "count=exact", "0-1", 206, "0-1/4")]
#[case("plants", "count=exact", "3-", 206, "3-3/4")]
#[tokio::test]
async fn counts_and_ranges_follow_postgrests_rule(
    #[case] path: &str,
    #[case] prefer: &str,
    #[case] range: &str,
    #[case] status: u16,
    #[case] content_range: &str,
) {
    let api = Api::supabase(plants()).await;
    for method in [Method::GET, Method::HEAD] {
        let mut request = api.ask(method.clone(), &format!("/rest/v1/{path}")).header("prefer", prefer);
        if !range.is_empty() {
            request = request.header("range-unit", "items").header("range", range);
        }
        // PostgREST looks at `Range` only by GET.
        let whole = method == Method::HEAD && !range.is_empty();
        let (status, content_range) = if whole { (200, "0-3/4") } else { (status, content_range) };
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{method}");
        let given = response.headers().get("content-range").map_or("", |value| value.to_str().unwrap()).to_owned();
        assert_eq!(given, content_range, "{method}");
        let body = response.text().await.unwrap();
        assert_eq!(body.is_empty(), method == Method::HEAD, "{body}");
        if status == 416 && method == Method::GET {
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["code"], "PGRST103");
        }
    }
}

#[tokio::test]
async fn a_single_object_is_one_row_or_406() {
    let api = Api::supabase(plants()).await;
    let single = async |path: &str| {
        let response = api.ask(Method::GET, &format!("/rest/v1/{path}")).header("accept", OBJECT).send().await.unwrap();
        (response.status(), response.json::<Value>().await.unwrap())
    };
    assert_eq!(single("plants?id=eq.1&select=name").await, (StatusCode::OK, json!({"name": "oak"})));
    for (path, rows) in [("plants?id=eq.9", 0), ("plants?kind=eq.tree", 2)] {
        let (status, body) = single(path).await;
        assert_eq!(status, 406);
        assert_eq!(
            body,
            json!({"code": "PGRST116", "details": format!("The result contains {rows} rows"), "hint": null,
                   "message": "Cannot coerce the result to a single JSON object"})
        );
    }
}

#[tokio::test]
async fn rows_are_written_merged_changed_and_removed() {
    let api = Api::supabase(json!({})).await;
    let back = "return=representation";
    let (status, rows) = api.table(Method::POST, "journals", back, json!({"user_id": "u", "mood": 3})).await;
    assert_eq!(status, 201);
    let row = &rows[0];
    assert_eq!(row["id"].as_str().unwrap().len(), 36);
    assert!(row["created_at"].as_str().unwrap().ends_with("+00:00"));

    let both = "return=representation,resolution=merge-duplicates";
    let day = |mood: i32| json!({"user_id": "u", "day": "2025-11-23", "mood": mood});
    let (status, first) = api.table(Method::POST, "journals?on_conflict=user_id,day", both, day(1)).await;
    assert_eq!((status, &first[0]["mood"]), (201, &json!(1)));
    let (status, second) = api.table(Method::POST, "journals?on_conflict=user_id,day", both, day(2)).await;
    assert_eq!((status, &second[0]["mood"]), (200, &json!(2)));
    assert_eq!(first[0]["id"], second[0]["id"], "merged, not added");
    let ignoring = "return=representation, resolution=ignore-duplicates";
    let (_, ignored) = api.table(Method::POST, "journals?on_conflict=user_id,day", ignoring, day(9)).await;
    assert_eq!(ignored, json!([]));

    let (status, changed) = api.table(Method::PATCH, "journals?mood=eq.2&select=mood", back, json!({"mood": 7})).await;
    assert_eq!((status, changed), (200, json!([{"mood": 7}])));
    let (status, none) = api.table(Method::PATCH, "journals?mood=eq.2", back, json!({"mood": 7})).await;
    assert_eq!((status, none), (200, json!([])));
    let (status, nothing) = api.table(Method::PATCH, "journals?mood=eq.7", "", json!({"mood": 8})).await;
    assert_eq!((status, nothing), (204, Value::Null));
    let (status, gone) = api.table(Method::DELETE, "journals?mood=eq.8&select=mood", back, json!({})).await;
    assert_eq!((status, gone), (200, json!([{"mood": 8}])));
    assert_eq!(api.get("/rest/v1/journals?select=mood").await, json!([{"mood": 3}]));

    let (_, batch) = api
        .table(
            Method::POST,
            "journals?columns=%22user_id%22,%22mood%22",
            back,
            json!([{"user_id": "v", "mood": 1, "secret": 1}, {"user_id": "w"}]),
        )
        .await;
    assert_eq!(batch.as_array().unwrap().len(), 2);
    assert_eq!(batch[0].get("secret"), None);
    let state = api.get("/__firedrill/state").await;
    assert_eq!(state["rows"]["journals"], 3);
    assert_eq!(state["writes"]["acknowledged"], 8, "every row of every answer that said so");
}

#[tokio::test]
async fn the_results_table_dates_its_rows() {
    let api = Api::supabase(json!({})).await;
    let body = json!({"user_id": "u", "analysis_result": {"b": 1, "a": [1, 2]}, "created_at": "2025-11-23T10:00:00.5"});
    let (_, rows) = api.table(Method::POST, "holistic_analysis_results", "return=representation", body).await;
    assert_eq!(rows[0]["analysis_date"].as_str().unwrap().len(), 10);
    assert_eq!(rows[0]["created_at"], "2025-11-23T10:00:00.5+00:00");
    assert_eq!(rows[0]["analysis_result"], json!({"b": 1, "a": [1, 2]}));
}

#[rstest]
#[case::bad_filter(Method::GET, "plants?name=oak", json!(null), 400, "PGRST100")]
#[case::unknown_operator(Method::GET, "plants?name=sounds.oak", json!(null), 400, "PGRST100")]
#[case::not_embedded(Method::GET, "plants?seeds.weight=eq.1", json!(null), 400, "PGRST108")]
#[case::same_id(Method::POST, "plants", json!({"id": 1}), 409, "23505")]
#[case::same_id_twice(Method::POST, "plants", json!([{"id": 50}, {"id": 50}]), 409, "23505")]
#[case::no_object(Method::POST, "plants", json!([1]), 400, "PGRST102")]
#[case::uneven_keys(Method::POST, "plants", json!([{"a": 1}, {"b": 1}]), 400, "PGRST102")]
#[case::null_id(Method::POST, "plants", json!({"id": null}), 400, "23502")]
#[case::everything(Method::DELETE, "plants", json!({}), 400, "21000")]
#[case::no_function(Method::POST, "rpc/grow", json!({}), 404, "PGRST202")]
#[tokio::test]
async fn refusals_have_postgrests_codes(
    #[case] method: Method,
    #[case] path: &str,
    #[case] body: Value,
    #[case] status: u16,
    #[case] code: &str,
) {
    let api = Api::supabase(plants()).await;
    let response = api.ask(method, &format!("/rest/v1/{path}")).json(&body).send().await.unwrap();
    assert_eq!(response.status(), status);
    assert_eq!(response.headers()["proxy-status"], format!("PostgREST; error={code}"));
    let error: Value = response.json().await.unwrap();
    assert_eq!(error["code"], code);
    assert_eq!(error.as_object().unwrap().len(), 4);
    assert_eq!(api.get("/rest/v1/plants?select=id").await.as_array().unwrap().len(), 4, "nothing was written");
}

#[tokio::test]
async fn the_gateway_wants_a_key_and_routes_by_prefix() {
    let api = Api::supabase(plants()).await;
    let bare = api.client.get(format!("{}/rest/v1/plants", api.base)).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    let body: Value = bare.json().await.unwrap();
    assert_eq!(body["message"], "No API key found in request");
    assert_eq!(body.get("code"), None);
    let by_query = api.client.get(format!("{}/rest/v1/plants?apikey=k&id=eq.1", api.base)).send().await.unwrap();
    assert_eq!(by_query.json::<Value>().await.unwrap()[0]["name"], "oak");
    assert_eq!(api.get("/auth/v1/health").await["name"], "GoTrue");
    assert!(api.get("/auth/v1/settings").await["external"].is_object());
    assert!(api.get("/rest/v1/").await["paths"]["/plants"].is_object());
    assert_eq!(api.ask(Method::GET, "/nowhere").send().await.unwrap().status(), 404);
    let other = api.ask(Method::GET, "/rest/v1/plants").header("accept-profile", "private").send().await.unwrap();
    assert_eq!(other.status(), 406);
}

#[tokio::test]
async fn large_tables_answer_alike_by_index_and_by_scan() {
    let rows: Vec<Value> = (0..2_000)
        .map(|n| json!({"id": n, "user_id": format!("user_{}", n % 100), "kind": if n % 2 == 0 { "even" } else { "odd" }}))
        .collect();
    let api = Api::supabase(json!({"results": rows})).await;
    for _ in 0..2 {
        let rows = api.get("/rest/v1/results?user_id=eq.user_7&kind=eq.odd&order=id.desc&limit=2&select=id").await;
        assert_eq!(rows, json!([{"id": 1907}, {"id": 1807}]));
    }
    let (_, moved) = api
        .table(
            Method::PATCH,
            "results?id=eq.1907&select=user_id",
            "return=representation",
            json!({"user_id": "user_8"}),
        )
        .await;
    assert_eq!(moved, json!([{"user_id": "user_8"}]));
    let rows = api.get("/rest/v1/results?user_id=eq.user_7&order=id.desc&limit=1&select=id").await;
    assert_eq!(rows, json!([{"id": 1807}]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever comes as a query, the answer is rows or PostgREST's envelope, and the connection lives.
    #[test]
    fn no_query_breaks_the_mock(pairs in proptest::collection::vec(("[a-z_.>!*-]{1,12}|select|order|or|limit", "\\PC{0,30}|[(),.a-eqn]{0,30}"), 0..4)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = Api::supabase(plants()).await;
            let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let response = api.ask(Method::GET, &format!("/rest/v1/plants?{query}")).send().await.unwrap();
            let status = response.status();
            let body: Value = response.json().await.unwrap();
            assert!(status == 200 && body.is_array() || status.is_client_error() && body["code"].is_string(), "{status} {body}");
        });
    }
}
