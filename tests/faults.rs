//! Faults from outside: the engine's promises as properties, and every kind of fault as a client meets it on the wire.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::{Engine, FaultQuery, decision, edges};
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{
    Abort, BodyPoint, Delay, DelayShape, FaultAction, FaultMatch, FaultRule, FaultWindow, Injection,
};
use firedrill::model::source::SourcePlan;
use firedrill::model::timeline::UpstreamInterval;
use firedrill::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{ByteSize, Offset, RunClock, Seed, Share, Span};
use firedrill::upstream::{Upstreams, known_errors};
use http::HeaderMap;
use proptest::prelude::*;
use rstest::rstest;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};

const PATIENCE: Duration = Duration::from_secs(10);

fn rule(name: &str, upstream: &str, inject: Injection) -> FaultRule {
    FaultRule {
        name: name.into(),
        upstream: upstream.into(),
        when: FaultMatch::default(),
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: None },
        inject,
    }
}

fn share(text: &str) -> Share {
    text.parse().unwrap()
}

fn delay(millis: u64) -> Delay {
    Delay {
        mean: Span(Duration::from_millis(millis)),
        jitter: Span::default(),
        shape: DelayShape::Constant,
        correlation: Share::NONE,
    }
}

fn abort(error: Option<&str>, status: Option<u16>) -> Injection {
    Injection::Abort(Abort { error: error.map(Into::into), status, ..Abort::default() })
}

fn post<'a>(path: &'a str, headers: &'a HeaderMap) -> FaultQuery<'a> {
    FaultQuery { upstream: "openai", method: "POST", path, query: "", service: None, headers, connection: 1 }
}

// --- The engine -------------------------------------------------------------------------------------------------

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What a rule does is the beginning of one fixed sequence, whatever the threads do; also behind another rule
    /// that ends some of the requests and sees only a part of them.
    #[test]
    fn decisions_do_not_depend_on_interleaving(seed: u64, threads in 1_usize..8, first in 0..100_u8, second in 0..100_u8) {
        let mut resetting = rule("resets", "openai", Injection::ResetPeer {});
        resetting.share = share(&format!("{first}%"));
        resetting.when.path = Some("/a*".into());
        let mut slow = rule("slow", "openai", Injection::Latency(Delay { jitter: Span::from_secs(1), shape: DelayShape::Lognormal, ..delay(4_000) }));
        slow.share = share(&format!("{second}%"));
        let rules = vec![resetting, slow];
        let engine = Arc::new(Engine::new(rules.clone(), Seed(seed)));
        let workers: Vec<_> = (0..threads).map(|worker| {
            let engine = Arc::clone(&engine);
            std::thread::spawn(move || {
                let headers = HeaderMap::new();
                (0..200).flat_map(|n| {
                    let path = if (n + worker) % 3 == 0 { "/b" } else { "/a/b" };
                    engine.decide(Offset::ZERO, &post(path, &headers))
                }).collect::<Vec<_>>()
            })
        }).collect();
        let mut fired: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        fired.sort_by_key(|decision| (decision.rule, decision.n));
        for (index, rule) in rules.iter().enumerate() {
            let own: Vec<_> = fired.iter().filter(|d| d.rule == index).cloned().collect();
            let last = own.last().map_or(0, |d| d.n);
            let expected: Vec<_> = (1..=last).filter_map(|n| decision(index, rule, Seed(seed), n)).collect();
            prop_assert_eq!(own, expected);
        }
    }

    #[test]
    fn the_share_is_met(seed: u64, percent in 0..=100_u32) {
        let mut some = rule("some", "openai", Injection::ResetPeer {});
        some.share = share(&format!("{percent}%"));
        let hit = (1..=4_000).filter(|n| decision(0, &some, Seed(seed), *n).is_some()).count() as f64;
        // Five standard deviations of a binomial.
        let p = f64::from(percent) / 100.0;
        prop_assert!((hit - 4_000.0 * p).abs() <= 5.0 * (4_000.0 * p * (1.0 - p)).sqrt() + 1e-9, "{hit} of 4000 at {p}");
    }

    #[test]
    fn windows_open_inclusive_and_close_exclusive(from in 0..1_000_u64, length in 1..1_000_u64, at in 0..2_500_u64) {
        let mut timed = rule("timed", "openai", Injection::ResetPeer {});
        timed.window = FaultWindow { from: Offset::from_micros(from), until: Some(Offset::from_micros(from + length)) };
        let engine = Engine::new(vec![timed], Seed(1));
        let hit = !engine.decide(Offset::from_micros(at), &post("/", &HeaderMap::new())).is_empty();
        prop_assert_eq!(hit, at >= from && at < from + length);
    }
}

