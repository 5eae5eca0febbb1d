//! The OpenAI mock's limits and pace, from outside: what is refused, what the headers say, and how long answers take.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::Delay;
use firedrill::model::limits::{LimitHeaders, LimitsPlan, Quota, RateLimit};
use firedrill::model::pace::{ModelPace, PacePlan};
use firedrill::model::upstream::{OpenaiPlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{RunClock, Seed, Span};
use firedrill::upstream::Upstreams;
use reqwest::{Client, Response, header::HeaderMap};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

struct Api {
    upstreams: Upstreams,
    events: UnboundedReceiver<RunEvent>,
    client: Client,
    base: String,
}

impl Api {
    async fn new(plan: OpenaiPlan) -> Self {
        let (sink, events) = EventSink::channel();
        let engine = Arc::new(Engine::new(Vec::new(), Seed(1)));
        let plans = [UpstreamPlan::new("openai", UpstreamKind::Openai(plan))];
        let upstreams = Upstreams::start(&plans, engine, Seed(1), sink).await.unwrap();
        Self { base: upstreams.url("openai").unwrap(), events, upstreams, client: Client::new() }
    }

    async fn limited(limits: LimitsPlan) -> Self {
        Self::new(OpenaiPlan { limits, ..OpenaiPlan::default() }).await
    }

    async fn post(&self, path: &str, key: &str, body: Value) -> Response {
        self.client.post(format!("{}{path}", self.base)).bearer_auth(key).json(&body).send().await.unwrap()
    }

    async fn chat(&self, key: &str, model: &str, max_tokens: u64) -> Response {
        self.post("/chat/completions", key, chat(model, max_tokens)).await
    }
}

fn chat(model: &str, max_tokens: u64) -> Value {
    json!({"model": model, "max_tokens": max_tokens, "messages": [{"role": "user", "content": "hi"}]})
}

fn rate(requests: Option<u64>, tokens: Option<u64>) -> RateLimit {
    RateLimit { requests_per_minute: requests, tokens_per_minute: tokens }
}

fn every(requests: Option<u64>, tokens: Option<u64>) -> LimitsPlan {
    LimitsPlan { every: rate(requests, tokens), ..LimitsPlan::default() }
}

const LEFT: [&str; 6] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
];

fn said(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).unwrap_or_else(|| panic!("no {name} in {headers:?}")).to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_request_over_the_limit_is_refused_as_openai_does() {
    let api = Api::limited(every(Some(3), None)).await;
    for left in ["2", "1", "0"] {
        let answer = api.chat("sk-one-key-0123456789", "gpt-4o", 5).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(said(answer.headers(), LEFT[0]), "3");
        assert_eq!(said(answer.headers(), LEFT[2]), left);
    }
    let refused = api.chat("sk-one-key-0123456789", "gpt-4o", 5).await;
    assert_eq!(refused.status(), 429);
    let headers = refused.headers().clone();
    assert_eq!((said(&headers, "retry-after"), said(&headers, "retry-after-ms")), ("20".into(), "20000".into()));
    assert_eq!(said(&headers, LEFT[2]), "0");
    assert!(said(&headers, LEFT[4]).ends_with('s'));
    assert!(headers.contains_key("x-request-id") && headers.contains_key("openai-processing-ms"));
    let error = refused.json::<Value>().await.unwrap()["error"].clone();
    assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("requests"), Some("rate_limit_exceeded")));
    assert_eq!(
        error["message"],
        "Rate limit reached for gpt-4o in organization org-firedrill on requests per min (RPM): Limit 3, Used 3, \
         Requested 1. Please try again in 20s. Visit https://platform.openai.com/account/rate-limits to learn more."
    );
    assert!(error["param"].is_null() && error.as_object().unwrap().len() == 4);
    // Another key, and another model of the same key, have limits of their own.
    assert_eq!(api.chat("sk-another-key-0123456789", "gpt-4o", 5).await.status(), 200);
    assert_eq!(api.chat("sk-one-key-0123456789", "gpt-4o-mini", 5).await.status(), 200);
    // A dated name is the same model.
    assert_eq!(api.chat("sk-one-key-0123456789", "gpt-4o-2024-08-06", 5).await.status(), 429);
}

