//! How the app behaves towards an upstream, seen from outside: facts with their evidence, no judgement.

use super::calls::{CallOutcome, Duplicates, Layer, RetryWaits};
use crate::units::{Offset, Span};
use serde::{Deserialize, Serialize};

/// A fact that may or may not have shown itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen<T> {
    /// It showed itself so.
    Seen(T),
    /// It had occasion to show itself and did not: what was seen instead.
    NotSeen(String),
    /// It cannot be told: what is missing.
    TooFew(String),
}

/// How the app behaved towards one upstream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpstreamBehaviour {
    /// The upstream's index in the plan.
    pub upstream: u16,
    /// Requests per logical call while no fault was on at this upstream, and while one was.
    pub amplification: Amplification,
    /// Pauses before retries, by who retries.
    pub back_off: Seen<Vec<BackOff>>,
    /// What became of answers that asked for a pause.
    pub retry_after: Seen<RetryWaits>,
    /// At what age calls are given up.
    pub timeouts: Seen<Vec<TimeoutInForce>>,
    /// Whether calls stop while they fail.
    pub breaker: Seen<Breaker>,
    /// Rows that were inserted again by a retry.
    pub duplicates: Seen<Duplicates>,
    /// How many calls there are at once.
    pub concurrency: Seen<Concurrency>,
    /// What became of calls that had failed at first: outcome, tries, how many.
    pub outcomes: Vec<(CallOutcome, u32, u64)>,
    /// Of the calls that failed, were hit or were retries, how many could be traced to the step that triggered them.
    pub traced: Traced,
}

/// Requests per logical call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amplification {
    /// While no fault was on at this upstream.
    pub calm: Load,
    /// While one was.
    pub faulted: Load,
}

/// Requests in some seconds of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Those seconds.
    pub seconds: u64,
    /// Requests.
    pub calls: u64,
    /// Of those, retries: by the client's mark, or because they equal what had just failed and nothing else explains it.
    pub retries: u64,
    /// Of the others, those that may be retries.
    pub unclear: u64,
}

impl Load {
    /// Requests per logical call: at least, and at most if everything unclear was a retry. `None` without requests.
    #[must_use]
    pub fn per_logical_call(&self) -> Option<(f64, f64)> {
        let ratio = |retries: u64| self.calls as f64 / self.calls.saturating_sub(retries).max(1) as f64;
        (self.calls > 0).then(|| (ratio(self.retries), ratio(self.retries + self.unclear)))
    }
}

/// How long one layer waits before its retries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackOff {
    /// Who retries.
    pub layer: Layer,
    /// How the pause grows.
    pub shape: BackOffShape,
    /// Whether chance is in it; `None` where that cannot be told.
    pub jitter: Option<bool>,
    /// The pauses that were seen often enough.
    pub pauses: Vec<Pause>,
}

/// How pauses before retries grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackOffShape {
    /// Retries come at once.
    None,
    /// Every pause is as long as the first.
    Fixed,
    /// Pauses grow; whether by a factor or by a step cannot be told, as from two.
    Growing,
    /// Each pause is longer by about the same factor, until they reach a longest one.
    Exponential,
    /// Pauses grow, but by less and less.
    Linear,
    /// Pauses grow and shrink, or begin to grow late.
    Irregular,
    /// They vary so much that more of them would be needed to tell whether they grow.
    Unclear,
    /// Only one retry was seen often enough: how the pause grows cannot be told.
    OnePause,
}

/// The pause before one retry.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pause {
    /// Before which retry, from 1.
    pub retry: u32,
    /// How often it was seen.
    pub count: u64,
    /// The median.
    pub median: Span,
    /// Between these the median lies, at 95 % confidence.
    pub low: Span,
    /// See `low`.
    pub high: Span,
}

/// An age at which clients leave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeoutInForce {
    /// How often.
    pub count: u64,
    /// The median age.
    pub median: Span,
    /// Nine in ten are between this age…
    pub low: Span,
    /// … and this.
    pub high: Span,
    /// A step of the scenario whose own deadline it may be, passed on by the app.
    pub may_be_ours: Option<String>,
}

/// A circuit breaker, by its effects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breaker {
    /// When calls first stopped.
    pub opened: Offset,
    /// How long after the fault came on.
    pub after: Span,
    /// Seconds without a call while it was on, in stretches in which calls were to be expected.
    pub silent_seconds: u64,
    /// Calls that were to be expected in them, cautiously.
    pub expected: u64,
    /// Times that a few calls came alone between two silences: a half-open breaker tries.
    pub probes: u64,
    /// How long after the fault had ended calls were back to at least half of what they were; `None` if not before the
    /// run, or the next fault, began or ended.
    pub resumed_after: Option<Span>,
}

/// How many calls there are at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// The most.
    pub most: u64,
    /// Whether that is a limit: it was reached and never passed although more was wanted.
    pub is_limit: bool,
    /// Seconds in which more was wanted.
    pub wanted_seconds: u64,
}

/// How many calls could be traced to the step that triggered them, by which means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// All of them.
    pub calls: u64,
    /// By a header that the app handed on.
    pub by_header: u64,
    /// By the user that they name.
    pub by_user: u64,
    /// Because only one step was under way.
    pub by_only: u64,
}
