//! What an upstream sees of its clients: real clients with scripted behaviour against a mock with faults, and what is
//! said of them. What is said is true, and what only looks like it stays unsaid.
#![expect(clippy::unwrap_used, reason = "a test may fail where it stands; helpers are tests too")]

use firedrill::fault::Engine;
use firedrill::model::calls::{CallEnd, CallNote, CallOutcome, CallSettled, Layer, RetrySign, TracedBy};
use firedrill::model::event::{EventSink, RunEvent};
use firedrill::model::fault::{Abort, Delay, DelayShape, FaultMatch, FaultRule, FaultWindow, Injection};
use firedrill::model::plan::{GatePlan, LoadPlan, Plan, ProbePlan, TargetPlan};
use firedrill::model::resilience::{BackOffShape, Seen, UpstreamBehaviour};
use firedrill::model::source::SourcePlan;
use firedrill::model::timeline::Timeline;
use firedrill::model::upstream::{OpenaiPlan, SeedFile, SeedFormat, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::model::verdict::Severity;
use firedrill::record::{StepGuard, StepsUnderWay};
use firedrill::resilience::behaviour;
use firedrill::run::timeline;
use firedrill::units::{Offset, RunClock, Seed, Share, Span};
use firedrill::upstream::Upstreams;
use futures_util::future::join_all;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{sleep, timeout};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn abort(error: Option<&str>, status: Option<u16>, headers: &[(&str, &str)], omit: &[&str]) -> Injection {
    Injection::Abort(Abort {
        error: error.map(Into::into),
        status,
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: None,
        omit: omit.iter().map(|name| (*name).to_owned()).collect(),
    })
}

fn down() -> Injection {
    abort(Some("server_error"), None, &[], &["retry-after", "retry-after-ms"])
}

fn latency(delay: u64) -> Injection {
    Injection::Latency(Delay {
        mean: Span(millis(delay)),
        jitter: Span::default(),
        shape: DelayShape::Constant,
        correlation: Share::NONE,
    })
}

/// A mock with one fault from its start, and what is to be known of what came.
struct Stage {
    upstreams: Upstreams,
    steps: Arc<StepsUnderWay>,
    events: UnboundedReceiver<RunEvent>,
    clock: RunClock,
    plan: Plan,
    client: Client,
}

/// What was seen.
struct Told {
    events: Vec<RunEvent>,
    timeline: Timeline,
    behaviour: UpstreamBehaviour,
}

fn plan(kind: UpstreamKind, rules: Vec<FaultRule>) -> Plan {
    let upstream = UpstreamPlan { name: "it".into(), kind, listen: None, tls: false, source: SourcePlan::Mock };
    Plan {
        name: "scripted".into(),
        describe: String::new(),
        source: "built-in".into(),
        seed: Seed(1),
        target: TargetPlan::Url { url: "http://127.0.0.1:1".into(), pid: None },
        headers: BTreeMap::new(),
        upstreams: vec![upstream],
        load: LoadPlan::Closed {
            users: 1,
            ramp_up: Span::default(),
            hold: Span::from_secs(60),
            graceful_stop: Span::default(),
            iterations: None,
        },
        feeders: BTreeMap::new(),
        journeys: Vec::new(),
        endpoints: Vec::new(),
        fault_profile: None,
        faults: rules,
        ballast: None,
        probes: ProbePlan { health: None, memory_every: Span::from_secs(1), stats: None, metrics: None },
        gate: GatePlan { fail_on: Severity::P1, while_faulted: Severity::P2, recovery: Span::from_secs(1) },
        allow_hosts: Vec::new(),
        control: None,
        checks: Default::default(),
    }
}

fn rule(inject: Injection) -> FaultRule {
    FaultRule {
        name: "fault".into(),
        upstream: "it".into(),
        when: FaultMatch::default(),
        share: Share::ALL,
        window: FaultWindow { from: Offset::ZERO, until: None },
        inject,
    }
}

impl Stage {
    async fn openai(rules: Vec<FaultRule>) -> Self {
        Self::of(UpstreamKind::Openai(OpenaiPlan::default()), rules).await
    }

    async fn of(kind: UpstreamKind, rules: Vec<FaultRule>) -> Self {
        let plan = plan(kind, rules);
        let (sink, events) = EventSink::channel();
        let engine = Arc::new(Engine::new(plan.faults.clone(), plan.seed));
        let upstreams = Upstreams::start(&plan.upstreams, engine, plan.seed, sink.clone()).await.unwrap();
        let clock = RunClock::start();
        let steps = StepsUnderWay::new(clock.started_at());
        upstreams.trace(&steps);
        upstreams.begin(clock);
        // As the conductor marks it.
        for (index, rule) in plan.faults.iter().enumerate() {
            sink.emit(RunEvent::FaultOpened { at: rule.window.from, rule: index });
            if let Some(at) = rule.window.until {
                sink.emit(RunEvent::FaultClosed { at, rule: index });
            }
        }
        let client = Client::builder().no_proxy().build().unwrap();
        Self { upstreams, steps, events, clock, plan, client }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.upstreams.address("it").unwrap())
    }

    /// A completion about `what`, which tells it from others.
    fn ask(&self, what: &str) -> RequestBuilder {
        let body = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": what}]});
        self.client.post(self.url("/v1/chat/completions")).bearer_auth("sk-firedrill").json(&body)
    }

    fn step(&self, user: u32, id: &str) -> StepGuard {
        self.steps.begin(user, 0, &[id.to_owned()].into())
    }

    async fn end(self) -> Told {
        self.end_after(0).await
    }

    /// Ends when so many calls are known to have ended: what a client gave up, the mock learns of a little later.
    async fn end_after(mut self, calls: usize) -> Told {
        let clock = self.clock;
        let mut events = Vec::new();
        while events.iter().filter(|event| matches!(event, RunEvent::Call(_))).count() < calls {
            events.push(timeout(millis(20_000), self.events.recv()).await.unwrap().unwrap());
        }
        self.upstreams.shutdown().await;
        while let Ok(event) = self.events.try_recv() {
            events.push(event);
        }
        // As a journal that outlived a kill would be read back.
        let lines: Vec<String> = events.iter().map(|event| serde_json::to_string(event).unwrap()).collect();
        let back: Vec<RunEvent> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(back, events);
        let timeline = timeline(back);
        let behaviour = behaviour(&self.plan, &timeline, clock.now()).remove(0);
        let text = serde_json::to_string(&behaviour).unwrap();
        assert_eq!(serde_json::from_str::<UpstreamBehaviour>(&text).unwrap(), behaviour, "it survives run.json");
        Told { events, timeline, behaviour }
    }
}

