//! Records of runs that never happened but could have: a small simulation fills the timeline, the verdicts are
//! written by hand, with figures that agree with it.

use firedrill::model::fault::{Abort, Delay, DelayShape, FaultMatch, FaultRule, FaultWindow, Injection};
use firedrill::model::interval::{EndpointInterval, Interval, JourneyInterval, Spectrum};
use firedrill::model::journey::{Condition, Journey, Step, ThinkTime};
use firedrill::model::plan::{Ballast, Endpoint, GatePlan, LoadPlan, Plan, ProbePlan, TargetPlan};
use firedrill::model::playbook::{Criterion, Measure, Playbook};
use firedrill::model::reading::{HarnessReading, HealthState, PressureMark, Reading, TargetChange, TargetEvent};
use firedrill::model::run_record::{EndReason, Machine, RunHeader, RunRecord, SCHEMA};
use firedrill::model::sample::{Class, Outcome};
use firedrill::model::source::SourcePlan;
use firedrill::model::timeline::{Exemplar, FaultRecord, Timeline, UpstreamInterval};
use firedrill::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use firedrill::model::verdict::{
    CriterionResult, Decision, Figure, Finding, Honesty, Origin, Severity, State, Trust, Unit, Verdict,
};
use firedrill::units::{ByteSize, Offset, Seed, Share, Span};
use std::collections::BTreeMap;
use std::time::Duration;

fn share(fraction: f64) -> Share {
    Share::from_fraction(fraction).unwrap()
}

fn secs(secs: u64) -> Span {
    Span::from_secs(secs)
}

/// One endpoint of the simulated app.
#[derive(Clone)]
pub struct Sim {
    name: &'static str,
    agent: Option<&'static str>,
    path: &'static str,
    /// Tries per second with all users.
    rate: f64,
    /// Median response in seconds, well and under a fault.
    median: (f64, f64),
    /// What becomes of answers under a fault, with its share.
    faulted: (Outcome, f64),
    /// Upstream calls per try.
    calls: u64,
}

const HOLISTICOS: [Sim; 7] = [
    Sim {
        name: "routine",
        agent: Some("routine"),
        path: "/api/user/{user.id}/routine/generate",
        rate: 5.2,
        median: (1.35, 3.9),
        faulted: (Outcome::Degraded, 0.97),
        calls: 9,
    },
    Sim {
        name: "nutrition",
        agent: Some("nutrition"),
        path: "/api/user/{user.id}/nutrition/generate",
        rate: 3.1,
        median: (1.1, 3.4),
        faulted: (Outcome::Masked, 0.985),
        calls: 7,
    },
    Sim {
        name: "behavior",
        agent: Some("behavior"),
        path: "/api/user/{user.id}/behavior/analyze",
        rate: 1.9,
        median: (0.8, 2.4),
        faulted: (Outcome::Masked, 0.98),
        calls: 4,
    },
    Sim {
        name: "circadian",
        agent: Some("circadian"),
        path: "/api/user/{user.id}/circadian/analyze",
        rate: 0.9,
        median: (0.7, 3.7),
        faulted: (Outcome::Masked, 0.95),
        calls: 3,
    },
    Sim {
        name: "insights",
        agent: Some("insights"),
        path: "/api/v2/insights/{user.id}/generate",
        rate: 1.4,
        median: (0.45, 1.4),
        faulted: (Outcome::Status, 0.96),
        calls: 2,
    },
    Sim {
        name: "latest plan",
        agent: None,
        path: "/api/user/{user.id}/plans/latest",
        rate: 4.5,
        median: (0.06, 0.07),
        faulted: (Outcome::Ok, 1.0),
        calls: 1,
    },
    Sim {
        name: "check-in",
        agent: None,
        path: "/api/user/{user.id}/check-in",
        rate: 2.0,
        median: (0.04, 0.05),
        faulted: (Outcome::Ok, 1.0),
        calls: 1,
    },
];

