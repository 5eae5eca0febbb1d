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
        control: None,
        control_token: None,
        scenario: None,
        faults: Some(path.display().to_string()),
        seed: Some(42),
        seed_file: None,
        listen: firedrill::config::Listen::Free,
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
        self.ask_with(ask, &[]).await
    }

    async fn ask_with(&self, ask: &Ask, headers: &[(&str, &str)]) -> Seen {
        let url = format!("http://{}{}", self.address(ask.upstream()), ask.path());
        let request = match ask.body() {
            Some(body) => self.client.post(url).json(&body),
            None => self.client.get(url),
        };
        let request = match ask.upstream() {
            "openai" => request.bearer_auth("sk-test-abcdefghijkl"),
            _ => request.header("apikey", "key"),
        };
        Seen::of(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
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

/// Kinds that act on connections and have tests of their own: where each is met, by words that stand there.
const ELSEWHERE: [(&str, &str); 11] = [
    ("refuse", "a_refused_upstream_refuses_and_resets_what_is_open_until_its_window_is_over"),
    ("accept_hang", "#[case::accept_hang"),
    ("partition", "one_way_partitions_differ_by_what_the_server_has_seen"),
    ("blackhole", "#[case::blackhole"),
    ("half_close", "#[case::half_close"),
    ("slow_close", "a_slow_close_is_late"),
    ("bandwidth", "#[case::bandwidth"),
    ("slicer", "#[case::slicer"),
    ("connection_cap", "a_full_pool_keeps_the_next_one_waiting"),
    ("tls_handshake_failure", "#[case::handshake"),
    ("certificate", "#[case::expired"),
];
/// Needs a PostgreSQL server, which its own tests start.
const OF_POSTGRES: &str = "postgres";

async fn meet(case: &Case, through: bool) {
    let Case { kind, settings, ask, check } = case;
    let upstream = ask.upstream();
    let rules = rules(&format!("[[fault]]\nupstream = \"{upstream}\"\ninject.{kind} = {settings}\n"));
    assert_eq!(rules[0].inject.kind(), *kind);
    let bench = Bench::start(rules, through).await;
    let seen = bench.ask(ask).await;
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

#[tokio::test]
async fn what_cannot_be_altered_is_left_alone_and_does_not_fire() {
    // Each kind on an answer that has nothing of what it changes.
    let cases = [
        ("openai", "malformed_json = {}", Ask::NoSuchModel),
        ("openai", "empty_object = {}", Ask::NoSuchModel),
        ("openai", "html_page = {}", Ask::NoSuchModel),
        ("openai", "garbage = {}", Ask::NoSuchModel),
        ("openai", "huge_body = { size = \"1MB\" }", Ask::NoSuchModel),
        ("openai", "empty_choices = {}", Ask::NoSuchModel),
        ("openai", "missing_usage = {}", Ask::NoSuchModel),
        ("openai", "duplicate_chunk = {}", Ask::Chat),
        ("openai", "duplicate_chunk = { events = 5000 }", Ask::ChatStream),
        ("openai", "malformed_json = { events = 5000 }", Ask::ChatStream),
        ("openai", "slow_tokens = { every = \"5s\" }", Ask::Chat),
        ("openai", "finish_reason = {}", Ask::Embedding),
        ("openai", "invalid_output = {}", Ask::Chat),
        ("openai", "wrong_content_length = { off = -100000 }", Ask::Chat),
        ("openai", "wrong_content_length = { off = 10 }", Ask::ChatStream),
        ("openai", "wrong_content_type = { value = \"application/json\" }", Ask::Chat),
        ("openai", "headers = { remove = [\"x-nothing\"] }", Ask::Chat),
        ("openai", "drip = { bytes = \"1MB\" }", Ask::Chat),
        ("openai", "reset_peer = { after = \"1MB\" }", Ask::Chat),
        ("openai", "stream_error = { error = \"overloaded\" }", Ask::Chat),
        ("supabase", "stale_read = { age = \"1s\" }", Ask::Rows),
        ("supabase", "lost_write = {}", Ask::Rows),
        ("supabase", "garbage = { after = \"1MB\" }", Ask::Rows),
    ];
    let plain = Bench::start(vec![], false).await;
    for (upstream, inject, ask) in cases {
        let rules = rules(&format!("[[fault]]\nupstream = \"{upstream}\"\ninject.{inject}\n"));
        for through in [false, true] {
            if through && upstream == "supabase" && !inject.starts_with("garbage") {
                continue;
            }
            let bench = Bench::start(rules.clone(), through).await;
            let (seen, as_ever) = (bench.ask(&ask).await, plain.ask(&ask).await);
            assert_eq!((seen.status, seen.whole), (as_ever.status, true), "{inject} on {ask:?}: {seen:?}");
            let shape = |seen: &Seen| (seen.header("content-type").to_owned(), seen.events().len());
            assert_eq!(shape(&seen), shape(&as_ever), "{inject} on {ask:?}");
            let (fired, statuses) = bench.finish().await;
            assert_eq!(fired, [], "{inject} on {ask:?}");
            assert_eq!(statuses, BTreeMap::from([(seen.status, 1)]), "{inject} on {ask:?}");
        }
    }
    plain.finish().await;
}

#[tokio::test]
async fn an_error_keeps_its_own_body_under_faults_of_content_and_its_headers_can_change() {
    let rules = rules(
        "[[fault]]\nupstream = \"openai\"\ninject.empty_choices = {}\n\
         [[fault]]\nupstream = \"openai\"\ninject.headers = { set = { retry-after = \"0\" } }\n\
         [[fault]]\nupstream = \"openai\"\nwhen = { header = { x-down = \"1\" } }\n\
         inject.abort = { error = \"rate_limit\" }\n\
         [[fault]]\nupstream = \"openai\"\ninject.headers = { set = { x-never = \"1\" } }\n",
    );
    let bench = Bench::start(rules, false).await;
    let seen = bench.ask_with(&Ask::Chat, &[("x-down", "1")]).await;
    assert_eq!((seen.status, seen.header("retry-after"), seen.header("x-never")), (429, "0", ""));
    assert_eq!(seen.json()["error"]["code"], "rate_limit_exceeded");
    let (fired, _) = bench.finish().await;
    assert_eq!(fired.iter().map(|(rule, ..)| *rule).collect::<Vec<_>>(), [2, 1], "the content had nothing to change");
}

#[tokio::test]
async fn faults_compose_in_the_stated_order_on_both_sides() {
    let rules = rules(
        "[[fault]]\nupstream = \"openai\"\ninject.wrong_content_length = { off = 5 }\n\
         [[fault]]\nupstream = \"openai\"\ninject.truncate = { after = \"1B\" }\n\
         [[fault]]\nupstream = \"openai\"\ninject.wrong_content_type = {}\n\
         [[fault]]\nupstream = \"openai\"\ninject.empty_object = {}\n\
         [[fault]]\nupstream = \"openai\"\ninject.malformed_json = {}\n",
    );
    for through in [false, true] {
        let bench = Bench::start(rules.clone(), through).await;
        let (text, end) = bench.raw(&Ask::Chat, IMPATIENCE).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        // `{}` is broken to `{,`, cut to `{`, and its declared length is off from that.
        assert_eq!((body, end), ("{", Err("nothing more comes".into())), "{head}");
        assert!(head.contains("content-length: 6") && head.contains("content-type: text/html"), "{head}");
        let (fired, statuses) = bench.finish().await;
        assert_eq!(fired.len(), 5, "{fired:?}");
        assert_eq!(statuses, BTreeMap::from([(0, 1)]), "nobody could read it to its end");
    }
}

#[tokio::test]
async fn a_length_that_is_too_short_leaves_the_rest_on_the_wire() {
    for through in [false, true] {
        let bench = Bench::start(
            rules("[[fault]]\nupstream = \"supabase\"\ninject.wrong_content_length = { off = -30 }\n"),
            through,
        )
        .await;
        let (text, end) = bench.raw(&Ask::Rows, PATIENCE).await;
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let declared = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        assert_eq!(body.len(), declared.parse::<usize>().unwrap() + 30, "{text}");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap().as_array().unwrap().len(), 6);
        assert_eq!(end, Ok(()), "closed by FIN: nothing else could come behind that");
        bench.finish().await;
    }
}

#[tokio::test]
async fn over_http2_a_length_that_is_wrong_is_a_broken_stream() {
    use http_body_util::BodyExt;
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    let client =
        Client::builder(TokioExecutor::new()).http2_only(true).build_http::<http_body_util::Empty<bytes::Bytes>>();
    for off in [10, -10] {
        for through in [false, true] {
            let profile =
                format!("[[fault]]\nupstream = \"supabase\"\ninject.wrong_content_length = {{ off = {off} }}\n");
            let bench = Bench::start(rules(&profile), through).await;
            let uri = format!("http://{}/rest/v1/items", bench.address("supabase"));
            let request = http::Request::get(uri).header("apikey", "k").body(http_body_util::Empty::new()).unwrap();
            let seen = match timeout(PATIENCE, client.request(request)).await.expect("it does not hang") {
                Ok(response) => {
                    timeout(PATIENCE, response.into_body().collect()).await.expect("nor its body").map(drop)
                }
                Err(error) => panic!("{error:?}"),
            };
            let error = seen.expect_err("the data frames contradict the length");
            assert!(
                error.to_string().contains("http2") || format!("{error:?}").contains("PROTOCOL_ERROR"),
                "{error:?}"
            );
            let (fired, _) = bench.finish().await;
            assert_eq!(fired.len(), 1);
        }
    }
}

#[tokio::test]
async fn a_reset_comes_behind_what_was_let_through() {
    for (settings, ask, through) in [
        ("{ after = \"0B\" }", Ask::Chat, false),
        ("{ after = \"0B\" }", Ask::Chat, true),
        ("{ after = \"40B\" }", Ask::Rows, false),
        ("{ events = 2 }", Ask::ChatStream, true),
    ] {
        let upstream = ask.upstream();
        let bench = Bench::start(
            rules(&format!("[[fault]]\nupstream = \"{upstream}\"\ninject.reset_peer = {settings}\n")),
            through,
        )
        .await;
        let (text, end) = bench.raw(&ask, PATIENCE).await;
        let (head, body) = text.split_once("\r\n\r\n").expect("the headers are out");
        assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
        assert_eq!(end, Err("connection reset".into()), "{settings} on {ask:?}");
        match settings {
            "{ after = \"0B\" }" => assert_eq!(body, ""),
            "{ after = \"40B\" }" => assert_eq!(body.len(), 40),
            _ => assert_eq!(body.matches("data: ").count(), 2),
        }
        let (_, statuses) = bench.finish().await;
        assert_eq!(statuses, BTreeMap::from([(0, 1)]));
    }
}

#[tokio::test]
async fn a_huge_answer_is_made_while_it_is_sent() {
    // Far more than this test could hold, were it held: a gigabyte, of which the client takes a few.
    let bench =
        Bench::start(rules("[[fault]]\nupstream = \"openai\"\ninject.huge_body = { size = \"1GB\" }\n"), false).await;
    let before = resident();
    let url = format!("http://{}/v1/chat/completions", bench.address("openai"));
    let asking = bench.client.post(url).bearer_auth("sk-test-abcdefghijkl").json(&Ask::Chat.body());
    let mut response = asking.send().await.unwrap();
    assert!(response.headers()["content-length"].to_str().unwrap().parse::<u64>().unwrap() > 1_000_000_000);
    let mut seen = 0;
    while seen < 300_000_000 {
        seen += response.chunk().await.unwrap().unwrap().len();
    }
    let grown = resident().saturating_sub(before);
    // Tests beside this one hold something too.
    assert!(grown < 250 << 20, "{grown} bytes more than before");
    drop(response);
    bench.finish().await;
}

/// Bytes of memory that this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
}

// --- Data ---------------------------------------------------------------------------------------------------------

fn ids(rows: &Value) -> BTreeSet<u64> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

async fn data(inject: &str) -> Bench {
    Bench::start(rules(&format!("[[fault]]\nupstream = \"supabase\"\ninject.{inject}\n")), false).await
}

async fn findings(bench: &Bench) -> Value {
    bench.json(reqwest::Method::GET, "/__firedrill/ledger", None).await.1
}

const POST: reqwest::Method = reqwest::Method::POST;
const GET: reqwest::Method = reqwest::Method::GET;
const PATCH: reqwest::Method = reqwest::Method::PATCH;
const DELETE: reqwest::Method = reqwest::Method::DELETE;

#[tokio::test]
async fn lost_write_is_acknowledged_not_there_and_known_to_be_ours() {
    let bench = data("lost_write = {}").await;
    let (status, rows) = bench.json(POST, "/rest/v1/items", Some(json!({"id": 70, "text": "gone"}))).await;
    assert_eq!((status, &rows[0]["text"]), (201, &json!("gone")));
    let (status, rows) = bench.json(PATCH, "/rest/v1/items?id=eq.1", Some(json!({"text": "changed"}))).await;
    assert_eq!((status, &rows[0]["text"]), (200, &json!("changed")));
    let (status, _) = bench.json(DELETE, "/rest/v1/items?id=eq.2", None).await;
    assert_eq!(status, 200);
    // Nothing changes, so nothing is lost.
    bench.json(DELETE, "/rest/v1/items?id=eq.99", None).await;
    let (_, now) = bench.json(GET, "/rest/v1/items?select=id,text&order=id", None).await;
    assert_eq!(ids(&now), (1..=6).collect());
    assert_eq!(now[0]["text"], "row 1");
    let ledger = findings(&bench).await;
    let ours = &ledger["findings"]["by_fault"];
    assert_eq!(ours["lost_writes"], 3, "{ledger:#}");
    assert_eq!(ours["lost"], json!({"count": 1, "named": ["items 70"]}));
    assert_eq!(ours["altered"]["named"], json!(["items 1"]));
    assert_eq!(ours["returned"]["named"], json!(["items 2"]));
    for kind in ["lost", "altered", "returned", "unacknowledged", "duplicated"] {
        assert_eq!(ledger["findings"][kind]["count"], 0, "not the app's: {kind}");
    }
    assert_eq!(ledger["acknowledged"], 3);
    assert_eq!(ledger["latest"][2]["lost_by"], json!({"rule": 0, "n": 1}), "the entry names its decision");
    let (fired, _) = bench.finish().await;
    assert_eq!(fired.iter().map(|(rule, n, _)| (*rule, *n)).collect::<Vec<_>>(), [(0, 1), (0, 2), (0, 3)]);
}

#[tokio::test]
async fn a_loss_of_the_apps_own_is_still_seen_beside_ours() {
    // The row of the second request is acknowledged, and then removed by somebody who was never told so: their
    // connection broke. That is no fault of data.
    let bench = Bench::start(
        rules(
            "[[fault]]\nupstream = \"supabase\"\nwhen = { method = \"POST\", nth = 2 }\ninject.lost_write = {}\n\
             [[fault]]\nupstream = \"supabase\"\nwhen = { method = \"DELETE\" }\ninject.limit_data = { bytes = \"1B\" }\n",
        ),
        false,
    )
    .await;
    for id in [70, 71] {
        assert_eq!(bench.json(POST, "/rest/v1/items", Some(json!({"id": id}))).await.0, 201);
    }
    let url = format!("http://{}/rest/v1/items?id=eq.70", bench.address("supabase"));
    let cut = bench.client.delete(url).header("apikey", "k").header("prefer", "return=representation").send().await;
    cut.unwrap().bytes().await.unwrap_err();
    let ledger = findings(&bench).await;
    assert_eq!(ledger["findings"]["lost"]["named"], json!(["items 70"]), "{ledger:#}");
    assert_eq!(ledger["findings"]["by_fault"]["lost"]["named"], json!(["items 71"]), "{ledger:#}");
    bench.finish().await;
}

#[tokio::test]
async fn duplicate_write_writes_twice_where_the_database_takes_it_twice() {
    let bench = data("duplicate_write = {}").await;
    let (status, rows) = bench.json(POST, "/rest/v1/notes", Some(json!({"text": "once"}))).await;
    assert_eq!((status, rows.as_array().unwrap().len()), (201, 1));
    let (_, now) = bench.json(GET, "/rest/v1/notes?text=eq.once", None).await;
    assert_eq!(now.as_array().unwrap().len(), 2);
    assert_ne!(now[0]["id"], now[1]["id"]);
    // A key of the client's own is there already: the second time is refused, and nothing happened.
    let (status, _) = bench.json(POST, "/rest/v1/items", Some(json!({"id": 70, "text": "own key"}))).await;
    assert_eq!(status, 201);
    let ledger = findings(&bench).await;
    assert_eq!(ledger["findings"]["by_fault"]["duplicated"]["count"], 1, "{ledger:#}");
    for kind in ["unacknowledged", "duplicated", "lost"] {
        assert_eq!(ledger["findings"][kind]["count"], 0, "{kind}: {ledger:#}");
    }
    let (fired, _) = bench.finish().await;
    assert_eq!(fired.len(), 1);
}

#[tokio::test]
async fn partial_batch_keeps_a_part_of_what_it_acknowledged() {
    let bench = data("partial_batch = { keep = \"50%\" }").await;
    let rows: Vec<Value> = (70..75).map(|id| json!({"id": id})).collect();
    let (status, told) = bench.json(POST, "/rest/v1/items", Some(json!(rows))).await;
    assert_eq!((status, told.as_array().unwrap().len()), (201, 5));
    bench.json(POST, "/rest/v1/items", Some(json!({"id": 80}))).await;
    let (_, now) = bench.json(GET, "/rest/v1/items?id=gte.70", None).await;
    assert_eq!(ids(&now), BTreeSet::from([70, 71, 80]));
    let ledger = findings(&bench).await;
    assert_eq!(ledger["findings"]["by_fault"]["lost"]["named"], json!(["items 72", "items 73", "items 74"]));
    assert_eq!((&ledger["acknowledged"], &ledger["findings"]["lost"]["count"]), (&json!(6), &json!(0)));
    let (fired, _) = bench.finish().await;
    assert_eq!(fired.len(), 1, "one row is no batch");
}

#[tokio::test]
async fn stale_read_answers_from_before_and_changes_nothing() {
    let bench = Bench::start(
        rules("[[fault]]\nupstream = \"supabase\"\nwhen = { method = \"GET\", path = \"/rest/*\", nth = 2 }\ninject.stale_read = { age = \"60s\" }\n"),
        false,
    )
    .await;
    let rows = "/rest/v1/items?select=*&order=id";
    bench.json(POST, "/rest/v1/items", Some(json!({"id": 70, "text": "new"}))).await;
    bench.json(PATCH, "/rest/v1/items?id=eq.1", Some(json!({"text": "changed"}))).await;
    bench.json(DELETE, "/rest/v1/items?id=eq.2", None).await;
    let (_, now) = bench.json(GET, rows, None).await;
    let (_, stale) = bench.json(GET, rows, None).await;
    let (_, again) = bench.json(GET, rows, None).await;
    assert_eq!(now, again, "the database is as it was");
    assert_eq!(ids(&now), BTreeSet::from([1, 3, 4, 5, 6, 70]));
    assert_eq!(ids(&stale), (1..=6).collect());
    assert_eq!((&now[0]["text"], &stale[0]["text"]), (&json!("changed"), &json!("row 1")));
    // Of a row that nobody touched, old and new say the same: not hit.
    let (_, same) = bench.json(GET, "/rest/v1/items?id=eq.5", None).await;
    assert_eq!(same[0]["text"], "row 5");
    let ledger = findings(&bench).await;
    assert_eq!(ledger["findings"]["lost"]["count"], 0, "{ledger:#}");
    let (fired, _) = bench.finish().await;
    assert_eq!(fired.iter().map(|(_, n, _)| *n).collect::<Vec<_>>(), [2]);
}

#[tokio::test]
async fn a_stale_read_is_as_old_as_it_says() {
    let bench = Bench::start(
        rules("[[fault]]\nupstream = \"supabase\"\nwhen = { method = \"GET\", path = \"/rest/*\" }\ninject.stale_read = { age = \"300ms\" }\n"),
        false,
    )
    .await;
    bench.json(POST, "/rest/v1/items", Some(json!({"id": 70}))).await;
    assert!(!ids(&bench.json(GET, "/rest/v1/items", None).await.1).contains(&70));
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert!(ids(&bench.json(GET, "/rest/v1/items", None).await.1).contains(&70), "by then the replica has it");
    let (fired, _) = bench.finish().await;
    assert_eq!(fired.len(), 1);
}

// --- The document -------------------------------------------------------------------------------------------------

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");
const BEGIN: &str = "<!-- made from src/model/fault/kinds -->\n";
const ERRORS: &str = "<!-- made from what the mocks answer -->\n";
const END: &str = "<!-- end -->\n";

/// What the head of a kind's file says: its name, what it does, and the four paragraphs.
fn entry(text: &str) -> (String, Vec<String>) {
    let head = text.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim).collect::<Vec<_>>().join("\n");
    let paragraphs: Vec<String> = head.split("\n\n").map(|part| part.replace('\n', " ")).collect();
    let name = paragraphs[0].split('`').nth(1).unwrap().to_owned();
    let labels = ["Keys: ", "On the wire: ", "Imitates: ", "Clients see: "];
    assert_eq!(paragraphs.len(), 1 + labels.len(), "{name} says all of it");
    let mut parts = vec![paragraphs[0].split_once(": ").unwrap().1.to_owned()];
    for (label, paragraph) in labels.iter().zip(&paragraphs[1..]) {
        parts.push(paragraph.strip_prefix(label).unwrap_or_else(|| panic!("{name}: {label}")).to_owned());
    }
    (name, parts)
}

