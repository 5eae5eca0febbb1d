//! `duplicate_chunk`: sends an event of a stream twice.
//!
//! Keys: `events` before the one that is doubled (1 if absent).
//!
//! On the wire: the same bytes twice in a row. A stream that ends before, and a body that is no stream, is not hit.
//!
//! Imitates: a proxy that resumes a stream one event too early, at-least-once delivery between a provider's own
//! services.
//!
//! Clients see: a word twice in the text, or broken JSON in a structured answer; no client notices: chunks carry no
//! number, and `sequence_number` is not checked.

use serde::{Deserialize, Serialize};

/// Which event comes twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DuplicateChunk {
    /// Events before it.
    pub events: u64,
}
