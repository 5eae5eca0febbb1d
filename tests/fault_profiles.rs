//! The fault profiles that ship: every fault of each of them really strikes, in the time that it is made for and on the
//! wire.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::config::{Overrides, Request, ScenarioRef, builtin_fault_profiles, load};
use firedrill::fault::{ConnectionRules, Engine, FaultQuery};
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{Course, FaultRule, FaultWindow};
use firedrill::model::plan::Plan;
use firedrill::model::source::SourcePlan;
use firedrill::model::upstream::UpstreamKind;
use firedrill::units::{Offset, RunClock, Share};
use firedrill::upstream::{Upstreams, check_template, known_errors};
use http::HeaderMap;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn plan_with(profile: &str) -> Plan {
    let request = Request {
        scenario: ScenarioRef::BuiltIn("weekly-load".to_owned()),
        overrides: Overrides { faults: Some(profile.to_owned()), ..Overrides::default() },
        env: &|_| None,
        provider_errors: &known_errors,
        check_template: &|text, captures| check_template(text, captures),
    };
    load(&request).unwrap_or_else(|error| panic!("{}", error.render(false))).plan
}

/// A request that an app makes: to which upstream, its method, its path with query, and its body.
type Call = (&'static str, &'static str, &'static str, Option<Value>);

/// What an app like HolisticOS asks of what is around it, each once.
fn calls() -> Vec<Call> {
    let chat = |temperature: f64, stream: bool, json: bool| {
        let mut body = json!({"model": "gpt-4o", "temperature": temperature, "stream": stream,
            "messages": [{"role": "system", "content": "You plan days."}, {"role": "user", "content": "hello"}]});
        if json {
            body["response_format"] = json!({"type": "json_object"});
            body["messages"][0]["content"] = json!("Answer with a JSON object.");
        }
        body
    };
    let row = |id: u64| json!({"id": format!("00000000-0000-4000-8000-{id:012}"), "profile_id": "u", "name": "n"});
    vec![
        ("openai", "POST", "/v1/chat/completions", Some(chat(0.2, false, true))),
        ("openai", "POST", "/v1/chat/completions", Some(chat(0.4, false, false))),
        ("openai", "POST", "/v1/chat/completions", Some(chat(0.1, true, false))),
        ("openai", "GET", "/v1/models", None),
        ("supabase", "POST", "/rest/v1/archetypes", Some(json!([row(1), row(2), row(3), row(4)]))),
        (
            "supabase",
            "POST",
            "/rest/v1/archetypes",
            Some(json!({"profile_id": "u", "name": "the database gives the id"})),
        ),
        ("supabase", "PATCH", "/rest/v1/archetypes?profile_id=eq.u", Some(json!({"name": "m"}))),
        ("supabase", "GET", "/rest/v1/archetypes?select=*&profile_id=eq.u&limit=3", None),
        ("supabase", "POST", "/auth/v1/token?grant_type=password", Some(json!({"email": "a@b.c", "password": "x"}))),
        ("sahha", "GET", "/api/v1/profile/score/u", None),
    ]
}

/// By plan: under 50 rounds of all calls a second, every fault strikes within its window and only there.
#[test]
fn every_fault_of_every_profile_strikes_in_its_time() {
    for profile in builtin_fault_profiles() {
        let plan = plan_with(profile);
        let engine = Engine::new(plan.faults.clone(), plan.seed);
        let mut hits: Vec<Vec<Offset>> = vec![Vec::new(); plan.faults.len()];
        let headers = HeaderMap::new();
        let services =
            |upstream: &str| plan.upstreams.iter().find(|plan| plan.name == upstream).unwrap().kind.services();
        let calls = calls();
        for tick in 0..plan.load_end().second() * 10 {
            let at = Offset::from_micros(tick * 100_000);
            for (upstream, method, target, body) in (0..5).flat_map(|_| &calls) {
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                let service = services(upstream).of(path);
                let query = FaultQuery { upstream, method, path, query, service, headers: &headers, connection: 1 };
                let mut decisions = engine.decide(at, &query);
                if engine.wants_body(at, &query) {
                    decisions.extend(engine.decide_on_body(at, &query, body.as_ref()));
                }
                decisions.iter().for_each(|decision| hits[decision.rule].push(at));
            }
            for upstream in ["openai", "supabase", "sahha"] {
                let rules = ConnectionRules::of(&plan.faults, upstream, plan.seed, |_| true);
                rules.touching(at, tick + 1).for_each(|(rule, ..)| hits[rule].push(at));
            }
        }
        for (rule, hits) in plan.faults.iter().zip(&hits) {
            let FaultWindow { from, until } = rule.window;
            assert!(!hits.is_empty(), "{profile}: {} never strikes", rule.name);
            assert!(
                hits.iter().all(|at| *at >= from && until.is_some_and(|until| *at < until)),
                "{profile}: {}",
                rule.name
            );
            // Early and late enough to be the fault that its file tells of, ramps and all.
            let (first, last) = (hits[0].since(from), until.unwrap().since(*hits.last().unwrap()));
            let lasts = until.unwrap().since(from);
            assert!(
                first < lasts / 4 && last < lasts / 4,
                "{profile}: {} strikes from {first:?} on, until {last:?} before its end",
                rule.name
            );
        }
    }
}

/// One fault alone, from now on and as often as it can.
fn eager(rule: &FaultRule) -> FaultRule {
    let mut rule = rule.clone();
    rule.window = FaultWindow { from: Offset::ZERO, until: None };
    rule.share = Share::ALL;
    rule.when.course = Course { ramps: rule.when.course.ramps, ..Course::default() };
    rule.when.nth = None;
    rule
}

/// On the wire: with weekly-load's upstreams, each fault alone hits what an app really asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_every_profile_strikes_on_the_wire() {
    let mut runs = JoinSet::new();
    let mut rules = BTreeSet::new();
    for profile in builtin_fault_profiles() {
        let plan = Arc::new(plan_with(profile));
        for rule in &plan.faults {
            // What a profile includes is another one's, and met there.
            if rules.insert(rule.name.clone()) {
                let (plan, rule) = (Arc::clone(&plan), eager(rule));
                runs.spawn(async move { (rule.name.clone(), struck(&plan, rule).await) });
            }
        }
    }
    assert!(runs.len() >= 35, "{} faults", runs.len());
    let mut missed = Vec::new();
    while let Some(run) = runs.join_next().await {
        let (name, struck) = run.unwrap();
        if !struck {
            missed.push(name);
        }
    }
    assert_eq!(missed, Vec::<String>::new(), "none of these ever fired");
}