#[test]
fn every_nth_request_is_hit_and_only_those_that_match() {
    let mut third = rule("third", "openai", Injection::ResetPeer {});
    third.when = FaultMatch {
        method: Some("POST".into()),
        path: Some("/v1/*".into()),
        service: None,
        header: BTreeMap::from([("X-Tenant".into(), "a*".into())]),
        nth: Some(3),
        ..FaultMatch::default()
    };
    let engine = Engine::new(vec![third], Seed(1));
    let mut headers = HeaderMap::new();
    headers.insert("x-tenant", "acme".parse().unwrap());
    let at = Offset::ZERO;
    for other in [
        FaultQuery { method: "GET", ..post("/v1/models", &headers) },
        FaultQuery { upstream: "supabase", ..post("/v1/x", &headers) },
        post("/v2/x", &headers),
        post("/v1/x", &HeaderMap::new()),
    ] {
        assert!(engine.decide(at, &other).is_empty());
    }
    let hits: Vec<bool> = (0..7).map(|_| !engine.decide(at, &post("/v1/x", &headers)).is_empty()).collect();
    assert_eq!(hits, [false, false, true, false, false, true, false]);
}

#[test]
fn delays_add_up_until_a_terminal_fault_ends_the_list() {
    let engine = Engine::new(
        vec![
            rule("slow", "openai", Injection::Latency(delay(100))),
            rule("cut", "openai", Injection::LimitData { bytes: ByteSize(3) }),
            rule("slower", "openai", Injection::Latency(delay(200))),
            rule("down", "openai", abort(None, Some(503))),
            rule("never", "openai", Injection::ResetPeer {}),
        ],
        Seed(1),
    );
    let rules: Vec<usize> = engine.decide(Offset::ZERO, &post("/", &HeaderMap::new())).iter().map(|d| d.rule).collect();
    assert_eq!(rules, [0, 1, 2, 3]);
}

#[test]
fn edges_are_sorted_and_close_before_they_open() {
    let window =
        |from, until: Option<u64>| FaultWindow { from: Offset::from_secs(from), until: until.map(Offset::from_secs) };
    let mut rules: Vec<FaultRule> = (0..4).map(|n| rule(&n.to_string(), "x", Injection::ResetPeer {})).collect();
    rules[0].window = window(10, Some(20));
    rules[1].window = window(20, None);
    rules[2].window = window(5, Some(10));
    rules[3].window = window(7, Some(7));
    let seen: Vec<(u64, usize, bool)> = edges(&rules).map(|edge| (edge.at.second(), edge.rule, edge.opens)).collect();
    assert_eq!(seen, [(5, 2, true), (10, 2, false), (10, 0, true), (20, 0, false), (20, 1, true)]);
}

// --- On the wire ------------------------------------------------------------------------------------------------

struct Bench {
    upstreams: Upstreams,
    events: UnboundedReceiver<RunEvent>,
    openai: SocketAddr,
    supabase: SocketAddr,
    client: reqwest::Client,
}

async fn bench(rules: Vec<FaultRule>) -> Bench {
    bench_seeded(rules, Seed(42)).await
}

