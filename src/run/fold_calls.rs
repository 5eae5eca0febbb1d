//! Events about calls to [`UpstreamCalls`]: sums that do not grow with the run.

use crate::model::calls::{CallEnd, CallNote, CallOutcome, CallSettled, Retry, RetryGaps, UpstreamCalls};
use std::time::Duration;

/// How much earlier than asked a retry may come: clocks have their grain, and a second in a header is a whole one.
const GRAIN: Duration = Duration::from_millis(20);
/// Pauses before later retries than this are not told apart.
const MOST_RETRIES: u32 = 10;
/// More tries than this are not told apart.
const MOST_TRIES: u32 = 50;
/// How many calls whose rows were doubled are named.
const NAMED: usize = 10;

/// A call failed, was hit, or was a retry.
pub(super) fn noted(all: &mut Vec<UpstreamCalls>, note: &CallNote) {
    let calls = of(all, note.upstream);
    calls.noted += 1;
    calls.longest = calls.longest.max(note.took);
    if let Some(trigger) = note.trigger {
        count(&mut calls.traced, trigger.by);
    }
    if let Some(retry) = note.retry {
        count(&mut calls.retries, retry.by);
        retried(calls, note, retry);
    }
    calls.waits.asked += u64::from(note.retry_after.is_some());
    if note.end == CallEnd::HungUp {
        calls.hang_ups.add(note.took, note.at.plus(note.took.get()));
    }
}

fn retried(calls: &mut UpstreamCalls, note: &CallNote, retry: Retry) {
    let Some(gap) = retry.gap else { return };
    let Some(asked) = retry.asked else {
        let number = retry.number.min(MOST_RETRIES);
        let place = calls.gaps.iter().position(|gaps| (gaps.layer, gaps.number) == (retry.layer, number));
        let place = place.unwrap_or_else(|| {
            calls.gaps.push(RetryGaps { layer: retry.layer, number, gaps: Default::default() });
            calls.gaps.len() - 1
        });
        calls.gaps[place].gaps.add(gap, note.at);
        return;
    };
    if gap.get() + GRAIN >= asked.get() {
        calls.waits.obeyed += 1;
    } else {
        calls.waits.early += 1;
        calls.waits.first_early.get_or_insert((note.at, gap, asked));
    }
}

/// What became of a logical call that had failed at first.
pub(super) fn settled(all: &mut Vec<UpstreamCalls>, settled: &CallSettled) {
    let calls = of(all, settled.upstream);
    let tried = settled.tries.min(MOST_TRIES);
    if let Some(tries) = settled.corrects {
        let known = (CallOutcome::GaveUp, tries.min(MOST_TRIES));
        let wrong = calls.settled.iter_mut().find(|(outcome, tries, _)| (*outcome, *tries) == known);
        wrong.into_iter().for_each(|(_, _, n)| *n = n.saturating_sub(1));
    }
    match calls.settled.iter_mut().find(|(outcome, tries, _)| (*outcome, *tries) == (settled.outcome, tried)) {
        Some((_, _, n)) => *n += 1,
        None => calls.settled.push((settled.outcome, tried, 1)),
    }
    if settled.inserted_again > 0 {
        calls.duplicates.calls += 1;
        calls.duplicates.rows += u64::from(settled.inserted_again);
        if calls.duplicates.first.len() < NAMED {
            calls.duplicates.first.push((settled.at, settled.request.clone(), settled.tries));
        }
    }
}

fn of(all: &mut Vec<UpstreamCalls>, upstream: u16) -> &mut UpstreamCalls {
    let place = all.iter().position(|calls| calls.upstream == upstream).unwrap_or_else(|| {
        all.push(UpstreamCalls { upstream, ..UpstreamCalls::default() });
        all.len() - 1
    });
    &mut all[place]
}

fn count<K: PartialEq>(counts: &mut Vec<(K, u64)>, key: K) {
    match counts.iter_mut().find(|(known, _)| *known == key) {
        Some((_, n)) => *n += 1,
        None => counts.push((key, 1)),
    }
}
