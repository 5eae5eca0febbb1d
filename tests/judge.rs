//! The judge from outside: every live criterion present, absent and as a near miss, on synthetic timelines.

use firedrill::judge::{JudgeInput, judge};
use firedrill::model::fault::{Abort, FaultMatch, FaultRule, FaultWindow, Injection};
use firedrill::model::interval::{EndpointInterval, Interval, JourneyInterval, UserSlice};
use firedrill::model::journey::{Condition, Journey, Step, ThinkTime};
use firedrill::model::plan::{Ballast, Endpoint, GatePlan, HealthProbe, LoadPlan, Plan, ProbePlan, TargetPlan};
use firedrill::model::playbook::{Criterion, Measure, Playbook};
use firedrill::model::reading::{HarnessReading, HealthState, PressureMark, Reading, TargetChange, TargetEvent};
use firedrill::model::run_record::EndReason;
use firedrill::model::sample::Outcome;
use firedrill::model::source::SourcePlan;
use firedrill::model::timeline::{Exemplar, FaultRecord, Timeline};
use firedrill::model::upstream::{UpstreamKind, UpstreamPlan};
use firedrill::model::verdict::{CriterionResult, Decision, Origin, Severity, State, Verdict};
use firedrill::units::{ByteSize, Offset, Seed, Share, Span};
use proptest::prelude::*;
use rstest::rstest;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

const ROUTINE: u16 = 0;
const NUTRITION: u16 = 1;
const BEHAVIOR: u16 = 2;
const CHECKIN: u16 = 3;
const TASKS: u16 = 4;
const AGENTS: [u16; 3] = [ROUTINE, NUTRITION, BEHAVIOR];
const ALL: [u16; 5] = [ROUTINE, NUTRITION, BEHAVIOR, CHECKIN, TASKS];
const FAULT: &str = "openai-outage";

// ---------------------------------------------------------------------------------------------------- fixtures

fn share(text: &str) -> Share {
    text.parse().expect("the fixture writes shares")
}

fn secs(n: u64) -> Span {
    Span::from_secs(n)
}

fn playbook() -> Playbook {
    let agent = |over: bool| {
        if over {
            Measure::AgentFailing { over: share("50%"), window: secs(60), min_samples: 10 }
        } else {
            Measure::KeyAgent {
                agents: vec!["routine".into(), "nutrition".into()],
                success_under: share("5%"),
                window: secs(60),
                min_samples: 10,
            }
        }
    };
    let users = |over: &str, up_to: Option<&str>| Measure::DegradedUsers {
        over: share(over),
        up_to: up_to.map(share),
        slow: secs(10),
        times_baseline: 2.0,
        slow_at_least: secs(1),
        window: secs(60),
        min_users: 20,
    };
    let criteria = [
        ("P0-outage", Severity::P0, Measure::Outage { probes: 3 }),
        ("P0-error-rate", Severity::P0, Measure::ErrorRate { over: share("50%"), window: secs(60), min_samples: 30 }),
        ("P0-oom", Severity::P0, Measure::Oom {}),
        (
            "P0-agents-down",
            Severity::P0,
            Measure::AgentsDown { success_under: share("5%"), window: secs(60), min_samples: 10 },
        ),
        ("P0-security", Severity::P0, Measure::NotMeasured { why: "no security steps yet".into() }),
        ("P1-degraded-users", Severity::P1, users("20%", None)),
        ("P1-key-agent", Severity::P1, agent(false)),
        ("P1-memory", Severity::P1, Measure::MemorySustained { above: ByteSize::mib(450), sustained: secs(60) }),
        ("P1-agent", Severity::P1, agent(true)),
        (
            "P2-endpoint",
            Severity::P2,
            Measure::EndpointBroken { over: share("50%"), rest_under: share("10%"), window: secs(60), min_samples: 10 },
        ),
        ("P2-degraded-users", Severity::P2, users("1%", Some("20%"))),
        (
            "P2-slow",
            Severity::P2,
            Measure::SlowResponses { from: secs(10), to: secs(30), share: share("1%"), min_samples: 20 },
        ),
    ];
    Playbook {
        name: "test".into(),
        describe: "the live criteria".into(),
        source: "built-in".into(),
        criteria: criteria
            .into_iter()
            .map(|(id, severity, measure)| Criterion {
                id: id.into(),
                severity,
                says: id.into(),
                section: "For tests".into(),
                measure,
            })
            .collect(),
        readings: Vec::new(),
    }
}

fn plan(seconds: u64) -> Plan {
    let endpoints = [("routine", true), ("nutrition", true), ("behavior", true), ("checkin", false), ("tasks", false)];
    let agent = |name: &str, is_agent: bool| is_agent.then(|| name.to_owned());
    Plan {
        name: "synthetic".into(),
        describe: String::new(),
        source: "built-in".into(),
        seed: Seed(1),
        target: TargetPlan::Url { url: "http://127.0.0.1:1".into(), pid: Some(1) },
        headers: BTreeMap::new(),
        upstreams: vec![UpstreamPlan {
            name: "stub".into(),
            kind: UpstreamKind::Stub { answer: 404 },
            listen: None,
            tls: false,
            source: SourcePlan::Mock,
        }],
        load: LoadPlan::Closed {
            users: 50,
            ramp_up: secs(0),
            hold: secs(seconds),
            graceful_stop: secs(0),
            iterations: None,
        },
        feeders: BTreeMap::new(),
        journeys: vec![Journey {
            name: "daily".into(),
            weight: 1,
            steps: endpoints
                .iter()
                .map(|(name, is_agent)| Step {
                    name: (*name).to_owned(),
                    agent: agent(name, *is_agent),
                    method: "POST".into(),
                    path: format!("/{name}"),
                    headers: BTreeMap::new(),
                    body: None,
                    expect: Condition::default(),
                    degraded: None,
                    deadline: secs(30),
                    save: BTreeMap::new(),
                    think: ThinkTime::default(),
                })
                .collect(),
        }],
        endpoints: endpoints
            .iter()
            .map(|(name, is_agent)| Endpoint {
                name: (*name).to_owned(),
                agent: agent(name, *is_agent),
                method: "POST".into(),
                path: format!("/{name}"),
            })
            .collect(),
        fault_profile: None,
        faults: Vec::new(),
        ballast: None,
        probes: ProbePlan {
            health: Some(HealthProbe {
                path: "/api/health".into(),
                every: secs(5),
                deadline: secs(10),
                status_at: None,
                down: Vec::new(),
                degraded: Vec::new(),
                blocks_app: secs(2),
            }),
            memory_every: secs(1),
            stats: None,
            metrics: None,
        },
        gate: GatePlan { fail_on: Severity::P1, while_faulted: Severity::P2, recovery: secs(20) },
        control: None,
        allow_hosts: Vec::new(),
    }
}

/// A run in the making.
struct Run {
    plan: Plan,
    timeline: Timeline,
    seconds: BTreeMap<u64, BTreeMap<u16, EndpointInterval>>,
    ended: Offset,
    end: EndReason,
}

impl Run {
    /// A run of so many seconds without anything in it.
    fn empty(seconds: u64) -> Self {
        Self {
            plan: plan(seconds),
            timeline: Timeline::default(),
            seconds: BTreeMap::new(),
            ended: Offset::from_secs(seconds),
            end: EndReason::Completed,
        }
    }

    /// A run in which all is well: traffic, users, health, memory, harness.
    fn well(seconds: u64) -> Self {
        let mut run = Self::empty(seconds);
        for endpoint in ALL {
            run.steps(endpoint, 0..seconds, 1, Outcome::Ok);
        }
        run.users(0..seconds, 50, 0).probes(0..seconds, None).memory(0..seconds, 200);
        for second in 0..seconds {
            run.timeline.harness.push(HarnessReading {
                at: Offset::from_secs(second),
                lateness: Span(Duration::from_millis(2)),
                cpu_seconds: 0.0,
                rss: 0,
                fds: 20,
            });
        }
        run
    }