async fn bench_seeded(rules: Vec<FaultRule>, seed: Seed) -> Bench {
    let plans = [
        UpstreamPlan {
            name: "openai".into(),
            kind: UpstreamKind::Openai(OpenaiPlan { latency: delay(0), ..OpenaiPlan::default() }),
            listen: None,
            tls: false,
            source: SourcePlan::Mock,
        },
        UpstreamPlan {
            name: "supabase".into(),
            kind: UpstreamKind::Supabase(SupabasePlan {
                seed: BTreeMap::new(),
                latency: delay(0),
                ..SupabasePlan::default()
            }),
            listen: None,
            tls: false,
            source: SourcePlan::Mock,
        },
        UpstreamPlan {
            name: "sahha".into(),
            kind: UpstreamKind::Stub { answer: 404 },
            listen: None,
            tls: false,
            source: SourcePlan::Mock,
        },
    ];
    let (sink, events) = EventSink::channel();
    let upstreams = Upstreams::start(&plans, Arc::new(Engine::new(rules, seed)), seed, sink).await.unwrap();
    upstreams.begin(RunClock::start());
    let address = |name| upstreams.address(name).unwrap();
    let (openai, supabase) = (address("openai"), address("supabase"));
    Bench { openai, supabase, upstreams, events, client: reqwest::Client::new() }
}

const CHAT: &str = r#"{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}"#;
const CHAT_STREAM: &str = r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"hello"}]}"#;

impl Bench {
    async fn chat(&self, body: &'static str) -> reqwest::Result<reqwest::Response> {
        let url = format!("http://{}/v1/chat/completions", self.openai);
        self.client.post(url).bearer_auth("sk-test-abcdefghijkl").body(body).send().await
    }

    /// Ends everything and gives what was reported.
    async fn finish(mut self) -> (Vec<(usize, u64, FaultAction)>, Vec<UpstreamInterval>, Vec<String>) {
        timeout(PATIENCE, self.upstreams.shutdown()).await.expect("shutting down takes no time");
        let (mut fired, mut intervals, mut warnings) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(event) = self.events.recv().await {
            match event {
                RunEvent::FaultFired { rule, n, action, request, .. } => {
                    assert!(!request.contains('?'), "{request} holds no query");
                    fired.push((rule, n, action));
                }
                RunEvent::Upstream(interval) => intervals.push(interval),
                RunEvent::Warning { message, .. } => warnings.push(message),
                RunEvent::Call(_) | RunEvent::CallSettled(_) => {}
                other => panic!("unexpected {other:?}"),
            }
        }
        (fired, intervals, warnings)
    }
}

fn statuses(intervals: &[UpstreamInterval]) -> BTreeMap<u16, u64> {
    let mut sum = BTreeMap::new();
    for (status, count) in intervals.iter().flat_map(|interval| &interval.statuses) {
        *sum.entry(*status).or_default() += count;
    }
    sum
}

/// Sends one chat request on a bare socket and reads until the connection ends.
async fn raw(address: SocketAddr, body: &str) -> (Vec<u8>, std::io::Result<()>) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        match timeout(PATIENCE, socket.read(&mut buffer)).await.expect("the connection ends") {
            Ok(0) => return (seen, Ok(())),
            Ok(read) => seen.extend_from_slice(&buffer[..read]),
            Err(error) => return (seen, Err(error)),
        }
    }
}

#[tokio::test]
async fn a_reset_is_a_real_one_and_comes_before_any_byte() {
    let bench = bench(vec![rule("reset", "openai", Injection::ResetPeer {})]).await;
    let (seen, end) = raw(bench.openai, CHAT).await;
    assert_eq!(seen, b"");
    assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let error = bench.chat(CHAT).await.unwrap_err();
    assert!(error.is_request(), "{error:?}");
    let (fired, intervals, _) = bench.finish().await;
    assert_eq!(fired, [(0, 1, FaultAction::Reset), (0, 2, FaultAction::Reset)]);
    assert_eq!(statuses(&intervals), BTreeMap::from([(0, 2)]));
    assert_eq!(intervals.iter().map(|i| i.faulted).sum::<u64>(), 2);
}

#[tokio::test]
async fn a_hang_answers_nothing_and_closes_in_good_order_when_its_time_is_up() {
    let after = Span(Duration::from_millis(80));
    let bench = bench(vec![rule("hang", "openai", Injection::Timeout { after: Some(after) })]).await;
    let started = Instant::now();
    let (seen, end) = raw(bench.openai, CHAT).await;
    assert!(started.elapsed() >= after.get());
    assert_eq!(seen, b"");
    end.expect("closed by FIN, not by RST");
    let (fired, intervals, _) = bench.finish().await;
    assert_eq!(fired, [(0, 1, FaultAction::Hang(Some(after)))]);
    assert_eq!(statuses(&intervals), BTreeMap::from([(0, 1)]));
}