impl Told {
    fn notes(&self) -> Vec<&CallNote> {
        self.events
            .iter()
            .filter_map(|event| match event {
                RunEvent::Call(note) => Some(&**note),
                _ => None,
            })
            .collect()
    }

    fn settled(&self) -> Vec<&CallSettled> {
        self.events
            .iter()
            .filter_map(|event| match event {
                RunEvent::CallSettled(settled) => Some(settled),
                _ => None,
            })
            .collect()
    }

    fn outcomes(&self) -> Vec<(CallOutcome, u32, u64)> {
        let mut outcomes = self.behaviour.outcomes.clone();
        outcomes.sort();
        outcomes
    }

    fn back_off(&self) -> (Layer, BackOffShape, Option<bool>) {
        let Seen::Seen(all) = &self.behaviour.back_off else { panic!("{:?}", self.behaviour.back_off) };
        assert_eq!(all.len(), 1, "{all:?}");
        (all[0].layer, all[0].shape, all[0].jitter)
    }

    /// Calls, and of those retries, while a fault was on.
    fn faulted(&self) -> (u64, u64, u64) {
        let load = self.behaviour.amplification.faulted;
        (load.calls, load.retries, load.unclear)
    }
}

/// Tries until it goes well or has been tried `pauses + 1` times. `marked` sends the mark of OpenAI's clients.
async fn persist(
    request: impl Fn() -> RequestBuilder,
    pauses: &[Duration],
    marked: bool,
    timeout: Option<Duration>,
) -> Option<Response> {
    for attempt in 0..=pauses.len() {
        let mut request = request();
        if marked {
            request = request.header("x-stainless-retry-count", attempt.to_string());
        }
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        match request.send().await {
            Ok(response) if response.status().is_success() => return Some(response),
            Ok(response) => drop(response.bytes().await),
            Err(_) => {}
        }
        if let Some(pause) = pauses.get(attempt) {
            sleep(*pause).await;
        }
    }
    None
}