    /// Adds `per_second` steps to each second.
    fn steps(&mut self, endpoint: u16, seconds: Range<u64>, per_second: u64, outcome: Outcome) -> &mut Self {
        self.timed(endpoint, seconds, per_second, outcome, 200)
    }

    fn timed(&mut self, endpoint: u16, seconds: Range<u64>, count: u64, outcome: Outcome, millis: u64) -> &mut Self {
        for second in seconds {
            let interval = self.seconds.entry(second).or_default().entry(endpoint).or_default();
            interval.endpoint = endpoint;
            *interval.outcomes.entry(outcome).or_insert(0) += count;
            if matches!(outcome, Outcome::Ok | Outcome::Degraded | Outcome::Masked) {
                interval.plain_ok += count;
            }
            if outcome.class().is_some() {
                let spectrum = &mut interval.response.0;
                match spectrum.binary_search_by_key(&(millis * 1000), |(micros, _)| *micros) {
                    Ok(at) => spectrum[at].1 += count,
                    Err(at) => spectrum.insert(at, (millis * 1000, count)),
                }
            }
        }
        self
    }

    /// Takes away an endpoint's steps.
    fn without(&mut self, endpoint: u16, seconds: Range<u64>) -> &mut Self {
        for (_, endpoints) in self.seconds.range_mut(seconds) {
            endpoints.remove(&endpoint);
        }
        self
    }

    /// What was there ends with `outcome` instead.
    fn turn(&mut self, endpoint: u16, seconds: Range<u64>, outcome: Outcome) -> &mut Self {
        self.without(endpoint, seconds.clone()).steps(endpoint, seconds, 1, outcome)
    }

    /// Users of whom some fail, in the ten-second slices of these seconds; replaces what was there.
    fn users(&mut self, seconds: Range<u64>, users: u32, affected: u32) -> &mut Self {
        self.user_slices(seconds, users, |user| (u32::from(user < affected), 200))
    }

    fn user_slices(&mut self, seconds: Range<u64>, users: u32, met: impl Fn(u32) -> (u32, u32)) -> &mut Self {
        let slices = (seconds.start / 10) as u32..seconds.end.div_ceil(10) as u32;
        self.timeline.users.retain(|row| !slices.contains(&row.slice));
        for slice in slices {
            for user in 0..users {
                let (bad, slowest_ms) = met(user);
                self.timeline.users.push(UserSlice {
                    slice,
                    user,
                    endpoint: ROUTINE,
                    steps: 1,
                    bad,
                    degraded: 0,
                    slowest_ms,
                });
            }
        }
        self
    }

    /// A health probe every five seconds; replaces what was there.
    fn probes(&mut self, seconds: Range<u64>, down: Option<&str>) -> &mut Self {
        let (from, to) = (Offset::from_secs(seconds.start), Offset::from_secs(seconds.end));
        self.timeline.readings.retain(|r| !matches!(r, Reading::Health { at, .. } if (from..to).contains(at)));
        for second in seconds.step_by(5) {
            self.timeline.readings.push(Reading::Health {
                at: Offset::from_secs(second),
                took: Span(Duration::from_millis(20)),
                status: Some(if down.is_some() { 503 } else { 200 }),
                says: None,
                state: down.map_or(HealthState::Up, |why| HealthState::Down(why.to_owned())),
            });
        }
        self
    }

    /// Memory in MiB, read each second; replaces what was there.
    fn memory(&mut self, seconds: Range<u64>, mib: u64) -> &mut Self {
        let (from, to) = (Offset::from_secs(seconds.start), Offset::from_secs(seconds.end));
        self.timeline.readings.retain(|r| !matches!(r, Reading::Memory { at, .. } if (from..to).contains(at)));
        for second in seconds {
            self.timeline.readings.push(Reading::Memory {
                at: Offset::from_secs(second),
                rss: mib << 20,
                group: None,
                limit: Some(512 << 20),
            });
        }
        self
    }

    /// A fault that hit so many requests.
    fn fault(&mut self, seconds: Range<u64>, fired: u64) -> &mut Self {
        let window =
            FaultWindow { from: Offset::from_secs(seconds.start), until: Some(Offset::from_secs(seconds.end)) };
        let name =
            if self.plan.faults.is_empty() { FAULT.to_owned() } else { format!("fault-{}", self.plan.faults.len()) };
        self.timeline.faults.push(FaultRecord {
            rule: self.plan.faults.len(),
            window,
            fired,
            first_fired: (fired > 0).then_some(window.from),
            last_fired: (fired > 0).then_some(window.from),
        });
        self.plan.faults.push(FaultRule {
            name,
            upstream: "openai".into(),
            when: FaultMatch::default(),
            share: Share::ALL,
            window,
            inject: Injection::Abort(Abort { error: None, status: Some(503), ..Abort::default() }),
        });
        self
    }

    fn died(&mut self, second: u64, signal: i32, oom_killed: bool, at_limit: bool) -> &mut Self {
        self.timeline.target.push(TargetEvent {
            at: Offset::from_secs(second),
            what: TargetChange::Ended { code: None, signal: Some(signal), oom_killed, at_limit },
        });
        self
    }

    fn ended(&mut self, end: EndReason) -> &mut Self {
        self.end = end;
        self
    }

    fn judge(&self) -> Verdict {
        let mut timeline = self.timeline.clone();
        timeline.intervals = self
            .seconds
            .iter()
            .map(|(second, endpoints)| Interval {
                second: *second,
                users: 50,
                started: 0,
                endpoints: endpoints.values().cloned().collect(),
            })
            .collect();
        let playbook = playbook();
        judge(&JudgeInput {
            plan: &self.plan,
            playbook: &playbook,
            timeline: &timeline,
            ended: self.ended,
            end: &self.end,
        })
    }
}

#[track_caller]
fn result<'v>(verdict: &'v Verdict, id: &str) -> &'v CriterionResult {
    verdict.criteria.iter().find(|criterion| criterion.id == id).expect("the playbook has it")
}

/// The ids of all breached criteria.
fn breached(verdict: &Verdict) -> Vec<&str> {
    verdict.criteria.iter().filter(|c| c.state == State::Breached).map(|c| c.id.as_str()).collect()
}

#[track_caller]
fn inconclusive<'v>(verdict: &'v Verdict, id: &str) -> &'v str {
    match &result(verdict, id).state {
        State::Inconclusive(why) => why,
        other => panic!("{id} is {other:?}"),
    }
}

#[track_caller]
fn not_measured<'v>(verdict: &'v Verdict, id: &str) -> &'v str {
    match &result(verdict, id).state {
        State::NotMeasured(why) => why,
        other => panic!("{id} is {other:?}"),
    }
}

fn induced() -> Origin {
    Origin::Induced(vec![FAULT.to_owned()])
}

// ------------------------------------------------------------------------------------------------- whole verdicts

#[test]
fn a_clean_run_is_go() {
    let verdict = Run::well(120).judge();
    assert_eq!(verdict.decision, Decision::Go, "{verdict:#?}");
    assert_eq!(verdict.worst, None);
    assert_eq!(
        verdict.sentence,
        "GO: nothing at P0 or P1 in 600 steps by 50 virtual users; 11 of 12 criteria measured"
    );
    assert!(result(&verdict, "P0-error-rate").windows > 1);
}

#[test]
fn a_short_smoke_run_can_be_go() {
    let verdict = Run::well(10).judge();
    assert_eq!(verdict.decision, Decision::Go, "{}", verdict.sentence);
    let mut one_user = Run::empty(10);
    one_user.steps(CHECKIN, 0..5, 1, Outcome::Ok).users(0..10, 1, 0).probes(0..10, None);
    let verdict = one_user.judge();
    assert_ne!(verdict.decision, Decision::NoGo);
    assert_eq!(verdict.decision, Decision::Inconclusive, "nothing at the gate had enough: {}", verdict.sentence);
}

