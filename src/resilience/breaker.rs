//! [`breaker`]: whether calls stop while they fail, as a circuit breaker makes them.

use super::seconds::{Second, Seconds};
use crate::model::resilience::{Breaker, Seen};
use crate::units::{Offset, Span};

/// Fewer calls and steps without a fault are no ground for what would be usual.
const USUAL: u64 = 20;
/// A fault must be on for so long, in seconds.
const SHORTEST: usize = 5;
/// Of the calls that came, this share must fail: else there is nothing to break for.
const FAILING: f64 = 0.5;
/// Of what is usual, this share is expected at least: while calls fail, users do other things than usual.
const CAUTION: f64 = 0.25;
/// A silence in which fewer calls were to be expected is chance: none out of ten happens once in 20 000 times.
const SILENCE: f64 = 10.0;
/// A silence is at least so long, in seconds.
const SHORTEST_SILENCE: usize = 3;
/// More calls than this between two silences are no probe.
const MOST_PROBES: u64 = 3;

/// What is known of it.
pub(super) fn breaker(seconds: &Seconds) -> Seen<Breaker> {
    let all = seconds.all();
    let stretches: Vec<_> = seconds.faulted().into_iter().filter(|(from, until)| until - from >= SHORTEST).collect();
    if stretches.is_empty() {
        return Seen::TooFew(format!("no fault was on for {SHORTEST} s at a stretch"));
    }
    let calm = || all.iter().filter(|second| !second.faulted && !second.faulted_elsewhere);
    let (calls, steps) = (sum(calm(), |s| s.calls), sum(calm(), |s| s.answered_steps));
    if calls < USUAL || steps < USUAL {
        return Seen::TooFew(format!("{calls} calls in {steps} steps without a fault do not say what is usual"));
    }
    let usual = calls as f64 / steps as f64;
    let mut reason = None;
    let mut kept_calling: Option<String> = None;
    for (from, until) in stretches {
        let within = &all[from..until];
        if within.iter().any(|second| second.faulted_elsewhere) {
            reason.get_or_insert(
                "other upstreams failed at the same time, and an app that fails there never comes here".to_owned(),
            );
            continue;
        }
        let (calls, failed) = (sum(within, |s| s.calls), sum(within, |s| s.failed));
        if calls == 0 || (failed as f64) < FAILING * calls as f64 {
            reason
                .get_or_insert(format!("{failed} of {calls} calls failed while a fault was on: too few to break for"));
            continue;
        }
        match opened(all, from, until, usual) {
            Some(breaker) => return Seen::Seen(breaker),
            None => {
                let steps = sum(within, |s| s.answered_steps);
                // In the second half, a breaker would have had its reasons.
                let later = &within[within.len() / 2..];
                let awaited = CAUTION * usual * sum(later, |s| s.answered_steps) as f64;
                if awaited >= SILENCE && sum(later, |s| s.calls) > 0 {
                    kept_calling.get_or_insert(format!(
                        "it kept receiving {:.1} calls/s for {} s while {:.0} % of them failed ({:.1} per step that was answered, {usual:.1} without a fault)",
                        calls as f64 / within.len() as f64,
                        within.len(),
                        100.0 * failed as f64 / calls as f64,
                        calls as f64 / steps.max(1) as f64,
                    ));
                } else {
                    reason.get_or_insert(format!(
                        "{steps} steps were answered while a fault was on: too few to miss calls"
                    ));
                }
            }
        }
    }
    match (kept_calling, reason) {
        (Some(words), _) => Seen::NotSeen(words),
        (None, reason) => Seen::TooFew(reason.unwrap_or_default()),
    }
}

/// The silences in a stretch with a fault, if there are any that mean something.
fn opened(all: &[Second], from: usize, until: usize, usual: f64) -> Option<Breaker> {
    let first_failure = (from..until).find(|at| all[*at].failed > 0)?;
    let mut silences: Vec<(usize, usize, f64)> = Vec::new();
    let mut at = first_failure;
    while at < until {
        let end = (at..until).find(|at| all[*at].calls > 0).unwrap_or(until);
        let expected = CAUTION * usual * sum(&all[at..end], |s| s.answered_steps) as f64;
        if end - at >= SHORTEST_SILENCE && expected >= SILENCE {
            silences.push((at, end, expected));
        }
        at = end.max(at + 1);
    }
    let (opened, ..) = *silences.first()?;
    let probes = silences.windows(2).filter(|pair| {
        let between = sum(&all[pair[0].1..pair[1].0], |s| s.calls);
        (1..=MOST_PROBES).contains(&between)
    });
    let back = |at: &usize| {
        let soon = &all[*at..all.len().min(at + 3)];
        let steps = sum(soon, |s| s.answered_steps);
        all[*at].calls > 0 && sum(soon, |s| s.calls) as f64 >= 0.5 * usual * steps as f64
    };
    let next = (until..all.len()).find(|at| all[*at].faulted || all[*at].faulted_elsewhere).unwrap_or(all.len());
    let resumed = (until..next).find(back);
    Some(Breaker {
        opened: Offset::from_secs(opened as u64),
        after: Span::from_secs((opened - from) as u64),
        silent_seconds: silences.iter().map(|(from, until, _)| (until - from) as u64).sum(),
        expected: silences.iter().map(|(.., expected)| *expected).sum::<f64>() as u64,
        probes: probes.count() as u64,
        resumed_after: resumed.map(|at| Span::from_secs((at - until) as u64)),
    })
}