/// Runs so many clients at once, each asking so many things, one after another.
async fn crowd<F: Future<Output = ()>>(clients: u64, each: u64, ask: impl Fn(u64) -> F) {
    let one = |client: u64| {
        let ask = &ask;
        async move {
            for n in 0..each {
                ask(client * each + n).await;
            }
        }
    };
    join_all((0..clients).map(one)).await;
}

#[tokio::test]
async fn exponential_back_off_and_amplification_are_told() {
    let stage = Stage::openai(vec![rule(down())]).await;
    // Long beside what a busy machine adds to them.
    let pauses = [millis(150), millis(300), millis(600)];
    crowd(8, 3, async |n| {
        let what = format!("thing {n}");
        assert!(persist(|| stage.ask(&what), &pauses, false, None).await.is_none());
    })
    .await;
    let told = stage.end().await;
    assert_eq!(told.faulted(), (96, 72, 0));
    assert_eq!(told.behaviour.amplification.faulted.per_logical_call(), Some((4.0, 4.0)));
    let (layer, shape, jitter) = told.back_off();
    assert_eq!((layer, shape), (Layer::Client, BackOffShape::Exponential));
    assert_ne!(jitter, Some(true), "a busy machine is no jitter");
    assert!(told.notes().iter().all(|note| note.end == CallEnd::Answered(500) && note.faults == 1));
    let attempts: Vec<u32> = told.notes().iter().map(|note| note.attempt).collect();
    assert_eq!((1..=4).map(|n| attempts.iter().filter(|a| **a == n).count()).collect::<Vec<_>>(), [24; 4]);
    assert_eq!(told.settled().len(), 24);
    assert!(told.settled().iter().all(|settled| settled.tries == 4));
    // Every fault that fired names a call whose end is told.
    let fired: Vec<u64> = told
        .events
        .iter()
        .filter_map(|event| if let RunEvent::FaultFired { call, .. } = event { *call } else { None })
        .collect();
    assert!(fired.len() == 96 && fired.iter().all(|call| told.notes().iter().any(|note| note.call == *call)));
}

#[tokio::test]
async fn marked_retries_with_fixed_and_random_pauses_are_told() {
    let stage = Stage::openai(vec![rule(down())]).await;
    crowd(8, 4, async |n| {
        // Wide enough that what a busy machine adds does not matter.
        let pause = |retry: u64| millis(60 + (240.0 * Seed(9).unit(&[n, retry])) as u64);
        let what = format!("thing {n}");
        persist(|| stage.ask(&what), &[pause(1), pause(2)], true, None).await;
    })
    .await;
    let told = stage.end().await;
    let (layer, shape, jitter) = told.back_off();
    assert_eq!((layer, jitter), (Layer::Client, Some(true)));
    assert!(matches!(shape, BackOffShape::Fixed | BackOffShape::Unclear), "{shape:?}");
    assert_eq!(told.timeline.calls[0].retries, [(RetrySign::Mark, 64)]);
    assert_eq!(told.timeline.upstreams.iter().map(|second| second.retries).sum::<u64>(), 64);
}

#[tokio::test]
async fn one_who_tries_again_at_once_and_one_who_never_does() {
    let stage = Stage::openai(vec![rule(down())]).await;
    crowd(2, 10, async |n| {
        let what = format!("eager {n}");
        persist(|| stage.ask(&what), &[Duration::ZERO; 2], false, None).await;
    })
    .await;
    let told = stage.end().await;
    assert_eq!(told.back_off(), (Layer::Client, BackOffShape::None, None));

    let stage = Stage::openai(vec![rule(down())]).await;
    crowd(4, 10, async |n| {
        persist(|| stage.ask(&format!("resigned {n}")), &[], false, None).await;
    })
    .await;
    let told = stage.end().await;
    assert_eq!(told.faulted(), (40, 0, 0));
    assert!(matches!(&told.behaviour.back_off, Seen::TooFew(_)), "{:?}", told.behaviour.back_off);
    assert!(told.outcomes().iter().all(|(_, tries, _)| *tries == 1), "{:?}", told.outcomes());
}