#[test]
fn nothing_is_never_clear() {
    let verdict = Run::empty(60).judge();
    assert_eq!(verdict.decision, Decision::Inconclusive);
    insta::assert_snapshot!(verdict.sentence, @"INCONCLUSIVE: no step had an outcome: nothing was tested");
    for criterion in &verdict.criteria {
        assert!(matches!(criterion.state, State::NotMeasured(_)), "{}: {:?}", criterion.id, criterion.state);
    }
    assert_eq!(Run::empty(0).judge().decision, Decision::Inconclusive);
}

#[test]
fn an_openai_outage_behind_status_200_is_told_in_one_sentence() {
    let mut run = Run::well(120);
    run.fault(45..75, 90);
    for agent in AGENTS {
        run.turn(agent, 45..80, if agent == BEHAVIOR { Outcome::Masked } else { Outcome::Degraded });
    }
    let verdict = run.judge();
    assert_eq!(verdict.decision, Decision::NoGo);
    insta::assert_snapshot!(verdict.sentence, @"NO-GO: P0 while faulted — all 3 agents (routine, nutrition and behavior) succeeded in 0 of 90 tries, though 90 answered 2xx, while openai-outage was on (0:45–1:15); also P1-key-agent and P1-agent");
    let down = result(&verdict, "P0-agents-down");
    assert_eq!((down.findings.len(), &down.findings[0].origin), (1, &induced()));
    assert_eq!((verdict.honesty.plain_ok, verdict.honesty.steps), (600, 600));
    assert_eq!((verdict.honesty.degraded, verdict.honesty.masked), (70, 35));
}

#[test]
fn key_agents_are_told_together() {
    let mut run = Run::well(60);
    run.fault(15..45, 60).turn(ROUTINE, 15..46, Outcome::Degraded).turn(NUTRITION, 15..46, Outcome::Degraded);
    insta::assert_snapshot!(run.judge().sentence, @"NO-GO: P1 while faulted — routine and nutrition succeeded in 0 of 60 tries, though 60 answered 2xx, while openai-outage was on (0:15–0:45); also P1-agent");
}

#[test]
fn the_gate_may_tolerate_what_a_fault_does() {
    let mut run = Run::well(60);
    run.fault(15..45, 60).turn(ROUTINE, 15..46, Outcome::Degraded);
    run.plan.gate.while_faulted = Severity::P1;
    let verdict = run.judge();
    assert_eq!(verdict.decision, Decision::Go, "{}", verdict.sentence);
    assert_eq!(verdict.worst, Some(Severity::P1));
    assert!(!result(&verdict, "P1-key-agent").findings[0].gated);
    insta::assert_snapshot!(verdict.sentence, @"GO: nothing at P0 or P1 but P1-key-agent and P1-agent while faulted, which this scenario tolerates, in 300 steps by 50 virtual users; 10 of 12 criteria measured");
    // The same without a fault is no matter of tolerance.
    let mut calm = Run::well(60);
    calm.turn(ROUTINE, 15..46, Outcome::Degraded);
    calm.plan.gate.while_faulted = Severity::P0;
    calm.plan.gate.fail_on = Severity::P1;
    assert_ne!(calm.judge().decision, Decision::Go);
}

#[test]
fn spontaneous_leads_over_induced() {
    let mut run = Run::well(400);
    run.fault(100..150, 10).turn(ROUTINE, 100..150, Outcome::Status).turn(NUTRITION, 250..340, Outcome::Timeout);
    let verdict = run.judge();
    assert!(verdict.sentence.starts_with("NO-GO: P1 — nutrition succeeded in 0 of"), "{}", verdict.sentence);
    let findings = &result(&verdict, "P1-key-agent").findings;
    assert_eq!(findings.len(), 2);
    assert_eq!((findings[0].subject.as_deref(), &findings[0].origin), (Some("nutrition"), &Origin::Spontaneous));
    assert_eq!((findings[1].subject.as_deref(), &findings[1].origin), (Some("routine"), &induced()));
    assert_eq!((findings[0].first, findings[0].last), (Offset::from_secs(250), Offset::from_secs(340)));
}

#[test]
fn a_fault_that_never_fired_explains_nothing() {
    let mut run = Run::well(120);
    run.fault(30..90, 0).turn(ROUTINE, 30..90, Outcome::Masked);
    let verdict = run.judge();
    assert_eq!(result(&verdict, "P1-key-agent").findings[0].origin, Origin::Spontaneous);
    assert!(verdict.sentence.starts_with("NO-GO: P1 — routine"), "{}", verdict.sentence);
}

#[test]
fn a_run_whose_faults_never_fired_is_no_go_ahead() {
    let mut run = Run::well(120);
    run.fault(30..90, 0);
    let verdict = run.judge();
    assert_eq!(verdict.decision, Decision::Inconclusive);
    insta::assert_snapshot!(verdict.sentence, @"INCONCLUSIVE: no fault ever hit a request (openai-outage): the app was only tested without");
    run.fault(30..60, 5);
    let verdict = run.judge();
    assert_eq!(verdict.decision, Decision::Go, "{}", verdict.sentence);
    assert!(verdict.trust.notes.iter().any(|note| note.contains("never hit a request")), "{:?}", verdict.trust);
}

#[test]
fn an_interrupted_run_is_never_go_but_may_be_no_go() {
    let mut run = Run::well(60);
    run.ended(EndReason::Interrupted(2));
    let verdict = run.judge();
    assert_eq!(verdict.decision, Decision::Inconclusive);
    assert!(verdict.sentence.contains("interrupted at 1:00 (signal 2)"), "{}", verdict.sentence);
    run.turn(ROUTINE, 0..60, Outcome::Status).ended(EndReason::Killed);
    assert_eq!(run.judge().decision, Decision::NoGo);
}

