//! Criteria that look beyond the load: each on the near side and on the far side of its limit.

use super::*;
use firedrill::model::checks::{
    AfterLoad, AlertProbe, Canaries, CheckRequest, DatabaseProbe, DurabilityCheck, Fate, LogSecond, Observation,
    RowFate, SecurityCheck, SecurityOutcome, Sighting, Traffic,
};
use firedrill::model::prices::TokenUse;
use firedrill::model::timeline::UpstreamInterval;
use firedrill::model::upstream::{OpenaiPlan, SupabasePlan};
use firedrill::units::Money;

fn at(secs: u64) -> Offset {
    Offset::from_secs(secs)
}

fn judged(run: Run, measure: Measure) -> CriterionResult {
    let mut playbook = playbook();
    playbook.criteria =
        vec![Criterion { id: "X".into(), severity: Severity::P1, says: "x".into(), section: "x".into(), measure }];
    run.judge_by(&playbook).criteria.remove(0)
}

fn word(result: &CriterionResult) -> &'static str {
    match result.state {
        State::Breached => "breached",
        State::Clear => "clear",
        State::Inconclusive(_) => "inconclusive",
        State::NotMeasured(_) => "not measured",
    }
}

fn upstream(kind: UpstreamKind) -> UpstreamPlan {
    UpstreamPlan { name: "up".into(), kind, listen: None, tls: false, source: SourcePlan::Mock }
}

/// One journey a second, each costing so many output tokens of gpt-4o ($10 for a million).
fn spending(tokens: u64, per_day: f64) -> Run {
    let mut run = Run::well(120);
    run.plan.upstreams = vec![upstream(UpstreamKind::Openai(OpenaiPlan::default()))];
    run.plan.checks.traffic = Some(Traffic { journeys_per_day: per_day, users_per_day: None });
    for second in 0..120 {
        let used = TokenUse { prompt: 0, cached: 0, completion: tokens };
        run.timeline.upstreams.push(UpstreamInterval {
            second,
            tokens_out: tokens,
            tokens_by_model: BTreeMap::from([("gpt-4o".to_owned(), used)]),
            ..UpstreamInterval::default()
        });
        run.timeline.journeys.push(JourneyInterval { second, completed: 1, ..JourneyInterval::default() });
    }
    run
}

const COST: fn() -> Measure = || Measure::Cost { over: Money::dollars(100.0), min_journeys: 20 };

// 10,000 tokens are 10 cents: 900 journeys cost $90, 1,100 cost $110. The 120 journeys that ended may have left one of each of
// 50 virtual users cut off, which makes it $78 at the least: no proof. 1,500 cost $106 at the least.
#[rstest]
#[case(900.0, "clear")]
#[case(1000.0, "clear")]
#[case(1100.0, "inconclusive")]
#[case(1500.0, "breached")]
fn a_days_cost_is_held_against_its_limit(#[case] per_day: f64, #[case] expected: &str) {
    assert_eq!(word(&judged(spending(10_000, per_day), COST())), expected);
}

#[test]
fn a_cost_without_traffic_or_price_is_not_made_up() {
    let mut run = spending(10_000, 1.0);
    run.plan.checks.traffic = None;
    assert_eq!(word(&judged(run, COST())), "not measured");
    let mut run = spending(10_000, 1.0);
    for second in &mut run.timeline.upstreams {
        second.tokens_by_model =
            std::mem::take(&mut second.tokens_by_model).into_values().map(|used| ("gpt-77".to_owned(), used)).collect();
    }
    let result = judged(run, COST());
    assert!(matches!(&result.state, State::Inconclusive(why) if why.contains("gpt-77")), "{:?}", result.state);
}

fn resting(end: u64) -> Run {
    let mut run = Run::well(120);
    run.plan.checks.after_load = Some(AfterLoad { quiet: secs(20), cleanup: None });
    run.memory(0..10, 200).memory(10..100, 300).memory(100..120, end);
    run.timeline.observations.extend([Observation::Quiet { at: at(100) }, Observation::QuietOver { at: at(120) }]);
    run
}

// Back is 220 MiB: 10 % of 200.
#[rstest]
#[case(200, "clear")]
#[case(219, "clear")]
#[case(222, "breached")]
fn memory_is_back_within_a_tenth(#[case] end: u64, #[case] expected: &str) {
    let measure = Measure::MemoryCleanup { within: share("10%"), at_least: ByteSize::mib(8), quiet: secs(10) };
    assert_eq!(word(&judged(resting(end), measure)), expected);
}

#[test]
fn memory_is_not_judged_without_its_quiet_time() {
    let measure = Measure::MemoryCleanup { within: share("10%"), at_least: ByteSize::mib(8), quiet: secs(10) };
    let mut cut_off = resting(400);
    cut_off.timeline.observations.pop();
    assert_eq!(word(&judged(cut_off, measure.clone())), "not measured");
    let small = Measure::MemoryCleanup { within: share("10%"), at_least: ByteSize::mib(64), quiet: secs(10) };
    assert_eq!(word(&judged(resting(250), small)), "clear", "less than what allocators keep");
    assert_eq!(word(&judged(resting(250), measure)), "breached");
}

