//! [`Moment`] and [`Lease`]: when something is over, by clocks that several processes share.

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A moment on both clocks that outlive a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// By the wall clock, which may be set.
    pub wall: Timestamp,
    /// Milliseconds since the machine booted, sleep included; nobody sets this one, but it starts anew with each boot.
    pub monotonic_ms: u64,
    /// Which boot of the machine that was; empty where the kernel does not say.
    pub boot: String,
}

impl Moment {
    /// The present moment.
    #[must_use]
    pub fn now() -> Self {
        Self { wall: Timestamp::now(), monotonic_ms: monotonic_ms(), boot: boot() }
    }
}

/// Until when something may last without being renewed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// How long it was given, milliseconds.
    pub ms: u64,
    /// When it ends.
    pub until: Moment,
}

impl Lease {
    /// A lease from now on.
    #[must_use]
    pub fn of(length: Duration) -> Self {
        let ms = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
        let now = Moment::now();
        let wall =
            i64::try_from(ms).ok().and_then(|ms| now.wall.checked_add(jiff::SignedDuration::from_millis(ms)).ok());
        let until = Moment {
            wall: wall.unwrap_or(Timestamp::MAX),
            monotonic_ms: now.monotonic_ms.saturating_add(ms),
            boot: now.boot,
        };
        Self { ms, until }
    }

    /// Whether it is over at `now`. The monotonic clock decides within one boot; the wall clock, which somebody may
    /// have set, only where the boots cannot be compared. After a boot nothing of an earlier one is left.
    #[must_use]
    pub fn is_over(&self, now: &Moment) -> bool {
        if self.until.boot.is_empty() || now.boot.is_empty() {
            return now.wall >= self.until.wall;
        }
        self.until.boot != now.boot || now.monotonic_ms >= self.until.monotonic_ms
    }
}

/// Which boot of the machine this is (random(4)).
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

fn monotonic_ms() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_over_by_the_clock_that_nobody_sets() {
        let lease = Lease::of(Duration::from_secs(30));
        let mut now = Moment::now();
        assert!(!lease.is_over(&now));
        // Somebody sets the wall clock forth: the lease goes on.
        now.wall = now.wall.checked_add(jiff::SignedDuration::from_secs(3600)).unwrap();
        assert!(!lease.is_over(&now));
        now.monotonic_ms += 30_000;
        assert!(lease.is_over(&now));
    }

    #[test]
    fn after_a_boot_every_lease_is_over_and_without_boots_the_wall_clock_decides() {
        let mut lease = Lease::of(Duration::from_secs(30));
        let mut now = Moment::now();
        now.boot = "another".to_owned();
        now.monotonic_ms = 0;
        assert!(lease.is_over(&now));
        lease.until.boot.clear();
        assert!(!lease.is_over(&now));
        now.wall = lease.until.wall;
        assert!(lease.is_over(&now));
    }

    #[test]
    fn an_endless_lease_is_never_over() {
        assert!(!Lease::of(Duration::MAX).is_over(&Moment::now()));
    }
}