#[tokio::test]
async fn a_layer_above_a_marking_client_is_told_apart() {
    let stage = Stage::openai(vec![rule(down())]).await;
    crowd(8, 1, async |n| {
        let what = format!("thing {n}");
        for _ in 0..3 {
            persist(|| stage.ask(&what), &[millis(40)], true, None).await;
            sleep(millis(150)).await;
        }
    })
    .await;
    let told = stage.end().await;
    let Seen::Seen(all) = &told.behaviour.back_off else { panic!("{:?}", told.behaviour.back_off) };
    let median = |layer: Layer| {
        let own = all.iter().find(|back_off| back_off.layer == layer).unwrap();
        own.pauses[0].median.get()
    };
    let (client, above) = (median(Layer::Client), median(Layer::Above));
    assert!((millis(40)..millis(120)).contains(&client), "{client:?}");
    assert!((millis(150)..millis(300)).contains(&above), "{above:?}");
    assert_eq!(told.faulted().1, 8 * 5);
}

#[tokio::test]
async fn what_is_asked_again_for_other_reasons_is_no_retry() {
    // A page that is polled, before and while the upstream fails.
    let mut fault = rule(down());
    fault.window = FaultWindow { from: Offset::from_micros(400_000), until: Some(Offset::from_micros(800_000)) };
    let stage = Stage::openai(vec![fault]).await;
    for _ in 0..24 {
        let answer = stage.client.get(stage.url("/v1/models")).bearer_auth("sk-firedrill").send().await.unwrap();
        drop(answer.bytes().await);
        sleep(millis(50)).await;
    }
    // Users who ask the same at once, each a first time.
    join_all((0..10).map(|_| persist(|| stage.ask("the same"), &[], false, None))).await;
    let told = stage.end().await;
    let (_, retries, unclear) = told.faulted();
    assert_eq!(retries, 0);
    assert!(unclear > 0, "and it is said that it cannot be told");
    assert_eq!(told.outcomes(), [], "nobody gave up or came through");
    assert!(matches!(&told.behaviour.back_off, Seen::TooFew(_)), "{:?}", told.behaviour.back_off);
}

#[tokio::test]
async fn retry_after_is_told_to_be_obeyed_or_not() {
    for (obeys, header) in [(true, ("retry-after-ms", "150")), (false, ("retry-after", "1"))] {
        let fault = rule(abort(Some("rate_limit"), None, &[header], &["retry-after", "retry-after-ms"]));
        let stage = Stage::openai(vec![fault]).await;
        let pause = if obeys { millis(151) } else { millis(40) };
        crowd(6, 1, async |n| {
            let what = format!("thing {n}");
            persist(|| stage.ask(&what), &[pause; 2], true, None).await;
        })
        .await;
        let told = stage.end().await;
        let Seen::Seen(waits) = &told.behaviour.retry_after else { panic!("{:?}", told.behaviour.retry_after) };
        let expected = if obeys { (18, 12, 0) } else { (18, 0, 12) };
        assert_eq!((waits.asked, waits.obeyed, waits.early), expected);
        // What an answer asked for says nothing of the client's own pauses.
        assert!(matches!(told.behaviour.back_off, Seen::TooFew(_)), "{:?}", told.behaviour.back_off);
    }
}

#[tokio::test]
async fn the_timeout_in_force_is_told() {
    let stage = Stage::openai(vec![rule(Injection::Timeout { after: None })]).await;
    crowd(5, 3, async |n| {
        persist(|| stage.ask(&format!("thing {n}")), &[], false, Some(millis(300))).await;
    })
    .await;
    let told = stage.end_after(15).await;
    let Seen::Seen(timeouts) = &told.behaviour.timeouts else { panic!("{:?}", told.behaviour.timeouts) };
    // On a busy machine some come later than the rest.
    assert!(timeouts.len() == 1 && (9..=15).contains(&timeouts[0].count), "{timeouts:?}");
    let median = timeouts[0].median.get();
    assert!((millis(280)..millis(420)).contains(&median), "{median:?}");
    assert!(told.notes().iter().all(|note| note.end == CallEnd::HungUp), "{:?}", told.notes());
    assert_eq!(told.timeline.upstreams.iter().map(|second| second.hung_up).sum::<u64>(), 15);
}