fn guarded(outcomes: &[SecurityOutcome]) -> Run {
    let mut run = Run::well(60);
    let request = CheckRequest {
        method: "GET".into(),
        path: "/".into(),
        headers: BTreeMap::new(),
        body: None,
        deadline: secs(1),
    };
    for (check, outcome) in outcomes.iter().enumerate() {
        run.plan.checks.security.push(SecurityCheck {
            name: format!("check {check}"),
            plant: None,
            request: request.clone(),
            without: Vec::new(),
            refuse: vec![401],
            hides: Vec::new(),
            foreign_origin: None,
        });
        run.timeline.observations.push(Observation::Security { at: at(59), check, outcome: outcome.clone() });
    }
    run
}

#[test]
fn security_is_clear_only_where_every_check_proved_something() {
    let held = SecurityOutcome::Held { status: 401 };
    let broken = SecurityOutcome::Broken { status: 200, how: "answered".into() };
    let unclear = SecurityOutcome::Unclear("status 500".into());
    let of = |outcomes: &[SecurityOutcome]| word(&judged(guarded(outcomes), Measure::Security {}));
    assert_eq!(of(&[held.clone(), held.clone()]), "clear");
    assert_eq!(of(&[held.clone(), unclear.clone()]), "inconclusive");
    assert_eq!(of(&[unclear, broken]), "breached");
    assert_eq!(of(&[]), "not measured");
    let mut untried = guarded(std::slice::from_ref(&held));
    untried.timeline.observations.clear();
    assert_eq!(word(&judged(untried, Measure::Security {})), "inconclusive");
    let mut seen = guarded(&[held]);
    seen.plan.checks.canaries = Canaries { keys: true, ..Canaries::default() };
    seen.timeline.observations.push(Observation::Sighting(Sighting {
        at: at(7),
        canary: "OPENAI_API_KEY".into(),
        place: "GET /x".into(),
        count: 1,
    }));
    assert_eq!(word(&judged(seen, Measure::Security {})), "breached");
}

fn written(fates: &[(Fate, u64, bool)]) -> Run {
    let mut run = Run::well(120);
    let request = CheckRequest {
        method: "GET".into(),
        path: "/".into(),
        headers: BTreeMap::new(),
        body: None,
        deadline: secs(1),
    };
    run.plan.checks.durability.push(DurabilityCheck {
        name: "rows".into(),
        every: secs(1),
        write: request.clone(),
        acknowledged: Condition::default(),
        read: request,
        gone: vec![404],
        copies: 1,
    });
    for (n, (fate, sent, acknowledged)) in fates.iter().enumerate() {
        run.timeline.observations.push(Observation::Row(RowFate {
            check: 0,
            row: format!("row {n}"),
            sent: at(*sent),
            written: at(*sent),
            acknowledged: *acknowledged,
            read: Some(at(119)),
            fate: fate.clone(),
        }));
    }
    run
}

#[test]
fn a_lost_row_is_a_breach_only_where_reading_works() {
    let lost = || Fate::Lost("status 404".into());
    let of = |fates: &[(Fate, u64, bool)]| judged(written(fates), Measure::DataLoss { min_rows: 2 });
    let good = (Fate::Intact, 5, true);
    assert_eq!(word(&of(&[good.clone(), good.clone(), good.clone()])), "clear");
    let result = of(&[good.clone(), (lost(), 30, true)]);
    assert_eq!(word(&result), "breached");
    assert!(result.findings[0].sentence.contains("row 1"), "{}", result.findings[0].sentence);
    assert_eq!(result.findings[0].origin, Origin::Spontaneous);
    assert_eq!(word(&of(&[good.clone(), good.clone(), (lost(), 30, false)])), "clear", "never acknowledged");
    assert_eq!(word(&of(&[(lost(), 5, true), (lost(), 6, true)])), "inconclusive", "the check may be wrong");
    assert_eq!(word(&of(&[good.clone(), good.clone(), (Fate::Unread("500".into()), 7, true)])), "inconclusive");
    assert_eq!(word(&of(std::slice::from_ref(&good))), "inconclusive", "too few");
    assert_eq!(word(&of(&[good.clone(), (Fate::Duplicated(2), 9, true)])), "breached");
    let mut faulted = written(&[good, (lost(), 30, true)]);
    faulted.fault(20..40, 5);
    let result = judged(faulted, Measure::DataLoss { min_rows: 2 });
    assert!(matches!(result.findings[0].origin, Origin::Induced(_)), "{:?}", result.findings[0]);
}