#[test]
fn doubts_and_notes() {
    let mut run = Run::well(60);
    for reading in run.timeline.harness.iter_mut().take(5) {
        reading.lateness = Span(Duration::from_millis(150));
    }
    assert!(run.judge().sentence.contains("late by more than 100 ms in 5 of 60 s"));
    let mut run = Run::well(60);
    run.timeline.harness[3].lateness = Span(Duration::from_millis(150));
    assert_eq!(run.judge().decision, Decision::Go, "one hiccup is an accident");
    run.timeline.harness[3].lateness = secs(2);
    assert_eq!(run.judge().decision, Decision::Inconclusive);

    let mut run = Run::well(60);
    run.steps(CHECKIN, 0..60, 1, Outcome::Unbuildable);
    assert!(run.judge().trust.doubts[0].contains("could not be built"));
    let mut run = Run::empty(60);
    run.steps(CHECKIN, 59..60, 7, Outcome::Unfinished);
    assert!(run.judge().sentence.contains("all 7 steps were unfinished"));
    let mut run = Run::empty(60);
    run.steps(CHECKIN, 0..60, 1, Outcome::Refused);
    let verdict = run.judge();
    assert!(verdict.trust.doubts[0].contains("was the app ever there?"));
    assert_eq!(verdict.decision, Decision::NoGo, "a dead target never passes");

    // An app that hangs leaves no outcomes, only users who wait.
    let mut run = Run::well(120);
    run.fault(60..120, 5);
    for endpoint in ALL {
        run.without(endpoint, 60..120);
    }
    assert!(run.judge().sentence.contains("no step had an outcome while openai-outage was on (1:00–2:00)"));
    let mut run = Run::well(60);
    run.steps(ROUTINE, 59..60, 30, Outcome::Unfinished);
    assert_eq!(run.judge().decision, Decision::Go, "without time to finish, any run ends in the midst of steps");
    let LoadPlan::Closed { graceful_stop, .. } = &mut run.plan.load;
    *graceful_stop = secs(30);
    assert!(run.judge().sentence.contains("30 steps were still waiting for an answer 30s after"));

    let mut run = Run::well(70);
    run.timeline.warnings.push("look".into());
    run.died(30, 11, false, false);
    run.plan.ballast = Some(Ballast { size: ByteSize::mib(100), from: Offset::ZERO, ramp: secs(1), hold: secs(1) });
    insta::assert_snapshot!(run.judge().trust.notes.join("\n"), @r"
    memory pressure was planned but never held
    probing's cost: 14 health checks kept the app busy for 2s each, 40% of the run
    warning: the app's process was ended by signal 11 at 0:30, not for lack of memory
    1 warning during the run
    ");
}

#[test]
fn a_criterion_without_a_measure_says_why() {
    assert_eq!(not_measured(&Run::well(60).judge(), "P0-security"), "no security steps yet");
}

// --------------------------------------------------------------------------------------------------------- outage

#[test]
fn three_failed_probes_are_an_outage_and_two_are_not() {
    let mut run = Run::well(120);
    run.probes(50..65, Some("503"));
    let verdict = run.judge();
    assert_eq!(breached(&verdict), ["P0-outage"]);
    insta::assert_snapshot!(verdict.sentence, @"NO-GO: P0 — 3 health checks in a row failed (503) from 0:50 to 1:00");
    let mut near = Run::well(120);
    near.probes(50..60, Some("503"));
    let verdict = near.judge();
    assert_eq!(verdict.decision, Decision::Go);
    assert_eq!(result(&verdict, "P0-outage").closest.as_ref().unwrap().value, 2.0);
}

#[test]
fn an_outage_belongs_to_the_fault_that_began_it_until_it_should_have_recovered() {
    let mut run = Run::well(200);
    run.fault(50..70, 9).probes(50..90, Some("no answer in 10 s"));
    let verdict = run.judge();
    let findings = &result(&verdict, "P0-outage").findings;
    assert_eq!((findings.len(), &findings[0].origin), (1, &induced()));
    // Thirty seconds beyond its time to recover, it is the app's own.
    run.probes(50..120, Some("no answer in 10 s"));
    let verdict = run.judge();
    let findings = &result(&verdict, "P0-outage").findings;
    assert_eq!((findings.len(), &findings[0].origin), (2, &Origin::Spontaneous));
    assert!(verdict.sentence.contains("after its time to recover"), "{}", verdict.sentence);
}

#[test]
fn probes_cut_off_by_the_end_say_nothing() {
    let mut run = Run::well(60);
    for second in [57, 58, 59] {
        run.timeline.readings.push(Reading::Health {
            at: Offset::from_secs(second),
            took: secs(60 - second),
            status: None,
            says: None,
            state: HealthState::Down("no answer".into()),
        });
    }
    assert_eq!(run.judge().decision, Decision::Go);
}

#[test]
fn an_outage_that_the_end_cuts_short_is_not_clear() {
    let mut run = Run::well(60);
    run.probes(50..60, Some("503"));
    let verdict = run.judge();
    assert!(inconclusive(&verdict, "P0-outage").contains("the last 2 health checks before the end failed"));
    assert_eq!(verdict.decision, Decision::Inconclusive);
    let mut few = Run::well(10);
    few.probes(0..10, None);
    assert_eq!(inconclusive(&few.judge(), "P0-outage"), "2 of 3 health checks");
}

#[test]
fn an_app_that_went_away_is_an_outage() {
    let mut run = Run::well(60);
    run.ended(EndReason::TargetLost("connection refused for 10 s".into()));
    let verdict = run.judge();
    assert_eq!(verdict.decision, Decision::NoGo);
    assert!(verdict.sentence.contains("went away at 1:00 and did not come back"), "{}", verdict.sentence);
}

// ----------------------------------------------------------------------------------------------------- error rate

#[rstest]
#[case::failed(Outcome::Status)]
#[case::masked(Outcome::Masked)]
fn an_error_rate_over_half_is_found(#[case] outcome: Outcome) {
    let mut run = Run::well(300);
    for endpoint in [CHECKIN, TASKS, BEHAVIOR, NUTRITION] {
        run.turn(endpoint, 100..160, outcome);
    }
    let verdict = run.judge();
    let finding = &result(&verdict, "P0-error-rate").findings[0];
    assert_eq!(finding.origin, Origin::Spontaneous);
    assert!(finding.gated);
    assert!(finding.first >= Offset::from_secs(100) && finding.last <= Offset::from_secs(160), "{finding:?}");
}

#[test]
fn fallbacks_are_no_errors_of_the_endpoint() {
    let mut run = Run::well(120);
    for endpoint in ALL {
        run.turn(endpoint, 0..120, Outcome::Degraded);
    }
    let verdict = run.judge();
    assert_eq!(result(&verdict, "P0-error-rate").state, State::Clear);
    assert_eq!(result(&verdict, "P0-agents-down").state, State::Breached);
}

#[test]
fn a_rate_just_under_half_is_clear_and_one_just_over_cannot_be_told() {
    let rate = |bad: u64, good: u64| {
        let mut run = Run::well(60);
        for endpoint in ALL {
            run.without(endpoint, 0..60);
        }
        run.steps(CHECKIN, 0..1, bad, Outcome::Status).steps(TASKS, 0..1, good, Outcome::Ok);
        run.judge()
    };
    assert_eq!(result(&rate(50, 50), "P0-error-rate").state, State::Clear);
    let verdict = rate(55, 45);
    assert!(inconclusive(&verdict, "P0-error-rate").starts_with("55 of 100 steps failed or were masked"));
    assert_eq!(verdict.decision, Decision::Inconclusive);
    assert_eq!(result(&rate(65, 35), "P0-error-rate").state, State::Breached);
    // Below the minimum nothing is breached; what looks bad is not clear either.
    assert!(inconclusive(&rate(20, 0), "P0-error-rate").contains("30 are needed"));
    assert_eq!(inconclusive(&rate(1, 9), "P0-error-rate"), "at most 10 of 30 steps in 60 s");
}

#[test]
fn a_short_fault_is_judged_in_its_own_length() {
    let mut run = Run::well(300);
    run.plan.gate.recovery = secs(60);
    run.fault(100..120, 10);
    for endpoint in ALL {
        run.turn(endpoint, 100..120, Outcome::Reset);
    }
    let verdict = run.judge();
    let finding = &result(&verdict, "P0-error-rate").findings[0];
    assert_eq!(finding.origin, induced());
    assert!(finding.sentence.contains("in 20 s (1:40–2:00)"), "{}", finding.sentence);
    assert_eq!((finding.first, finding.last), (Offset::from_secs(100), Offset::from_secs(120)));
}

#[test]
fn steps_that_a_fault_had_in_hand_are_the_faults() {
    let mut run = Run::well(200);
    run.plan.gate.recovery = secs(0);
    run.fault(60..90, 30);
    for agent in AGENTS {
        // Begun in the fault's last second, ended by their deadline.
        run.without(agent, 60..119).timed(agent, 118..119, 20, Outcome::Timeout, 30_000);
    }
    let verdict = run.judge();
    for criterion in &verdict.criteria {
        for finding in &criterion.findings {
            assert_ne!(finding.origin, Origin::Spontaneous, "{}", finding.sentence);
        }
    }
}

#[test]
fn scattered_failures_of_a_quiet_app_add_up() {
    // Ten steps a minute never reach the minimum of a window; over ten minutes they do.
    let mut run = Run::empty(600);
    for second in (0..600).step_by(6) {
        run.steps(CHECKIN, second..second + 1, 1, Outcome::Status);
    }
    assert_eq!(result(&run.judge(), "P0-error-rate").state, State::Breached);
}

// ------------------------------------------------------------------------------------------------------------ oom

#[test]
fn deaths_for_lack_of_memory() {
    let mut run = Run::well(60);
    run.memory(20..30, 505).died(30, 9, true, true);
    let verdict = run.judge();
    assert_eq!(breached(&verdict), ["P0-oom"]);
    insta::assert_snapshot!(verdict.sentence, @"NO-GO: P0 — the app was killed for lack of memory at 505MiB of its limit of 512MiB at 0:30");
    let mut near = Run::well(60);
    near.memory(20..30, 510);
    let verdict = near.judge();
    assert_eq!(result(&verdict, "P0-oom").state, State::Clear);
    assert_eq!(result(&verdict, "P0-oom").closest.as_ref().unwrap().value, (510_u64 << 20) as f64);
    let mut aborted = Run::well(60);
    aborted.died(30, 6, false, true);
    assert_eq!(breached(&aborted.judge()), ["P0-oom"]);
}

#[test]
fn other_deaths_are_no_oom_but_are_said() {
    for (signal, at_limit) in [(11, false), (15, true)] {
        let mut run = Run::well(60);
        run.died(30, signal, false, at_limit);
        let verdict = run.judge();
        assert_eq!(result(&verdict, "P0-oom").state, State::Clear, "signal {signal}");
    }
    let mut crash = Run::well(60);
    crash.died(30, 11, false, false);
    assert!(crash.judge().trust.notes.iter().any(|note| note.contains("signal 11")));
    let mut ours = Run::well(60);
    ours.died(60, 9, false, true);
    assert_eq!(ours.judge().decision, Decision::Go, "we stop what we started once the run is over");
}

#[test]
fn a_death_under_our_pressure_is_induced() {
    let mut run = Run::well(60);
    run.timeline.pressure = vec![
        PressureMark { at: Offset::from_secs(20), held: 100 << 20 },
        PressureMark { at: Offset::from_secs(40), held: 0 },
    ];
    run.died(30, 9, true, true);
    let verdict = run.judge();
    assert_eq!(result(&verdict, "P0-oom").findings[0].origin, Origin::Induced(vec!["memory ballast".into()]));
    insta::assert_snapshot!(verdict.sentence, @"NO-GO: P0 while faulted — the app was killed for lack of memory at 200MiB of its limit of 512MiB at 0:30, while memory ballast was on (0:20–0:40)");
}

#[test]
fn a_process_nobody_saw_is_not_measured() {
    let mut run = Run::well(60);
    run.timeline.readings.retain(|reading| !matches!(reading, Reading::Memory { .. }));
    let verdict = run.judge();
    assert!(not_measured(&verdict, "P0-oom").contains("no pid was given"));
    assert!(not_measured(&verdict, "P1-memory").contains("no pid was given"));
}

// --------------------------------------------------------------------------------------------------------- memory

#[test]
fn memory_above_its_limit_for_a_minute() {
    let mut run = Run::well(200);
    run.memory(50..111, 460);
    let verdict = run.judge();
    assert_eq!(breached(&verdict), ["P1-memory"]);
    insta::assert_snapshot!(verdict.sentence, @"NO-GO: P1 — memory stayed above 450MiB for 60 s (peak 460MiB) (0:50–1:51)");
    let mut shorter = Run::well(200);
    shorter.memory(50..110, 460);
    assert_eq!(shorter.judge().decision, Decision::Go);
    let mut near = Run::well(200);
    near.memory(0..200, 440);
    let verdict = near.judge();
    assert_eq!(result(&verdict, "P1-memory").state, State::Clear);
    assert_eq!(result(&verdict, "P1-memory").closest.as_ref().unwrap().value, (440_u64 << 20) as f64);
}

#[test]
fn memory_readings_that_end_or_break_off_prove_nothing() {
    let mut short = Run::well(30);
    short.memory(0..30, 460);
    let verdict = short.judge();
    assert!(inconclusive(&verdict, "P1-memory").contains("29 s of the 1m"), "{}", inconclusive(&verdict, "P1-memory"));
    assert_eq!(verdict.decision, Decision::Inconclusive);
    let mut gap = Run::well(200);
    gap.memory(50..130, 460);
    gap.timeline.readings.retain(
        |r| !matches!(r, Reading::Memory { at, .. } if (Offset::from_secs(80)..Offset::from_secs(90)).contains(at)),
    );
    assert!(inconclusive(&gap.judge(), "P1-memory").contains("gaps"));
    // A run too short for the criterion to be breached in it cannot clear it either; nor does that stop a go.
    let low = Run::well(30).judge();
    assert!(inconclusive(&low, "P1-memory").contains("watched for 29 s"), "{}", inconclusive(&low, "P1-memory"));
    assert_eq!(low.decision, Decision::Go, "{}", low.sentence);
}

#[test]
fn memory_that_stays_after_recovery_is_the_apps_own() {
    let mut run = Run::well(300);
    run.fault(50..80, 9).memory(60..110, 460);
    assert_eq!(result(&run.judge(), "P1-memory").state, State::Clear);
    run.memory(60..125, 460);
    assert_eq!(result(&run.judge(), "P1-memory").findings[0].origin, induced());
    run.memory(60..200, 460);
    assert_eq!(result(&run.judge(), "P1-memory").findings[0].origin, Origin::Spontaneous);
}

// --------------------------------------------------------------------------------------------------------- agents

#[test]
fn a_broken_key_agent_is_named_and_takes_journeys_with_it() {
    let mut run = Run::well(120);
    run.turn(NUTRITION, 0..120, Outcome::Masked);
    run.timeline.journeys = vec![JourneyInterval { second: 30, journey: 0, completed: 0, degraded: 0, failed: 12 }];
    run.timeline.exemplars.push(Exemplar {
        at: Offset::from_secs(3),
        endpoint: NUTRITION,
        user: 1,
        request: "POST /nutrition".into(),
        status: Some(200),
        outcome: Outcome::Masked,
        why: "no plan".into(),
        took_ms: 10,
        body: String::new(),
    });
    let verdict = run.judge();
    assert_eq!(breached(&verdict), ["P1-key-agent", "P1-agent", "P2-endpoint"]);
    insta::assert_snapshot!(verdict.sentence, @"NO-GO: P1 — nutrition succeeded in 0 of 120 tries, though 120 answered 2xx (0:00–2:00); also P1-agent");
    let finding = &result(&verdict, "P1-key-agent").findings[0];
    assert_eq!((finding.subject.as_deref(), finding.exemplars.as_slice()), (Some("nutrition"), [0_usize].as_slice()));
    let failing = &result(&verdict, "P1-agent").findings[0];
    assert!(
        failing.sentence.contains("and 12 of 12 journeys through it failed or were degraded"),
        "{}",
        failing.sentence
    );
}

#[test]
fn an_agent_that_is_no_key_agent_is_a_single_agent() {
    let mut run = Run::well(120);
    run.turn(BEHAVIOR, 0..120, Outcome::Degraded);
    let verdict = run.judge();
    assert_eq!(breached(&verdict), ["P1-agent"]);
    assert_eq!(result(&verdict, "P1-agent").findings[0].subject.as_deref(), Some("behavior"));
}

#[test]
fn an_agent_at_two_fifths_is_failing_but_not_broken() {
    let mut run = Run::well(300);
    run.without(ROUTINE, 0..300).steps(ROUTINE, 0..300, 4, Outcome::Ok).steps(ROUTINE, 0..300, 6, Outcome::Degraded);
    let verdict = run.judge();
    assert_eq!(breached(&verdict), ["P1-agent"]);
    let mut well = Run::well(300);
    well.without(ROUTINE, 0..300).steps(ROUTINE, 0..300, 6, Outcome::Ok).steps(ROUTINE, 0..300, 4, Outcome::Degraded);
    assert_eq!(breached(&well.judge()), Vec::<&str>::new());
}

#[test]
fn ten_tries_without_success_are_enough_and_nine_are_not() {
    let tries = |n: u64| {
        let mut run = Run::well(60);
        run.without(ROUTINE, 0..60).steps(ROUTINE, 10..11, n, Outcome::Degraded);
        run.judge()
    };
    assert_eq!(result(&tries(10), "P1-key-agent").state, State::Breached);
    let verdict = tries(9);
    assert!(inconclusive(&verdict, "P1-key-agent").contains("10 are needed to tell"));
    assert_eq!(verdict.decision, Decision::Inconclusive);
}

#[test]
fn what_looks_broken_under_a_fault_is_not_clear_for_lack_of_tries() {
    let mut run = Run::well(300);
    run.fault(100..120, 4);
    run.without(ROUTINE, 100..140).steps(ROUTINE, 110..111, 4, Outcome::Degraded);
    let verdict = run.judge();
    assert!(inconclusive(&verdict, "P1-key-agent").contains("routine succeeded in 0 of 4 tries"));
    assert_eq!(verdict.decision, Decision::Inconclusive);
}

#[test]
fn agents_are_all_down_only_if_each_of_them_is() {
    let mut run = Run::well(120);
    run.turn(ROUTINE, 0..120, Outcome::Status).turn(NUTRITION, 0..120, Outcome::Degraded);
    assert_eq!(result(&run.judge(), "P0-agents-down").state, State::Clear);
    run.turn(BEHAVIOR, 0..120, Outcome::Masked);
    assert_eq!(result(&run.judge(), "P0-agents-down").state, State::Breached);
    // One of them without a try: those measured are all down, which is suspicious, not proven.
    run.without(BEHAVIOR, 0..120);
    let verdict = run.judge();
    assert!(inconclusive(&verdict, "P0-agents-down").contains("of each agent are needed"));
    assert_eq!(verdict.decision, Decision::NoGo);
}

#[test]
fn agents_that_nothing_exercises_are_not_measured() {
    let mut run = Run::well(60);
    for endpoint in &mut run.plan.endpoints {
        endpoint.agent = None;
    }
    let verdict = run.judge();
    for id in ["P0-agents-down", "P1-key-agent", "P1-agent"] {
        assert!(not_measured(&verdict, id).contains("no step of this scenario exercises"), "{id}");
    }
    let mut half = Run::well(60);
    half.plan.endpoints[usize::from(NUTRITION)].agent = None;
    assert_eq!(inconclusive(&half.judge(), "P1-key-agent"), "no step of this scenario exercises nutrition");
}

// ---------------------------------------------------------------------------------------------------------- users

#[rstest]
#[case::none(0, &[])]
#[case::a_few(30, &["P2-degraded-users"])]
#[case::exactly_a_fifth(40, &["P2-degraded-users"])]
#[case::many(80, &["P1-degraded-users"])]
fn users_who_meet_failing_steps(#[case] affected: u32, #[case] expected: &[&str]) {
    let mut run = Run::well(60);
    run.users(0..60, 200, affected);
    assert_eq!(breached(&run.judge()), expected);
}

#[test]
fn near_misses_and_small_numbers_of_users() {
    let mut near = Run::well(60);
    near.users(0..60, 200, 36);
    let verdict = near.judge();
    assert_eq!(result(&verdict, "P1-degraded-users").state, State::Clear);
    let mut straddling = Run::well(60);
    straddling.users(0..60, 20, 5);
    let verdict = straddling.judge();
    assert!(inconclusive(&verdict, "P1-degraded-users").starts_with("5 of 20 users met slow or failing steps"));
    assert_eq!(result(&verdict, "P2-degraded-users").state, State::Breached, "over 1% it certainly is");
    assert_eq!(verdict.decision, Decision::Inconclusive);
    let mut few = Run::well(60);
    few.users(0..60, 3, 1);
    let verdict = few.judge();
    assert_eq!(inconclusive(&verdict, "P1-degraded-users"), "at most 3 of 20 users in 60 s");
    assert_eq!(verdict.decision, Decision::Go, "one of three is no evidence: {}", verdict.sentence);
}

#[test]
fn slow_steps_count_by_the_limit_and_by_the_baseline() {
    let slow = |millis: u32, faulted: bool| {
        let mut run = Run::well(120);
        if faulted {
            run.fault(60..90, 5);
        }
        run.user_slices(60..90, 50, |user| (0, if user < 40 { millis } else { 200 }));
        run.judge()
    };
    assert_eq!(breached(&slow(10_000, false)), Vec::<&str>::new(), "exactly 10 s is not slow");
    assert_eq!(breached(&slow(10_001, false)), ["P1-degraded-users"]);
    // The baseline's p95 is 200 ms: twice that is still very little, a second is not.
    assert_eq!(breached(&slow(900, true)), Vec::<&str>::new());
    assert_eq!(breached(&slow(1_100, true)), ["P1-degraded-users"]);
    assert_eq!(result(&slow(1_100, true), "P1-degraded-users").findings[0].origin, induced());
    assert_eq!(breached(&slow(1_100, false)), Vec::<&str>::new(), "without a fault there is no baseline");
}

#[test]
fn a_missing_baseline_is_said() {
    let mut run = Run::well(120);
    run.fault(5..60, 5);
    assert!(run.judge().trust.notes.iter().any(|note| note.contains("only the limit of 10s was used")));
}

// ------------------------------------------------------------------------------------------------------ endpoints

#[test]
fn one_broken_endpoint_while_the_rest_is_well() {
    let mut run = Run::well(120);
    run.turn(TASKS, 20..120, Outcome::Status);
    let verdict = run.judge();
    assert_eq!(breached(&verdict), ["P2-endpoint"]);
    assert_eq!(verdict.decision, Decision::Go, "P2 is below the gate");
    insta::assert_snapshot!(verdict.sentence, @"GO: nothing at P0 or P1 in 600 steps by 50 virtual users; 11 of 12 criteria measured; below the gate: P2-endpoint");
    let mut two = Run::well(120);
    two.turn(TASKS, 0..120, Outcome::Status).turn(CHECKIN, 0..120, Outcome::Status);
    assert_eq!(result(&two.judge(), "P2-endpoint").findings.len(), 2, "two are not less than one");
    let mut all = Run::well(120);
    for endpoint in ALL {
        all.turn(endpoint, 0..120, Outcome::Status);
    }
    let verdict = all.judge();
    assert_eq!(result(&verdict, "P2-endpoint").state, State::Clear);
    assert!(verdict.trust.notes.iter().any(|note| note.contains("not for a single endpoint")));
    let mut half = Run::well(120);
    half.steps(TASKS, 0..120, 1, Outcome::Status);
    assert_eq!(result(&half.judge(), "P2-endpoint").state, State::Clear, "half is not more than half");
}

#[test]
fn slow_responses_name_the_endpoint_and_those_beyond_the_band() {
    let mut run = Run::well(200);
    run.without(ROUTINE, 0..200).timed(ROUTINE, 0..150, 1, Outcome::Ok, 4_000);
    run.timed(ROUTINE, 150..198, 1, Outcome::Ok, 12_000).timed(ROUTINE, 198..200, 1, Outcome::Timeout, 31_000);
    let verdict = run.judge();
    assert_eq!(breached(&verdict), ["P2-slow"]);
    let finding = &result(&verdict, "P2-slow").findings[0];
    insta::assert_snapshot!(finding.sentence, @"50 of 200 responses of routine took longer than 10s (p95 12.0 s), 2 of them longer than 30s; that is 25%, 95% interval 18%–34%, and the limit is 1%; (2:30–3:20)");
    let mut near = Run::well(200);
    near.without(ROUTINE, 0..200).timed(ROUTINE, 0..200, 1, Outcome::Ok, 10_000);
    assert_eq!(result(&near.judge(), "P2-slow").state, State::Clear, "exactly 10 s is not slow");
    let mut one = Run::well(200);
    one.timed(ROUTINE, 0..1, 3, Outcome::Ok, 12_000);
    assert!(inconclusive(&one.judge(), "P2-slow").contains("too few responses to be sure"));
}

#[test]
fn slow_responses_on_both_sides_of_a_fault_are_not_the_faults() {
    let mut run = Run::well(300);
    run.fault(100..120, 3);
    run.timed(TASKS, 0..60, 1, Outcome::Ok, 12_000).timed(TASKS, 200..300, 1, Outcome::Ok, 12_000);
    let verdict = run.judge();
    assert_eq!(result(&verdict, "P2-slow").findings[0].origin, Origin::Spontaneous);
}

// --------------------------------------------------------------------------------------- simulation and properties

/// Steps that fail by chance, five a second; the users follow what their steps met.
fn by_chance(seed: u64, seconds: u64, failing: f64, users_affected: f64) -> Run {
    let mut run = Run::well(seconds);
    let draws = Seed(seed).derive("judge");
    for endpoint in ALL {
        run.without(endpoint, 0..seconds);
        for second in 0..seconds {
            let bad = draws.unit(&[u64::from(endpoint), second]) < failing;
            run.steps(endpoint, second..second + 1, 1, if bad { Outcome::Masked } else { Outcome::Ok });
        }
    }
    let affected = Seed(seed).derive("users");
    // Each minute's sixty users are new ones, as in a scenario that generates them.
    run.timeline.users.clear();
    for slice in 0..(seconds / 10) as u32 {
        for n in 0..30_u32 {
            let user = slice * 30 + n;
            let bad = affected.unit(&[u64::from(user)]) < users_affected;
            run.timeline.users.push(UserSlice {
                slice,
                user,
                endpoint: ROUTINE,
                steps: 4,
                bad: u32::from(bad),
                degraded: 0,
                slowest_ms: 300,
            });
        }
    }
    run
}

#[test]
fn two_hundred_near_misses_raise_no_false_p0_or_p1() {
    for seed in 0..200 {
        let verdict = by_chance(seed, 300, 0.40, 0.15).judge();
        let false_alarms: Vec<&str> = breached(&verdict).into_iter().filter(|id| !id.starts_with("P2")).collect();
        assert!(false_alarms.is_empty(), "seed {seed}: {false_alarms:?}: {}", verdict.sentence);
    }
}

#[test]
fn two_hundred_clean_runs_are_go() {
    for seed in 0..200 {
        let verdict = by_chance(seed, 120, 0.02, 0.03).judge();
        assert_eq!(verdict.decision, Decision::Go, "seed {seed}: {}", verdict.sentence);
    }
}

#[test]
fn true_breaches_are_found_every_time() {
    for seed in 0..50 {
        let verdict = by_chance(seed, 300, 0.70, 0.35).judge();
        let found = breached(&verdict);
        for id in ["P0-error-rate", "P1-degraded-users", "P1-agent"] {
            assert!(found.contains(&id), "seed {seed}: {id} was missed: {found:?}");
        }
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    proptest::sample::select(vec![
        Outcome::Ok,
        Outcome::Degraded,
        Outcome::Masked,
        Outcome::Status,
        Outcome::Timeout,
        Outcome::Refused,
        Outcome::Unbuildable,
        Outcome::Unfinished,
    ])
}

/// A moment or second of any size: most of them in a plausible run, some absurd.
fn second() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..300_u64, 1 => any::<u64>()]
}