fn catalogue() -> BTreeMap<String, Vec<String>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/model/fault/kinds");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|path| path.file_name().unwrap() != "mod.rs")
        .map(|path| {
            let (name, parts) = entry(&std::fs::read_to_string(&path).unwrap());
            assert_eq!(path.file_stem().unwrap(), name.as_str());
            (name, parts)
        })
        .collect()
}

/// Compares a part of the document, from a mark to the next end, with what it should say; `FIREDRILL_WRITE_DOCS=1`
/// writes it anew.
fn compare(begin: &str, table: &str) {
    // Two tests write parts of one file.
    static WRITING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one = WRITING.lock().unwrap();
    let document = std::fs::read_to_string(DOCUMENT).unwrap();
    let (before, rest) = document.split_once(begin).expect("the table's beginning is marked");
    let (written, after) = rest.split_once(END).expect("the table's end is marked");
    if std::env::var_os("FIREDRILL_WRITE_DOCS").is_some() {
        std::fs::write(DOCUMENT, format!("{before}{begin}{table}{END}{after}")).unwrap();
        return;
    }
    assert!(written == table, "docs/faults.md is not up to date; FIREDRILL_WRITE_DOCS=1 writes it anew:\n{table}");
}

#[test]
fn the_document_says_what_the_catalogue_says() {
    let mut table = String::from("| name | keys | on the wire | imitates | clients see |\n|---|---|---|---|---|\n");
    for (name, parts) in catalogue() {
        let parts: Vec<String> = parts.iter().map(|text| text.replace('|', "\\|")).collect();
        let [what, keys, wire, imitates, clients] = parts.as_slice() else { panic!("{name} has five parts") };
        writeln!(table, "| **`{name}`** {what} | {keys} | {wire} | {imitates} | {clients} |").unwrap();
    }
    compare(BEGIN, &table);
}

