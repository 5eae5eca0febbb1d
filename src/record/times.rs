//! [`Times`]: the durations of one endpoint in one second, and their [`Spectrum`].
//!
//! The histogram is hdrhistogram's with three significant digits from 1 µs to 1 h. A dense one takes 188 KB,
//! and a run would need one per shard, endpoint, open second and kind of time, nearly all of it zeros: so the
//! values of a second are first kept as they are (8 bytes each), and folded into a dense histogram only once
//! there are more of them than that histogram would weigh. Both ways give the same spectrum.

use crate::model::interval::Spectrum;
use hdrhistogram::Histogram;

/// The shortest duration that is told apart, µs.
const LOWEST: u64 = 1;
/// The longest, µs: one hour; longer ones count as this.
const HIGHEST: u64 = 3_600_000_000;
/// Values kept as they are before they are folded: 192 KB, the weight of the dense histogram.
const LOG_LIMIT: usize = 24 * 1024;

/// A working histogram, empty.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(LOWEST, HIGHEST, 3).expect("1 µs to 1 h with 3 digits are bounds that hdrhistogram has")
}

/// Durations of one second, in microseconds. Never more than about twice the weight of a dense histogram.
#[derive(Debug, Default)]
pub(super) struct Times {
    log: Vec<u64>,
    folded: Option<Box<Histogram<u64>>>,
}

impl Times {
    /// Adds a duration in microseconds; beyond 1 µs to 1 h it counts as the nearer bound.
    pub(super) fn record(&mut self, micros: u64) {
        if self.log.len() >= LOG_LIMIT {
            let folded = self.folded.get_or_insert_with(|| Box::new(histogram()));
            for value in self.log.drain(..) {
                folded.saturating_record(value);
            }
        }
        self.log.push(micros.clamp(LOWEST, HIGHEST));
    }

    /// Forgets everything but keeps the memory for the next second.
    pub(super) fn clear(&mut self) {
        self.log.clear();
        if let Some(folded) = &mut self.folded {
            folded.reset();
        }
    }
}

/// Merges durations of several shards into the spectrum that one histogram would have given.
#[derive(Debug)]
pub(super) struct Merger {
    geometry: Histogram<u64>,
    pairs: Vec<(u64, u64)>,
}

impl Merger {
    pub(super) fn new() -> Self {
        Self { geometry: histogram(), pairs: Vec::new() }
    }

    /// The spectrum of all `times` together.
    ///
    /// Each value stands as the highest value that its bucket holds, as hdrhistogram reports percentiles: a
    /// value is never shown smaller than it was, and at most 0.1 % larger.
    pub(super) fn spectrum<'a>(&mut self, times: impl IntoIterator<Item = &'a Times>) -> Spectrum {
        self.pairs.clear();
        for part in times {
            self.pairs.extend(part.log.iter().map(|value| (self.geometry.highest_equivalent(*value), 1)));
            if let Some(folded) = &part.folded {
                let recorded = folded.iter_recorded();
                self.pairs
                    .extend(recorded.map(|v| (folded.highest_equivalent(v.value_iterated_to()), v.count_at_value())));
            }
        }
        self.pairs.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::new();
        for (value, count) in &self.pairs {
            match merged.last_mut() {
                Some((last, sum)) if last == value => *sum += count,
                _ => merged.push((*value, *count)),
            }
        }
        Spectrum(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_one_histogram(values: &[u64]) -> Spectrum {
        let mut one = histogram();
        for value in values {
            one.record((*value).clamp(LOWEST, HIGHEST)).unwrap();
        }
        let pairs = one.iter_recorded().map(|v| (one.highest_equivalent(v.value_iterated_to()), v.count_at_value()));
        Spectrum(pairs.collect())
    }

    proptest! {
        #[test]
        fn shards_merge_into_what_one_histogram_holds(
            shards in proptest::collection::vec(proptest::collection::vec(0_u64..5_000_000_000, 0..200), 1..6),
        ) {
            let mut parts: Vec<Times> = Vec::new();
            for values in &shards {
                let mut times = Times::default();
                values.iter().for_each(|v| times.record(*v));
                parts.push(times);
            }
            prop_assert_eq!(Merger::new().spectrum(&parts), by_one_histogram(&shards.concat()));
        }

        #[test]
        fn a_value_is_shown_at_most_a_thousandth_too_large_and_never_too_small(value in LOWEST..HIGHEST) {
            let mut times = Times::default();
            times.record(value);
            let Spectrum(pairs) = Merger::new().spectrum([&times]);
            prop_assert_eq!(pairs.len(), 1);
            let shown = pairs[0].0;
            prop_assert!(shown >= value && (shown - value) as f64 <= value as f64 * 0.001, "{} as {}", value, shown);
        }
    }

    #[test]
    fn folding_loses_nothing() {
        let values: Vec<u64> = (0..LOG_LIMIT as u64 * 2 + 17).map(|n| n * n % 30_000_000).collect();
        let mut times = Times::default();
        values.iter().for_each(|v| times.record(*v));
        assert!(times.folded.is_some());
        assert!(times.log.capacity() <= LOG_LIMIT * 2, "the log stays bounded");
        assert_eq!(Merger::new().spectrum([&times]), by_one_histogram(&values));
        times.clear();
        assert_eq!(Merger::new().spectrum([&times]).count(), 0);
    }
}
