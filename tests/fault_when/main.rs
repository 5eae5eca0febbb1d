//! When faults strike, from outside: which requests they choose, how they go on in time, how they end by themselves;
//! and that the same seed decides the same, whatever connections and threads do.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::{Engine, FaultQuery, decision, decision_at, edges};
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{
    Abort, AskedFor, BodyTest, Course, Delay, DelayShape, Drip, DutyCycle, FaultAction, FaultDecision, FaultMatch,
    FaultRule, FaultWindow, First, Injection, Key, Ramped, Tries,
};
use firedrill::model::source::SourcePlan;
use firedrill::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::units::{ByteSize, Offset, RunClock, Seed, Share, Span};
use firedrill::upstream::Upstreams;
use http::{HeaderMap, HeaderName};
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

mod asked_for;
mod choosing;
mod course;
mod repeatable;
mod wire;

const PATIENCE: Duration = Duration::from_secs(10);

fn rule(name: &str, when: FaultMatch, inject: Injection) -> FaultRule {
    let window = FaultWindow { from: Offset::ZERO, until: None };
    FaultRule { name: name.into(), upstream: "openai".into(), when, share: Share::ALL, window, inject }
}

fn resets(name: &str, when: FaultMatch) -> FaultRule {
    rule(name, when, Injection::ResetPeer {})
}

fn down(name: &str, when: FaultMatch) -> FaultRule {
    rule(name, when, Injection::Abort(Abort { status: Some(503), ..Abort::default() }))
}

fn share(text: &str) -> Share {
    text.parse().unwrap()
}

fn millis(n: u64) -> Span {
    Span(Duration::from_millis(n))
}

fn at(ms: u64) -> Offset {
    Offset::from_micros(ms * 1_000)
}

fn lognormal(mean: u64) -> Injection {
    Injection::Latency(Delay { mean: millis(mean), jitter: millis(mean), shape: DelayShape::Lognormal, ..Delay::NONE })
}

/// A request as a test writes it: method, path with query, headers, body.
struct Asked {
    method: &'static str,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Option<Value>,
    connection: u64,
}

fn asked(method: &'static str, target: &str, headers: &[(&str, &str)], body: Option<Value>) -> Asked {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers =
        headers.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect();
    Asked { method, path: path.into(), query: query.into(), headers, body, connection: 1 }
}

fn get(target: &str) -> Asked {
    asked("GET", target, &[], None)
}

impl Asked {
    /// All decisions, in both steps, as an upstream asks for them.
    fn put_to(&self, engine: &Engine, moment: Offset) -> Vec<FaultDecision> {
        let query = FaultQuery {
            upstream: "openai",
            method: self.method,
            path: &self.path,
            query: &self.query,
            service: None,
            headers: &self.headers,
            connection: self.connection,
        };
        let mut all = engine.decide(moment, &query);
        if engine.wants_body(moment, &query) {
            all.extend(engine.decide_on_body(moment, &query, self.body.as_ref()));
        }
        all
    }

    fn is_hit(&self, engine: &Engine, moment: Offset) -> bool {
        !self.put_to(engine, moment).is_empty()
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn table(name: &str) -> FaultMatch {
    FaultMatch { table: text(name), ..FaultMatch::default() }
}

fn user(name: &str) -> FaultMatch {
    FaultMatch { user: text(name), ..FaultMatch::default() }
}

fn model(name: &str) -> FaultMatch {
    FaultMatch { model: text(name), ..FaultMatch::default() }
}

fn query(name: &str, value: &str) -> FaultMatch {
    FaultMatch { query: BTreeMap::from([(name.to_owned(), value.to_owned())]), ..FaultMatch::default() }
}

fn body(place: &str, test: BodyTest) -> FaultMatch {
    FaultMatch { body: BTreeMap::from([(place.to_owned(), test)]), ..FaultMatch::default() }
}

fn tries(tries: Tries) -> FaultMatch {
    FaultMatch { tries: Some(tries), ..FaultMatch::default() }
}

fn first(count: u64, per: Option<Key>) -> FaultMatch {
    FaultMatch { first: Some(First { count, per }), ..FaultMatch::default() }
}

struct Bench {
    upstreams: Upstreams,
    events: UnboundedReceiver<RunEvent>,
    openai: SocketAddr,
}

/// What a bench has seen.
#[derive(Default)]
struct Seen {
    fired: Vec<(usize, u64, FaultAction)>,
    opened: Vec<usize>,
    closed: Vec<usize>,
    warnings: Vec<String>,
    calls: u64,
}

fn openai(source: SourcePlan) -> UpstreamPlan {
    UpstreamPlan { source, ..UpstreamPlan::new("openai", UpstreamKind::Openai(OpenaiPlan::default())) }
}

async fn bench(plan: UpstreamPlan, rules: Vec<FaultRule>, seed: Seed) -> Bench {
    let (sink, events) = EventSink::channel();
    let upstreams = Upstreams::start(&[plan], Arc::new(Engine::new(rules, seed)), seed, sink).await.unwrap();
    upstreams.begin(RunClock::start());
    Bench { openai: upstreams.address("openai").unwrap(), upstreams, events }
}

impl Bench {
    async fn finish(mut self) -> Seen {
        timeout(PATIENCE, self.upstreams.shutdown()).await.expect("shutting down takes no time");
        let mut seen = Seen::default();
        while let Some(event) = self.events.recv().await {
            match event {
                RunEvent::FaultFired { rule, n, action, .. } => seen.fired.push((rule, n, action)),
                RunEvent::FaultOpened { rule, .. } => seen.opened.push(rule),
                RunEvent::FaultClosed { rule, .. } => seen.closed.push(rule),
                RunEvent::Warning { message, .. } => seen.warnings.push(message),
                RunEvent::Upstream(interval) => seen.calls += interval.calls,
                _ => {}
            }
        }
        seen
    }
}

/// Sends one request on a socket of its own and gives whatever comes back.
async fn once(address: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let length = body.len();
    let key = if headers.contains("apikey") { "" } else { "authorization: Bearer k\r\n" };
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{key}{headers}\
         content-length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    // A reset is an end as good as any other here.
    let _ = timeout(PATIENCE, socket.read_to_end(&mut seen)).await.expect("the connection ends");
    String::from_utf8_lossy(&seen).into_owned()
}

fn chat(model: &str, stream: bool) -> String {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hello"}]}).to_string()
}