fn moment() -> impl Strategy<Value = Offset> {
    prop_oneof![
        8 => (0..300_000_000_u64).prop_map(Offset::from_micros),
        1 => any::<u64>().prop_map(Offset::from_micros)
    ]
}

fn reading() -> impl Strategy<Value = Reading> {
    prop_oneof![
        (moment(), any::<u64>(), proptest::option::of(any::<u64>()), proptest::option::of(any::<u64>()))
            .prop_map(|(at, rss, group, limit)| Reading::Memory { at, rss, group, limit }),
        (moment(), any::<u32>(), proptest::option::of(any::<u16>()), any::<bool>()).prop_map(
            |(at, took, status, down)| Reading::Health {
                at,
                took: Span(Duration::from_millis(u64::from(took))),
                status,
                says: None,
                state: if down { HealthState::Down("x".into()) } else { HealthState::Up },
            }
        ),
        (moment(), any::<f64>()).prop_map(|(at, value)| Reading::Gauge { at, name: "g".into(), value }),
    ]
}

fn timeline() -> impl Strategy<Value = Timeline> {
    let interval = (second(), 0..9_u16, outcome(), 0..1_u64 << 40, any::<u32>()).prop_map(
        |(second, endpoint, outcome, count, micros)| Interval {
            second,
            users: 3,
            started: 0,
            endpoints: vec![EndpointInterval {
                endpoint,
                outcomes: BTreeMap::from([(outcome, count)]),
                plain_ok: count / 2,
                bytes: 0,
                response: firedrill::model::interval::Spectrum(vec![(u64::from(micros), count)]),
                service: Default::default(),
            }],
        },
    );
    let user = (any::<u32>(), 0..60_u32, 0..9_u16, 0..3_u32, any::<u32>()).prop_map(
        |(slice, user, endpoint, bad, slowest_ms)| UserSlice {
            slice: if slice % 8 == 0 { slice } else { slice % 30 },
            user,
            endpoint,
            steps: 2,
            bad,
            degraded: 0,
            slowest_ms,
        },
    );
    let journey = (second(), 0..3_u16, any::<u64>(), any::<u64>()).prop_map(|(second, journey, completed, failed)| {
        JourneyInterval { second, journey, completed, degraded: 1, failed }
    });
    let target =
        (moment(), any::<bool>(), any::<u32>(), any::<bool>()).prop_map(|(at, started, n, flag)| TargetEvent {
            at,
            what: if started {
                TargetChange::Started { pid: n }
            } else {
                TargetChange::Ended { code: None, signal: Some((n % 32) as i32), oom_killed: flag, at_limit: !flag }
            },
        });
    let fault = (0..4_usize, moment(), proptest::option::of(moment()), 0..3_u64, proptest::option::of(moment()))
        .prop_map(|(rule, from, until, fired, first_fired)| FaultRecord {
            rule,
            window: FaultWindow { from, until },
            fired,
            first_fired,
            last_fired: None,
        });
    let pressure = (moment(), 0..2_u64).prop_map(|(at, held)| PressureMark { at, held });

    (
        proptest::collection::vec(interval, 0..60),
        proptest::collection::vec(user, 0..60),
        proptest::collection::vec(journey, 0..10),
        proptest::collection::vec(reading(), 0..40),
        proptest::collection::vec(target, 0..5),
        proptest::collection::vec(fault, 0..5),
        proptest::collection::vec(pressure, 0..5),
    )
        .prop_map(|(intervals, users, journeys, readings, target, faults, pressure)| Timeline {
            intervals,
            users,
            journeys,
            readings,
            target,
            faults,
            pressure,
            ..Timeline::default()
        })
}