#[tokio::test]
async fn a_client_that_gives_up_on_a_hang_is_let_go() {
    let bench = bench(vec![rule("hang", "openai", Injection::Timeout { after: None })]).await;
    let answer = timeout(Duration::from_millis(100), bench.chat(CHAT)).await;
    assert!(answer.is_err(), "nothing is answered");
    // Once a client has sent its FIN, its connection is not held any longer.
    let mut socket = TcpStream::connect(bench.openai).await.unwrap();
    socket.write_all(b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    socket.shutdown().await.unwrap();
    let end = timeout(PATIENCE, socket.read(&mut [0; 16])).await.expect("the connection ends");
    assert_eq!(end.unwrap(), 0);
    // What is not hit goes on as ever.
    let health = bench.client.get(format!("http://{}/__firedrill/healthz", bench.openai)).send().await.unwrap();
    assert_eq!(health.status(), 200);
    bench.finish().await;
}

#[tokio::test]
async fn a_cut_body_has_its_full_declared_length_and_ends_early() {
    let bench = bench(vec![rule("cut", "openai", Injection::LimitData { bytes: ByteSize(40) })]).await;
    let (seen, end) = raw(bench.openai, CHAT).await;
    end.expect("closed by FIN");
    let text = String::from_utf8(seen).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"));
    let declared = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    assert!(declared.parse::<usize>().unwrap() > 300);
    assert_eq!(body.len(), 40);
    let response = bench.chat(CHAT).await.unwrap();
    assert_eq!(response.status(), 200);
    response.bytes().await.expect_err("the body is shorter than it says");
    let (fired, intervals, _) = bench.finish().await;
    assert_eq!(fired.len(), 2);
    // It said 200, but nobody got an answer: a connection fault, and no tokens that anybody used.
    assert_eq!(statuses(&intervals), BTreeMap::from([(0, 2)]));
    assert_eq!(intervals.iter().map(|i| i.tokens_out).sum::<u64>(), 0);
}

#[tokio::test]
async fn a_cut_far_beyond_the_socket_buffers_lets_exactly_its_bytes_through() {
    // The answer is large because the rows are: some megabytes through one connection.
    let bytes = 3 << 20;
    let mut cut = rule("cut", "supabase", Injection::LimitData { bytes: ByteSize(bytes) });
    cut.when.method = Some("GET".into());
    let bench = bench(vec![cut]).await;
    let rows: Vec<_> = (0..50).map(|n| serde_json::json!({"n": n, "text": "x".repeat(100_000)})).collect();
    let url = format!("http://{}/rest/v1/large", bench.supabase);
    let written = bench.client.post(&url).header("apikey", "k").json(&rows).send().await.unwrap();
    assert_eq!(written.status(), 201);
    let asking = bench.client.get(&url).header("apikey", "k").header("accept-encoding", "identity");
    let mut response = asking.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut seen = 0;
    let error = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => seen += chunk.len() as u64,
            Ok(None) => panic!("the body ends early"),
            Err(error) => break error,
        }
    };
    assert_eq!(seen, bytes, "{error}");
    bench.finish().await;
}

#[tokio::test]
async fn a_body_that_is_shorter_than_the_cut_is_not_hit() {
    let far = ByteSize::mib(1);
    let bench = bench(vec![
        rule("cut", "openai", Injection::LimitData { bytes: far }),
        rule("stall", "openai", Injection::Stall { after: BodyPoint::Bytes(far), pause: None }),
    ])
    .await;
    assert_eq!(bench.chat(CHAT).await.unwrap().json::<serde_json::Value>().await.unwrap()["object"], "chat.completion");
    assert!(bench.chat(CHAT_STREAM).await.unwrap().text().await.unwrap().ends_with("data: [DONE]\n\n"));
    let (fired, intervals, _) = bench.finish().await;
    assert_eq!(fired, [], "ground truth: what had no effect did not fire");
    assert_eq!(intervals.iter().map(|i| i.faulted).sum::<u64>(), 0);
    assert_eq!(statuses(&intervals), BTreeMap::from([(200, 2)]));
}

