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
    /// No further try came.
    GaveUp,
    /// The run ended before that could be told.
    Unknown,
}
