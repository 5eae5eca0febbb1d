//! `finish_reason`: ends the answer before it is finished, and says so.
//!
//! Keys: `reason`: `length` (if absent) or `content_filter`; `keep`: the share of the text that is kept (50% if
//! absent); `events`: in a stream, the deltas that get through (3 if absent).
//!
//! On the wire: chat and completions: the text (and the arguments of calls) is cut there, `finish_reason` is the
//! reason. Responses: `status` is `incomplete` with its `incomplete_details`, the last event `response.incomplete`.
//! `usage` stays: it is what was billed. An answer of another shape is not hit.
//!
//! Imitates: an answer that ran into its token limit, or into the provider's filter, in its middle.
//!
//! Clients see: no error, unless `parse()` is used: LengthFinishReasonError or ContentFilterFinishReasonError
//! (docs/fidelity.md). Structured output is JSON cut in its middle.

use crate::units::Share;
use serde::{Deserialize, Serialize};

/// Why and where an answer ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinishReason {
    /// The reason: `length` or `content_filter`.
    pub reason: String,
    /// The share of a whole answer's text that is kept.
    pub keep: Share,
    /// Deltas of a stream that get through, for each choice.
    pub events: u64,
}
