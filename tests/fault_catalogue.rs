//! Every fault of HTTP and of data in the catalogue, written as people write it, met by a client on the wire: on a mock
//! and on a real service behind us alike; and `docs/faults.md`, which is made from the catalogue's own words.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::config::{MocksRequest, mocks};
use firedrill::fault::Engine;
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{FaultAction, FaultRule};
use firedrill::model::source::SourcePlan;
use firedrill::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{RunClock, Seed};
use firedrill::upstream::{Upstreams, check_template, known_errors};
use http::HeaderMap;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(10);
/// How long a client of a body that never ends waits.
const IMPATIENCE: Duration = Duration::from_millis(400);

/// The rules of a profile, through the same reader as everybody's.
fn rules(profile: &str) -> Vec<FaultRule> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalogue.toml");
    std::fs::write(&path, profile).unwrap();
    let request = MocksRequest {
        scenario: None,
        faults: Some(path.display().to_string()),
        seed: Some(42),
        seed_file: None,
        env: &|_| None,
        provider_errors: &known_errors,
        check_template: &check_template,
    };
    mocks(&request).unwrap_or_else(|error| panic!("{profile}\n{error:?}")).faults
}

fn kinds() -> [UpstreamPlan; 2] {
    let rows = |n: u64| json!({"id": n, "text": format!("row {n}")});
    let seed = BTreeMap::from([("items".to_owned(), (1..=6).map(rows).collect())]);
    [
        UpstreamPlan::new("openai", UpstreamKind::Openai(OpenaiPlan::default())),
        UpstreamPlan::new("supabase", UpstreamKind::Supabase(SupabasePlan { seed, ..SupabasePlan::default() })),
    ]
}

struct Bench {
    upstreams: Upstreams,
    /// The service behind a pass-through.
    behind: Option<Upstreams>,
    events: UnboundedReceiver<RunEvent>,
    client: reqwest::Client,
}

