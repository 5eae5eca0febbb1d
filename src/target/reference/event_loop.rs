//! [`EventLoop`]: the app's one thread of control.
//!
//! HolisticOS runs one event loop and calls a synchronous Supabase client inside of it. Whatever runs between two
//! real suspensions keeps everything else waiting: other requests, health checks, `GET /`. Here that is a fair
//! lock, and a [`Turn`] is the proof of holding it: the Supabase client works only with one.

use super::pace::Pace;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard};

/// The event loop.
pub(super) struct EventLoop {
    /// `None` in the resilient app, where nothing blocks anything.
    lock: Option<Mutex<()>>,
    pace: Pace,
}

/// A task's turn on the event loop: from its resumption to its next suspension.
pub(super) struct Turn<'a> {
    _held: Option<MutexGuard<'a, ()>>,
    pace: Pace,
}

impl EventLoop {
    /// A loop that runs one task at a time.
    pub(super) fn serial(pace: Pace) -> Self {
        Self { lock: Some(Mutex::new(())), pace }
    }

    /// A loop on which nobody waits.
    pub(super) fn concurrent(pace: Pace) -> Self {
        Self { lock: None, pace }
    }

    /// Waits for the loop and keeps it until the turn is dropped.
    pub(super) async fn enter(&self) -> Turn<'_> {
        let held = match &self.lock {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        Turn { _held: held, pace: self.pace }
    }

    /// Waits for the loop for a moment, as any resumption of a task does.
    pub(super) async fn pass(&self) {
        drop(self.enter().await);
    }
}

impl Turn<'_> {
    /// Own work that keeps the loop busy (slept through, not burnt).
    pub(super) async fn work(&self, span: Duration) {
        self.pace.sleep(span).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_turn_keeps_everybody_else_waiting() {
        let serial = EventLoop::serial(Pace::new(1.0));
        let start = tokio::time::Instant::now();
        let blocked = async {
            tokio::task::yield_now().await;
            serial.pass().await;
            start.elapsed()
        };
        let blocking = async {
            let turn = serial.enter().await;
            turn.work(Duration::from_secs(7)).await;
        };
        let ((), waited) = tokio::join!(blocking, blocked);
        assert!(waited >= Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_on_a_concurrent_loop() {
        let free = EventLoop::concurrent(Pace::new(1.0));
        let _held = free.enter().await;
        let start = tokio::time::Instant::now();
        free.pass().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
    }
}