#[tokio::test]
async fn a_cut_stream_ends_without_its_last_chunk() {
    let bench = bench(vec![rule("cut", "openai", Injection::LimitData { bytes: ByteSize(700) })]).await;
    let (seen, end) = raw(bench.openai, CHAT_STREAM).await;
    end.expect("closed by FIN");
    let text = String::from_utf8(seen).unwrap();
    assert!(text.contains("transfer-encoding: chunked"));
    assert!(text.contains("chat.completion.chunk"));
    assert!(!text.contains("[DONE]") && !text.ends_with("0\r\n\r\n"));
    bench.finish().await;
}

#[tokio::test]
async fn a_stalled_stream_pauses_and_then_goes_on() {
    let pause = Span(Duration::from_millis(150));
    let bench = bench(vec![rule(
        "stall",
        "openai",
        Injection::Stall { after: BodyPoint::Bytes(ByteSize(300)), pause: Some(pause) },
    )])
    .await;
    let mut response = bench.chat(CHAT_STREAM).await.unwrap();
    let started = Instant::now();
    let mut first = Vec::new();
    while first.len() < 300 {
        first.extend_from_slice(&response.chunk().await.unwrap().unwrap());
    }
    assert_eq!(first.len(), 300);
    let rest = response.text().await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert!(rest.ends_with("data: [DONE]\n\n"));
    let (fired, intervals, _) = bench.finish().await;
    assert_eq!(fired, [(0, 1, FaultAction::Stall { after: BodyPoint::Bytes(ByteSize(300)), pause: Some(pause) })]);
    assert_eq!(statuses(&intervals), BTreeMap::from([(200, 1)]));
}

#[tokio::test]
async fn a_body_stalled_for_ever_ends_with_the_run() {
    let bench =
        bench(vec![rule("stall", "openai", Injection::Stall { after: BodyPoint::Bytes(ByteSize(10)), pause: None })])
            .await;
    let mut response = bench.chat(CHAT).await.unwrap();
    assert_eq!(response.chunk().await.unwrap().unwrap().len(), 10);
    assert!(timeout(Duration::from_millis(100), response.chunk()).await.is_err());
    let (fired, intervals, _) = bench.finish().await;
    assert_eq!(fired.len(), 1);
    assert_eq!(statuses(&intervals), BTreeMap::from([(0, 1)]));
    assert!(response.chunk().await.is_err());
}

#[tokio::test]
async fn latency_adds_up_and_leaves_the_answer_whole() {
    let bench = bench(vec![
        rule("slow", "openai", Injection::Latency(delay(60))),
        rule("slower", "openai", Injection::Latency(delay(90))),
    ])
    .await;
    let started = Instant::now();
    assert_eq!(bench.chat(CHAT).await.unwrap().status(), 200);
    assert!(started.elapsed() >= Duration::from_millis(150));
    let (fired, intervals, _) = bench.finish().await;
    assert_eq!(fired.len(), 2);
    assert_eq!(intervals.iter().map(|i| i.faulted).sum::<u64>(), 1, "two faults, one request");
}

#[rstest]
#[case("rate_limit", 429, "rate_limit_exceeded", Some("1"))]
#[case("rate_limit_tokens", 429, "rate_limit_exceeded", Some("1"))]
#[case("insufficient_quota", 429, "insufficient_quota", None)]
#[case("invalid_api_key", 401, "invalid_api_key", None)]
#[case("overloaded", 503, "", None)]
#[case("server_error", 500, "", None)]
#[case("context_length_exceeded", 400, "context_length_exceeded", None)]
#[case("content_filter", 400, "content_filter", None)]
#[tokio::test]
async fn openai_errors_have_openais_envelope(
    #[case] error: &str,
    #[case] status: u16,
    #[case] code: &str,
    #[case] retry_after: Option<&str>,
) {
    let bench = bench(vec![rule("down", "openai", abort(Some(error), None))]).await;
    let response = bench.chat(CHAT).await.unwrap();
    assert_eq!(response.status(), status);
    assert_eq!(response.headers().get("retry-after").map(|v| v.to_str().unwrap()), retry_after);
    assert!(response.headers().contains_key("x-request-id"));
    let body: serde_json::Value = response.json().await.unwrap();
    let envelope = body["error"].as_object().unwrap();
    assert_eq!(envelope.keys().collect::<Vec<_>>(), ["code", "message", "param", "type"]);
    assert_eq!(envelope["code"].as_str().unwrap_or(""), code);
    let message = envelope["message"].as_str().unwrap();
    assert!(!message.contains('{') && !message.contains("sk-test-abcdefghijkl"), "{message}");
    bench.finish().await;
}