fn playbook() -> Playbook {
    let window = secs(60);
    let not = |why: &str| Measure::NotMeasured { why: why.to_owned() };
    let degraded = |over, up_to| Measure::DegradedUsers {
        over: share(over),
        up_to,
        slow: secs(10),
        times_baseline: 2.0,
        slow_at_least: secs(1),
        window,
        min_users: 10,
    };
    let rows: Vec<(&str, &str, &str, Measure)> = vec![
        (
            "P0-outage",
            "complete service outage (health checks failing)",
            "Service Recovery",
            Measure::Outage { probes: 3 },
        ),
        ("P0-data-loss", "data corruption or loss", "Database Recovery", not("this version keeps no ledger of writes")),
        (
            "P0-security",
            "security breach or unauthorized access",
            "Security Incident Response",
            not("no security steps in the scenario"),
        ),
        (
            "P0-error-rate",
            "> 50 % error rate across all endpoints",
            "For Error Rate Issues (P0/P1)",
            Measure::ErrorRate { over: share(0.5), window, min_samples: 30 },
        ),
        ("P0-oom", "memory usage causing OOM crashes", "For Memory Issues (P0/P1)", Measure::Oom {}),
        (
            "P0-agents-down",
            "agent system completely non-functional",
            "For Agent System Failures (P0/P1)",
            Measure::AgentsDown { success_under: share(0.05), window, min_samples: 10 },
        ),
        (
            "P1-degraded-users",
            "performance degradation affecting > 20 % of users",
            "For Performance Issues (P1/P2)",
            degraded(0.2, None),
        ),
        (
            "P1-key-agent",
            "key agent (routine/nutrition generation) completely broken",
            "For Agent System Failures (P0/P1)",
            Measure::KeyAgent {
                agents: vec!["routine".into(), "nutrition".into()],
                success_under: share(0.05),
                window,
                min_samples: 10,
            },
        ),
        (
            "P1-cost",
            "cost overrun alerts (> $100/day)",
            "For Cost Overrun (P1)",
            not("prices come with a later version"),
        ),
        ("P1-database", "database connectivity issues", "Database Recovery", not("needs the connection-level proxy")),
        (
            "P1-memory",
            "memory usage > 450MB sustained",
            "For Memory Issues (P0/P1)",
            Measure::MemorySustained { above: ByteSize::mib(450), sustained: secs(60) },
        ),
        (
            "P1-agent",
            "single agent failure affecting user journeys",
            "For Agent System Failures (P0/P1)",
            Measure::AgentFailing { over: share(0.5), window, min_samples: 10 },
        ),
        (
            "P2-endpoint",
            "single endpoint/feature broken",
            "For Error Rate Issues (P0/P1)",
            Measure::EndpointBroken { over: share(0.5), rest_under: share(0.1), window, min_samples: 20 },
        ),
        (
            "P2-degraded-users",
            "performance degradation affecting < 20 % of users",
            "For Performance Issues (P1/P2)",
            degraded(0.01, Some(share(0.2))),
        ),
        ("P2-alerts", "non-critical monitoring alerts", "Alert Flow", not("the app's alert history is not read yet")),
        (
            "P2-slow",
            "slow response times (> 10s but < 30s)",
            "For Performance Issues (P1/P2)",
            Measure::SlowResponses { from: secs(10), to: secs(30), share: share(0.01), min_samples: 100 },
        ),
        (
            "P2-memory-cleanup",
            "memory cleanup issues",
            "For Memory Issues (P0/P1)",
            not("needs a quiet time after the load"),
        ),
        (
            "P2-agent-delay",
            "agent communication delays",
            "For Performance Issues (P1/P2)",
            not("needs correlation of upstream calls"),
        ),
        ("P3-format", "minor UI/response formatting issues", "Step 5", not("needs the app's schema")),
        ("P3-docs", "documentation problems", "Step 5", not("see `firedrill playbook audit`")),
        ("P3-enhancement", "enhancement requests", "Step 5", not("no machine can measure a wish")),
        ("P3-logging", "non-critical logging issues", "Step 5", not("the app's log is not read")),
        ("P3-optimise", "optimization opportunities", "Step 5", not("needs correlation of upstream calls")),
    ];
    let severity = |id: &str| id[..2].parse::<Severity>().unwrap();
    Playbook {
        name: "holisticos".into(),
        describe: "the HolisticOS MVP incident response playbook".into(),
        source: "built-in".into(),
        criteria: rows
            .into_iter()
            .map(|(id, says, section, measure)| Criterion {
                id: id.into(),
                severity: severity(id),
                says: says.into(),
                section: section.into(),
                measure,
            })
            .collect(),
        readings: vec![
            "“450 MB” is read as 450 MiB, as the platform sells memory.".into(),
            "“Sustained” is read as 60 s without a break.".into(),
            "“Completely broken” is read as less than 5 % right answers in a window of 60 s.".into(),
            "A degraded answer counts against the agent, not against the endpoint's availability.".into(),
        ],
    }
}

fn step(sim: &Sim) -> Step {
    Step {
        name: sim.name.into(),
        agent: sim.agent.map(str::to_owned),
        method: "POST".into(),
        path: sim.path.into(),
        headers: BTreeMap::new(),
        body: None,
        expect: Condition::default(),
        degraded: None,
        deadline: secs(30),
        save: BTreeMap::new(),
        think: ThinkTime::default(),
    }
}

fn constant(millis: u64) -> Delay {
    Delay {
        mean: Span(Duration::from_millis(millis)),
        jitter: Span::default(),
        shape: DelayShape::Constant,
        correlation: Share::NONE,
    }
}

