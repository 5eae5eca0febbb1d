//! [`Tally`]: what one upstream received, gathered per second.

use crate::model::event::{EventSink, RunEvent};
use crate::model::timeline::UpstreamInterval;
use crate::units::RunClock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The current second of one upstream. A second is sent as an event once it is over.
///
/// A call counts in the second in which it came, its status in the second in which its answer was out (a hung
/// request's 0 when it began to hang). A client that leaves before its answer leaves a call without a status.
#[derive(Debug)]
pub struct Tally {
    upstream: u16,
    current: Mutex<UpstreamInterval>,
    events: EventSink,
    /// How many requests are under way.
    under_way: Arc<AtomicU64>,
    /// The most of them in the present second.
    at_once: AtomicU64,
    /// The most steps of users in the present second.
    steps_at_once: AtomicU64,
    /// How long the requests that ended in the present second had been under way, microseconds.
    busy_micros: AtomicU64,
}

impl Tally {
    /// A tally for the upstream of this index in the plan.
    pub fn new(upstream: u16, events: EventSink) -> Self {
        let current = Mutex::new(UpstreamInterval { upstream, ..UpstreamInterval::default() });
        Self {
            upstream,
            current,
            events,
            under_way: Arc::default(),
            at_once: AtomicU64::new(0),
            steps_at_once: AtomicU64::new(0),
            busy_micros: AtomicU64::new(0),
        }
    }

    /// How many requests are under way, for whoever counts them.
    pub fn under_way(&self) -> &Arc<AtomicU64> {
        &self.under_way
    }

    /// So many requests, and steps of users, are under way now. Takes no lock.
    pub fn at_once(&self, requests: u64, steps: usize) {
        self.at_once.fetch_max(requests, Ordering::Relaxed);
        self.steps_at_once.fetch_max(steps as u64, Ordering::Relaxed);
    }

    /// A request ends that was under way for so long. Takes no lock.
    pub fn was_busy(&self, time: Duration) {
        self.busy_micros.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
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
        // What is under way now was so in the second that ends, and is at the beginning of the next.
        let now = self.under_way.load(Ordering::Relaxed);
        current.at_once = self.at_once.swap(now, Ordering::Relaxed).max(current.at_once);
        current.steps_at_once = self.steps_at_once.swap(0, Ordering::Relaxed);
        current.busy_micros = self.busy_micros.swap(0, Ordering::Relaxed);
        let over = std::mem::replace(current, blank(second));
        if over != blank(over.second) {
            self.events.emit(RunEvent::Upstream(over));
        }
    }
}