#[tokio::test]
async fn tokens_are_reserved_up_front_with_the_most_that_may_be_answered() {
    let api = Api::limited(every(None, Some(1_000))).await;
    let first = api.chat("k", "gpt-4o", 600).await;
    let used = first.json::<Value>().await.unwrap()["usage"]["prompt_tokens"].as_u64().unwrap() + 600;
    let second = api.chat("k", "gpt-4o", 600).await;
    assert_eq!(second.status(), 429);
    let headers = second.headers().clone();
    assert_eq!(said(&headers, LEFT[1]), "1000");
    let remaining: u64 = said(&headers, LEFT[3]).parse().unwrap();
    assert!((1_000 - used..1_000 - used + 60).contains(&remaining), "{remaining} left of 1000 with {used} used");
    let error = second.json::<Value>().await.unwrap()["error"].clone();
    assert_eq!((error["type"].as_str(), error["code"].as_str()), (Some("tokens"), Some("rate_limit_exceeded")));
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("on tokens per min (TPM): Limit 1000, Used 6"), "{message}");
    let millis: u64 = said(&headers, "retry-after-ms").parse().unwrap();
    let secs: u64 = said(&headers, "retry-after").parse().unwrap();
    assert_eq!(secs, millis.div_ceil(1_000));
    assert!((1..20_000).contains(&millis), "{millis} ms");

    let too_large = api.chat("k", "gpt-4o", 5_000).await;
    assert_eq!(too_large.status(), 429);
    assert!(!too_large.headers().contains_key("retry-after"), "no wait cures it");
    let message = too_large.json::<Value>().await.unwrap()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Request too large for gpt-4o") && message.contains("must be reduced"), "{message}");
    // Refused requests reserved nothing.
    assert_eq!(api.chat("k", "gpt-4o", 100).await.status(), 200);
}

#[tokio::test]
async fn embeddings_and_streams_are_limited_too_and_failed_requests_count() {
    let api = Api::limited(every(Some(3), None)).await;
    let embed = json!({"model": "text-embedding-3-small", "input": "hello"});
    for status in [200, 200, 200, 429] {
        assert_eq!(api.post("/embeddings", "k", embed.clone()).await.status(), status);
    }
    let mut streamed = chat("gpt-4o", 20);
    streamed["stream"] = json!(true);
    let stream = api.post("/chat/completions", "k", streamed).await;
    assert!(LEFT.iter().all(|name| stream.headers().contains_key(*name)));
    let bad = api.post("/chat/completions", "k", json!({"model": "gpt-4o", "messages": []})).await;
    assert_eq!((bad.status().as_u16(), said(bad.headers(), LEFT[2])), (400, "1".into()));
    assert_eq!(api.chat("k", "gpt-4o", 5).await.status(), 200);
    assert_eq!(api.chat("k", "gpt-4o", 5).await.status(), 429);
}

#[tokio::test]
async fn without_limits_nothing_is_refused_and_headers_still_add_up() {
    let api = Api::new(OpenaiPlan::default()).await;
    // Each reserves two million tokens; together they are far more than what is there.
    let mut greedy = chat("gpt-4o", 16_384);
    greedy["n"] = json!(128);
    let mut last = api.post("/chat/completions", "k", greedy.clone()).await;
    for _ in 0..24 {
        assert_eq!(last.status(), 200);
        last = api.post("/chat/completions", "k", greedy.clone()).await;
    }
    assert_eq!(last.status(), 200);
    assert_eq!(said(last.headers(), LEFT[3]), "0");
    assert_eq!(said(last.headers(), LEFT[5]), "1m0s");
}

#[tokio::test]
async fn models_have_limits_of_their_own_and_inherit_the_rest() {
    let models = BTreeMap::from([("gpt-4o-mini".to_owned(), rate(Some(1), None))]);
    let api = Api::limited(LimitsPlan { models, ..every(Some(2), Some(50_000)) }).await;
    let mini = api.chat("k", "gpt-4o-mini", 5).await;
    assert_eq!((said(mini.headers(), LEFT[0]), said(mini.headers(), LEFT[1])), ("1".into(), "50000".into()));
    assert_eq!(api.chat("k", "gpt-4o-mini", 5).await.status(), 429);
    assert_eq!(api.chat("k", "gpt-4o", 5).await.status(), 200);
    assert_eq!(api.chat("k", "gpt-4o", 5).await.status(), 200);
    assert_eq!(api.chat("k", "gpt-4o", 5).await.status(), 429);
}

