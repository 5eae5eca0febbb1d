//! The standard normal distribution: density and upper tail.

use std::f64::consts::PI;

/// Where the series hands over to the continued fraction: both are accurate to about 1e-13 there.
const HANDOVER: f64 = 2.5;

/// The density of the standard normal distribution at `z`.
#[must_use]
pub fn density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / (2.0 * PI).sqrt()
}

/// The chance that a standard normal variable exceeds `z`.
///
/// Near the centre by the power series of the distribution function, in the tail by Laplace's continued fraction
/// for Mills' ratio (Abramowitz and Stegun, 26.2.11 and 26.2.14), so that small tails keep their relative accuracy.
#[must_use]
pub fn upper_tail(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - upper_tail(-z);
    }
    if z < HANDOVER {
        let mut term = z;
        let mut sum = z;
        let mut odd = 1.0;
        while term > sum * 1e-17 {
            odd += 2.0;
            term *= z * z / odd;
            sum += term;
        }
        return 0.5 - density(z) * sum;
    }
    let fraction = (1..=200_u32).rev().fold(z, |inner, k| z + f64::from(k) / inner);
    density(z) / fraction
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_halves_meet() {
        let below = upper_tail(HANDOVER - 1e-9);
        let above = upper_tail(HANDOVER);
        assert!((below - above).abs() / above < 1e-7, "{below} and {above}");
    }

    proptest! {
        #[test]
        fn falls_and_stays_a_probability(z in -8.0..8.0_f64, step in 0.001..1.0_f64) {
            let (here, there) = (upper_tail(z), upper_tail(z + step));
            prop_assert!((0.0..=1.0).contains(&here));
            prop_assert!(there <= here);
        }

        #[test]
        fn is_symmetric(z in -6.0..6.0_f64) {
            prop_assert!((upper_tail(z) + upper_tail(-z) - 1.0).abs() < 1e-12);
        }
    }
}
