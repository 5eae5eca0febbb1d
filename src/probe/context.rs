//! [`ProbeContext`]: what the probes need.

use crate::model::event::{EventSink, RunEvent};
use crate::model::memory_group::MemoryGroup;
use crate::model::plan::Plan;
use crate::units::{ByteSize, RunClock};
use std::path::PathBuf;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the probes need.
#[derive(Clone, Debug)]
pub struct ProbeContext {
    /// What to watch.
    pub plan: Arc<Plan>,
    /// The app's base URL.
    pub base_url: String,
    /// The app's main process, where known.
    pub pid: Option<u32>,
    /// The control group whose limit is the app's, where there is one.
    pub group: Option<MemoryGroup>,
    /// The memory limit in force.
    pub limit: Option<ByteSize>,
    /// The run's clock.
    pub clock: RunClock,
    /// The log of an app that firedrill has started.
    pub log: Option<PathBuf>,
    /// Keys that the log must not hold, by name.
    pub canaries: Vec<(String, String)>,
    /// Where readings go.
    pub events: EventSink,
    /// Ends all probes; what they are in the middle of is dropped.
    pub stop: CancellationToken,
}

impl ProbeContext {
    /// Something that a reader should know.
    pub(super) fn warn(&self, message: String) {
        self.events.emit(RunEvent::Warning { at: self.clock.now(), message });
    }
}
