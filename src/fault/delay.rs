//! [`draw_delay`]: one delay from its distribution, as a pure function of seed and key.

use crate::model::fault::{Delay, DelayShape};
use crate::units::Seed;
use rand_distr::{Distribution, LogNormal, Normal, Uniform};
use std::time::Duration;

/// No drawn delay is longer than a day, so that a heavy tail cannot overflow a timer.
const LONGEST_SECS: f64 = 86_400.0;

/// The delay drawn for `key`. Draws below zero become zero; parameters that make no distribution (a log-normal
/// with mean zero) give the mean.
#[must_use]
pub fn draw_delay(delay: &Delay, seed: Seed, key: &[u64]) -> Duration {
    let mean = delay.mean.get();
    let jitter = delay.jitter.get();
    if delay.shape == DelayShape::Constant || jitter.is_zero() {
        return mean;
    }
    let (mean_secs, jitter_secs) = (mean.as_secs_f64(), jitter.as_secs_f64());
    let mut rng = seed.rng(key);
    let drawn = match delay.shape {
        DelayShape::Constant => Some(mean_secs),
        DelayShape::Uniform => {
            Uniform::new_inclusive(mean_secs - jitter_secs, mean_secs + jitter_secs).ok().map(|d| d.sample(&mut rng))
        }
        DelayShape::Normal => Normal::new(mean_secs, jitter_secs).ok().map(|d| d.sample(&mut rng)),
        DelayShape::Lognormal => {
            LogNormal::from_mean_cv(mean_secs, jitter_secs / mean_secs).ok().map(|d| d.sample(&mut rng))
        }
    };
    match drawn {
        Some(secs) if secs.is_finite() => Duration::from_secs_f64(secs.clamp(0.0, LONGEST_SECS)),
        _ => mean,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;
    use proptest::prelude::*;
    use rstest::rstest;

    fn delay(mean_ms: u64, jitter_ms: u64, shape: DelayShape) -> Delay {
        let span = |ms| Span(Duration::from_millis(ms));
        Delay { mean: span(mean_ms), jitter: span(jitter_ms), shape }
    }

    #[rstest]
    #[case(DelayShape::Uniform, 0.577)]
    #[case(DelayShape::Normal, 1.0)]
    #[case(DelayShape::Lognormal, 1.0)]
    fn draws_have_the_stated_mean_and_spread(#[case] shape: DelayShape, #[case] deviation_per_jitter: f64) {
        let delay = delay(4_000, 1_000, shape);
        let draws: Vec<f64> = (0..20_000).map(|n| draw_delay(&delay, Seed(3), &[n]).as_secs_f64()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let deviation = (draws.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / draws.len() as f64).sqrt();
        assert!((mean - 4.0).abs() < 0.05, "mean {mean}");
        assert!((deviation - deviation_per_jitter).abs() < 0.05, "standard deviation {deviation}");
    }

    proptest! {
        #[test]
        fn any_parameters_give_a_delay(mean in 0_u64..1 << 40, jitter in 0_u64..1 << 40, n: u64, which in 0..4_usize) {
            let shape =
                [DelayShape::Constant, DelayShape::Uniform, DelayShape::Normal, DelayShape::Lognormal][which];
            let delay = delay(mean, jitter, shape);
            prop_assert_eq!(draw_delay(&delay, Seed(1), &[n]), draw_delay(&delay, Seed(1), &[n]));
        }
    }
}