impl Bench {
    async fn start(rules: Vec<FaultRule>, through: bool) -> Self {
        let mut plans = kinds();
        let mut behind = None;
        if through {
            let (sink, _) = EventSink::channel();
            let engine = Arc::new(Engine::new(vec![], Seed(1)));
            let real = Upstreams::start(&plans, engine, Seed(1), sink).await.unwrap();
            for plan in &mut plans {
                let url = format!("http://{}", real.address(&plan.name).unwrap());
                plan.source = SourcePlan::PassThrough { url, record: None };
            }
            behind = Some(real);
        }
        let (sink, events) = EventSink::channel();
        let engine = Arc::new(Engine::new(rules, Seed(42)));
        let upstreams = Upstreams::start(&plans, engine, Seed(42), sink).await.unwrap();
        upstreams.begin(RunClock::start());
        Self { upstreams, behind, events, client: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn address(&self, upstream: &str) -> SocketAddr {
        self.upstreams.address(upstream).unwrap()
    }

    async fn ask(&self, ask: &Ask) -> Seen {
        let url = format!("http://{}{}", self.address(ask.upstream()), ask.path());
        let request = match ask.body() {
            Some(body) => self.client.post(url).json(&body),
            None => self.client.get(url),
        };
        let request = match ask.upstream() {
            "openai" => request.bearer_auth("sk-test-abcdefghijkl"),
            _ => request.header("apikey", "key"),
        };
        Seen::of(request).await
    }

    /// What a bare socket sees of it, until the connection ends.
    async fn raw(&self, ask: &Ask, patience: Duration) -> (String, Result<(), String>) {
        let body = ask.body().map(|body| body.to_string()).unwrap_or_default();
        let method = if body.is_empty() { "GET" } else { "POST" };
        let key = if ask.upstream() == "openai" { "authorization: Bearer k" } else { "apikey: k" };
        let request = format!(
            "{method} {} HTTP/1.1\r\nhost: x\r\n{key}\r\ncontent-length: {}\r\n\r\n{body}",
            ask.path(),
            body.len()
        );
        let mut socket = TcpStream::connect(self.address(ask.upstream())).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        let end = loop {
            match timeout(patience, socket.read(&mut buffer)).await {
                Err(_) => break Err("nothing more comes".to_owned()),
                Ok(Ok(0)) => break Ok(()),
                Ok(Ok(read)) => seen.extend_from_slice(&buffer[..read]),
                Ok(Err(error)) => break Err(error.kind().to_string()),
            }
        };
        (String::from_utf8_lossy(&seen).into_owned(), end)
    }

    async fn json(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("http://{}{path}", self.address("supabase"));
        let mut request =
            self.client.request(method, url).header("apikey", "key").header("prefer", "return=representation");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
    }

    /// Ends everything; gives what fired, and the statuses that were counted (0 is no answer).
    async fn finish(mut self) -> (Vec<(usize, u64, FaultAction)>, BTreeMap<u16, u64>) {
        drop(self.client);
        timeout(PATIENCE, self.upstreams.shutdown()).await.expect("shutting down takes no time");
        if let Some(behind) = self.behind {
            timeout(PATIENCE, behind.shutdown()).await.expect("shutting down takes no time");
        }
        let (mut fired, mut statuses) = (Vec::new(), BTreeMap::new());
        while let Some(event) = self.events.recv().await {
            match event {
                RunEvent::FaultFired { rule, n, action, .. } => fired.push((rule, n, action)),
                RunEvent::Upstream(interval) => {
                    for (status, count) in interval.statuses {
                        *statuses.entry(status).or_default() += count;
                    }
                }
                _ => {}
            }
        }
        (fired, statuses)
    }
}

/// What a case asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    Chat,
    ChatStream,
    Structured,
    StructuredStream,
    Response,
    ResponseStream,
    Embedding,
    Rows,
    NoSuchModel,
}

impl Ask {
    fn upstream(self) -> &'static str {
        if self == Self::Rows { "supabase" } else { "openai" }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Chat | Self::ChatStream | Self::Structured | Self::StructuredStream => "/v1/chat/completions",
            Self::Response | Self::ResponseStream => "/v1/responses",
            Self::Embedding => "/v1/embeddings",
            Self::Rows => "/rest/v1/items?select=*",
            Self::NoSuchModel => "/v1/models/none",
        }
    }

    fn body(self) -> Option<Value> {
        let messages = json!([{"role": "user", "content": "say something long, please"}]);
        let schema = json!({"type": "json_schema", "json_schema": {"name": "plan", "strict": true, "schema": {
            "type": "object", "additionalProperties": false, "required": ["title", "steps"],
            "properties": {"title": {"type": "string"}, "steps": {"type": "array", "items": {"type": "string"}}}}}});
        match self {
            Self::Chat => Some(json!({"model": "gpt-4o", "messages": messages})),
            Self::ChatStream => Some(json!({"model": "gpt-4o", "stream": true, "messages": messages,
                                            "stream_options": {"include_usage": true}})),
            Self::Structured => Some(json!({"model": "gpt-4o", "messages": messages, "response_format": schema})),
            Self::StructuredStream => {
                Some(json!({"model": "gpt-4o", "stream": true, "messages": messages, "response_format": schema}))
            }
            Self::Response => Some(json!({"model": "gpt-4o", "input": "say something"})),
            Self::ResponseStream => Some(json!({"model": "gpt-4o", "input": "say something", "stream": true})),
            Self::Embedding => Some(json!({"model": "text-embedding-3-small", "input": "x"})),
            Self::Rows | Self::NoSuchModel => None,
        }
    }
}

/// What a client saw.
#[derive(Debug)]
struct Seen {
    /// No answer at all, if this is zero.
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Whether the body came to its end.
    whole: bool,
    headers_after: Duration,
    after: Duration,
    /// Reads that it took.
    reads: usize,
}

