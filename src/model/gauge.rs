//! [`GaugeProbe`]: a page with the app's own figures.

use crate::units::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A page of figures to read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaugeProbe {
    /// Its path.
    pub path: String,
    /// How often it is asked.
    pub every: Span,
    /// The gauge's name → where it is: a JSON pointer, or a metric's name (summed over its series).
    pub gauges: BTreeMap<String, String>,
    /// How long one reading keeps the app from doing anything else, as known.
    pub blocks_app: Span,
}
