//! [`Interval`]: one second of merged results, and [`Spectrum`]: a histogram as it is written to disk.

use super::sample::{EndpointId, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A histogram as data: (value in microseconds, count), ascending. Values are the upper ends of the recording
/// histogram's buckets (three significant digits), so merging spectra loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spectrum(pub Vec<(u64, u64)>);

impl Spectrum {
    /// How many values were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The spectra added together.
    #[must_use]
    pub fn merged<'a>(spectra: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sums = BTreeMap::new();
        for (micros, count) in spectra.into_iter().flat_map(|s| &s.0) {
            *sums.entry(*micros).or_insert(0) += count;
        }
        Self(sums.into_iter().collect())
    }

    /// The value at `quantile` (0 to 1) in microseconds: the smallest value with at least that share of the
    /// records at or below it. `None` if nothing was recorded.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = ((quantile.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count);
        self.at_rank(rank)
    }

    /// The value of the `rank`-th smallest record, from 1, in microseconds.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<u64> {
        let mut seen = 0;
        self.0.iter().find_map(|(micros, count)| {
            seen += count;
            (seen >= rank).then_some(*micros)
        })
    }

    /// How many records lie above `micros`.
    #[must_use]
    pub fn above(&self, micros: u64) -> u64 {
        self.0.iter().filter(|(value, _)| *value > micros).map(|(_, count)| count).sum()
    }
}

/// One second of the run. A sample belongs to the second in which it ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Which second, from 0.
    pub second: u64,
    /// Virtual users alive in it.
    pub users: u32,
    /// Steps begun in it.
    pub started: u64,
    /// Results by endpoint; only endpoints with results.
    pub endpoints: Vec<EndpointInterval>,
}

/// One endpoint's results in one second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointInterval {
    /// Which endpoint.
    pub endpoint: EndpointId,
    /// How many ended how.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// How many a plain status check (2xx) would have called a success.
    pub plain_ok: u64,
    /// Body bytes received.
    pub bytes: u64,
    /// Response times (from the intended start), every answered or failed step, in microseconds.
    pub response: Spectrum,
    /// Service times (from the request's start), in microseconds.
    pub service: Spectrum,
}

/// What one user of the app met at one endpoint in ten seconds. Small enough to keep for whole runs, exact
/// enough to judge "degradation for more than 20 % of users" again with other limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSlice {
    /// Which ten seconds, from 0.
    pub slice: u32,
    /// The user.
    pub user: u32,
    /// The endpoint.
    pub endpoint: EndpointId,
    /// Steps that ended in it.
    pub steps: u32,
    /// Of those, failed or masked.
    pub bad: u32,
    /// Of those, degraded.
    pub degraded: u32,
    /// The slowest response in milliseconds.
    pub slowest_ms: u32,
}

/// Seconds in a [`UserSlice`].
pub const USER_SLICE_SECS: u64 = 10;

/// One journey's endings in one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JourneyInterval {
    /// Which second.
    pub second: u64,
    /// The journey's index in the plan.
    pub journey: u16,
    /// Walked to the end, every step ok.
    pub completed: u64,
    /// Walked to the end with at least one degraded answer.
    pub degraded: u64,
    /// Ended by a masked or failed step.
    pub failed: u64,
}
