//! [`Tally`]: what one upstream received, gathered per second.

use crate::model::event::{EventSink, RunEvent};
use crate::model::timeline::UpstreamInterval;
use crate::units::RunClock;
use std::sync::{Mutex, PoisonError};

/// The current second of one upstream. A second is sent as an event once it is over.
///
/// A call counts in the second in which it came, its status in the second in which its answer was out (a hung
/// request's 0 when it began to hang). A client that leaves before its answer leaves a call without a status.
#[derive(Debug)]
pub struct Tally {
    upstream: u16,
    current: Mutex<UpstreamInterval>,
    events: EventSink,
}

impl Tally {
    /// A tally for the upstream of this index in the plan.
    pub fn new(upstream: u16, events: EventSink) -> Self {
        let current = Mutex::new(UpstreamInterval { upstream, ..UpstreamInterval::default() });
        Self { upstream, current, events }
    }

    /// Notes something in the present second.
    pub fn note(&self, clock: &RunClock, change: impl FnOnce(&mut UpstreamInterval)) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock, so that seconds never go back.
        self.turn(&mut current, clock.now().second());
        change(&mut current);
    }

    /// Sends the current second if it is over, so that quiet upstreams do not hold theirs back.
    pub fn roll(&self, clock: &RunClock) {
        self.note(clock, |_| ());
    }

    /// Sends what is there, over or not. For the very end.
    pub fn flush(&self) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        self.turn(&mut current, u64::MAX);
    }

    fn turn(&self, current: &mut UpstreamInterval, second: u64) {
        if current.second == second {
            return;
        }
        let blank = |second| UpstreamInterval { second, upstream: self.upstream, ..UpstreamInterval::default() };
        let over = std::mem::replace(current, blank(second));
        if over != blank(over.second) {
            self.events.emit(RunEvent::Upstream(over));
        }
    }
}