/// Makes all calls until the fault has fired; `false` if it does not.
async fn struck(plan: &Plan, rule: FaultRule) -> bool {
    let upstream = rule.upstream.clone();
    let mut plans: Vec<_> = plan.upstreams.iter().filter(|plan| plan.name == upstream).cloned().collect();
    for plan in &mut plans {
        (plan.listen, plan.source) = (None, SourcePlan::Mock);
        if let UpstreamKind::Openai(openai) = &mut plan.kind {
            openai.latency = firedrill::model::fault::Delay::NONE;
        }
    }
    let (sink, mut events) = EventSink::channel();
    let engine = Arc::new(Engine::new(vec![rule], plan.seed));
    let upstreams = Upstreams::start(&plans, engine, plan.seed, sink).await.unwrap();
    upstreams.begin(RunClock::start());
    let address = upstreams.address(&upstream).unwrap();
    // More at a time than a fault lets through that counts connections.
    let mut callers = JoinSet::new();
    for _ in 0..8 {
        callers.spawn(call(upstream.clone(), address));
    }
    let caller = tokio::spawn(callers.join_all());
    let mut caller = caller;
    let fired = async {
        loop {
            tokio::select! {
                biased;
                event = events.recv() => if matches!(event, Some(RunEvent::FaultFired { .. })) { return true },
                _ = &mut caller => return false,
            }
        }
    };
    let fired = timeout(PATIENCE, fired).await.unwrap_or(false);
    caller.abort();
    upstreams.shutdown().await;
    fired
}

/// Asks an upstream for all that it is asked, over and over, whatever comes of it: that is what the fault is about.
async fn call(upstream: String, address: SocketAddr) {
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    for (_, method, target, body) in calls().into_iter().filter(|(name, ..)| *name == upstream).cycle().take(12) {
        let mut request = client
            .request(method.parse().unwrap(), format!("http://{address}{target}"))
            .header("apikey", "k")
            .timeout(Duration::from_millis(400));
        if upstream == "openai" {
            request = request.bearer_auth("sk-test");
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        if let Ok(answer) = request.send().await {
            let _ = answer.bytes().await;
        }
    }
}
