//! [`timeouts`]: the ages at which clients leave calls that are not answered.

use super::back_off::{quantile, span};
use crate::model::calls::UpstreamCalls;
use crate::model::resilience::{Seen, TimeoutInForce};
use crate::units::Span;

/// Fewer clients that leave at one age are chance.
const FEWEST: usize = 5;
/// Ages belong together as long as the next one is no further off than this share of it, or `GRAIN`.
const APART: f64 = 0.04;
/// What a machine's own unevenness adds, microseconds.
const GRAIN: u64 = 60_000;
/// The ages of a timeout lie within this share of their median, or `GRAIN` several times.
const WITHIN: f64 = 0.15;
/// Of all clients that leave, this share must do so at common ages; else there is no rule.
const COMMON: f64 = 0.6;
/// How near a step's own deadline must be to be named.
const NEAR: f64 = 0.05;

/// What is known of them. `deadlines` are those of the scenario's steps, by name.
pub(super) fn timeouts(deadlines: &[(&str, Span)], calls: &UpstreamCalls) -> Seen<Vec<TimeoutInForce>> {
    let mut sorted = calls.hang_ups.micros.clone();
    sorted.sort_unstable();
    if sorted.is_empty() {
        return if calls.noted == 0 {
            Seen::TooFew("no call was slow or failed".to_owned())
        } else {
            Seen::NotSeen(format!(
                "no client left; the longest call that was hit or failed took {}",
                shown(calls.longest)
            ))
        };
    }
    let groups = groups(&sorted);
    let in_groups: usize = groups.iter().map(|group| group.len()).sum();
    if sorted.len() < FEWEST || (in_groups as f64) < COMMON * sorted.len() as f64 {
        let range = format!("{} to {}", shown(span(sorted[0])), shown(span(sorted[sorted.len() - 1])));
        return if sorted.len() < FEWEST {
            Seen::TooFew(format!("{} clients left, after {range}; {FEWEST} are needed", sorted.len()))
        } else {
            Seen::NotSeen(format!("{} clients left, after {range}: at no common age", calls.hang_ups.count))
        };
    }
    // Where not all were kept, the groups' shares stand for all.
    let scale = calls.hang_ups.count as f64 / sorted.len() as f64;
    let told = groups.into_iter().map(|group| {
        let median = quantile(group, 0.5);
        TimeoutInForce {
            count: (group.len() as f64 * scale).round() as u64,
            median: span(median),
            low: span(quantile(group, 0.05)),
            high: span(quantile(group, 0.95)),
            may_be_ours: step_with_deadline(deadlines, median),
        }
    });
    Seen::Seen(told.collect())
}

/// Ages that belong together, tightly enough and often enough.
fn groups(sorted: &[u64]) -> Vec<&[u64]> {
    let apart = |pair: (&u64, &u64)| (pair.1 - pair.0) as f64 > (*pair.0 as f64 * APART).max(GRAIN as f64);
    let groups = sorted.chunk_by(|a, b| !apart((a, b)));
    groups
        .filter(|group| {
            let spread = quantile(group, 0.95) - quantile(group, 0.05);
            let most = (quantile(group, 0.5) as f64 * WITHIN).max(3.0 * GRAIN as f64);
            group.len() >= FEWEST && spread as f64 <= most
        })
        .collect()
}

/// A step whose own deadline is about this: when our client leaves, an app may leave its own calls.
fn step_with_deadline(deadlines: &[(&str, Span)], median: u64) -> Option<String> {
    let near = |deadline: Span| {
        let deadline = deadline.get().as_micros() as f64;
        (deadline - median as f64).abs() <= NEAR * deadline
    };
    deadlines.iter().find(|(_, deadline)| near(*deadline)).map(|(name, _)| (*name).to_owned())
}

fn shown(span: Span) -> String {
    format!("{:.1} s", span.get().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Offset, Seed};

    fn left(ages: impl IntoIterator<Item = f64>) -> UpstreamCalls {
        let mut calls = UpstreamCalls { noted: 1, longest: Span::from_secs(2), ..UpstreamCalls::default() };
        for age in ages {
            calls.hang_ups.add(span((age * 1e6) as u64), Offset::ZERO);
        }
        calls
    }

    fn told(calls: &UpstreamCalls) -> Seen<Vec<TimeoutInForce>> {
        timeouts(&[], calls)
    }

    fn uneven(n: u64) -> f64 {
        0.02 * Seed(1).unit(&[n])
    }

    #[test]
    fn one_age_is_a_timeout_and_two_ages_are_two() {
        let Seen::Seen(one) = told(&left((0..20).map(|n| 30.0 + uneven(n)))) else { panic!("not seen") };
        assert_eq!(one.len(), 1);
        assert!((29.9..30.1).contains(&one[0].median.get().as_secs_f64()) && one[0].count == 20, "{one:?}");
        let two = (0..20).map(|n| if n % 2 == 0 { 10.0 } else { 30.0 } + uneven(n));
        let Seen::Seen(two) = told(&left(two)) else { panic!("not seen") };
        assert_eq!(two.iter().map(|t| t.median.get().as_secs()).collect::<Vec<_>>(), [10, 30]);
    }

    #[test]
    fn clients_that_leave_whenever_have_no_timeout() {
        let whenever = told(&left((0..200).map(|n| 1.0 + 40.0 * Seed(2).unit(&[n]))));
        assert!(matches!(&whenever, Seen::NotSeen(why) if why.contains("no common age")), "{whenever:?}");
        // An app that dies takes all its calls along, each at its own age.
        let crash = told(&left((0..30).map(|n| 0.3 * f64::from(n) + 0.1)));
        assert!(matches!(crash, Seen::NotSeen(_)), "{crash:?}");
    }

    #[test]
    fn few_say_nothing_and_none_says_how_long_was_waited() {
        assert!(matches!(told(&left([30.0; 4])), Seen::TooFew(why) if why.starts_with("4 clients")));
        assert!(matches!(told(&left([])), Seen::NotSeen(why) if why.contains("2.0 s")));
        assert!(matches!(told(&UpstreamCalls::default()), Seen::TooFew(_)));
    }

    #[test]
    fn a_deadline_of_our_own_is_named() {
        let calls = left((0..9).map(|n| 30.0 + uneven(n)));
        for (deadline, named) in [(30, true), (29, true), (25, false), (60, false)] {
            let deadlines = [("check-in", Span::from_secs(5)), ("plan-day", Span::from_secs(deadline))];
            let Seen::Seen(told) = timeouts(&deadlines, &calls) else { panic!("not seen") };
            assert_eq!(told[0].may_be_ours.as_deref(), named.then_some("plan-day"), "{deadline}");
        }
    }
}
