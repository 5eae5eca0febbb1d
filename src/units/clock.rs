//! [`RunClock`]: the one clock on which everything of a run is placed.

use super::Offset;
use jiff::Timestamp;
use tokio::time::Instant;

/// The clock of a run: monotonic, with the wall-clock time of its start.
///
/// It follows tokio's clock, so tests can pause and advance it.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    start: Instant,
    started_at: Timestamp,
}

impl RunClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now(), started_at: Timestamp::now() }
    }

    /// The present moment of the run.
    #[must_use]
    pub fn now(&self) -> Offset {
        Offset::from(self.start.elapsed())
    }

    /// The instant at which the run reaches `offset`, for timers.
    #[must_use]
    pub fn instant(&self, offset: Offset) -> Instant {
        self.start + offset.as_duration()
    }

    /// The wall-clock time at which the run started.
    #[must_use]
    pub const fn started_at(&self) -> Timestamp {
        self.started_at
    }
}