#[tokio::test]
async fn limits_for_a_model_that_does_not_exist_are_pointed_out() {
    let models = BTreeMap::from([("gpt-4o-mni".to_owned(), rate(Some(1), None))]);
    let mut api = Api::limited(LimitsPlan { models, ..LimitsPlan::default() }).await;
    let event = api.events.recv().await;
    assert!(
        matches!(&event, Some(RunEvent::Warning { message, .. }) if message.contains("`gpt-4o-mni` under `limits`")),
        "{event:?}"
    );
}

#[tokio::test]
async fn headers_can_be_left_out_of_refusals_or_of_everything() {
    for (headers, on_success) in [(LimitHeaders::NotOnRefusal, true), (LimitHeaders::None, false)] {
        let api = Api::limited(LimitsPlan { headers, ..every(Some(1), None) }).await;
        let answered = api.chat("k", "gpt-4o", 5).await;
        let refused = api.chat("k", "gpt-4o", 5).await;
        assert_eq!((answered.status().as_u16(), refused.status().as_u16()), (200, 429));
        assert!(LEFT.iter().all(|name| answered.headers().contains_key(*name) == on_success), "{headers:?}");
        let bare = ["retry-after", "retry-after-ms"].iter().chain(&LEFT).all(|n| !refused.headers().contains_key(*n));
        assert!(bare, "{headers:?}");
    }
}

#[tokio::test]
async fn a_quota_of_tokens_ends_for_good_and_for_every_key() {
    let quota = Some(Quota::Tokens(60));
    let mut api = Api::limited(LimitsPlan { quota, ..LimitsPlan::default() }).await;
    api.upstreams.begin(RunClock::start());
    let mut used = 0;
    let mut answered = 0;
    while used < 60 {
        let answer = api.chat(&format!("k{answered}"), "gpt-4o", 20).await;
        assert_eq!(answer.status(), 200);
        used += answer.json::<Value>().await.unwrap()["usage"]["total_tokens"].as_u64().unwrap();
        answered += 1;
    }
    let refused = api.chat("yet-another", "gpt-4o-mini", 20).await;
    assert_eq!(refused.status(), 429);
    assert!(!refused.headers().contains_key("retry-after"));
    let error = refused.json::<Value>().await.unwrap()["error"].clone();
    assert_eq!(
        (error["type"].as_str(), error["code"].as_str()),
        (Some("insufficient_quota"), Some("insufficient_quota"))
    );
    // What was refused is seen by the run, as a status of the upstream and not as a fault.
    let state = format!("{}/__firedrill/state", api.base.trim_end_matches("/v1"));
    let state: Value = api.client.get(state).send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (state["limits"]["refused"]["quota"].as_u64(), state["limits"]["spent"]["tokens"].as_u64()),
        (Some(1), Some(used))
    );
    api.upstreams.shutdown().await;
    let (mut statuses, mut faulted) = (BTreeMap::new(), 0);
    while let Some(event) = api.events.recv().await {
        let RunEvent::Upstream(interval) = event else { continue };
        faulted += interval.faulted;
        for (status, count) in interval.statuses {
            *statuses.entry(status).or_insert(0) += count;
        }
    }
    assert_eq!((statuses, faulted), (BTreeMap::from([(200, answered), (429, 1)]), 0));
}

#[tokio::test]
async fn a_quota_of_dollars_is_spent_at_the_price_list() {
    let quota = Some(Quota::Dollars(0.001));
    let api = Api::limited(LimitsPlan { quota, ..LimitsPlan::default() }).await;
    let mut dollars = 0.0;
    while dollars < 0.001 {
        let answer = api.chat("k", "gpt-4o", 40).await;
        assert_eq!(answer.status(), 200, "at {dollars} dollars");
        let usage = answer.json::<Value>().await.unwrap()["usage"].clone();
        // gpt-4o, USD per million tokens (WIRE-openai §9).
        dollars += usage["prompt_tokens"].as_f64().unwrap() * 2.5e-6;
        dollars += usage["completion_tokens"].as_f64().unwrap() * 10e-6;
    }
    assert_eq!(api.chat("k", "gpt-4o", 40).await.status(), 429);
}

