//! Which requests a fault may hit ([`FaultMatch`]), and when it is on ([`FaultWindow`]).

use crate::units::Offset;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Which requests a fault may hit; every part that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FaultMatch {
    /// The method, in capitals.
    pub method: Option<String>,
    /// The path; `*` stands for any run of characters.
    pub path: Option<String>,
    /// The provider's service (`auth`, `rest`, …), by [`crate::model::upstream::Services`].
    #[serde(default)]
    pub service: Option<String>,
    /// Headers: name → value, `*` allowed.
    pub header: BTreeMap<String, String>,
    /// Every n-th matching request, counted from 1 over the fault's window.
    pub nth: Option<u64>,
}

/// The time in which a fault is on, on the run's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultWindow {
    /// When it opens.
    pub from: Offset,
    /// When it closes; `None` is the end of the run.
    pub until: Option<Offset>,
}

impl FaultWindow {
    /// Whether the fault is on at `at` (from inclusive, until exclusive).
    #[must_use]
    pub fn contains(&self, at: Offset) -> bool {
        at >= self.from && self.until.is_none_or(|until| at < until)
    }
}
