//! [`Seconds`]: what was counted at one upstream, second by second, with when faults were on.

use crate::model::plan::Plan;
use crate::model::sample::Outcome;
use crate::model::timeline::Timeline;
use crate::units::Offset;

/// No run is looked at for longer, in seconds.
const MOST: u64 = 14 * 24 * 3600;

/// One second of one upstream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Second {
    /// Requests received.
    pub calls: u64,
    /// Of those, retries.
    pub retries: u64,
    /// Of the others, those that may be.
    pub unclear: u64,
    /// Requests that failed, or whose client left.
    pub failed: u64,
    /// The most requests at once.
    pub at_once: u64,
    /// How long the requests that ended had been under way, microseconds.
    pub busy_micros: u64,
    /// The most steps at once.
    pub steps_at_once: u64,
    /// Steps of users that the app answered.
    pub answered_steps: u64,
    /// Whether a fault was on at this upstream.
    pub faulted: bool,
    /// Whether a fault was on at another one.
    pub faulted_elsewhere: bool,
}

/// All seconds of a run at one upstream.
#[derive(Clone, Debug)]
pub struct Seconds(Vec<Second>);

impl Seconds {
    /// Those of this upstream.
    pub fn of(plan: &Plan, timeline: &Timeline, ended: Offset, upstream: u16) -> Self {
        let last =
            timeline.upstreams.iter().map(|second| second.second).max().unwrap_or(0).max(ended.second()).min(MOST);
        let mut seconds = vec![Second::default(); usize::try_from(last + 1).unwrap_or(0)];
        let name = plan.upstreams.get(usize::from(upstream)).map_or("", |upstream| upstream.name.as_str());
        for fault in &timeline.faults {
            let here = plan.faults.get(fault.rule).is_some_and(|rule| rule.upstream == name);
            let until = fault.window.until.unwrap_or(Offset::from_secs(last + 1));
            let (from, until) = (fault.window.from.second(), until.as_micros().div_ceil(1_000_000));
            for second in seconds.iter_mut().take(to_index(until)).skip(to_index(from)) {
                second.faulted |= here;
                second.faulted_elsewhere |= !here;
            }
        }
        for counted in timeline.upstreams.iter().filter(|second| second.upstream == upstream) {
            let Some(second) = seconds.get_mut(to_index(counted.second)) else { continue };
            let failing = |status: u16| matches!(status, 0 | 408 | 429 | 500..);
            let failed: u64 = counted.statuses.iter().filter(|(status, _)| failing(**status)).map(|(_, n)| n).sum();
            second.calls += counted.calls;
            second.retries += counted.retries + counted.resent;
            second.unclear += counted.unclear;
            second.failed += failed + counted.hung_up;
            second.at_once = second.at_once.max(counted.at_once);
            second.busy_micros += counted.busy_micros;
            second.steps_at_once = second.steps_at_once.max(counted.steps_at_once);
        }
        for interval in &timeline.intervals {
            let Some(second) = seconds.get_mut(to_index(interval.second)) else { continue };
            let outcomes = interval.endpoints.iter().flat_map(|endpoint| &endpoint.outcomes);
            second.answered_steps += outcomes.filter(|(outcome, _)| is_answer(**outcome)).map(|(_, n)| n).sum::<u64>();
        }
        Self(seconds)
    }

    /// All of them, from the run's start.
    pub fn all(&self) -> &[Second] {
        &self.0
    }

    /// The stretches in which a fault was on at this upstream: first second, and the one behind the last.
    pub fn faulted(&self) -> Vec<(usize, usize)> {
        let mut stretches: Vec<(usize, usize)> = Vec::new();
        for (at, _) in self.0.iter().enumerate().filter(|(_, second)| second.faulted) {
            match stretches.last_mut() {
                Some((_, end)) if *end == at => *end = at + 1,
                _ => stretches.push((at, at + 1)),
            }
        }
        stretches
    }
}

/// Whether the app answered the step, whatever it answered.
const fn is_answer(outcome: Outcome) -> bool {
    !matches!(
        outcome,
        Outcome::Timeout
            | Outcome::Refused
            | Outcome::Reset
            | Outcome::Truncated
            | Outcome::Unfinished
            | Outcome::Unbuildable
    )
}

fn to_index(second: u64) -> usize {
    usize::try_from(second).unwrap_or(usize::MAX)
}

#[cfg(test)]
impl From<Vec<Second>> for Seconds {
    fn from(seconds: Vec<Second>) -> Self {
        Self(seconds)
    }
}