#[rstest]
#[case("PGRST000", 503, true)]
#[case("PGRST001", 503, true)]
#[case("PGRST002", 503, true)]
#[case("PGRST003", 504, false)]
#[case("PGRST301", 401, false)]
#[case("57014", 500, false)]
#[case("53300", 503, true)]
// The key `k` is no token of an anonymous caller.
#[case("42501", 403, false)]
#[case("23505", 409, false)]
#[tokio::test]
async fn postgrest_errors_have_postgrests_envelope(#[case] code: &str, #[case] status: u16, #[case] retry: bool) {
    let bench = bench(vec![rule("down", "supabase", abort(Some(code), None))]).await;
    let url = format!("http://{}/rest/v1/items?select=*", bench.supabase);
    let response = bench.client.get(url).header("apikey", "k").send().await.unwrap();
    assert_eq!(response.status(), status);
    assert_eq!(response.headers().contains_key("retry-after"), retry);
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["code", "details", "hint", "message"]);
    assert_eq!(body["code"], code);
    assert!(!body["message"].as_str().unwrap().contains("{table}"));
    bench.finish().await;
}

#[rstest]
#[case("gateway_520", 520, "text/html")]
#[case("gateway_522", 522, "text/html")]
#[case("upstream_connect_error", 503, "text/plain")]
#[case("project_paused", 540, "application/json")]
#[tokio::test]
async fn gateway_errors_are_the_gateways(#[case] error: &str, #[case] status: u16, #[case] content_type: &str) {
    let bench = bench(vec![rule("down", "supabase", abort(Some(error), None))]).await;
    let url = format!("http://{}/rest/v1/items", bench.supabase);
    let response = bench.client.get(url).send().await.unwrap();
    assert_eq!(response.status(), status);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with(content_type));
    // Only PostgREST's own 503 say when to come back; the gateway knows nothing of that.
    assert!(!response.headers().contains_key("retry-after"));
    bench.finish().await;
}

#[tokio::test]
async fn an_aborts_own_words_win_over_the_providers() {
    let mut custom = Abort {
        error: Some("rate_limit".into()),
        status: Some(418),
        headers: BTreeMap::from([("Retry-After".into(), "7".into()), ("content-length".into(), "1".into())]),
        body: Some("short and stout".into()),
        omit: vec!["X-RateLimit-Reset-Requests".into()],
    };
    let mut first = rule("custom", "openai", Injection::Abort(custom.clone()));
    first.when.nth = Some(2);
    custom.error = None;
    custom.status = Some(503);
    custom.headers.clear();
    custom.body = None;
    let bench = bench(vec![first, rule("by status", "openai", Injection::Abort(custom))]).await;
    let by_status = bench.chat(CHAT).await.unwrap();
    assert_eq!(by_status.status(), 503);
    assert!(by_status.text().await.unwrap().contains("currently overloaded"));
    let custom = bench.chat(CHAT).await.unwrap();
    assert_eq!((custom.status().as_u16(), custom.headers()["retry-after"].to_str().unwrap()), (418, "7"));
    assert_eq!(custom.headers()["content-type"], "text/plain; charset=utf-8");
    assert!(custom.headers().contains_key("x-ratelimit-limit-requests"));
    assert!(!custom.headers().contains_key("x-ratelimit-reset-requests"), "left out as asked");
    assert_eq!(custom.text().await.unwrap(), "short and stout");
    let (_, _, warnings) = bench.finish().await;
    assert_eq!(warnings.len(), 1, "the length is ours to say: {warnings:?}");
}

