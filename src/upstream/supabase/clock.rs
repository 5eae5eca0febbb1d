//! [`WallClock`]: the time of day, told by tokio's clock.

use std::time::{SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The time of day. It is read once; from then on tokio's clock is added to it, so that it never goes back, and so
/// that a test can move it.
#[derive(Clone, Copy, Debug)]
pub struct WallClock {
    micros: u64,
    read: Instant,
}

impl WallClock {
    /// The time of day as the system has it now.
    pub fn start() -> Self {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        Self { micros: u64::try_from(micros).unwrap_or(u64::MAX), read: Instant::now() }
    }

    /// Microseconds since 1970.
    pub fn micros(&self) -> u64 {
        let since = u64::try_from(self.read.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.micros.saturating_add(since)
    }

    /// Whole seconds since 1970, as tokens count them.
    pub fn seconds(&self) -> u64 {
        self.micros() / 1_000_000
    }
}
