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

// --- Which requests ---------------------------------------------------------------------------------------------

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

#[rstest]
#[case::table(table("plan_*"), get("/rest/v1/plan_items?select=*"), true)]
#[case::other_table(table("plan_*"), get("/rest/v1/time_blocks"), false)]
#[case::no_table_is_a_function(table("*"), get("/rest/v1/rpc/plan"), false)]
#[case::no_table_is_elsewhere(table("*"), get("/auth/v1/plan"), false)]
#[case::table_decoded(table("plan items"), get("/rest/v1/plan%20items/"), true)]
#[case::query_decoded(query("select", "a,b c"), get("/x?q=1&select=a%2Cb+c"), true)]
#[case::query_repeated(query("id", "eq.2"), get("/x?id=eq.1&id=eq.2"), true)]
#[case::query_absent(query("id", "*"), get("/x?ids=eq.1"), false)]
#[case::user_by_filter(user("u-*"), get("/rest/v1/t?profile_id=eq.u-7"), true)]
#[case::user_by_header(user("u-*"), asked("GET", "/x", &[("x-user-id", "u-7")], None), true)]
#[case::user_by_token(user("u-*"), asked("GET", "/x", &[("authorization", "Bearer e30.eyJzdWIiOiJ1LTcifQ.x")], None), true)]
#[case::user_by_row(user("u-7"), asked("POST", "/rest/v1/t", &[], Some(json!([{"user_id": "u-1"}, {"user_id": "u-7"}]))), true)]
#[case::end_user(user("u-7"), asked("POST", "/v1/responses", &[], Some(json!({"safety_identifier": "u-7"}))), true)]
#[case::nobody(user("*"), asked("POST", "/x", &[("authorization", "Bearer sk-x")], Some(json!({"id": "u"}))), false)]
#[case::model(model("gpt-4*"), asked("POST", "/v1/chat/completions", &[], Some(json!({"model": "gpt-4o"}))), true)]
#[case::other_model(model("gpt-4*"), asked("POST", "/v1/chat/completions", &[], Some(json!({"model": "o3"}))), false)]
#[case::model_of_path(model("gpt-4o"), get("/v1/models/gpt-4o"), true)]
#[case::no_model(model("*"), get("/v1/models"), false)]
#[case::body_text(body("/messages/0/role", BodyTest::Text("sys*".into())), asked("POST", "/x", &[], Some(json!({"messages": [{"role": "system"}]}))), true)]
#[case::body_number(body("/n", BodyTest::Number(2.0)), asked("POST", "/x", &[], Some(json!({"n": 2}))), true)]
#[case::body_bool(body("/stream", BodyTest::Bool(true)), asked("POST", "/x", &[], Some(json!({"stream": false}))), false)]
#[case::body_there(body("/tools", BodyTest::Exists(true)), asked("POST", "/x", &[], Some(json!({"tools": null}))), true)]
#[case::body_not_there(body("/tools", BodyTest::Exists(false)), asked("POST", "/x", &[], Some(json!({"tool": 1}))), true)]
#[case::no_json(body("/tools", BodyTest::Exists(true)), asked("POST", "/x", &[], None), false)]
#[case::first_try(tries(Tries::First), get("/x"), true)]
#[case::first_try_marked(tries(Tries::First), asked("GET", "/x", &[("x-stainless-retry-count", "0")], None), true)]
#[case::not_first(tries(Tries::First), asked("GET", "/x", &[("x-stainless-retry-count", "1")], None), false)]
#[case::retry(tries(Tries::Retries), asked("GET", "/x", &[("x-retry-count", "2")], None), true)]
#[case::no_retry(tries(Tries::Retries), get("/x"), false)]
fn conditions_hold_as_said(#[case] when: FaultMatch, #[case] request: Asked, #[case] hit: bool) {
    let engine = Engine::new(vec![resets("r", when)], Seed(1));
    assert_eq!(request.is_hit(&engine, Offset::ZERO), hit);
}

