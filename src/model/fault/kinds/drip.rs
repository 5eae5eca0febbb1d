//! `drip`: sends the body a few bytes at a time.
//!
//! Keys: `bytes` at a time (1 B if absent); `every`: the time from one to the next (10 ms if absent).
//!
//! On the wire: each piece of the body leaves in parts of that size, the time apart; nothing is lost. A body of one
//! part is not hit.
//!
//! Imitates: a congested or rate-limited path, and the slow-read side of Slowloris; UTF-8 characters and SSE lines
//! arrive in halves (MockServer's and WireMock's chunked dribble).
//!
//! Clients see: the whole answer, late: timeouts per read never fire (Python's, Node's before version 7), only a
//! deadline over the whole call does (Node 7, which then tries again). Naive parsers of a stream break.

use crate::units::{ByteSize, Span};
use serde::{Deserialize, Serialize};

/// How a body drips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drip {
    /// Bytes at a time; zero counts as one.
    pub bytes: ByteSize,
    /// The time from one part to the next.
    pub every: Span,
}
