//! `malformed_json`: breaks the syntax of a JSON answer.
//!
//! Keys: `events` of a stream that get through first (1 if absent).
//!
//! On the wire: a 2xx JSON body whose last bracket is a comma; in a stream, the data of one event is broken so, and
//! the stream goes on. Length and coding fit what is sent. An answer that is no JSON, and one whose status is no 2xx,
//! is not hit.
//!
//! Imitates: a serializer that fails half-way, a proxy that edits bodies.
//!
//! Clients see: OpenAI: a raw `JSONDecodeError` or `SyntaxError`, not retried (WIRE-openai §4). Supabase: `data` is
//! the raw text without an error in Python, an error object with status 200 in JavaScript (WIRE-supabase §5).

use serde::{Deserialize, Serialize};

/// Where JSON breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MalformedJson {
    /// Events of a stream that get through first.
    pub events: u64,
}