proptest! {
    /// Conditions are joined by "and": a rule with two strikes where both of the rules with one of them do.
    #[test]
    fn conditions_join(method in "GET|POST", path in "/rest/v1/[ab]|/x", select in "[ab]", user in "[ab]", marked in 0..2_u8) {
        let conditions = [
            FaultMatch { method: text("POST"), ..FaultMatch::default() },
            table("a"),
            query("select", "a"),
            self::user("a"),
            tries(Tries::First),
        ];
        let request = Asked {
            body: Some(json!({"user": user})),
            ..asked(if method == "GET" { "GET" } else { "POST" }, &format!("{path}?select={select}"), &[("x-retry-count", &marked.to_string())], None)
        };
        let hit = |when: FaultMatch| request.is_hit(&Engine::new(vec![resets("r", when)], Seed(1)), Offset::ZERO);
        for (index, one) in conditions.iter().enumerate() {
            for other in &conditions[index + 1..] {
                let both = FaultMatch {
                    method: one.method.clone().or(other.method.clone()),
                    table: one.table.clone().or(other.table.clone()),
                    query: one.query.clone().into_iter().chain(other.query.clone()).collect(),
                    user: one.user.clone().or(other.user.clone()),
                    tries: one.tries.or(other.tries),
                    ..FaultMatch::default()
                };
                prop_assert_eq!(hit(both), hit(one.clone()) && hit(other.clone()));
            }
        }
    }
}

// --- How many of them -------------------------------------------------------------------------------------------

fn first(count: u64, per: Option<Key>) -> FaultMatch {
    FaultMatch { first: Some(First { count, per }), ..FaultMatch::default() }
}

#[rstest]
#[case(Key::User, |key| asked("GET", &format!("/rest/v1/t?user_id=eq.{key}"), &[], None))]
#[case(Key::Table, |key| get(&format!("/rest/v1/t{key}")))]
#[case(Key::Path, |key| get(&format!("/p/{key}?n=1")))]
#[case(Key::Model, |key: u64| asked("POST", "/x", &[], Some(json!({"model": key.to_string()}))))]
#[case(Key::Header("x-tenant".into()), |key: u64| asked("GET", "/x", &[("x-tenant", &key.to_string())], None))]
#[case(Key::Connection, |key| Asked { connection: key, ..get("/x") })]
fn the_first_of_each_key_are_hit(#[case] key: Key, #[case] request: fn(u64) -> Asked) {
    let engine = Engine::new(vec![resets("r", first(2, Some(key.clone())))], Seed(1));
    let mut hits = BTreeMap::<u64, Vec<bool>>::new();
    for _ in 0..4 {
        for key in 1..=3 {
            hits.entry(key).or_default().push(request(key).is_hit(&engine, Offset::ZERO));
        }
    }
    for (key, hits) in hits {
        assert_eq!(hits, [true, true, false, false], "{key}");
    }
    if !matches!(key, Key::Path | Key::Connection) {
        assert!(!get("/nothing").is_hit(&engine, Offset::ZERO), "a request without the key passes");
    }
    assert_eq!(engine.take_ended(Offset::ZERO), [], "further keys may come");
}

#[test]
fn keys_take_a_bounded_room_and_what_finds_none_is_told_once() {
    let engine = Engine::new(vec![resets("r", first(1, Some(Key::Connection)))], Seed(1));
    let hits = (0..70_000).filter(|n| Asked { connection: *n, ..get("/") }.is_hit(&engine, Offset::ZERO)).count();
    assert_eq!(hits, 1 << 16);
    let warnings = engine.take_warnings();
    assert_eq!(warnings, ["fault `r` can tell 65536 apart and met more: the further ones were not hit"]);
    assert_eq!(engine.take_warnings(), Vec::<String>::new());
}

#[test]
fn the_first_of_all_are_hit_and_then_the_rule_is_over() {
    let engine = Engine::new(vec![resets("r", first(2, None))], Seed(1));
    let hits: Vec<bool> = (0..4).map(|_| get("/").is_hit(&engine, at(5))).collect();
    assert_eq!(hits, [true, true, false, false]);
    assert!(engine.has_ended(0));
    assert_eq!(engine.take_ended(at(900)), [(0, at(900))]);
    assert_eq!(engine.take_ended(at(1_900)), [], "said once");
}

