//! [`Abort`]: an answer given instead of the real one.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An answer given instead of the real one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// The provider's error whose status, headers and body are used, such as `rate_limit` or `57014`.
    /// Which names exist is known to each upstream (see `firedrill validate`).
    pub error: Option<String>,
    /// The status; needed where `error` is not given, and wins over the error's own.
    pub status: Option<u16>,
    /// Further headers, which win over the error's own.
    pub headers: BTreeMap<String, String>,
    /// A body, which wins over the error's own.
    pub body: Option<String>,
    /// Headers of the error's own that are left out, such as `retry-after`.
    #[serde(default)]
    pub omit: Vec<String>,
}
