//! [`Beat`]: absolute times at which a probe acts. What is missed is skipped, so that probes of a slow app never
//! pile up and the times of a fast one never drift.

use crate::units::{Offset, RunClock};
use std::time::Duration;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

/// The shortest time between two beats.
const SHORTEST: Duration = Duration::from_millis(10);

/// Times `first`, `first + every`, … on the run's clock.
pub(super) struct Beat {
    clock: RunClock,
    next: Offset,
    every: Duration,
}

impl Beat {
    pub(super) fn new(clock: RunClock, first: Offset, every: Duration) -> Self {
        Self { clock, next: first, every: every.max(SHORTEST) }
    }

    /// Waits for the next beat; `None` once stopped.
    pub(super) async fn wait(&mut self, stop: &CancellationToken) -> Option<Offset> {
        self.next = due(self.next, self.every, self.clock.now());
        tokio::select! {
            biased;
            () = stop.cancelled() => None,
            () = sleep_until(self.clock.instant(self.next)) => {
                self.next = self.next.plus(self.every);
                Some(self.clock.now())
            }
        }
    }
}

/// `next` or, if that is more than half a beat ago, the first beat of its raster that is not over.
fn due(next: Offset, every: Duration, now: Offset) -> Offset {
    let late = now.since(next);
    if late <= every / 2 {
        return next;
    }
    let missed = u32::try_from(late.as_micros() / every.as_micros().max(1)).unwrap_or(u32::MAX).saturating_add(1);
    next.plus(every.saturating_mul(missed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_beats_are_skipped_and_the_raster_is_kept() {
        let (at, second) = (Offset::from_secs, Duration::from_secs(1));
        assert_eq!(due(at(5), second, at(3)), at(5));
        assert_eq!(due(at(5), second, Offset::from_secs_f64(5.3)), at(5));
        assert_eq!(due(at(5), second, Offset::from_secs_f64(5.8)), at(6));
        assert_eq!(due(at(5), second, Offset::from_secs_f64(9.1)), at(10));
    }
}
