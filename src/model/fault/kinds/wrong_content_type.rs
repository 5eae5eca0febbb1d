//! `wrong_content_type`: names another type than the body has.
//!
//! Keys: `value` (`text/html` if absent).
//!
//! On the wire: the body as it is under another `content-type`. An answer without a body, or of that very type, is
//! not hit.
//!
//! Imitates: gateways and caches that set their own default (`application/octet-stream`, `text/plain`) on a JSON
//! body.
//!
//! Clients see: OpenAI's Python clients read JSON nonetheless, Node's return the text instead of an object, without
//! an error; Supabase's decode by the text, whatever the type (docs/fidelity.md).

use serde::{Deserialize, Serialize};

/// The type that is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrongContentType {
    /// The media type.
    pub value: String,
}
