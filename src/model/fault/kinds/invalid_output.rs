//! `invalid_output`: makes a structured answer invalid.
//!
//! Keys: `how`: `cut` (if absent), `fence` or `prose`.
//!
//! On the wire: the answer is whole, but the JSON in its text is not: `cut` leaves its last bracket out, `fence`
//! wraps it in a Markdown code fence, `prose` puts a sentence before it. Also in streams (chat, completions,
//! responses). A text that is no JSON object or array is not hit.
//!
//! Imitates: models that answer with prose or fences around the JSON although told not to, and early stops inside it.
//!
//! Clients see: no error: the status is 200 and `finish_reason` is `stop`; `json.loads(content)` fails in the app.
//! `parse()` raises a ValidationError in Python, a SyntaxError in Node (docs/fidelity.md).

use serde::{Deserialize, Serialize};

/// What is wrong with the JSON in an answer's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InvalidOutput {
    /// Its last bracket is missing.
    Cut,
    /// A Markdown fence is around it.
    Fence,
    /// A sentence stands before it.
    Prose,
}