#[tokio::test]
async fn clients_that_leave_whenever_or_with_the_upstream_have_no_timeout() {
    let stage = Stage::openai(vec![rule(Injection::Timeout { after: None })]).await;
    crowd(20, 1, async |n| {
        persist(|| stage.ask(&format!("thing {n}")), &[], false, Some(millis(50 + 90 * n))).await;
    })
    .await;
    let told = stage.end_after(20).await;
    assert!(
        matches!(&told.behaviour.timeouts, Seen::NotSeen(why) if why.contains("no common age")),
        "{:?}",
        told.behaviour.timeouts
    );

    // The upstream ends while they wait: nobody has left.
    let stage = Stage::openai(vec![rule(Injection::Timeout { after: None })]).await;
    let waiting: Vec<_> = (0..6).map(|n| tokio::spawn(stage.ask(&format!("thing {n}")).send())).collect();
    sleep(millis(200)).await;
    let told = stage.end().await;
    assert!(told.notes().iter().all(|note| note.end == CallEnd::Unfinished), "{:?}", told.notes());
    assert!(
        matches!(&told.behaviour.timeouts, Seen::NotSeen(why) if why.contains("no client left")),
        "{:?}",
        told.behaviour.timeouts
    );
    for task in waiting {
        drop(task.await);
    }
}

#[tokio::test]
async fn what_we_break_off_is_not_the_clients_doing() {
    for inject in [Injection::ResetPeer {}, Injection::Timeout { after: Some(Span(millis(60))) }] {
        let stage = Stage::openai(vec![rule(inject)]).await;
        crowd(6, 1, async |n| {
            persist(|| stage.ask(&format!("thing {n}")), &[], false, None).await;
        })
        .await;
        let told = stage.end().await;
        // A client that met a reset on a kept connection may send again by itself; it is told as what it is.
        assert!(
            told.notes().len() >= 6 && told.notes().iter().all(|note| note.end == CallEnd::Broken),
            "{:?}",
            told.notes()
        );
        assert!(matches!(&told.behaviour.timeouts, Seen::NotSeen(_)), "{:?}", told.behaviour.timeouts);
    }
}

#[tokio::test]
async fn a_client_that_comes_through_is_told_with_its_tries() {
    let mut fault = rule(down());
    fault.when.first = Some(firedrill::model::fault::First { count: 2, per: Some(firedrill::model::fault::Key::User) });
    let stage = Stage::openai(vec![fault]).await;
    let ask = |n: u64| {
        let body = json!({"model": "gpt-4o-mini", "user": format!("user-{n}"), "messages": [{"role": "user", "content": "hi"}]});
        stage.client.post(stage.url("/v1/chat/completions")).bearer_auth("sk-firedrill").json(&body)
    };
    crowd(4, 2, async |n| assert!(persist(|| ask(n), &[millis(30); 3], false, None).await.is_some())).await;
    let told = stage.end().await;
    assert_eq!(told.outcomes(), [(CallOutcome::Succeeded, 3, 8)]);
    assert_eq!(told.faulted(), (24, 16, 0));
}

#[tokio::test]
async fn rows_that_a_retry_wrote_again_are_told() {
    for (key, row, doubled) in [
        ("id bigint generated always as identity primary key,", json!({"text": "x"}), true),
        ("id bigint primary key,", json!({"id": 7, "text": "x"}), false),
    ] {
        let text = format!("create table notes ({key} text text);");
        let seed = SeedFile { name: "seed.sql".into(), format: SeedFormat::Sql, text };
        let supabase = SupabasePlan { seed_files: vec![seed], ..SupabasePlan::default() };
        let mut slow = rule(latency(400));
        slow.when.first = Some(firedrill::model::fault::First { count: 1, per: None });
        let stage = Stage::of(UpstreamKind::Supabase(supabase), vec![slow]).await;
        let key_of_service = stage.upstreams.environment()["SUPABASE_SERVICE_KEY"].clone();
        let insert = || {
            let request = stage.client.post(stage.url("/rest/v1/notes")).header("apikey", &key_of_service);
            request.bearer_auth(&key_of_service).json(&row)
        };
        let done = persist(insert, &[millis(20)], false, Some(millis(150))).await;
        assert_eq!(done.is_some(), doubled, "a key that was given is taken already");
        let told = stage.end().await;
        match (&told.behaviour.duplicates, doubled) {
            (Seen::Seen(duplicates), true) => assert_eq!((duplicates.calls, duplicates.rows), (1, 1)),
            (Seen::NotSeen(_), false) => {}
            (other, _) => panic!("{key}: {other:?}"),
        }
        let outcome = if doubled { CallOutcome::Succeeded } else { CallOutcome::Refused };
        assert_eq!(told.outcomes(), [(outcome, 2, 1)]);
        let inserted: Vec<u32> = told.notes().iter().map(|note| note.inserted).collect();
        assert_eq!(inserted, if doubled { [1, 1] } else { [1, 0] });
    }
}

