//! How the app behaves towards its upstreams, seen from outside: pure functions over the timeline.
//!
//! `seconds` lays out what was counted; `back_off`, `timeouts`, `breaker` and `concurrency` each say one thing. Nothing
//! is guessed: what had no occasion to show itself is "too few", and says what is missing.

mod back_off;
mod breaker;
mod concurrency;
mod seconds;
mod timeouts;

use crate::model::calls::{Duplicates, RetryWaits, TracedBy, UpstreamCalls};
use crate::model::plan::Plan;
use crate::model::resilience::{Amplification, Load, Seen, Traced, UpstreamBehaviour};
use crate::model::source::SourcePlan;
use crate::model::timeline::Timeline;
use crate::model::upstream::UpstreamKind;
use crate::units::Offset;
use seconds::Seconds;

/// How the app behaved towards each upstream of the plan.
#[must_use]
pub fn behaviour(plan: &Plan, timeline: &Timeline, ended: Offset) -> Vec<UpstreamBehaviour> {
    let nothing = UpstreamCalls::default();
    let steps = plan.journeys.iter().flat_map(|journey| &journey.steps);
    let deadlines: Vec<_> = steps.map(|step| (step.name.as_str(), step.deadline)).collect();
    (0..plan.upstreams.len())
        .filter_map(|index| u16::try_from(index).ok())
        .map(|upstream| {
            let calls = timeline.calls.iter().find(|calls| calls.upstream == upstream).unwrap_or(&nothing);
            let seconds = Seconds::of(plan, timeline, ended, upstream);
            UpstreamBehaviour {
                upstream,
                amplification: amplification(&seconds),
                back_off: back_off::back_off(calls),
                retry_after: retry_after(&calls.waits),
                timeouts: timeouts::timeouts(&deadlines, calls),
                breaker: breaker::breaker(&seconds),
                duplicates: duplicates(plan, upstream, calls),
                concurrency: concurrency::concurrency(&seconds),
                outcomes: calls.settled.clone(),
                traced: traced(calls),
            }
        })
        .collect()
}

fn amplification(seconds: &Seconds) -> Amplification {
    let mut amplification = Amplification::default();
    for second in seconds.all() {
        let load: &mut Load = if second.faulted { &mut amplification.faulted } else { &mut amplification.calm };
        load.seconds += 1;
        load.calls += second.calls;
        load.retries += second.retries;
        load.unclear += second.unclear;
    }
    amplification
}

fn retry_after(waits: &RetryWaits) -> Seen<RetryWaits> {
    match waits {
        RetryWaits { asked: 0, .. } => Seen::TooFew("no answer asked for a pause".to_owned()),
        RetryWaits { asked, obeyed: 0, early: 0, .. } => Seen::NotSeen(format!(
            "{asked} answers asked for a pause, and none of the calls was seen to be tried again"
        )),
        waits => Seen::Seen(waits.clone()),
    }
}

fn duplicates(plan: &Plan, upstream: u16, calls: &UpstreamCalls) -> Seen<Duplicates> {
    let is_ours = plan.upstreams.get(usize::from(upstream)).is_some_and(|upstream| {
        matches!(upstream.kind, UpstreamKind::Supabase(_)) && matches!(upstream.source, SourcePlan::Mock)
    });
    let retries: u64 = calls.retries.iter().map(|(_, n)| n).sum();
    match (is_ours, calls.duplicates.calls, retries) {
        (false, ..) => Seen::TooFew("it is no database whose rows firedrill keeps".to_owned()),
        (true, 0, 0) => Seen::TooFew("no call was seen to be tried again".to_owned()),
        (true, 0, retries) => Seen::NotSeen(format!("no row was inserted twice by one of {retries} retries")),
        (true, ..) => Seen::Seen(calls.duplicates.clone()),
    }
}

fn traced(calls: &UpstreamCalls) -> Traced {
    let by = |means: TracedBy| calls.traced.iter().find(|(by, _)| *by == means).map_or(0, |(_, n)| *n);
    Traced {
        calls: calls.noted,
        by_header: by(TracedBy::Header),
        by_user: by(TracedBy::User),
        by_only: by(TracedBy::Only),
    }
}
