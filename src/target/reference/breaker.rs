//! [`Breaker`]: the resilient app's circuit breaker towards OpenAI.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// So many failures in a row open it.
const FAILURES: u32 = 5;
/// So long it stays open before one call may probe.
const OPEN_FOR: Duration = Duration::from_secs(10);

/// A circuit breaker: closed → (5 failures) → open → (10 s) → one probe → closed or open again.
#[derive(Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: u32,
    /// Set while open; a moment in the past means that the next call is the probe.
    open_until: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be made now.
    pub(super) fn admits(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match state.open_until {
            None => true,
            Some(until) if Instant::now() < until => false,
            // ## Open => HalfOpen: this call is the probe. The breaker is re-armed at once rather than put in a
            // third state, so that a probe that is cancelled cannot leave it half-open for ever.
            Some(_) => {
                state.open_until = Some(Instant::now() + OPEN_FOR);
                true
            }
        }
    }

    /// A call succeeded: whatever the state, => Closed.
    pub(super) fn succeeded(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// A call failed: Closed => (Closed | Open), HalfOpen => Open.
    pub(super) fn failed(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.open_until = Some(Instant::now() + OPEN_FOR);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn opens_after_five_failures_and_lets_one_probe_through() {
        let breaker = Breaker::default();
        for _ in 0..FAILURES {
            assert!(breaker.admits());
            breaker.failed();
        }
        assert!(!breaker.admits());
        tokio::time::advance(OPEN_FOR).await;
        assert!(breaker.admits(), "the probe");
        assert!(!breaker.admits(), "only one");
        breaker.failed();
        assert!(!breaker.admits());
        tokio::time::advance(OPEN_FOR).await;
        assert!(breaker.admits());
        breaker.succeeded();
        assert!(breaker.admits() && breaker.admits());
    }
}