#[test]
fn a_rule_that_waits_for_quiet_ends_where_the_quiet_began_to_count() {
    let course = Course { quiet: Some(millis(5_000)), ..Course::default() };
    let mut slow = resets("r", FaultMatch { course, ..FaultMatch::default() });
    slow.share = share("50%");
    let engine = Engine::new(vec![slow.clone()], Seed(3));
    let until_first = (1..).find(|n| decision(0, &slow, Seed(3), *n).is_some()).unwrap();
    assert!(until_first > 1, "the seed lets the first one pass");
    // Silence before the first hit is no answer to the fault.
    for n in 1..=until_first {
        assert_eq!(get("/").is_hit(&engine, at(n * 20_000)), n == until_first);
    }
    let hit = until_first * 20_000;
    assert_eq!(engine.take_ended(at(hit + 4_000)), []);
    let _ = get("/").put_to(&engine, at(hit + 4_000));
    assert_eq!(engine.take_ended(at(hit + 8_999)), []);
    assert!(!engine.has_ended(0));
    assert_eq!(engine.take_ended(at(hit + 12_000)), [(0, at(hit + 9_000))]);
    assert!((0..100).all(|_| !get("/").is_hit(&engine, at(hit + 12_000))));
}

// --- When -------------------------------------------------------------------------------------------------------

proptest! {
    #[test]
    fn a_duty_cycle_hits_in_its_on_parts_only(from in 0..50_u64, on in 1..50_u64, off in 1..50_u64, moment in 0..500_u64) {
        let cycle = Some(DutyCycle { on: millis(on), off: millis(off) });
        let mut flaps = resets("r", FaultMatch { course: Course { cycle, ..Course::default() }, ..FaultMatch::default() });
        flaps.window.from = at(from);
        let hit = get("/").is_hit(&Engine::new(vec![flaps], Seed(1)), at(moment));
        prop_assert_eq!(hit, moment >= from && (moment - from) % (on + off) < on);
    }

    /// The edges are just the moments at which requests begin and cease to be hit.
    #[test]
    fn edges_and_decisions_tell_the_same(from in 0..5_u64, on in 1..5_u64, off in 1..5_u64, lasts in 1..30_u64) {
        let cycle = Some(DutyCycle { on: Span::from_secs(on), off: Span::from_secs(off) });
        let mut flaps = resets("r", FaultMatch { course: Course { cycle, ..Course::default() }, ..FaultMatch::default() });
        flaps.window = FaultWindow { from: Offset::from_secs(from), until: Some(Offset::from_secs(from + lasts)) };
        let rules = [flaps];
        let engine = Engine::new(rules.to_vec(), Seed(1));
        let mut lit = false;
        let mut seen = Vec::new();
        for second in 0..=from + lasts {
            let hit = get("/").is_hit(&engine, Offset::from_secs(second));
            if hit != lit {
                seen.push((second, hit));
                lit = hit;
            }
        }
        let planned: Vec<(u64, bool)> = edges(&rules).map(|edge| (edge.at.second(), edge.opens)).collect();
        prop_assert_eq!(planned, seen);
    }

    /// What a weaker ramp hits, a stronger one hits too; and delays grow with it.
    #[test]
    fn a_ramp_only_ever_adds(seed: u64, n in 1..10_000_u64, low in 0.0..=1.0_f64, high in 0.0..=1.0_f64, percent in 1..=100_u32) {
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        let mut ramp = rule("r", FaultMatch::default(), lognormal(500));
        ramp.share = share(&format!("{percent}%"));
        let weak = decision_at(0, &ramp, Seed(seed), n, low);
        let strong = decision_at(0, &ramp, Seed(seed), n, high);
        prop_assert!(weak.is_none() || strong == weak, "the delay is not what is ramped");
        ramp.when.course.ramps = Ramped::Delay;
        let waits = |strength| match decision_at(0, &ramp, Seed(seed), n, strength) {
            Some(FaultDecision { action: FaultAction::Delay(span), .. }) => Some(span),
            None => None,
            Some(other) => panic!("{other:?}"),
        };
        prop_assert_eq!(waits(low).is_some(), waits(high).is_some(), "the share is not what is ramped");
        prop_assert!(waits(low) <= waits(high));
        prop_assert_eq!(waits(1.0), match decision(0, &ramp, Seed(seed), n).map(|d| d.action) {
            Some(FaultAction::Delay(span)) => Some(span),
            _ => None,
        });
    }
}