// --------------------------------------------------------------------------- what could not be seen is never clear

#[test]
fn health_checks_that_say_nothing_clear_nothing() {
    let silent = |readings: &mut Vec<Reading>, seconds: Range<u64>| {
        for reading in readings {
            if let Reading::Health { at, state, .. } = reading
                && seconds.contains(&at.second())
            {
                *state = HealthState::Unclear("status 404".into());
            }
        }
    };
    let mut run = Run::well(120);
    silent(&mut run.timeline.readings, 0..120);
    let verdict = run.judge();
    assert!(not_measured(&verdict, "P0-outage").contains("never said how the app is: status 404"));
    assert_eq!(verdict.decision, Decision::Inconclusive, "what was set to be watched was not: {}", verdict.sentence);
    let mut run = Run::well(120);
    silent(&mut run.timeline.readings, 0..60);
    assert!(inconclusive(&run.judge(), "P0-outage").contains("12 of 24 health checks said nothing"));
    // Between failed checks they are no sign of life.
    let mut run = Run::well(120);
    run.probes(30..50, Some("no answer"));
    silent(&mut run.timeline.readings, 35..40);
    assert_eq!(result(&run.judge(), "P0-outage").state, State::Breached);
}

/// A fault under which steps hang until their deadline of 12 s, long after it is over; few of them, for each user waits.
fn hanging(every: usize) -> Run {
    let mut run = Run::well(120);
    run.fault(30..50, 20);
    for agent in AGENTS {
        // The first of them were under way when the fault came.
        run.without(agent, 31..63);
        for second in (41..62).step_by(every) {
            run.timed(agent, second..second + 1, 1, Outcome::Timeout, 12_000);
        }
    }
    run
}

