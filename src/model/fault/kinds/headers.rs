//! `headers`: sets and removes headers of the answer.
//!
//! Keys: `set`: name → value; `remove`: names.
//!
//! On the wire: the answer as it is, with these headers set (each replacing what was there) and those gone. An answer
//! that has them so already is not hit. Headers of the transport (`content-length`, `transfer-encoding`,
//! `connection`) cannot be named.
//!
//! Imitates: rate-limit headers that are missing or lie (openai-node#1477, openai-dotnet#838), a `retry-after` of
//! hours or zero, an `x-should-retry` of either kind, a lost `content-range`.
//!
//! Clients see: what they do with the header: `retry-after: 0` makes Node retry at once, 121 makes Python 3 give up
//! (WIRE-openai §4); without `content-range` a Supabase count is none.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which headers change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Headers {
    /// Those that are set: name → value.
    pub set: BTreeMap<String, String>,
    /// Those that go.
    pub remove: Vec<String>,
}