impl Seen {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let started = Instant::now();
        let mut seen = Self {
            status: 0,
            headers: HeaderMap::new(),
            body: Vec::new(),
            whole: false,
            headers_after: PATIENCE,
            after: PATIENCE,
            reads: 0,
        };
        let Ok(Ok(mut response)) = timeout(IMPATIENCE, request.send()).await else { return seen };
        (seen.status, seen.headers) = (response.status().as_u16(), response.headers().clone());
        seen.headers_after = started.elapsed();
        loop {
            match timeout(IMPATIENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    seen.body.extend_from_slice(&chunk);
                    seen.reads += 1;
                }
                Ok(Ok(None)) => {
                    seen.whole = true;
                    break;
                }
                _ => break,
            }
        }
        seen.after = started.elapsed();
        seen
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The data of a stream's events that is JSON.
    fn events(&self) -> Vec<Value> {
        let text = self.text();
        text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect()
    }

    /// What a chat stream said.
    fn said(&self) -> String {
        self.events().iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
    }
}

/// One entry of the catalogue, met by a client.
struct Case {
    kind: &'static str,
    /// As in a profile, behind `inject.KIND = `.
    settings: &'static str,
    ask: Ask,
    /// What a client sees of it.
    check: fn(&Seen),
}

const fn case(kind: &'static str, settings: &'static str, ask: Ask, check: fn(&Seen)) -> Case {
    Case { kind, settings, ask, check }
}