/// Ten calls a second to Supabase, of which so many find no connection in each of the last twenty seconds.
fn calling(failing: u64, faulted: u64) -> Run {
    let mut run = Run::well(120);
    run.plan.upstreams = vec![upstream(UpstreamKind::Supabase(SupabasePlan::default()))];
    for second in 0..120 {
        let bad = if second >= 100 { failing } else { 0 };
        run.timeline.upstreams.push(UpstreamInterval {
            second,
            calls: 10,
            faulted: if second >= 100 { faulted } else { 0 },
            statuses: BTreeMap::from([(200, 10 - bad), (503, bad)]),
            ..UpstreamInterval::default()
        });
    }
    run
}

const DATABASE: fn() -> Measure =
    || Measure::Database { over: share("5%"), window: secs(60), min_samples: 20, probes: 3 };

#[rstest]
#[case(0, 0, "clear")]
#[case(1, 0, "clear")] // 20 of 600: 3.3 %
#[case(5, 0, "breached")] // 100 of 600: 17 %
#[case(5, 5, "clear")] // ours
fn connections_that_fail_by_no_fault_of_ours_count(#[case] failing: u64, #[case] faulted: u64, #[case] expected: &str) {
    assert_eq!(word(&judged(calling(failing, faulted), DATABASE())), expected);
}

#[rstest]
#[case(&[true, false, false, true, false, false], "clear")]
#[case(&[true, false, false, false, true, true], "breached")]
fn three_words_in_a_row_that_the_database_is_ill_count(#[case] words: &[bool], #[case] expected: &str) {
    let ill = |fault: bool| {
        let mut run = calling(0, 0);
        run.plan.checks.database =
            Some(DatabaseProbe { path: "/".into(), every: secs(5), status_at: "/d".into(), well: vec!["ok".into()] });
        for (n, well) in words.iter().enumerate() {
            let says = if *well { "ok" } else { "gone" }.to_owned();
            run.timeline.observations.push(Observation::Database { at: at(10 + 5 * n as u64), says, well: *well });
        }
        if fault {
            run.fault(5..60, 5);
        }
        word(&judged(run, DATABASE()))
    };
    assert_eq!(ill(false), expected);
    assert_eq!(ill(true), "clear", "an app that tells of a fault of ours is honest");
}

#[test]
fn a_database_that_is_called_no_more_is_suspicious() {
    let mut run = calling(0, 0);
    run.timeline.upstreams.retain(|second| second.second < 60);
    assert_eq!(word(&judged(run, DATABASE())), "inconclusive");
}

#[test]
fn only_new_alerts_that_are_no_news_count() {
    let probed = |alerts: &[(&str, u64)], reads: u64| {
        let mut run = Run::well(60);
        run.plan.checks.alerts = Some(AlertProbe {
            path: Some("/alerts".into()),
            every: secs(10),
            list: "/alerts".into(),
            severity: "/severity".into(),
            title: "/title".into(),
            time: "/timestamp".into(),
            ignore: vec!["info".into()],
            webhook: None,
        });
        for read in 0..reads {
            run.timeline.observations.push(Observation::AlertsRead { at: at(read * 10), failed: None });
        }
        for (severity, second) in alerts {
            let (severity, title) = ((*severity).to_owned(), "t".to_owned());
            run.timeline.observations.push(Observation::Alert {
                at: at(*second),
                after: at(second - 5),
                severity,
                title,
            });
        }
        word(&judged(run, Measure::Alerts {}))
    };
    assert_eq!(probed(&[], 6), "clear");
    assert_eq!(probed(&[("info", 20)], 6), "clear");
    assert_eq!(probed(&[("warning", 20)], 6), "breached");
    assert_eq!(probed(&[], 1), "inconclusive", "nothing to hold it against");
}

#[rstest]
#[case(0, false, "clear")]
#[case(1, false, "inconclusive")] // one in two minutes may be one in many hours
#[case(4, false, "breached")] // the interval begins at 32 an hour
#[case(4, true, "clear")] // each beside a failed step: that is what a log is for
fn errors_in_the_log_count_where_nothing_failed(
    #[case] errors: u64,
    #[case] beside_failures: bool,
    #[case] expected: &str,
) {
    let mut run = Run::well(120);
    run.plan.target = TargetPlan::Reference { resilient: true, defects: Vec::new(), speed: 1.0, memory_limit: None };
    if beside_failures {
        run.turn(TASKS, 50..51, Outcome::Status);
    }
    for second in 0..120 {
        let errors = if second == 50 { errors } else { 0 };
        run.timeline.observations.push(Observation::Log(LogSecond {
            second,
            lines: errors,
            errors,
            ..LogSecond::default()
        }));
    }
    let measure = Measure::Logging { errors_per_hour: 10, per_step: ByteSize::mib(1) };
    assert_eq!(word(&judged(run, measure)), expected);
}
