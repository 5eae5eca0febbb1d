//! `slow_tokens`: lets the events of a stream come no faster than a rate.
//!
//! Keys: `every`: the least time from one event to the next.
//!
//! On the wire: an event leaves at the earliest that long after the one before it; slower ones are not slowed
//! further. A body that is no stream, or a stream of one event, is not hit.
//!
//! Imitates: a provider short of GPUs: time to first token as ever, then a few tokens a second (elevated inter-token
//! latency in brownouts).
//!
//! Clients see: a stream that takes minutes; no client's timeout fires, since each read gets something (WIRE-openai
//! §4).

use crate::units::Span;
use serde::{Deserialize, Serialize};

/// How slowly events come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowTokens {
    /// The least time from one event to the next.
    pub every: Span,
}
