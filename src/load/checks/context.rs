//! [`ChecksContext`]: what checks need.

use crate::load::canary::Canaries;
use crate::model::checks::Observation;
use crate::model::event::{EventSink, RunEvent};
use crate::model::plan::Plan;
use crate::units::RunClock;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What checks need.
#[derive(Clone, Debug)]
pub struct ChecksContext {
    /// What to check.
    pub plan: Arc<Plan>,
    /// The app's base URL.
    pub base_url: String,
    /// The run's id: part of every key that checks write.
    pub run_id: String,
    /// The run's clock.
    pub clock: RunClock,
    /// Where observations go.
    pub events: EventSink,
    /// What no answer may hold.
    pub canaries: Option<Arc<Canaries>>,
    /// Ends all checks at once.
    pub stop: CancellationToken,
}

impl ChecksContext {
    /// Something that a reader should know.
    pub(super) fn warn(&self, message: String) {
        self.events.emit(RunEvent::Warning { at: self.clock.now(), message });
    }

    /// Something seen.
    pub(super) fn observe(&self, what: Observation) {
        self.events.emit(RunEvent::Observed { what });
    }
}
