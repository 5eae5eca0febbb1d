//! [`Pace`]: how fast the app's own time passes.

use std::time::Duration;

/// A factor on the app's own time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace(f64);

impl Pace {
    /// A pace `speed` times as fast as the real instance; nonsense means 1.
    pub(super) fn new(speed: f64) -> Self {
        Self(if speed.is_finite() && speed > 0.0 { speed.clamp(1e-3, 1e6) } else { 1.0 })
    }

    /// What is left of `span` at this pace.
    pub(super) fn scale(self, span: Duration) -> Duration {
        span.div_f64(self.0)
    }

    /// Sleeps through `span` at this pace.
    pub(super) async fn sleep(self, span: Duration) {
        let span = self.scale(span);
        // The timer's grain is a millisecond: far below it, sleeping would make a fast app slower.
        if span > Duration::from_micros(300) {
            tokio::time::sleep(span).await;
        }
    }
}