#[test]
fn agents_that_hang_through_a_fault_are_down() {
    let verdict = hanging(1).judge();
    assert!(breached(&verdict).contains(&"P0-agents-down"), "{:?}", breached(&verdict));
    assert!(breached(&verdict).contains(&"P1-key-agent"), "{:?}", breached(&verdict));
    for finding in &result(&verdict, "P0-agents-down").findings {
        assert_eq!(finding.origin, induced());
    }
}

#[test]
fn too_few_hanging_agents_are_not_clear() {
    let mut run = hanging(3);
    run.plan.gate.fail_on = Severity::P0;
    let verdict = run.judge();
    assert!(inconclusive(&verdict, "P0-agents-down").contains("0 of"), "{}", inconclusive(&verdict, "P0-agents-down"));
    assert!(inconclusive(&verdict, "P1-key-agent").contains("0 of"), "{}", inconclusive(&verdict, "P1-key-agent"));
    assert_eq!(verdict.decision, Decision::Inconclusive, "{}", verdict.sentence);
}

#[test]
fn a_process_that_vanished_may_have_been_killed_for_memory() {
    let mut run = Run::well(120);
    run.timeline.target.push(TargetEvent {
        at: Offset::from_secs(40),
        what: TargetChange::Ended { code: None, signal: None, oom_killed: false, at_limit: false },
    });
    let verdict = run.judge();
    assert!(inconclusive(&verdict, "P0-oom").contains("lack of memory is possible"));
    assert!(verdict.trust.notes.iter().all(|note| !note.contains("not for lack of memory")), "{:?}", verdict.trust);
    // A seen crash is none.
    let mut run = Run::well(120);
    run.died(40, 11, false, false);
    assert_eq!(result(&run.judge(), "P0-oom").state, State::Clear);
}

