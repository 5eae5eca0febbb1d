//! What virtual users choose by chance: pure functions of the seed and of who chooses, so that the same seed
//! gives every user the same choices whatever the others do.

use crate::model::journey::ThinkTime;
use crate::units::{Offset, Seed};
use std::time::Duration;

/// The seeds of a run's choices.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    journeys: Seed,
    think: Seed,
    /// Running sums of the journeys' weights.
    weights: Vec<u64>,
}

impl Draw {
    pub(super) fn new(seed: Seed, weights: impl IntoIterator<Item = u32>) -> Self {
        let mut sum = 0;
        let sums = weights.into_iter().map(|weight| {
            sum += u64::from(weight);
            sum
        });
        Self { journeys: seed.derive("load.journey"), think: seed.derive("load.think"), weights: sums.collect() }
    }

    /// The index of the journey that a virtual user walks in its n-th iteration; `None` if all weigh nothing.
    pub(super) fn journey(&self, user: u32, iteration: u64) -> Option<usize> {
        let total = *self.weights.last()?;
        let point = (self.journeys.unit(&[u64::from(user), iteration]) * total as f64) as u64;
        self.weights.iter().position(|sum| point < *sum)
    }

    /// How long a virtual user pauses after a step.
    pub(super) fn think(&self, time: ThinkTime, user: u32, iteration: u64, step: usize) -> Duration {
        let (min, max) = (time.min.get(), time.max.get());
        if max <= min {
            return min;
        }
        min + (max - min).mul_f64(self.think.unit(&[u64::from(user), iteration, step as u64]))
    }
}

/// When virtual user number `user` (from 0) of `users` starts: evenly over the ramp, the first at once.
pub(super) fn start_of(user: u32, users: u32, ramp: Duration) -> Offset {
    Offset::from(ramp.mul_f64(f64::from(user) / f64::from(users.max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;
    use proptest::prelude::*;

    #[test]
    fn journeys_are_chosen_by_weight_and_the_same_seed_chooses_the_same() {
        let chosen = |seed| -> Vec<usize> {
            let draw = Draw::new(Seed(seed), [3, 0, 1]);
            (0..50).flat_map(|u| (0..400).map(move |i| (u, i))).map(|(u, i)| draw.journey(u, i).unwrap()).collect()
        };
        let first = chosen(1);
        assert_eq!(first, chosen(1));
        assert_ne!(first, chosen(2));
        assert!(!first.contains(&1), "weight 0 is never chosen");
        let share = first.iter().filter(|j| **j == 0).count() as f64 / first.len() as f64;
        assert!((share - 0.75).abs() < 0.015, "{share} of 20,000 with weight 3 of 4");
        assert_eq!(Draw::new(Seed(1), []).journey(0, 0), None);
        assert_eq!(Draw::new(Seed(1), [0]).journey(0, 0), None);
    }

    proptest! {
        #[test]
        fn think_time_stays_between_its_bounds(min_ms in 0_u64..5000, more in 0_u64..5000, seed: u64, user: u32) {
            let ms = |ms| Span(Duration::from_millis(ms));
            let time = ThinkTime { min: ms(min_ms), max: ms(min_ms + more) };
            let pause = Draw::new(Seed(seed), [1]).think(time, user, 3, 2);
            prop_assert!((time.min.get()..=time.max.get()).contains(&pause));
        }

        #[test]
        fn users_start_evenly_and_within_the_ramp(users in 1_u32..5000, ramp_ms in 0_u64..600_000) {
            let ramp = Duration::from_millis(ramp_ms);
            let starts: Vec<u64> = (0..users).map(|u| start_of(u, users, ramp).as_micros()).collect();
            prop_assert_eq!(starts[0], 0);
            prop_assert!(starts.iter().all(|s| *s <= ramp_ms * 1000));
            let gap = ramp_ms as f64 * 1000.0 / f64::from(users);
            prop_assert!(starts.windows(2).all(|w| ((w[1] - w[0]) as f64 - gap).abs() <= 2.0));
        }
    }
}