/// Everything but faults of data, whose clients ask twice.
const CASES: &[Case] = &[
    case("latency", "{ mean = \"150ms\" }", Ask::Chat, |seen| {
        assert!(seen.headers_after >= Duration::from_millis(150) && seen.status == 200 && seen.whole, "{seen:?}");
    }),
    case("latency", "{ mean = \"150ms\", at = \"body\" }", Ask::Rows, |seen| {
        assert!(seen.after - seen.headers_after >= Duration::from_millis(120), "{seen:?}");
        assert!(seen.whole && seen.json().as_array().unwrap().len() == 6, "{seen:?}");
    }),
    case(
        "latency",
        "{ mean = \"20ms\", jitter = \"5ms\", shape = \"uniform\", correlation = \"50%\", at = \"chunks\" }",
        Ask::ChatStream,
        |seen| {
            let events = u32::try_from(seen.text().matches("data: ").count()).unwrap();
            assert!(
                events > 5 && seen.after >= Duration::from_millis(15) * events,
                "{events} events in {:?}",
                seen.after
            );
            assert!(seen.reads as u32 >= events - 1 && seen.text().ends_with("[DONE]\n\n"), "{seen:?}");
        },
    ),
    case("abort", "{ error = \"rate_limit\" }", Ask::Chat, |seen| {
        assert_eq!((seen.status, seen.header("retry-after").is_empty()), (429, false));
        assert_eq!(seen.json()["error"]["code"], "rate_limit_exceeded");
    }),
    case("reset_peer", "{}", Ask::Chat, |seen| assert_eq!(seen.status, 0)),
    case("reset_peer", "{ after = \"0B\" }", Ask::Chat, |seen| {
        assert!(seen.status == 200 && seen.body.is_empty() && !seen.whole, "{seen:?}");
    }),
    case("reset_peer", "{ events = 2 }", Ask::ChatStream, |seen| {
        assert!(seen.status == 200 && !seen.whole && !seen.text().contains("[DONE]"), "{seen:?}");
    }),
    case("timeout", "{}", Ask::Chat, |seen| assert_eq!(seen.status, 0)),
    case("timeout", "{ after = \"20ms\" }", Ask::Chat, |seen| assert_eq!(seen.status, 0)),
    case("limit_data", "{ bytes = \"40B\" }", Ask::Chat, |seen| {
        assert!(
            !seen.whole && seen.body.len() == 40 && seen.header("content-length").parse::<usize>().unwrap() > 40,
            "{seen:?}"
        );
    }),
    case("stall", "{ events = 2, pause = \"120ms\" }", Ask::ChatStream, |seen| {
        assert!(seen.after >= Duration::from_millis(120) && seen.text().ends_with("[DONE]\n\n"), "{seen:?}");
    }),
    case("stall", "{ after = \"30B\" }", Ask::Rows, |seen| {
        assert!(seen.status == 200 && !seen.whole && seen.body.len() == 30, "{seen:?}");
    }),
    case("truncate", "{}", Ask::ChatStream, |seen| {
        assert!(seen.whole && !seen.text().contains("[DONE]") && seen.text().contains("usage"), "{seen:?}");
    }),
    case("truncate", "{ after = \"50B\" }", Ask::Rows, |seen| {
        assert!(seen.whole && seen.body.len() == 50, "{seen:?}");
        serde_json::from_slice::<Value>(&seen.body).unwrap_err();
    }),
    case("stream_error", "{ error = \"overloaded\" }", Ask::ChatStream, |seen| {
        assert!(
            seen.whole && seen.events().last().unwrap()["error"]["message"].as_str().unwrap().contains("overloaded")
        );
    }),
    case("stream_error", "{ error = \"rate_limit\", form = \"flat\" }", Ask::ResponseStream, |seen| {
        assert_eq!(seen.events().last().unwrap()["code"], "rate_limit_exceeded");
    }),
    case("stream_error", "{ error = \"rate_limit\", form = \"nested\" }", Ask::ResponseStream, |seen| {
        assert_eq!(seen.events().last().unwrap()["error"]["code"], "rate_limit_exceeded");
    }),
    case("stream_error", "{ error = \"rate_limit\", form = \"failed\" }", Ask::ResponseStream, |seen| {
        assert_eq!(seen.events().last().unwrap()["response"]["status"], "failed");
    }),
    case("drip", "{ bytes = \"20B\", every = \"2ms\" }", Ask::Rows, |seen| {
        let parts = seen.body.len().div_ceil(20) as u32;
        assert!(
            seen.whole && seen.after >= Duration::from_millis(2) * (parts - 1),
            "{parts} parts in {:?}",
            seen.after
        );
        assert_eq!(seen.json().as_array().unwrap().len(), 6);
    }),
    case("slow_tokens", "{ every = \"25ms\" }", Ask::ChatStream, |seen| {
        let events = u32::try_from(seen.text().matches("data: ").count()).unwrap();
        assert!(
            seen.after >= Duration::from_millis(25) * (events - 1) && seen.whole,
            "{events} events in {:?}",
            seen.after
        );
    }),
    case(
        "headers",
        "{ set = { Retry-After = \"7200\", X-New = \"1\" }, remove = [\"content-type\"] }",
        Ask::Chat,
        |seen| {
            assert_eq!(
                (seen.header("retry-after"), seen.header("x-new"), seen.header("content-type")),
                ("7200", "1", "")
            );
            assert_eq!(seen.json()["object"], "chat.completion");
        },
    ),
    case("wrong_content_type", "{ value = \"text/plain\" }", Ask::Rows, |seen| {
        assert_eq!(seen.header("content-type"), "text/plain");
        assert_eq!(seen.json().as_array().unwrap().len(), 6);
    }),
    case("wrong_content_length", "{ off = 10 }", Ask::Rows, |seen| {
        let declared = seen.header("content-length").parse::<usize>().unwrap();
        assert!(declared == seen.body.len() + 10 && !seen.whole, "{seen:?}");
        assert_eq!(seen.json().as_array().unwrap().len(), 6, "all that there is has come");
    }),
    case("wrong_content_length", "{ off = -10 }", Ask::Rows, |seen| {
        assert_eq!(seen.header("content-length").parse::<usize>().unwrap(), seen.body.len());
        assert!(seen.whole && serde_json::from_slice::<Value>(&seen.body).is_err(), "{seen:?}");
    }),
    case("malformed_json", "{}", Ask::Chat, |seen| {
        assert!(seen.status == 200 && seen.whole && seen.text().ends_with(','), "{seen:?}");
        serde_json::from_slice::<Value>(&seen.body).unwrap_err();
    }),
    case("malformed_json", "{ events = 2 }", Ask::ChatStream, |seen| {
        let bad = seen.text().lines().filter(|line| line.starts_with("data: ") && line.ends_with(',')).count();
        assert!(bad == 1 && seen.text().ends_with("[DONE]\n\n"), "{seen:?}");
    }),
    case("empty_object", "{}", Ask::Rows, |seen| assert_eq!((seen.status, seen.text().as_str()), (200, "{}"))),
    case("empty_object", "{}", Ask::ChatStream, |seen| {
        assert_eq!((seen.status, seen.header("content-type"), seen.text().as_str()), (200, "application/json", "{}"));
    }),
    case("html_page", "{}", Ask::Chat, |seen| {
        assert!(seen.status == 200 && seen.header("content-type").starts_with("text/html"), "{seen:?}");
        assert!(seen.text().starts_with("<!DOCTYPE html>"));
    }),
    case("garbage", "{ after = \"10B\", bytes = \"300B\" }", Ask::Rows, |seen| {
        assert!(seen.whole && seen.body.len() == 310 && seen.body[10] == 0xFF, "{seen:?}");
        String::from_utf8(seen.body.clone()).unwrap_err();
    }),
    case("garbage", "{ events = 2, bytes = \"64B\" }", Ask::ChatStream, |seen| {
        assert!(seen.whole && seen.text().matches("data: ").count() == 2, "{seen:?}");
        String::from_utf8(seen.body.clone()).unwrap_err();
    }),
    case("duplicate_chunk", "{ events = 2 }", Ask::ChatStream, |seen| {
        let events = seen.events();
        assert_eq!(events[2], events[3]);
        assert_ne!(events[3], events[4]);
    }),
    case("missing_usage", "{}", Ask::Chat, |seen| {
        assert!(seen.json().get("usage").is_none() && seen.json()["choices"][0]["message"]["content"].is_string());
    }),
    case("missing_usage", "{}", Ask::ChatStream, |seen| {
        assert!(seen.events().iter().all(|event| event["usage"].is_null()) && seen.text().ends_with("[DONE]\n\n"));
    }),
    case("missing_usage", "{}", Ask::ResponseStream, |seen| {
        let last = seen.events().pop().unwrap();
        assert!(last["type"] == "response.completed" && last["response"]["usage"].is_null(), "{last}");
    }),
    case("empty_choices", "{}", Ask::Chat, |seen| assert_eq!(seen.json()["choices"], json!([]))),
    case("empty_choices", "{}", Ask::ChatStream, |seen| {
        assert!(seen.events().len() > 3 && seen.events().iter().all(|event| event["choices"] == json!([])), "{seen:?}");
    }),
    case("empty_choices", "{}", Ask::Response, |seen| assert_eq!(seen.json()["output"], json!([]))),
    case("empty_choices", "{}", Ask::ResponseStream, |seen| {
        let events = seen.events();
        assert!((0..).zip(&events).all(|(n, event)| event["sequence_number"] == n), "{events:?}");
        assert!(events.iter().all(|event| event.get("delta").is_none()));
        assert_eq!(events.last().unwrap()["response"]["output"], json!([]));
    }),
    case("empty_choices", "{}", Ask::Embedding, |seen| assert_eq!(seen.json()["data"], json!([]))),
    case("finish_reason", "{ keep = \"30%\" }", Ask::Structured, |seen| {
        let choice = &seen.json()["choices"][0];
        assert_eq!(choice["finish_reason"], "length");
        serde_json::from_str::<Value>(choice["message"]["content"].as_str().unwrap()).unwrap_err();
    }),
    case("finish_reason", "{ reason = \"content_filter\", events = 2 }", Ask::ChatStream, |seen| {
        let reasons: BTreeSet<String> = seen
            .events()
            .iter()
            .filter_map(|event| event["choices"][0]["finish_reason"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(reasons, BTreeSet::from(["content_filter".to_owned()]));
        let spoken = seen
            .events()
            .iter()
            .filter(|event| event["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty()))
            .count();
        assert!(spoken == 2 && seen.events().last().unwrap()["usage"].is_object(), "{seen:?}");
    }),
    case("finish_reason", "{}", Ask::Response, |seen| {
        let response = seen.json();
        assert_eq!(
            (&response["status"], &response["incomplete_details"]["reason"]),
            (&json!("incomplete"), &json!("max_output_tokens"))
        );
    }),
    case("finish_reason", "{ events = 2 }", Ask::ResponseStream, |seen| {
        let events = seen.events();
        let last = events.last().unwrap();
        assert!(
            last["type"] == "response.incomplete" && seen.text().contains("event: response.incomplete\n"),
            "{last}"
        );
        let said: String = events
            .iter()
            .filter(|event| event["type"] == "response.output_text.delta")
            .map(|event| event["delta"].as_str().unwrap().to_owned())
            .collect();
        assert!(!said.is_empty());
        assert_eq!(last["response"]["output"][0]["content"][0]["text"], said);
        assert!((0..).zip(&events).all(|(n, event)| event["sequence_number"] == n), "{events:?}");
    }),
    case("invalid_output", "{}", Ask::Structured, |seen| {
        let response = seen.json();
        let content = response["choices"][0]["message"]["content"].as_str().unwrap();
        assert_eq!(response["choices"][0]["finish_reason"], "stop");
        serde_json::from_str::<Value>(content).unwrap_err();
        serde_json::from_str::<Value>(&format!("{content}}}")).expect("but for its last bracket it is right");
    }),
    case("invalid_output", "{ how = \"fence\" }", Ask::StructuredStream, |seen| {
        let said = seen.said();
        let json = said.strip_prefix("```json\n").and_then(|rest| rest.strip_suffix("\n```")).expect(&said);
        serde_json::from_str::<Value>(json).unwrap();
    }),
    case("invalid_output", "{ how = \"prose\" }", Ask::StructuredStream, |seen| {
        assert!(seen.said().starts_with("Here is") && seen.said().ends_with('}'), "{}", seen.said());
    }),
    case("huge_body", "{ size = \"3MB\" }", Ask::Rows, |seen| {
        assert_eq!(seen.header("content-length").is_empty(), seen.header("transfer-encoding") == "chunked");
        assert!(seen.body.len() > 3_000_000 && seen.whole);
        assert_eq!(seen.json().as_array().unwrap().len(), 6);
    }),
    case("huge_body", "{ size = \"1MB\" }", Ask::ChatStream, |seen| {
        assert!(seen.body.len() > 1_000_000 && seen.body.starts_with(b": ") && seen.text().ends_with("[DONE]\n\n"));
    }),
    case("reordered_rows", "{}", Ask::Rows, |seen| {
        let ids: Vec<u64> = seen.json().as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect();
        assert_ne!(ids, [1, 2, 3, 4, 5, 6]);
        assert_eq!(ids.iter().copied().collect::<BTreeSet<_>>().len(), 6);
    }),
];

/// The kinds whose clients ask twice; each has a test of its own below.
const OF_DATA: [&str; 4] = ["stale_read", "lost_write", "duplicate_write", "partial_batch"];

async fn meet(case: &Case, through: bool) {
    let Case { kind, settings, ask, check } = case;
    let upstream = ask.upstream();
    let rules = rules(&format!("[[fault]]\nupstream = \"{upstream}\"\ninject.{kind} = {settings}\n"));
    assert_eq!(rules[0].inject.kind(), *kind);
    let bench = Bench::start(rules, through).await;
    let seen = bench.ask(ask).await;
    eprintln!("{kind} {settings} on {ask:?}, through {through}");
    check(&seen);
    let (fired, statuses) = bench.finish().await;
    assert_eq!(fired.len(), 1, "it fired once, and is known to have: {kind} {settings} {ask:?} {through}");
    assert_eq!(statuses.values().sum::<u64>(), 1, "and the request is counted once: {statuses:?}");
}

/// Every case, also behind one that fails.
async fn meet_all(through: bool) {
    let mut failed = Vec::new();
    for case in CASES {
        if tokio::spawn(meet(case, through)).await.is_err() {
            failed.push(format!("{} {} on {:?}", case.kind, case.settings, case.ask));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_met_on_a_mock() {
    meet_all(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_is_met_on_a_real_service() {
    meet_all(true).await;
}