/// Every error that a provider's catalogue names, as a client meets it: its status, its type and its words.
#[tokio::test]
async fn every_error_of_a_provider_is_met_and_written_down() {
    let mut table = String::from("| upstream | name | status | type | words |\n|---|---|---|---|---|\n");
    for plan in kinds() {
        let (upstream, ask) = (plan.name.as_str(), if plan.name == "openai" { Ask::Chat } else { Ask::Rows });
        let names = known_errors(&plan.kind);
        let profile: String = names
            .iter()
            .map(|name| {
                format!(
                    "[[fault]]\nupstream = \"{upstream}\"\nwhen = {{ header = {{ x-error = \"{name}\" }} }}\n\
                     inject.abort = {{ error = \"{name}\" }}\n"
                )
            })
            .collect();
        let bench = Bench::start(rules(&profile), false).await;
        for name in names {
            let seen = bench.ask_with(&ask, &[("x-error", name)]).await;
            let body: Value = serde_json::from_slice(&seen.body).unwrap_or(Value::Null);
            let said = ["/error/message", "/message", "/msg"].iter().find_map(|at| body.pointer(at)?.as_str());
            let text = seen.text();
            let title = text.split_once("<title>").and_then(|(_, rest)| Some(rest.split_once("</title>")?.0));
            let whole = said.or(title).unwrap_or(&text);
            let mut words: String = whole.chars().take(90).collect();
            if words.len() < whole.len() {
                words.push('…');
            }
            assert!(seen.status >= 400 && !words.is_empty(), "{name}: {seen:?}");
            writeln!(
                table,
                "| {upstream} | `{name}` | {} | `{}` | {} |",
                seen.status,
                seen.header("content-type"),
                words.replace('|', "\\|").replace('<', "&lt;")
            )
            .unwrap();
        }
        let (fired, _) = bench.finish().await;
        assert_eq!(fired.len(), names.len());
    }
    compare(ERRORS, &table);
}

/// Every kind that a profile can name has its entry, and is met by a client here.
#[test]
fn every_kind_has_an_entry_and_is_met() {
    let known: BTreeSet<String> = catalogue().into_keys().collect();
    let there = concat!(include_str!("connections.rs"), include_str!("tcp.rs"));
    for (kind, words) in ELSEWHERE {
        assert!(there.contains(words), "{kind} is no longer met where it was");
    }
    let elsewhere = ELSEWHERE.map(|(kind, _)| kind).into_iter().chain([OF_POSTGRES]);
    let met = CASES.iter().map(|case| case.kind).chain(OF_DATA).chain(elsewhere);
    let met: BTreeSet<String> = met.map(str::to_owned).collect();
    assert_eq!(known.difference(&met).collect::<Vec<_>>(), Vec::<&String>::new(), "nobody meets these");
    // The reader of profiles names all that it knows when it meets one that it does not.
    let snapshot = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bad_config/profile-unknown-kind.snap");
    let text = std::fs::read_to_string(snapshot).unwrap();
    let valid = text.split("valid here: ").nth(1).expect("it lists what is valid");
    let readable: BTreeSet<String> = valid.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert_eq!(known, readable, "the catalogue's files and what profiles can name");
}