#[tokio::test]
async fn an_unknown_error_is_a_500_and_one_warning() {
    let bench = bench(vec![rule("odd", "openai", abort(Some("gremlins"), None))]).await;
    for _ in 0..3 {
        assert_eq!(bench.chat(CHAT).await.unwrap().status(), 500);
    }
    let (_, _, warnings) = bench.finish().await;
    assert_eq!(warnings, ["upstream `openai`: the error `gremlins` is unknown to upstream `openai`; answered 500"]);
}

#[test]
fn the_names_of_errors_are_known() {
    let openai = known_errors(&UpstreamKind::Openai(OpenaiPlan { latency: delay(0), ..OpenaiPlan::default() }));
    assert!(openai.contains(&"rate_limit") && openai.contains(&"bad_gateway_html"));
    let supabase = known_errors(&UpstreamKind::Supabase(SupabasePlan {
        seed: BTreeMap::new(),
        latency: delay(0),
        ..SupabasePlan::default()
    }));
    assert!(supabase.contains(&"57014") && supabase.contains(&"project_paused"));
    assert!(known_errors(&UpstreamKind::Stub { answer: 404 }).is_empty());
}

#[tokio::test]
async fn a_hundred_hung_connections_end_with_the_run_and_the_port_is_free_again() {
    let bench = bench(vec![rule("hang", "openai", Injection::Timeout { after: None })]).await;
    let address = bench.openai;
    let mut hung = Vec::new();
    for _ in 0..100 {
        hung.push(tokio::spawn(async move { raw(address, CHAT).await }));
    }
    // Each hit is an event, so waiting needs no clock.
    let Bench { upstreams, mut events, .. } = bench;
    let mut fired = 0;
    while fired < 100 {
        let event = timeout(PATIENCE, events.recv()).await.expect("all hundred are hit").unwrap();
        fired += usize::from(matches!(event, RunEvent::FaultFired { .. }));
    }
    timeout(Duration::from_secs(1), upstreams.shutdown()).await.expect("within a second");
    std::net::TcpListener::bind(address).expect("the port is free");
    for connection in hung {
        assert_eq!(timeout(PATIENCE, connection).await.unwrap().unwrap().0, b"");
    }
}

/// Runs the same plan with another number of clients, and gives what fired, ordered.
async fn fired_with(clients: usize, requests: usize) -> Vec<(usize, u64, FaultAction)> {
    let mut slow = rule(
        "slow",
        "openai",
        Injection::Latency(Delay {
            mean: Span(Duration::from_millis(2)),
            jitter: Span(Duration::from_millis(2)),
            shape: DelayShape::Lognormal,
            correlation: Share::NONE,
        }),
    );
    slow.share = share("40%");
    let mut limited = rule("limited", "openai", abort(Some("rate_limit"), None));
    limited.share = share("20%");
    let mut resets = rule("resets", "openai", Injection::ResetPeer {});
    resets.share = share("10%");
    let bench = bench_seeded(vec![slow, limited, resets], Seed(7)).await;
    let bench = Arc::new(bench);
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move {
                for _ in 0..requests / clients {
                    // A client that repeats what failed on its own would make more requests than we count.
                    let _ = raw_once(bench.openai).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let bench = Arc::into_inner(bench).unwrap();
    let (mut fired, intervals, _) = bench.finish().await;
    assert_eq!(intervals.iter().map(|i| i.calls).sum::<u64>(), requests as u64);
    fired.sort_by_key(|(rule, n, _)| (*rule, *n));
    fired
}

async fn raw_once(address: SocketAddr) -> std::io::Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    let request = "GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer k\r\n\r\n";
    socket.write_all(request.as_bytes()).await?;
    let mut seen = Vec::new();
    socket.read_to_end(&mut seen).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_seed_fires_the_same_faults_at_any_concurrency() {
    let alone = fired_with(1, 192).await;
    let crowd = fired_with(32, 192).await;
    assert!(alone.len() > 60);
    assert_eq!(alone, crowd);
}