fn sum<'a>(seconds: impl IntoIterator<Item = &'a Second>, what: impl Fn(&Second) -> u64) -> u64 {
    seconds.into_iter().map(what).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 30 s calm, 60 s with a fault, 30 s calm; `calls` says how many come in a second of each of the latter.
    fn run(steps: u64, while_faulted: impl Fn(usize) -> u64, afterwards: impl Fn(usize) -> u64) -> Vec<Second> {
        let calm = Second { calls: 10, answered_steps: steps, ..Second::default() };
        let mut all = vec![calm; 30];
        all.extend((0..60).map(|at| {
            let calls = while_faulted(at);
            Second { calls, failed: calls, faulted: true, ..calm }
        }));
        all.extend((0..30).map(|at| Second { calls: afterwards(at), ..calm }));
        all
    }

    #[test]
    fn a_breaker_that_opens_probes_and_closes_is_seen() {
        // Opens after 4 s, tries every 10 s, and closes with its first try after the end.
        let all =
            run(10, |at| if at < 4 { 10 } else { u64::from(at % 10 == 4 && at > 4) }, |at| if at < 4 { 0 } else { 10 });
        let Seen::Seen(breaker) = breaker(&all.into()) else { panic!("not seen") };
        assert_eq!((breaker.opened, breaker.after), (Offset::from_secs(34), Span::from_secs(4)));
        assert_eq!((breaker.probes, breaker.resumed_after), (5, Some(Span::from_secs(4))));
        assert_eq!(breaker.silent_seconds, 51);
    }

    #[test]
    fn an_app_that_keeps_calling_has_none() {
        let seen = breaker(&run(10, |_| 25, |_| 10).into());
        assert!(matches!(&seen, Seen::NotSeen(why) if why.contains("25.0 calls/s for 60 s while 100 %")), "{seen:?}");
        // Fewer calls are no silence.
        assert!(matches!(breaker(&run(10, |_| 1, |_| 10).into()), Seen::NotSeen(_)));
        // Nor are a few seconds without any.
        assert!(matches!(breaker(&run(10, |at| if at % 3 == 0 { 30 } else { 0 }, |_| 10).into()), Seen::NotSeen(_)));
    }

    #[test]
    fn an_app_that_is_gone_or_stuck_has_none() {
        // No step is answered any more, so no call is to be expected.
        let mut all = run(10, |at| if at < 4 { 10 } else { 0 }, |_| 10);
        all[34..90].iter_mut().for_each(|second| second.answered_steps = 0);
        let seen = breaker(&all.into());
        assert!(matches!(&seen, Seen::TooFew(why) if why.contains("too few to miss calls")), "{seen:?}");
    }

    #[test]
    fn where_another_upstream_fails_too_nothing_is_said() {
        let mut all = run(10, |at| if at < 4 { 10 } else { 0 }, |_| 10);
        all[40].faulted_elsewhere = true;
        assert!(matches!(breaker(&all.into()), Seen::TooFew(why) if why.contains("other upstreams")));
    }

    #[test]
    fn little_traffic_says_nothing() {
        assert!(matches!(breaker(&vec![Second::default(); 50].into()), Seen::TooFew(_)));
        let mut all = run(10, |_| 0, |_| 10);
        all[..30].iter_mut().for_each(|second| second.calls = 0);
        all[90..].iter_mut().for_each(|second| second.calls = 0);
        assert!(matches!(breaker(&all.into()), Seen::TooFew(why) if why.contains("usual")));
        // A fault that lets most calls through.
        let mut all = run(10, |_| 10, |_| 10);
        all[30..90].iter_mut().for_each(|second| second.failed = 3);
        assert!(matches!(breaker(&all.into()), Seen::TooFew(why) if why.contains("too few to break for")));
    }
}
