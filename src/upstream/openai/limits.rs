//! The `x-ratelimit-*` headers: one bucket of requests and one of tokens per model, filled continuously, so that what
//! the headers say adds up from one answer to the next.
//!
//! Nothing is refused when a bucket is empty: a 429 is a fault, and faults are only those that a profile asks for.

use super::models::Model;
use crate::upstream::answer::{Answer, Call};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Requests per minute (what OpenAI grants gpt-4o at usage tier 5).
const REQUESTS_PER_MINUTE: f64 = 10_000.0;
/// Tokens per minute (same tier).
const TOKENS_PER_MINUTE: f64 = 30_000_000.0;

/// The buckets of all models. There are as many as known models, never more.
#[derive(Debug, Default)]
pub struct Limits {
    buckets: Mutex<HashMap<&'static str, (Bucket, Bucket)>>,
}

/// What is used of a limit at a moment.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    used: f64,
    at: Instant,
}

impl Bucket {
    fn take(&mut self, amount: f64, per_minute: f64) -> Left {
        let now = Instant::now();
        let freed = now.saturating_duration_since(self.at).as_secs_f64() * per_minute / 60.0;
        self.used = ((self.used - freed).max(0.0) + amount).min(per_minute);
        self.at = now;
        Left {
            remaining: (per_minute - self.used).floor() as u64,
            reset: Duration::from_secs_f64(self.used / per_minute * 60.0),
        }
    }
}

#[derive(Debug)]
struct Left {
    remaining: u64,
    reset: Duration,
}

/// A request that may be answered, with what its answer says of the limits.
#[derive(Debug)]
pub struct Grant {
    requests: Left,
    tokens: Left,
}

impl Limits {
    /// Reserves a request and its tokens: those of the prompt and the most that may be answered, as OpenAI does.
    ///
    /// # Errors
    /// The answer that refuses it.
    pub fn admit(&self, _call: &Call<'_>, model: &Model, tokens: u64) -> Result<Grant, Box<Answer>> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let full = Bucket { used: 0.0, at: Instant::now() };
        let (requests_used, tokens_used) = buckets.entry(model.id).or_insert((full, full));
        Ok(Grant {
            requests: requests_used.take(1.0, REQUESTS_PER_MINUTE),
            tokens: tokens_used.take(tokens as f64, TOKENS_PER_MINUTE),
        })
    }
}

impl Grant {
    /// Says in the answer's headers what is left.
    pub fn dress(&self, answer: Answer) -> Answer {
        answer
            .with("x-ratelimit-limit-requests", &format!("{REQUESTS_PER_MINUTE}"))
            .with("x-ratelimit-limit-tokens", &format!("{TOKENS_PER_MINUTE}"))
            .with("x-ratelimit-remaining-requests", &self.requests.remaining.to_string())
            .with("x-ratelimit-remaining-tokens", &self.tokens.remaining.to_string())
            .with("x-ratelimit-reset-requests", &go_duration(self.requests.reset))
            .with("x-ratelimit-reset-tokens", &go_duration(self.tokens.reset))
    }
}

/// A duration as Go prints it, which is what these headers hold: `120ms`, `1.5s`, `6m0s`.
fn go_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1_000 {
        return format!("{millis}ms");
    }
    let minutes = millis / 60_000;
    let seconds = (millis % 60_000) as f64 / 1_000.0;
    if minutes == 0 { format!("{seconds}s") } else { format!("{minutes}m{seconds}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0, "0ms")]
    #[case(120, "120ms")]
    #[case(1_000, "1s")]
    #[case(1_500, "1.5s")]
    #[case(360_000, "6m0s")]
    fn durations_read_like_gos(#[case] millis: u64, #[case] expected: &str) {
        assert_eq!(go_duration(Duration::from_millis(millis)), expected);
    }
}