#[test]
fn a_ramp_hits_the_share_of_its_strength() {
    let course = Course { ramp_up: Span::from_secs(100), ..Course::default() };
    let mut ramp = resets("r", FaultMatch { course, ..FaultMatch::default() });
    ramp.window.until = Some(Offset::from_secs(200));
    ramp.share = share("80%");
    let engine = Engine::new(vec![ramp], Seed(11));
    for (second, expected) in [(0, 0.0), (25, 0.2), (50, 0.4), (100, 0.8), (150, 0.8)] {
        let hit = (0..4_000).filter(|_| get("/").is_hit(&engine, Offset::from_secs(second))).count();
        let (share, deviation) = (hit as f64 / 4_000.0, (expected * (1.0 - expected) / 4_000.0_f64).sqrt());
        assert!((share - expected).abs() <= 5.0 * deviation, "{share} and not {expected} at {second} s");
    }
}

#[test]
fn fast_cycles_and_endless_ones_have_edges_that_end_when_nobody_asks() {
    let flaps = |on: u64, off: u64| {
        let cycle = Some(DutyCycle { on: millis(on), off: millis(off) });
        resets("r", FaultMatch { course: Course { cycle, ..Course::default() }, ..FaultMatch::default() })
    };
    let mut fast = flaps(100, 100);
    fast.window.until = Some(Offset::from_secs(9));
    let rules = [fast, flaps(2_000, 3_000)];
    let seen: Vec<(u64, usize, bool)> =
        edges(&rules).take(7).map(|edge| (edge.at.second(), edge.rule, edge.opens)).collect();
    assert_eq!(
        seen,
        [(0, 0, true), (0, 1, true), (2, 1, false), (5, 1, true), (7, 1, false), (9, 0, false), (10, 1, true)]
    );
}

// --- Repeatable -------------------------------------------------------------------------------------------------

/// One rule of every sort, each of which hits only a part of what it sees.
fn every_sort() -> Vec<FaultRule> {
    let mut slow = rule("slow", FaultMatch::default(), lognormal(3));
    slow.share = share("40%");
    let mut limited =
        down("limited", FaultMatch { course: Course { hits: Some(30), ..Course::default() }, ..FaultMatch::default() });
    limited.share = share("30%");
    let third = down("third", FaultMatch { nth: Some(3), path: text("/v1/models*"), ..FaultMatch::default() });
    let mut chatty = rule("chatty", FaultMatch { model: text("gpt-4o*"), ..FaultMatch::default() }, lognormal(2));
    chatty.share = share("50%");
    let mut streamed = resets("streamed", body("/stream", BodyTest::Bool(true)));
    streamed.share = share("20%");
    vec![chatty, slow, limited, third, streamed]
}