fn plan(name: &str, sims: &[Sim], users: u32, ramp: u64, hold: u64, faults: Vec<FaultRule>) -> Plan {
    let (daily, quick): (Vec<&Sim>, Vec<&Sim>) = sims.iter().partition(|sim| sim.agent.is_some());
    let journey = |name: &str, weight, of: &[&Sim]| Journey {
        name: name.into(),
        weight,
        steps: of.iter().map(|sim| step(sim)).collect(),
    };
    Plan {
        name: name.into(),
        describe: "the reference app under a morning's load, while OpenAI fails".into(),
        source: "built-in".into(),
        seed: Seed(20_261_123),
        target: TargetPlan::Reference {
            resilient: false,
            defects: vec![],
            speed: 1.0,
            memory_limit: Some(ByteSize::mib(512)),
        },
        headers: BTreeMap::new(),
        upstreams: vec![
            UpstreamPlan {
                name: "openai".into(),
                kind: UpstreamKind::Openai(OpenaiPlan { latency: constant(600), ..OpenaiPlan::default() }),
                listen: None,
                tls: false,
                source: SourcePlan::Mock,
            },
            UpstreamPlan {
                name: "supabase".into(),
                kind: UpstreamKind::Supabase(SupabasePlan {
                    seed: BTreeMap::new(),
                    latency: constant(4),
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
        ],
        load: LoadPlan::Closed {
            users,
            ramp_up: secs(ramp),
            hold: secs(hold),
            graceful_stop: secs(5),
            iterations: None,
        },
        feeders: BTreeMap::new(),
        journeys: vec![journey("daily-plan", 3, &daily), journey("quick-look", 1, &quick)],
        endpoints: sims
            .iter()
            .map(|sim| Endpoint {
                name: sim.name.into(),
                agent: sim.agent.map(str::to_owned),
                method: "POST".into(),
                path: sim.path.into(),
            })
            .collect(),
        fault_profile: (!faults.is_empty()).then(|| "openai-brownout".to_owned()),
        faults,
        ballast: None,
        probes: ProbePlan { health: None, memory_every: secs(1), stats: None, metrics: None },
        gate: GatePlan { fail_on: Severity::P1, while_faulted: Severity::P2, recovery: secs(10) },
        control: None,
        allow_hosts: vec![],
    }
}

fn rule(name: &str, from: u64, until: Option<u64>, inject: Injection) -> FaultRule {
    FaultRule {
        name: name.into(),
        upstream: "openai".into(),
        when: FaultMatch {
            method: Some("POST".into()),
            path: Some("/v1/chat/completions".into()),
            ..FaultMatch::default()
        },
        share: Share::ALL,
        window: FaultWindow { from: Offset::from_secs(from), until: until.map(Offset::from_secs) },
        inject,
    }
}

fn abort(error: &str, status: u16) -> Injection {
    Injection::Abort(Abort { error: Some(error.into()), status: Some(status), ..Abort::default() })
}

/// Three significant digits, as the recording histogram keeps.
fn rounded(secs: f64) -> u64 {
    let micros = (secs * 1e6).max(1.0);
    let unit = 10_f64.powf(micros.log10().floor() - 2.0).max(1.0);
    ((micros / unit).ceil() * unit) as u64
}

/// Fills the timeline of a plan up to `end`; `memory` is the resident memory in MiB at a second.
fn simulate(plan: &Plan, sims: &[Sim], end: u64, memory: impl Fn(u64) -> f64) -> Timeline {
    let seed = plan.seed.derive("fixture");
    let LoadPlan::Closed { users, ramp_up, .. } = plan.load;
    let ramp = ramp_up.get().as_secs().max(1);
    let mut timeline = Timeline::default();
    let mut fired = vec![0_u64; plan.faults.len()];
    let load_end = plan.load_end().second();
    for second in 0..end {
        let present = if second >= load_end { 0.0 } else { ((second + 1) as f64 / ramp as f64).min(1.0) };
        let faulted = plan.faults.iter().position(|rule| rule.window.contains(Offset::from_secs(second)));
        let mut interval =
            Interval { second, users: (f64::from(users) * present).round() as u32, started: 0, endpoints: vec![] };
        let mut openai = UpstreamInterval { second, upstream: 0, ..UpstreamInterval::default() };
        let mut supabase = UpstreamInterval { second, upstream: 1, ..UpstreamInterval::default() };
        let (mut completed, mut degraded, mut failed) = (0, 0, 0);
        for (e, sim) in sims.iter().enumerate() {
            let key = |n: u64, what: u64| seed.unit(&[second, e as u64, n, what]);
            let tries = (sim.rate * present * (0.55 + 0.9 * key(0, 9)) + key(0, 8)) as u64;
            if tries == 0 {
                continue;
            }
            let mut endpoint = EndpointInterval { endpoint: e as u16, ..EndpointInterval::default() };
            let mut times: BTreeMap<u64, u64> = BTreeMap::new();
            for n in 1..=tries {
                let hit = faulted.is_some() && key(n, 1) < sim.faulted.1;
                let outcome = if hit {
                    sim.faulted.0
                } else if key(n, 2) < 0.002 {
                    Outcome::Timeout
                } else {
                    Outcome::Ok
                };
                let median = if hit { sim.median.1 } else { sim.median.0 };
                // A log-normal by the sum of uniforms: near enough for a picture.
                let normal = (0..6).map(|i| key(n, 20 + i)).sum::<f64>() - 3.0;
                let took = if outcome == Outcome::Timeout { 30.0 } else { median * (normal * 0.55).exp() };
                *times.entry(rounded(took)).or_insert(0) += 1;
                *endpoint.outcomes.entry(outcome).or_insert(0) += 1;
                if !matches!(outcome, Outcome::Status | Outcome::Timeout) {
                    endpoint.plain_ok += 1;
                }
                endpoint.bytes += 2_048;
                match outcome.class() {
                    Some(Class::Ok) => completed += 1,
                    Some(Class::Degraded) => degraded += 1,
                    _ => failed += 1,
                }
                if sim.agent.is_some() {
                    let calls = if hit { sim.calls } else { 1 };
                    openai.calls += calls;
                    openai.retries += calls - 1;
                    if let Some(rule) = faulted.filter(|_| hit) {
                        openai.faulted += calls;
                        fired[rule] += calls;
                        *openai.statuses.entry(429).or_insert(0) += calls;
                    } else {
                        *openai.statuses.entry(200).or_insert(0) += calls;
                        openai.tokens_in += 1_810;
                        openai.tokens_out += 640;
                    }
                }
                supabase.calls += 4;
                supabase.writes += 1;
                *supabase.statuses.entry(200).or_insert(0) += 3;
                *supabase.statuses.entry(201).or_insert(0) += 1;
                let bad = matches!(outcome.class(), Some(Class::Masked | Class::Failed | Class::Degraded));
                if bad && timeline.exemplars.iter().filter(|x| usize::from(x.endpoint) == e).count() < 3 {
                    timeline.exemplars.push(exemplar(second, e, sim, outcome, took));
                }
            }
            interval.started += tries;
            endpoint.response = Spectrum(times.into_iter().collect());
            endpoint.service = endpoint.response.clone();
            interval.endpoints.push(endpoint);
        }
        timeline.intervals.push(interval);
        timeline.upstreams.extend([openai, supabase].into_iter().filter(|u| u.calls > 0));
        timeline.journeys.push(JourneyInterval {
            second,
            journey: 0,
            completed: completed / 5,
            degraded: degraded / 5,
            failed: failed / 4,
        });
        timeline.journeys.push(JourneyInterval {
            second,
            journey: 1,
            completed: completed / 3,
            degraded: 0,
            failed: 0,
        });
        let held = plan.ballast.map_or(0.0, |ballast| held(&ballast, second));
        let rss = (memory(second) * 1_048_576.0) as u64;
        timeline.readings.push(Reading::Memory {
            at: Offset::from_secs_f64(second as f64 + 0.2),
            rss,
            group: plan.ballast.map(|_| rss + (held * 1_048_576.0) as u64),
            limit: Some(512 << 20),
        });
        if second % 5 == 2 {
            timeline.readings.push(Reading::Health {
                at: Offset::from_secs(second),
                took: Span(Duration::from_millis(2_040)),
                status: Some(200),
                says: Some("healthy".into()),
                state: HealthState::Up,
            });
        }
        if second % 10 == 3 {
            for (name, value) in [("error_rate", 0.0), ("memory_bytes", rss as f64), ("active_users", 3.0)] {
                timeline.readings.push(Reading::Gauge { at: Offset::from_secs(second), name: name.into(), value });
            }
        }
        timeline.harness.push(HarnessReading {
            at: Offset::from_secs(second),
            lateness: Span(Duration::from_micros(900 + second % 7 * 310)),
            cpu_seconds: second as f64 * 0.11,
            rss: 24 << 20,
            fds: 96,
        });
        if plan.ballast.is_some() {
            timeline.pressure.push(PressureMark { at: Offset::from_secs(second), held: (held * 1_048_576.0) as u64 });
        }
    }
    timeline.target.push(TargetEvent { at: Offset::from_micros(40_000), what: TargetChange::Started { pid: 4711 } });
    timeline.faults = plan
        .faults
        .iter()
        .enumerate()
        .filter(|(_, rule)| rule.window.from.second() < end)
        .map(|(i, rule)| FaultRecord {
            rule: i,
            window: FaultWindow {
                from: rule.window.from.plus(Duration::from_millis(3)),
                until: Some(rule.window.until.unwrap_or(Offset::from_secs(end)).min(Offset::from_secs(end))),
            },
            fired: fired[i],
            first_fired: (fired[i] > 0).then(|| rule.window.from.plus(Duration::from_millis(210))),
            last_fired: (fired[i] > 0)
                .then(|| rule.window.until.unwrap_or(Offset::from_secs(end)).min(Offset::from_secs(end))),
        })
        .collect();
    timeline
}

fn held(ballast: &Ballast, second: u64) -> f64 {
    let since = second as f64 - ballast.from.as_secs_f64();
    let (ramp, hold) = (ballast.ramp.get().as_secs_f64(), ballast.hold.get().as_secs_f64());
    if since < 0.0 || since > ramp + hold { 0.0 } else { ballast.size.as_mib() * (since / ramp).min(1.0) }
}

fn exemplar(second: u64, e: usize, sim: &Sim, outcome: Outcome, took: f64) -> Exemplar {
    let (why, body) = match outcome {
        Outcome::Degraded => (
            "/routine_plan/error exists: the answer is a fallback",
            "{\"status\":\"success\",\"user_id\":\"load_test_user_17\",\"routine_plan\":{\"error\":\"Failed to generate routine plan\",\"content\":null},\"metadata\":{\"model\":\"gpt-4o\",\"analysis_mode\":\"initial\"}}",
        ),
        Outcome::Masked => (
            "/nutrition_plan/content: expected a non-empty text, found the built-in fallback",
            "{\"status\":\"success\",\"nutrition_plan\":{\"date\":\"2026-11-23\",\"content\":\"\",\"model_used\":\"fallback\"}}",
        ),
        Outcome::Status => ("expected a 2xx, got 500", "{\"detail\":\"Insights generation failed: Error code: 429\"}"),
        _ => ("no complete answer within 30s", ""),
    };
    Exemplar {
        at: Offset::from_secs_f64(second as f64 + 0.4),
        endpoint: e as u16,
        user: 17,
        request: format!("POST {}", sim.path.replace("{user.id}", "load_test_user_17")),
        status: match outcome {
            Outcome::Timeout => None,
            Outcome::Status => Some(500),
            _ => Some(200),
        },
        outcome,
        why: why.into(),
        took_ms: (took * 1000.0) as u64,
        body: body.into(),
    }
}

fn honesty(timeline: &Timeline) -> Honesty {
    let mut honesty = Honesty::default();
    for endpoint in timeline.intervals.iter().flat_map(|interval| &interval.endpoints) {
        honesty.plain_ok += endpoint.plain_ok;
        for (outcome, n) in &endpoint.outcomes {
            let Some(class) = outcome.class() else { continue };
            honesty.steps += n;
            *match class {
                Class::Ok => &mut honesty.ok,
                Class::Degraded => &mut honesty.degraded,
                Class::Masked => &mut honesty.masked,
                Class::Failed => &mut honesty.failed,
            } += n;
        }
    }
    honesty
}

fn figure(what: &str, value: f64, interval: Option<(f64, f64)>, limit: f64, unit: Unit) -> Option<Figure> {
    Some(Figure { what: what.into(), value, interval, limit, unit })
}

fn induced(sentence: &str, subject: &str, gated: bool, (first, last): (u64, u64), figure: Option<Figure>) -> Finding {
    Finding {
        sentence: sentence.into(),
        subject: Some(subject.into()),
        origin: Origin::Induced(vec!["openai-outage".into()]),
        gated,
        first: Offset::from_secs(first),
        last: Offset::from_secs(last),
        figure,
        samples: 96,
        exemplars: vec![0, 1, 2],
    }
}

/// The results of a playbook where everything that can be measured was clear.
fn clear(playbook: &Playbook, samples: u64) -> Vec<CriterionResult> {
    playbook
        .criteria
        .iter()
        .map(|criterion| {
            let closest = match &criterion.measure {
                Measure::Outage { .. } => figure("failed probes in a row", 0.0, None, 3.0, Unit::Count),
                Measure::ErrorRate { .. } => figure("errors", 0.004, Some((0.002, 0.009)), 0.5, Unit::Share),
                Measure::Oom {} => figure("kills for lack of memory", 0.0, None, 0.0, Unit::Count),
                Measure::AgentsDown { .. } => {
                    figure("success of the best agent", 0.999, Some((0.985, 1.0)), 0.05, Unit::Share)
                }
                Measure::KeyAgent { .. } => {
                    figure("success of nutrition", 0.991, Some((0.97, 0.998)), 0.05, Unit::Share)
                }
                Measure::DegradedUsers { .. } => figure("degraded users", 0.004, Some((0.0, 0.011)), 0.2, Unit::Share),
                Measure::MemorySustained { .. } => {
                    figure("longest stretch above 450MiB", 0.0, None, 60.0, Unit::Seconds)
                }
                Measure::AgentFailing { .. } => {
                    figure("failures of insights", 0.012, Some((0.004, 0.03)), 0.5, Unit::Share)
                }
                Measure::EndpointBroken { .. } => {
                    figure("errors of insights", 0.012, Some((0.004, 0.03)), 0.5, Unit::Share)
                }
                Measure::SlowResponses { .. } => {
                    figure("slower than 10s at routine", 0.002, Some((0.0005, 0.006)), 0.01, Unit::Share)
                }
                Measure::NotMeasured { .. } => None,
            };
            CriterionResult {
                id: criterion.id.clone(),
                severity: criterion.severity,
                says: criterion.says.clone(),
                state: match &criterion.measure {
                    Measure::NotMeasured { why } => State::NotMeasured(why.clone()),
                    _ => State::Clear,
                },
                findings: vec![],
                samples: if closest.is_some() { samples } else { 0 },
                windows: if closest.is_some() { 11 } else { 0 },
                closest,
                section: criterion.section.clone(),
            }
        })
        .collect()
}

fn breach(criteria: &mut [CriterionResult], id: &str, findings: Vec<Finding>) {
    let result = criteria.iter_mut().find(|result| result.id == id).unwrap();
    result.state = State::Breached;
    result.findings = findings;
}

fn record(plan: Plan, timeline: Timeline, end: f64, verdict: Verdict) -> RunRecord {
    RunRecord {
        header: RunHeader {
            schema: SCHEMA,
            firedrill: "0.1.0".into(),
            run: format!("2026-11-23-153012-{}", plan.name),
            started_at: "2026-11-23T15:30:12Z".parse().unwrap(),
            again: format!("firedrill run {} --seed {}", plan.name, plan.seed),
            machine: Machine { cores: 2, memory: 8 << 30, system: "Linux 6.8.0 x86_64".into() },
            plan,
            means: vec![
                "Memory limit of 512 MiB by cgroup v2.".into(),
                "Memory read from the app's process tree every second.".into(),
            ],
        },
        ended: Offset::from_secs_f64(end),
        end: EndReason::Completed,
        timeline,
        playbook: playbook(),
        verdict,
    }
}

fn trusted() -> Trust {
    Trust {
        doubts: vec![],
        notes: vec![
            "Each health check keeps the app from doing anything else for 2s: probing cost it 24s of 60s.".into(),
        ],
    }
}

fn flat(second: u64) -> f64 {
    210.0 + 40.0 * (second as f64 / 25.0).min(1.0) + (second % 9) as f64 * 1.3
}

/// The quickstart: OpenAI refuses everything for 20 s, the agents answer 200 with fallbacks.
pub fn outage() -> RunRecord {
    let faults = vec![
        rule(
            "openai-slow",
            12,
            Some(20),
            Injection::Latency(Delay {
                mean: secs(2),
                jitter: Span(Duration::from_millis(500)),
                shape: DelayShape::Lognormal,
                correlation: Share::NONE,
            }),
        ),
        rule("openai-outage", 20, Some(42), abort("rate_limit", 429)),
    ];
    let mut plan = plan("quickstart", &HOLISTICOS, 20, 5, 52, faults);
    plan.ballast =
        Some(Ballast { size: ByteSize::mib(180), from: Offset::from_secs(30), ramp: secs(8), hold: secs(12) });
    let timeline = simulate(&plan, &HOLISTICOS, 60, flat);
    let honesty = honesty(&timeline);
    let mut criteria = clear(&playbook(), honesty.steps);
    breach(
        &mut criteria,
        "P0-agents-down",
        vec![Finding {
            subject: None,
            ..induced(
                "Every agent was down: none gave more than 4 % right answers from 0:21 on, while every status but that of insights was 200.",
                "",
                true,
                (21, 43),
                figure("success of the best agent", 0.036, Some((0.014, 0.049)), 0.05, Unit::Share),
            )
        }],
    );
    breach(
        &mut criteria,
        "P1-key-agent",
        vec![
            induced(
                "nutrition was completely broken: 1.5 % of its answers held a plan.",
                "nutrition",
                true,
                (21, 42),
                figure("success of nutrition", 0.015, Some((0.004, 0.039)), 0.05, Unit::Share),
            ),
            induced(
                "routine was completely broken: 3.1 % of its answers held a plan, the rest was the fallback.",
                "routine",
                true,
                (22, 43),
                figure("success of routine", 0.031, Some((0.012, 0.048)), 0.05, Unit::Share),
            ),
        ],
    );
    breach(
        &mut criteria,
        "P2-endpoint",
        vec![induced(
            "insights answered 500 to 96 % of its requests.",
            "insights",
            false,
            (20, 42),
            figure("errors of insights", 0.961, Some((0.89, 0.987)), 0.5, Unit::Share),
        )],
    );
    let unsure = criteria.iter_mut().find(|c| c.id == "P1-memory").unwrap();
    unsure.state = State::Inconclusive("the run is 60 s long, and the limit must be exceeded for 60 s".into());
    unsure.closest = figure("longest stretch above 450MiB", 11.0, None, 60.0, Unit::Seconds);
    let verdict = Verdict {
        decision: Decision::NoGo,
        worst: Some(Severity::P0),
        sentence: "NO-GO: P0, while OpenAI answered 429 (openai-outage, 0:20–0:42) every agent was down behind status 200: nutrition gave 1.5 % right answers and routine 3.1 %, and all were well again 6 s after it.".into(),
        criteria,
        trust: trusted(),
        honesty,
    };
    record(plan, timeline, 60.3, verdict)
}

/// A clean run of the resilient app.
pub fn clean() -> RunRecord {
    let mut plan = plan("weekly-load", &HOLISTICOS, 50, 30, 270, vec![]);
    plan.describe = "fifty users for five minutes".into();
    plan.target = TargetPlan::Url { url: "http://load:hunter2@127.0.0.1:8001".into(), pid: Some(991) };
    let timeline = simulate(&plan, &HOLISTICOS, 302, |s| flat(s) + s as f64 * 0.12);
    let honesty = honesty(&timeline);
    let verdict = Verdict {
        decision: Decision::Go,
        worst: None,
        sentence: "GO: nothing of the 10 criteria measured was breached in 5 min with 50 users; 13 were not measured."
            .into(),
        criteria: clear(&playbook(), honesty.steps),
        trust: trusted(),
        honesty,
    };
    record(plan, timeline, 302.0, verdict)
}

/// Interrupted after nine seconds: too little for anything.
pub fn interrupted() -> RunRecord {
    let faults = vec![rule("openai-outage", 20, Some(42), abort("rate_limit", 429))];
    let plan = plan("quickstart", &HOLISTICOS, 20, 5, 52, faults);
    let mut timeline = simulate(&plan, &HOLISTICOS, 9, flat);
    timeline.readings.retain(|reading| !matches!(reading, Reading::Memory { .. }));
    let honesty = honesty(&timeline);
    let mut criteria = clear(&playbook(), honesty.steps);
    for result in criteria.iter_mut().filter(|result| result.state == State::Clear) {
        result.state = State::Inconclusive("9 s of load; its window needs 60 s".into());
        result.closest = None;
    }
    let memory = criteria.iter_mut().find(|c| c.id == "P1-memory").unwrap();
    memory.state = State::NotMeasured("the app's process is not known".into());
    let verdict = Verdict {
        decision: Decision::Inconclusive,
        worst: None,
        sentence: "INCONCLUSIVE: interrupted after 9 s of 57 s, before the planned fault came on; nothing was breached until then.".into(),
        criteria,
        trust: Trust {
            doubts: vec![
                "The run was interrupted after 9 s of the planned 57 s.".into(),
                "The planned fault openai-outage was never on.".into(),
            ],
            notes: vec![],
        },
        honesty,
    };
    RunRecord { end: EndReason::Interrupted(2), ..record(plan, timeline, 9.4, verdict) }
}

/// An hour with 20 endpoints, three faults, ballast, a leak and a death.
pub fn hour() -> RunRecord {
    const NAMES: [(&str, &str); 20] = [
        ("routine", "/a"),
        ("nutrition", "/b"),
        ("behavior", "/c"),
        ("circadian", "/d"),
        ("insights", "/e"),
        ("latest plan", "/f"),
        ("check-in", "/g"),
        ("calendar", "/h"),
        ("tasks", "/i"),
        ("task done", "/j"),
        ("profile", "/k"),
        ("history", "/l"),
        ("goals", "/m"),
        ("goal update", "/n"),
        ("sleep score", "/o"),
        ("energy zones", "/p"),
        ("memory", "/q"),
        ("feedback", "/r"),
        ("engagement", "/s"),
        ("admin stats", "/t"),
    ];
    let sims: Vec<Sim> = NAMES
        .iter()
        .enumerate()
        .map(|(i, (name, path))| Sim { name, path, ..HOLISTICOS[i % HOLISTICOS.len()].clone() })
        .collect();
    let faults = vec![
        rule("openai-outage", 600, Some(900), abort("rate_limit", 429)),
        rule("openai-slow", 1500, Some(1800), Injection::Latency(constant(4_000))),
        rule("openai-reset", 2400, Some(2430), Injection::ResetPeer {}),
    ];
    let mut plan = plan("soak", &sims, 120, 60, 3540, faults);
    plan.ballast =
        Some(Ballast { size: ByteSize::mib(120), from: Offset::from_secs(1900), ramp: secs(120), hold: secs(300) });
    let mut timeline = simulate(&plan, &sims, 3600, |s| 180.0 + s as f64 * 0.085);
    timeline.target.push(TargetEvent {
        at: Offset::from_secs(3330),
        what: TargetChange::Ended { code: None, signal: Some(9), oom_killed: true, at_limit: true },
    });
    for reading in &mut timeline.readings {
        if let Reading::Health { at, state, .. } = reading {
            *state = match at.second() {
                3330..=3400 => HealthState::Down("no answer within 10s".into()),
                620..=890 => HealthState::Degraded,
                _ => HealthState::Up,
            };
        }
    }
    let honesty = honesty(&timeline);
    let mut criteria = clear(&playbook(), honesty.steps);
    breach(
        &mut criteria,
        "P0-oom",
        vec![Finding {
            sentence: "The app was killed for lack of memory at 55:30, at 511 MiB of 512 MiB.".into(),
            subject: None,
            origin: Origin::Spontaneous,
            gated: true,
            first: Offset::from_secs(3330),
            last: Offset::from_secs(3330),
            figure: figure("kills for lack of memory", 1.0, None, 0.0, Unit::Count),
            samples: 3600,
            exemplars: vec![],
        }],
    );
    breach(
        &mut criteria,
        "P1-memory",
        vec![Finding {
            sentence: "Memory stayed above 450 MiB for 7 min 30 s; it grows by 5.1 MiB a minute.".into(),
            subject: None,
            origin: Origin::Spontaneous,
            gated: true,
            first: Offset::from_secs(2880),
            last: Offset::from_secs(3330),
            figure: figure("longest stretch above 450MiB", 450.0, None, 60.0, Unit::Seconds),
            samples: 450,
            exemplars: vec![],
        }],
    );
    let verdict = Verdict {
        decision: Decision::NoGo,
        worst: Some(Severity::P0),
        sentence:
            "NO-GO: P0, the app leaks 5.1 MiB a minute and was killed for lack of memory at 55:30, with no fault on."
                .into(),
        criteria,
        trust: trusted(),
        honesty,
    };
    record(plan, timeline, 3600.2, verdict)
}

/// Everything from outside tries to get out.
pub fn hostile() -> RunRecord {
    let mut record = outage();
    let nasty = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>]]>\u{202e}gnp.exe\u{1b}[31m\u{0}";
    let plan = &mut record.header.plan;
    plan.name = nasty.into();
    plan.describe = nasty.into();
    plan.source = "/home/me/<b>x</b>/\u{2066}.toml".into();
    plan.target = TargetPlan::Command {
        command: vec!["sh".into(), "-c".into(), nasty.into()],
        env: BTreeMap::new(),
        url: "http://127.0.0.1:1".into(),
        ready: "/".into(),
        ready_within: secs(1),
        memory_limit: None,
    };
    for endpoint in &mut plan.endpoints {
        endpoint.name = format!("{} {nasty}", endpoint.name);
        endpoint.path = format!("/{}{{{{x}}}}", "very-long-segment".repeat(20));
        endpoint.agent = endpoint.agent.as_ref().map(|agent| format!("{agent}{nasty}"));
    }
    for rule in &mut plan.faults {
        rule.name = format!("{}{nasty}", rule.name);
        rule.upstream = nasty.into();
    }
    for upstream in &mut plan.upstreams {
        upstream.name = format!("{nasty}{}", upstream.name);
    }
    for journey in &mut plan.journeys {
        journey.name = nasty.into();
    }
    for exemplar in &mut record.timeline.exemplars {
        exemplar.body = format!("{nasty}{}Z\u{0301}\u{0301}\u{0301}\u{0301}\u{0301}\u{0301}", "<td>".repeat(1280));
        exemplar.why = format!("{nasty} {}", "w".repeat(900));
        exemplar.request = format!("GET /{}?{nasty}", "x".repeat(2000));
    }
    record.verdict.sentence = format!("NO-GO: P0, {nasty} broke everything.");
    for result in &mut record.verdict.criteria {
        for finding in &mut result.findings {
            finding.sentence = nasty.repeat(20);
            finding.subject = Some(nasty.into());
            finding.origin = Origin::Induced(vec![nasty.into(); 30]);
            finding.exemplars = vec![0, 1, 9_999_999];
            if let Some(figure) = &mut finding.figure {
                figure.value = f64::NAN;
            }
        }
        if let State::NotMeasured(why) = &mut result.state {
            *why = nasty.into();
        }
    }
    record.verdict.trust.doubts = vec![nasty.into(); 100];
    record.timeline.warnings = vec!["x".repeat(5000); 3];
    record.header.again = nasty.into();
    record.header.machine.system = nasty.into();
    record.timeline.faults.push(FaultRecord {
        rule: 99,
        window: FaultWindow { from: Offset::from_secs(50), until: None },
        fired: 0,
        first_fired: None,
        last_fired: None,
    });
    record.timeline.readings.push(Reading::Gauge { at: Offset::ZERO, name: nasty.into(), value: f64::INFINITY });
    record
}

/// A run in which nothing at all was recorded.
pub fn empty() -> RunRecord {
    let plan = plan("nothing", &HOLISTICOS, 1, 1, 1, vec![]);
    let mut criteria = clear(&playbook(), 0);
    for result in &mut criteria {
        result.state = State::NotMeasured("the app was never reachable".into());
        result.closest = None;
    }
    let verdict = Verdict {
        decision: Decision::Inconclusive,
        worst: None,
        sentence: "INCONCLUSIVE: no step ended.".into(),
        criteria,
        trust: Trust { doubts: vec!["No step ended.".into()], notes: vec![] },
        honesty: Honesty::default(),
    };
    let end = EndReason::TargetLost("connection refused".into());
    RunRecord { end, ..record(plan, Timeline::default(), 0.0, verdict) }
}

/// All of them by name.
pub fn all() -> Vec<(&'static str, RunRecord)> {
    vec![
        ("outage", outage()),
        ("clean", clean()),
        ("interrupted", interrupted()),
        ("hour", hour()),
        ("hostile", hostile()),
        ("empty", empty()),
    ]
}
