//! The ratio of two sums over blocks of time, with its interval.

use super::normal::normal_quantile;
use super::wilson::Bounds;

/// Blocks below which no interval is given.
const FEWEST: usize = 5;

/// The ratio of the sums of `over` and `under`, one pair for each block of time, and its 95 % interval; nothing with fewer
/// than five blocks or where nothing is `under`.
///
/// The ratio estimator's variance (Cochran, Sampling Techniques, 3rd ed., 6.3) with Student's t for the number of blocks
/// (by Cornish and Fisher's expansion, Abramowitz and Stegun 26.7.5). Neighbouring blocks share what begins in one and
/// ends in the next, which makes the interval wider than it need be, never narrower.
#[must_use]
pub fn ratio(blocks: &[(f64, f64)]) -> Option<(f64, Bounds)> {
    let (over, under) = blocks.iter().fold((0.0, 0.0), |sums, block| (sums.0 + block.0, sums.1 + block.1));
    if blocks.len() < FEWEST || under <= 0.0 {
        return None;
    }
    let (n, value) = (blocks.len() as f64, over / under);
    let squares: f64 = blocks.iter().map(|(over, under)| (over - value * under).powi(2)).sum();
    let error = (n / (n - 1.0) * squares).sqrt() / under;
    let width = student(n - 1.0) * error;
    Some((value, Bounds { low: (value - width).max(0.0), high: value + width }))
}

/// The two-sided 95 % quantile of Student's t, by the normal one's (Abramowitz and Stegun, 26.7.5).
fn student(freedom: f64) -> f64 {
    let z = normal_quantile(0.975);
    let (z3, z5, z7) = (z.powi(3), z.powi(5), z.powi(7));
    let first = (z3 + z) / 4.0;
    let second = (5.0 * z5 + 16.0 * z3 + 3.0 * z) / 96.0;
    let third = (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * z) / 384.0;
    z + first / freedom + second / freedom.powi(2) + third / freedom.powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_quantiles_are_those_of_the_tables() {
        for (freedom, table) in [(4.0, 2.776), (9.0, 2.262), (29.0, 2.045)] {
            assert!((student(freedom) - table).abs() < 0.02, "{freedom}: {}", student(freedom));
        }
    }

    #[test]
    fn a_constant_ratio_is_certain_and_a_varying_one_is_not() {
        let (value, bounds) = ratio(&[(2.0, 1.0), (4.0, 2.0), (6.0, 3.0), (2.0, 1.0), (8.0, 4.0)]).unwrap();
        assert!((value - 2.0).abs() < 1e-12 && bounds.high - bounds.low < 1e-9);
        let (value, bounds) = ratio(&[(1.0, 1.0), (3.0, 1.0), (2.0, 1.0), (1.5, 1.0), (2.5, 1.0)]).unwrap();
        assert!((value - 2.0).abs() < 1e-12 && bounds.low < 1.2 && bounds.high > 2.8);
        assert_eq!(ratio(&[(1.0, 1.0); 4]), None);
        assert_eq!(ratio(&[(1.0, 0.0); 9]), None);
    }
}