#[tokio::test]
async fn calls_are_traced_to_steps_by_what_they_bear_name_or_cannot_be_other_than() {
    let stage = Stage::openai(vec![rule(down())]).await;
    let ann = stage.step(1, "user_ann_1");
    // Only one is under way.
    stage.ask("anything").send().await.unwrap();
    let ben = stage.step(2, "user_ben_2");
    // Handed on as tracing libraries do: the trace with another parent.
    let trace = format!("00-{}-00f067aa0ba902b7-01", ben.id());
    stage.ask("anything else").header("traceparent", trace).send().await.unwrap();
    stage.ask("yet another").header("x-request-id", ann.id().to_string()).send().await.unwrap();
    stage.ask("A plan for user_ben_2, please").send().await.unwrap();
    // Both, and none.
    stage.ask("user_ann_1 and user_ben_2").send().await.unwrap();
    stage.ask("user_ben_22").send().await.unwrap();
    drop((ann, ben));
    let told = stage.end().await;
    let by: Vec<_> = told.notes().iter().map(|note| note.trigger.map(|trigger| (trigger.user, trigger.by))).collect();
    assert_eq!(
        by,
        [
            Some((1, TracedBy::Only)),
            Some((2, TracedBy::Header)),
            Some((1, TracedBy::Header)),
            Some((2, TracedBy::User)),
            None,
            None
        ]
    );
    let fired: Vec<_> = told
        .events
        .iter()
        .filter_map(|event| match event {
            RunEvent::FaultFired { trigger, .. } => Some(trigger.map(|trigger| (trigger.user, trigger.by))),
            _ => None,
        })
        .collect();
    assert_eq!(fired, by, "the fault says so, too");
    let traced = told.behaviour.traced;
    assert_eq!((traced.calls, traced.by_header, traced.by_user, traced.by_only), (6, 2, 1, 1));
}

#[tokio::test]
async fn equal_calls_of_two_steps_are_not_retries_of_each_other() {
    let stage = Stage::openai(vec![rule(down())]).await;
    for user in 0..6 {
        let step = stage.step(user, &format!("user_{user}_x"));
        let mark = step.id().to_string();
        persist(|| stage.ask("the same for all").header("x-request-id", &mark), &[millis(20)], false, None).await;
    }
    let told = stage.end().await;
    assert_eq!(told.faulted(), (12, 6, 0));
    assert_eq!(told.outcomes().iter().map(|(.., n)| n).sum::<u64>(), 6);
    assert!(told.outcomes().iter().all(|(_, tries, _)| *tries == 2));
}

#[tokio::test]
async fn a_limit_of_calls_at_once_needs_more_than_a_highest_number() {
    let kind = UpstreamKind::Openai(OpenaiPlan::default());
    let stage = Stage::of(kind, vec![rule(latency(50))]).await;
    let _steps: Vec<_> = (0..12).map(|user| stage.step(user, "nobody")).collect();
    let pool = Arc::new(tokio::sync::Semaphore::new(3));
    crowd(12, 4, async |n| {
        let _permit = pool.acquire().await.unwrap();
        stage.ask(&format!("thing {n}")).send().await.unwrap().bytes().await.unwrap();
    })
    .await;
    let told = stage.end().await;
    let Seen::Seen(at_once) = &told.behaviour.concurrency else { panic!("{:?}", told.behaviour.concurrency) };
    assert_eq!((at_once.most, at_once.is_limit), (3, false), "a second or two prove no limit");
    let busy: u64 = told.timeline.upstreams.iter().map(|second| second.busy_micros).sum();
    assert!(busy >= 48 * 50_000, "48 calls of 50 ms");
    assert!(told.timeline.upstreams.iter().any(|second| second.steps_at_once == 12));
}
