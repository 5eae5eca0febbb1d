//! [`quantile_ranks`]: how well a percentile is known, by order statistics.

use super::normal::upper_tail;

/// Ranks (from 1) of the ordered records between which a quantile lies; `None` where there are too few records
/// for a bound on that side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RankInterval {
    /// The rank of the record that is the lower bound.
    pub low: Option<u64>,
    /// The rank of the record that is the upper bound.
    pub high: Option<u64>,
}

/// The ranks that enclose the `q`-quantile of what `n` records were drawn from, missing it with a chance of at most
/// `alpha / 2` on each side, whatever the distribution.
///
/// The number of records at or below the quantile is binomial; see W. J. Conover, "Practical Nonparametric
/// Statistics", section 3.2.
#[must_use]
pub fn quantile_ranks(n: u64, q: f64, alpha: f64) -> RankInterval {
    if n == 0 || !(0.0..=1.0).contains(&q) || q == 0.0 || q == 1.0 {
        return RankInterval { low: None, high: None };
    }
    RankInterval {
        low: largest_below(n, q, alpha / 2.0).map(|k| k + 1),
        high: largest_below(n, 1.0 - q, alpha / 2.0).map(|k| n - k),
    }
}

/// Beyond this many records the binomial is as good as normal (to a rank or two in thousands), and summing it up
/// would take longer and longer.
const EXACT: u64 = 1_000_000;

/// The largest `k` with P(X ≤ k) ≤ `limit` for X binomial with `n` tries of chance `p`.
fn largest_below(n: u64, p: f64, limit: f64) -> Option<u64> {
    let tries = n as f64;
    let spread = (tries * p * (1.0 - p)).sqrt();
    if n > EXACT {
        let rank = tries * p - quantile_of_normal(limit) * spread - 1.0;
        return (rank >= 0.0).then_some((rank as u64).min(n));
    }
    // What lies further than twelve standard deviations out is too little to matter to any limit in use, and
    // starting there keeps the sum short for millions of records.
    let start = (tries * p - 12.0 * spread - 30.0).max(0.0) as u64;
    let ln_choose = ln_factorial(n) - ln_factorial(start) - ln_factorial(n - start);
    let mut mass = (ln_choose + start as f64 * p.ln() + (n - start) as f64 * (-p).ln_1p()).exp();
    let odds = p / (1.0 - p);
    let (mut sum, mut found) = (0.0, None);
    for k in start..=n {
        sum += mass;
        if sum > limit {
            // Everything below `start` is within the limit even where `start` itself is not.
            return found.or(start.checked_sub(1));
        }
        found = Some(k);
        mass *= odds * (n - k) as f64 / (k + 1) as f64;
    }
    found
}

/// The `z` that a standard normal variable exceeds with this chance, for chances below a half.
fn quantile_of_normal(chance: f64) -> f64 {
    let (mut low, mut high) = (0.0, 38.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if upper_tail(middle) > chance { low = middle } else { high = middle }
    }
    high
}

/// The natural logarithm of `n`!.
fn ln_factorial(n: u64) -> f64 {
    if n < 32 {
        return (2..=n).map(|k| (k as f64).ln()).sum();
    }
    // Stirling's series; its next term is below 1e-12 from here on.
    let x = n as f64 + 1.0;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3))
        + 1.0 / (1260.0 * x.powi(5))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stirling_meets_the_exact_sum() {
        let exact: f64 = (2..=40_u64).map(|k| (k as f64).ln()).sum();
        assert!((ln_factorial(40) - exact).abs() < 1e-10);
    }

    #[test]
    fn many_records_go_on_where_the_exact_ones_end() {
        let (below, above) = (quantile_ranks(EXACT, 0.95, 0.01), quantile_ranks(EXACT + 1, 0.95, 0.01));
        assert!(below.low.unwrap().abs_diff(above.low.unwrap()) <= 3, "{below:?} {above:?}");
        assert!(below.high.unwrap().abs_diff(above.high.unwrap()) <= 3, "{below:?} {above:?}");
    }

    proptest! {
        #[test]
        fn encloses_the_sample_quantile(n in 1_u64..200_000, q in 0.01..0.99_f64) {
            let ranks = quantile_ranks(n, q, 0.05);
            let point = ((q * n as f64).ceil() as u64).clamp(1, n);
            if let Some(low) = ranks.low {
                prop_assert!((1..=point).contains(&low), "{low} of {n}");
            }
            if let Some(high) = ranks.high {
                prop_assert!((point..=n).contains(&high), "{high} of {n}");
            }
        }

        #[test]
        fn mirrors(n in 1_u64..5_000, q in 0.05..0.95_f64) {
            let (here, there) = (quantile_ranks(n, q, 0.05), quantile_ranks(n, 1.0 - q, 0.05));
            // 1 − (1 − q) is not always q in floating point, so a knife's edge may fall to either side.
            if let (Some(low), Some(high)) = (here.low, there.high) {
                prop_assert!(low.abs_diff(n + 1 - high) <= 1);
            }
        }
    }
}