#[test]
fn an_app_that_went_away_ends_rates_before_they_show_it() {
    let mut run = Run::well(40);
    run.died(36, 11, false, false).ended(EndReason::TargetLost("exited with code 1".into()));
    let verdict = run.judge();
    assert_eq!(verdict.decision, Decision::NoGo);
    for id in ["P0-error-rate", "P0-agents-down", "P1-key-agent", "P1-agent"] {
        assert!(inconclusive(&verdict, id).contains("went away"), "{id}");
    }
    assert!(verdict.trust.doubts.iter().any(|doubt| doubt.contains("at 0:36")), "{:?}", verdict.trust.doubts);
}

#[test]
fn a_deadline_below_the_limit_hides_how_slow_an_answer_is() {
    let mut run = Run::well(120);
    for step in run.plan.journeys.iter_mut().flat_map(|journey| &mut journey.steps) {
        step.deadline = secs(2);
    }
    assert_eq!(result(&run.judge(), "P2-slow").state, State::Clear, "nothing was given up");
    run.without(TASKS, 30..50).timed(TASKS, 30..50, 1, Outcome::Timeout, 2_000);
    let verdict = run.judge();
    assert!(inconclusive(&verdict, "P2-slow").contains("tasks: 20 of 120 steps were given up after 2s"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn never_panics_and_always_explains_itself(timeline in timeline(), ended in moment(), fast: bool) {
        let mut plan = plan(60);
        plan.gate.recovery = if fast { secs(0) } else { Span(Duration::MAX) };
        plan.probes.memory_every = if fast { secs(1) } else { Span(Duration::MAX) };
        let playbook = playbook();
        let input =
            JudgeInput { plan: &plan, playbook: &playbook, timeline: &timeline, ended, end: &EndReason::Completed };
        let verdict = judge(&input);
        prop_assert_eq!(&verdict, &judge(&input), "the same input gives the same verdict");
        prop_assert_eq!(verdict.criteria.len(), playbook.criteria.len());
        prop_assert!(!verdict.sentence.is_empty());
        for criterion in &verdict.criteria {
            prop_assert_eq!(criterion.state == State::Breached, !criterion.findings.is_empty());
            if criterion.state == State::Clear {
                prop_assert!(criterion.samples > 0 && criterion.windows > 0, "{} is clear by nothing", criterion.id);
                // Criteria that leave a breach to a worse one, or have a second condition, may be beyond theirs.
                if let Some(figure) = criterion.closest.as_ref()
                    && ["P0-outage", "P0-error-rate", "P0-agents-down", "P1-key-agent"].contains(&criterion.id.as_str())
                {
                    let success = figure.what.starts_with("success");
                    let within = if success { figure.value >= figure.limit } else { figure.value <= figure.limit };
                    prop_assert!(within, "{} is clear with {figure:?}", criterion.id);
                }
            }
        }
        let gated = verdict.criteria.iter().flat_map(|c| &c.findings).any(|finding| finding.gated);
        prop_assert_eq!(gated, verdict.decision == Decision::NoGo);
    }

    #[test]
    fn more_failures_never_clear_an_error_rate(
        rates in proptest::collection::vec((0..6_u64, 0..6_u64), 60..200),
        extra in proptest::collection::vec(0..4_u64, 200),
    ) {
        let run = |with_extra: bool| {
            let mut run = Run::empty(rates.len() as u64);
            for (second, (good, bad)) in (0..).zip(&rates) {
                let more = if with_extra { extra[second as usize] } else { 0 };
                run.steps(CHECKIN, second..second + 1, *good, Outcome::Ok);
                run.steps(TASKS, second..second + 1, bad + more, Outcome::Status);
            }
            run.judge()
        };
        let (before, after) = (run(false), run(true));
        if result(&before, "P0-error-rate").state == State::Breached {
            prop_assert_eq!(&result(&after, "P0-error-rate").state, &State::Breached);
        }
    }
}

#[test]
fn an_hour_is_judged_quickly() {
    // 3,600 seconds × 20 endpoints × 200 users. The bound is for an unoptimised build on a busy machine; in
    // release it is well under a second.
    let mut run = Run::well(3_600);
    let template = run.plan.endpoints[usize::from(TASKS)].clone();
    for endpoint in 5..20 {
        run.plan.endpoints.push(Endpoint { name: format!("endpoint-{endpoint}"), ..template.clone() });
        run.steps(endpoint, 0..3_600, 3, Outcome::Ok).steps(endpoint, 0..3_600, 1, Outcome::Status);
    }
    // The dearest case: an agent that is broken in every window, with journeys to show for it.
    run.turn(BEHAVIOR, 0..3_600, Outcome::Degraded);
    run.timeline.journeys =
        (0..3_600).map(|second| JourneyInterval { second, degraded: 1, ..JourneyInterval::default() }).collect();
    run.users(0..3_600, 200, 0).fault(1_000..1_300, 50).fault(2_000..2_030, 50);
    let started = tokio::time::Instant::now();
    let verdict = run.judge();
    let took = started.elapsed();
    assert_eq!(breached(&verdict), ["P1-agent"]);
    println!("judged an hour in {took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
}
