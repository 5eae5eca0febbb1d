//! Bounds of a count.

/// The lower end of the exact 95 % interval of a Poisson mean, of which `n` were counted (Garwood, 1936): the mean at which
/// `n` or more would come in 2.5 % of all cases.
#[must_use]
pub fn poisson_low(n: u64) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, n as f64);
    for _ in 0..60 {
        let mean = f64::midpoint(low, high);
        if at_least(n, mean) < 0.025 { low = mean } else { high = mean }
    }
    low
}

/// The chance of `n` or more.
fn at_least(n: u64, mean: f64) -> f64 {
    // Far out, a normal curve is as exact as is needed and does not take a sum of thousands of terms.
    if n > 10_000 {
        return super::normal::upper_tail((n as f64 - 0.5 - mean) / mean.max(f64::MIN_POSITIVE).sqrt());
    }
    let mut term = -mean;
    let mut below = term.exp();
    for k in 1..n {
        term += (mean / k as f64).ln();
        below += term.exp();
    }
    (1.0 - below).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_tables() {
        // Garwood's table: 1 → 0.0253, 2 → 0.242, 5 → 1.623, 10 → 4.795, 50 → 37.11.
        for (n, table) in [(0, 0.0), (1, 0.0253), (2, 0.2422), (5, 1.6235), (10, 4.7954), (50, 37.1108)] {
            assert!((poisson_low(n) - table).abs() < 1e-3 * (1.0 + table), "{n}: {}", poisson_low(n));
        }
        let far = poisson_low(20_000);
        assert!((19_700.0..19_750.0).contains(&far), "{far}");
    }
}
