//! Calls that went otherwise than well: what befell them, and what the client did next. Ground truth, seen from the
//! upstream.

use super::sample::EndpointId;
use crate::units::{Offset, Span};
use serde::{Deserialize, Serialize};

/// The step that triggered a call, and how that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The step's number in the run, from 1.
    pub step: u64,
    /// The user that made it, as in samples.
    pub user: u32,
    /// Its endpoint.
    pub endpoint: EndpointId,
    /// How it is known.
    pub by: TracedBy,
}

/// How a call was traced to a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TracedBy {
    /// It bears the step's own `traceparent` (W3C Trace Context) or `x-request-id`: the app forwards what it is sent.
    Header,
    /// It names one user, in its query or body, who has a step under way; and no other such user.
    User,
    /// No other step was under way.
    Only,
}

/// One call that failed, was hit by a fault, or was a retry.
///
/// A *logical call* is what the client wanted; the calls made for it are its tries, from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallNote {
    /// When it came.
    pub at: Offset,
    /// The upstream's index in the plan.
    pub upstream: u16,
    /// Its number at the upstream.
    pub call: u64,
    /// The number of the first call of the same logical call.
    pub logical: u64,
    /// Which try it is, from 1; as far as earlier ones are known.
    pub attempt: u32,
    /// If it is a retry: how that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Its method and path, without its query.
    pub request: String,
    /// How long it was under way.
    pub took: Span,
    /// How it ended.
    pub end: CallEnd,
    /// How many faults hit it.
    #[serde(default)]
    pub faults: u16,
    /// How long its answer asked the client to wait (`retry-after`, `retry-after-ms`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Span>,
    /// How many rows it inserted, also where the client never learnt of it.
    #[serde(default)]
    pub inserted: u32,
    /// The step that triggered it, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
}

/// How a call is known to be a retry, and how long its client waited for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// How it is known.
    pub by: RetrySign,
    /// Who retries, as far as marks tell.
    pub layer: Layer,
    /// Which retry of that layer it is, from 1.
    pub number: u32,
    /// From the end of the try before to this one; `None` where that try is not known.
    pub gap: Option<Span>,
    /// How long the answer before had asked the client to wait.
    pub asked: Option<Span>,
}

/// How a call is known to be a retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetrySign {
    /// The client says so (`x-stainless-retry-count`, `x-retry-count`: WIRE-openai §2, WIRE-supabase §6).
    Mark,
    /// It equals a call that had just failed, by method, path, query and body, and nothing else explains that.
    Equal,
}

/// Who retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The client library, by its own mark, or whoever retries where nobody marks.
    Client,
    /// Code above a client library that marks its own retries: the call is marked as a first try.
    Above,
}

/// How a call ended, seen from the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEnd {
    /// The answer with this status went out whole.
    Answered(u16),
    /// A fault broke it off, or the real service behind did.
    Broken,
    /// The client left before the answer was out.
    HungUp,
    /// The run ended first.
    Unfinished,
}

/// What became of a logical call that had failed at first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallSettled {
    /// When its last try ended.
    pub at: Offset,
    /// The upstream's index in the plan.
    pub upstream: u16,
    /// The number of its first call.
    pub logical: u64,
    /// How often it was tried.
    pub tries: u32,
    /// What became of it.
    pub outcome: CallOutcome,
    /// After how many tries it had been told to be given up, wrongly: its client took longer than any that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<u32>,
    /// How many of its tries inserted rows.
    #[serde(default)]
    pub inserting_tries: u32,
    /// Rows that were inserted more than once: those of all tries but the largest.
    #[serde(default)]
    pub inserted_again: u32,
    /// Its method and path.
    pub request: String,
}

/// What became of a logical call that had failed at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallOutcome {
    /// The last try went well.
    Succeeded,
    /// The last try was refused with a status that no further try would mend, such as 409 for a row that is there.
    Refused,
    /// No further try came.
    GaveUp,
    /// The run ended before that could be told.
    Unknown,
}

/// What befell the calls to one upstream over a run: sums, and the first of what was measured. Its size does not grow
/// with the run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UpstreamCalls {
    /// The upstream's index in the plan.
    pub upstream: u16,
    /// Calls that failed, were hit or were retries.
    pub noted: u64,
    /// Of those, traced to a step: how many by which means.
    pub traced: Vec<(TracedBy, u64)>,
    /// Retries, by how they are known.
    pub retries: Vec<(RetrySign, u64)>,
    /// Pauses before retries where the answer before had not asked for one.
    pub gaps: Vec<RetryGaps>,
    /// What became of answers that asked for a pause.
    pub waits: RetryWaits,
    /// The longest of the noted calls.
    pub longest: Span,
    /// At what age calls were when their clients left.
    pub hang_ups: Ages,
    /// What became of logical calls that had failed at first: outcome, tries, how many.
    pub settled: Vec<(CallOutcome, u32, u64)>,
    /// Rows that were inserted again by a retry.
    pub duplicates: Duplicates,
}

/// Pauses before the n-th retry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryGaps {
    /// Who retries.
    pub layer: Layer,
    /// Which retry, from 1.
    pub number: u32,
    /// The pauses.
    pub gaps: Ages,
}

/// Times, of which the first are kept one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ages {
    /// How many there were.
    pub count: u64,
    /// The first [`Ages::KEPT`] of them, microseconds, in the order in which they came.
    pub micros: Vec<u64>,
    /// The first moment.
    pub first: Option<Offset>,
    /// The last moment.
    pub last: Option<Offset>,
}

impl Ages {
    /// How many times are kept one by one.
    pub const KEPT: usize = 400;

    /// One more, at a moment of the run.
    pub fn add(&mut self, age: Span, at: Offset) {
        self.count += 1;
        if self.micros.len() < Self::KEPT {
            self.micros.push(u64::try_from(age.get().as_micros()).unwrap_or(u64::MAX));
        }
        self.first.get_or_insert(at);
        self.last = Some(at);
    }
}

/// What became of answers that asked their client to wait (`retry-after`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryWaits {
    /// Such answers.
    pub asked: u64,
    /// Retries that came not before the time.
    pub obeyed: u64,
    /// Retries that came too early.
    pub early: u64,
    /// The first that came too early: when, after how long, and how long it should have been.
    pub first_early: Option<(Offset, Span, Span)>,
}

/// Rows that were inserted again by a retry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    /// Logical calls of which several tries inserted rows.
    pub calls: u64,
    /// Rows too many.
    pub rows: u64,
    /// The first of those calls: when its last try ended, its method and path, and its tries.
    pub first: Vec<(Offset, String, u32)>,
}