/// Whether what fired is, for every rule, a beginning of the one sequence that the seed has for it.
fn assert_is_a_beginning(rules: &[FaultRule], seed: Seed, fired: &[(usize, u64, FaultAction)]) {
    let places: BTreeSet<(usize, u64)> = fired.iter().map(|(rule, n, _)| (*rule, *n)).collect();
    assert_eq!(places.len(), fired.len(), "no place twice");
    for (index, rule) in rules.iter().enumerate() {
        let mut own: Vec<_> = fired.iter().filter(|(rule, ..)| *rule == index).cloned().collect();
        own.sort_by_key(|(_, n, _)| *n);
        let last = own.last().map_or(0, |(_, n, _)| *n);
        let expected: Vec<_> = (1..=last)
            .filter_map(|n| decision(index, rule, seed, n))
            .map(|decision| (decision.rule, decision.n, decision.action))
            .collect();
        assert_eq!(own, expected, "{}", rule.name);
        if let Some(most) = rule.when.course.hits {
            assert!(own.len() as u64 <= most, "{}", rule.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn every_sort_of_rule_decides_the_same_on_any_number_of_threads(seed: u64, threads in 1_usize..9) {
        let rules = every_sort();
        let engine = Arc::new(Engine::new(rules.clone(), Seed(seed)));
        let workers: Vec<_> = (0..threads).map(|worker| {
            let engine = Arc::clone(&engine);
            std::thread::spawn(move || {
                (0..120).flat_map(|n| {
                    let body = json!({"model": if n % 2 == 0 { "gpt-4o" } else { "o3" }, "stream": n % 3 == 0});
                    let path = if (n + worker) % 4 == 0 { "/v1/models" } else { "/v1/chat/completions" };
                    asked("POST", path, &[], Some(body)).put_to(&engine, Offset::ZERO)
                }).collect::<Vec<_>>()
            })
        }).collect();
        let fired: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).map(|d| (d.rule, d.n, d.action)).collect();
        assert_is_a_beginning(&rules, Seed(seed), &fired);
    }
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

/// Runs the same plan with so many connections at a time, and gives what fired.
fn fired_with(threads: usize, connections: usize, seed: Seed) -> Vec<(usize, u64, FaultAction)> {
    const REQUESTS: usize = 192;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap();
    let seen = runtime.block_on(async {
        let bench = bench(openai(SourcePlan::Mock), every_sort(), seed).await;
        let address = bench.openai;
        let tasks: Vec<_> = (0..connections)
            .map(|worker| {
                tokio::spawn(async move {
                    for n in 0..REQUESTS / connections {
                        match (n + worker) % 4 {
                            0 => once(address, "GET", "/v1/models", "", "").await,
                            kind => {
                                let model = if kind == 1 { "o3" } else { "gpt-4o" };
                                once(address, "POST", "/v1/chat/completions", "", &chat(model, kind == 3)).await
                            }
                        };
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        bench.finish().await
    });
    assert_eq!(seen.calls, REQUESTS as u64);
    assert_eq!(seen.warnings, Vec::<String>::new());
    seen.fired
}

/// ★ The same seed, at 1 and at 64 connections, on 1 and on 2 threads: for every rule, what fired is a beginning of
/// the same sequence, the rules that all requests reach come just as far, and a rule's hits stop at the same one.
#[test]
fn the_same_seed_fires_the_same_at_any_concurrency() {
    let seed = Seed(7);
    let rules = every_sort();
    let runs: Vec<_> = [(1, 1), (1, 64), (2, 1), (2, 64)].map(|(t, c)| fired_with(t, c, seed)).into();
    for fired in &runs {
        assert_is_a_beginning(&rules, seed, fired);
        assert!(fired.len() > 60, "{} hits", fired.len());
        for index in 0..rules.len() {
            assert!(fired.iter().any(|(rule, ..)| *rule == index), "{} was at work", rules[index].name);
        }
    }
    // Every request reaches these two: they come just as far in every run.
    for index in [1, 2] {
        let reached = |fired: &[(usize, u64, FaultAction)]| -> BTreeSet<u64> {
            fired.iter().filter(|(rule, ..)| *rule == index).map(|(_, n, _)| *n).collect()
        };
        assert!(runs.iter().all(|run| reached(run) == reached(&runs[0])), "{}", rules[index].name);
    }
}

// --- On the wire ------------------------------------------------------------------------------------------------

#[tokio::test]
async fn a_rule_on_bodies_comes_behind_the_others_and_counts_bodies() {
    let heads = down("heads", FaultMatch { nth: Some(2), ..FaultMatch::default() });
    let bodies = down("bodies", FaultMatch { nth: Some(2), ..model("gpt-4o") });
    // In this order in the plan; applied the other way round.
    let bench = bench(openai(SourcePlan::Mock), vec![bodies, heads], Seed(1)).await;
    let mut statuses = Vec::new();
    for model in ["gpt-4o", "gpt-4o", "o3", "o3", "gpt-4o"] {
        let answer = once(bench.openai, "POST", "/v1/chat/completions", "", &chat(model, false)).await;
        statuses.push(answer[9..12].to_owned());
    }
    assert_eq!(statuses, ["200", "503", "200", "503", "503"]);
    let fired: Vec<_> = bench.finish().await.fired.into_iter().map(|(rule, n, _)| (rule, n)).collect();
    // The second request was ended by its head: its body was not counted. The fifth's is the second body.
    assert_eq!(fired, [(1, 2), (1, 4), (0, 2)]);
}

#[tokio::test]
async fn a_fault_that_is_spent_says_so() {
    let course = Course { hits: Some(2), ..Course::default() };
    let twice = down("twice", FaultMatch { course, ..FaultMatch::default() });
    let bench = bench(openai(SourcePlan::Mock), vec![twice], Seed(1)).await;
    for status in ["503", "503", "200"] {
        let answer = once(bench.openai, "GET", "/v1/models", "", "").await;
        assert_eq!(&answer[9..12], status);
    }
    let seen = bench.finish().await;
    assert_eq!((seen.fired.len(), seen.closed), (2, vec![0]));
}

#[tokio::test]
async fn connections_are_told_apart() {
    let bench = bench(openai(SourcePlan::Mock), vec![down("r", first(1, Some(Key::Connection)))], Seed(1)).await;
    let url = format!("http://{}/v1/models", bench.openai);
    for _ in 0..2 {
        // Each client has a pool of its own, hence one connection.
        let client = reqwest::Client::new();
        for status in [503, 200, 200] {
            let answer = client.get(&url).bearer_auth("k").send().await.unwrap();
            assert_eq!(answer.status(), status);
            answer.bytes().await.unwrap();
        }
    }
    assert_eq!(bench.finish().await.fired.len(), 2);
}

/// A real service, as far as a mock behind a pass-through is one.
async fn passing(rules: Vec<FaultRule>) -> (Bench, Bench) {
    let real = bench(openai(SourcePlan::Mock), vec![], Seed(2)).await;
    let url = format!("http://{}", real.openai);
    let front = bench(openai(SourcePlan::PassThrough { url, record: None }), rules, Seed(1)).await;
    (front, real)
}

#[tokio::test]
async fn a_body_that_is_passed_on_can_be_looked_at_and_arrives_whole() {
    let when = FaultMatch { nth: Some(2), ..model("gpt-4o") };
    let (front, real) = passing(vec![down("r", when)]).await;
    // Longer than one read, so that it comes and is held in several pieces.
    let long = "word ".repeat(60_000);
    let body = |model: &str| json!({"model": model, "messages": [{"role": "user", "content": long}]}).to_string();
    let mut seen = Vec::new();
    for model in ["gpt-4o", "o3", "gpt-4o"] {
        let answer = once(front.openai, "POST", "/v1/chat/completions", "", &body(model)).await;
        let tokens: u64 = answer
            .split_once("\"prompt_tokens\":")
            .map_or(0, |(_, rest)| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap());
        seen.push((answer[9..12].to_owned(), tokens > 50_000));
    }
    assert_eq!(seen, [("200".to_owned(), true), ("200".to_owned(), true), ("503".to_owned(), false)]);
    let (front, real) = (front.finish().await, real.finish().await);
    assert_eq!((front.calls, front.fired.len(), real.calls), (3, 1, 2), "what is aborted does not reach the service");
    assert_eq!(front.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn a_body_too_long_to_be_looked_at_is_passed_on_and_told() {
    let (front, real) = passing(vec![down("r", model("*"))]).await;
    let body = json!({"model": "gpt-4o", "input": "x".repeat(9 << 20)}).to_string();
    let answer = once(front.openai, "POST", "/v1/moderations", "", &body).await;
    assert!(!answer.starts_with("HTTP/1.1 503"), "{:.100}", answer);
    let (front, real) = (front.finish().await, real.finish().await);
    assert_eq!((front.fired.len(), real.calls), (0, 1));
    let [warning] = &front.warnings[..] else { panic!("{:?}", front.warnings) };
    assert!(warning.contains("longer than 8 MiB"), "{warning}");
}

#[tokio::test]
async fn users_of_postgrest_are_found_on_the_wire() {
    let mut only = down("r", user("u-7"));
    only.upstream = "supabase".into();
    let plan = UpstreamPlan::new(
        "supabase",
        UpstreamKind::Supabase(SupabasePlan {
            seed: BTreeMap::from([("notes".to_owned(), vec![json!({"id": 1, "user_id": "u-7"})])]),
            ..SupabasePlan::default()
        }),
    );
    let (sink, _events) = EventSink::channel();
    let upstreams = Upstreams::start(&[plan], Arc::new(Engine::new(vec![only], Seed(1))), Seed(1), sink).await.unwrap();
    upstreams.begin(RunClock::start());
    let address = upstreams.address("supabase").unwrap();
    let status = |answer: String| answer[9..12].to_owned();
    let (key, json) = ("apikey: k\r\n", "apikey: k\r\ncontent-type: application/json\r\n");
    assert_eq!(status(once(address, "GET", "/rest/v1/notes?user_id=eq.u-7", key, "").await), "503");
    assert_eq!(status(once(address, "GET", "/rest/v1/notes?user_id=eq.u-8", key, "").await), "200");
    assert_eq!(status(once(address, "POST", "/rest/v1/notes", json, r#"{"id": 2, "user_id": "u-7"}"#).await), "503");
    assert_eq!(status(once(address, "POST", "/rest/v1/notes", json, r#"{"id": 2, "user_id": "u-8"}"#).await), "201");
    upstreams.shutdown().await;
}

// --- Asked for by the request itself ----------------------------------------------------------------------------

fn asked_for(what: AskedFor) -> FaultRule {
    let when = FaultMatch { asked: Some(what), ..FaultMatch::default() };
    match what {
        AskedFor::Delay => rule("delay", when, Injection::Latency(Delay::NONE)),
        AskedFor::Abort => rule("abort", when, Injection::Abort(Abort::default())),
        AskedFor::Throughput => {
            let drip = Drip { bytes: ByteSize(1 << 10), every: Span::from_secs(1) };
            rule("throughput", when, Injection::Drip(drip))
        }
    }
}

#[tokio::test]
async fn requests_get_the_faults_that_they_ask_for_in_envoys_words() {
    let rules = vec![asked_for(AskedFor::Delay), asked_for(AskedFor::Abort)];
    let bench = bench(openai(SourcePlan::Mock), rules, Seed(1)).await;
    let ask = async |headers: &str| once(bench.openai, "GET", "/v1/models", headers, "").await;
    let plain = ask("").await;
    assert!(plain.starts_with("HTTP/1.1 200"));
    let started = std::time::Instant::now();
    let aborted = ask("x-envoy-fault-abort-request: 418\r\nx-envoy-fault-delay-request: 150\r\n").await;
    assert!(started.elapsed() >= Duration::from_millis(150), "a delay comes before an abort");
    assert!(aborted.starts_with("HTTP/1.1 418") && aborted.ends_with("fault filter abort"), "{aborted}");
    for ignored in [
        "x-envoy-fault-abort-request: 99\r\n",
        "x-envoy-fault-abort-request: soon\r\n",
        "x-envoy-fault-abort-request-percentage: 100\r\n",
        "x-envoy-fault-abort-request: 503\r\nx-envoy-fault-abort-request-percentage: 0\r\n",
    ] {
        assert!(ask(ignored).await.starts_with("HTTP/1.1 200"), "{ignored}");
    }
    let mut aborted = 0;
    for _ in 0..100 {
        let answer = ask("x-envoy-fault-abort-request: 503\r\nx-envoy-fault-abort-request-percentage: 30\r\n").await;
        aborted += usize::from(answer.starts_with("HTTP/1.1 503"));
    }
    assert!((12..=48).contains(&aborted), "{aborted} of 100 at 30 %");
    // A second later nothing is left of it, and it can come again.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert!(ask("x-envoy-fault-abort-request: 503\r\n").await.starts_with("HTTP/1.1 503"));
    let seen = bench.finish().await;
    assert_eq!(seen.fired.len(), 3 + aborted);
    assert_eq!(seen.opened, [0, 1, 1], "each hit lies in a time that the fault is on");
    assert_eq!(seen.closed.iter().copied().collect::<BTreeSet<_>>(), BTreeSet::from([0, 1]));
}

#[tokio::test]
async fn a_closed_door_stays_closed() {
    let bench = bench(openai(SourcePlan::Mock), vec![], Seed(1)).await;
    let answer = once(bench.openai, "GET", "/v1/models", "x-envoy-fault-abort-request: 503\r\n", "").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "a scenario has to allow it");
    assert_eq!(bench.finish().await.fired, []);
}