#[tokio::test]
async fn made_up_keys_cost_neither_memory_nor_the_limits_of_others() {
    let api = Api::limited(every(Some(2), None)).await;
    assert_eq!(api.chat("honest", "gpt-4o", 5).await.status(), 200);
    // Embeddings of a token id are the cheapest calls.
    let cheap = json!({"model": "text-embedding-3-small", "input": [1], "dimensions": 1});
    for batch in 0..110 {
        let keys = (0..100).map(|n| format!("made-up-{batch}-{n}"));
        let all = keys.map(|key| {
            let cheap = cheap.clone();
            let api = &api;
            async move { api.post("/embeddings", &key, cheap).await.status() }
        });
        futures_util::future::join_all(all).await;
    }
    let state = format!("{}/__firedrill/state", api.base.trim_end_matches("/v1"));
    let state: Value = api.client.get(state).send().await.unwrap().json().await.unwrap();
    let accounts = state["limits"]["accounts"].as_u64().unwrap();
    assert!((9_000..=10_040).contains(&accounts), "{accounts} accounts");
    assert_eq!(api.chat("honest", "gpt-4o", 5).await.status(), 200);
    assert_eq!(api.chat("honest", "gpt-4o", 5).await.status(), 429);
}

// --- Pace -------------------------------------------------------------------------------------------------------

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn paced(capacity: Option<u32>) -> OpenaiPlan {
    let every = ModelPace {
        first_token: Delay::constant(ms(80)),
        token_gap: Delay::constant(ms(6)),
        per_1k_prompt_tokens: Span(ms(40)),
        ..ModelPace::default()
    };
    let models = BTreeMap::from([("gpt-4o-mini".to_owned(), ModelPace::default())]);
    let pace = Some(Box::new(PacePlan { every, models, capacity, embeddings: Delay::constant(ms(30)) }));
    OpenaiPlan { pace, ..OpenaiPlan::default() }
}

#[tokio::test]
async fn a_plain_answer_takes_its_first_token_and_a_gap_for_each_other() {
    let api = Api::new(paced(None)).await;
    let started = Instant::now();
    let answer = api.chat("k", "gpt-4o", 21).await;
    let took = started.elapsed();
    let processing: u64 = said(answer.headers(), "openai-processing-ms").parse().unwrap();
    let tokens = answer.json::<Value>().await.unwrap()["usage"]["completion_tokens"].as_u64().unwrap();
    // The prompt is short: its part is below a millisecond.
    let expected = 80 + 6 * (tokens - 1);
    assert!((expected..=expected + 1).contains(&processing), "{processing} ms for {tokens} tokens");
    assert!(took >= ms(processing), "{took:?}");
    let embedding = api.post("/embeddings", "k", json!({"model": "text-embedding-3-small", "input": "x"})).await;
    assert_eq!(said(embedding.headers(), "openai-processing-ms"), "30");
    assert_eq!(said(api.chat("k", "gpt-4o-mini", 21).await.headers(), "openai-processing-ms"), "0");
}

#[tokio::test]
async fn with_one_place_calls_at_once_wait_for_each_other() {
    let every = ModelPace { first_token: Delay::constant(ms(300)), ..ModelPace::default() };
    let pace = Some(Box::new(PacePlan { every, capacity: Some(1), ..PacePlan::default() }));
    let api = Api::new(OpenaiPlan { pace, ..OpenaiPlan::default() }).await;
    let calls = (0..3).map(|_| async { said(api.chat("k", "gpt-4o", 11).await.headers(), "openai-processing-ms") });
    let mut took: Vec<u64> =
        futures_util::future::join_all(calls).await.into_iter().map(|ms| ms.parse().unwrap()).collect();
    took.sort_unstable();
    // How much they wait hangs on how close together they came; that they do, and never for more, does not.
    assert!(took[0] == 300 && took[2] > 300 && took[2] <= 900, "{took:?}");
}
