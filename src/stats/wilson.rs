//! [`wilson`]: how well a share is known from counted tries.

/// A lower and an upper bound of a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The lower bound, 0 to 1.
    pub low: f64,
    /// The upper bound, 0 to 1.
    pub high: f64,
}

/// The score interval of a share after `hits` in `n` tries, `z` standard errors to either side; `None` for no tries.
///
/// E. B. Wilson, "Probable inference, the law of succession, and statistical inference", J. Am. Stat. Assoc. 22
/// (1927). It stays inside 0..=1 and keeps its coverage for few tries and for shares near 0 and 1, which the plain
/// p ± z·σ does not.
#[must_use]
pub fn wilson(hits: u64, n: u64, z: f64) -> Option<Bounds> {
    if n == 0 {
        return None;
    }
    let hits = hits.min(n);
    let (tries, z2) = (n as f64, z * z);
    let p = hits as f64 / tries;
    let scale = 1.0 + z2 / tries;
    let centre = (p + z2 / (2.0 * tries)) / scale;
    let half = z * (p * (1.0 - p) / tries + z2 / (4.0 * tries * tries)).sqrt() / scale;
    // At the ends one bound is exactly 0 or 1; rounding must not make it anything else.
    let low = if hits == 0 { 0.0 } else { (centre - half).max(0.0) };
    let high = if hits == n { 1.0 } else { (centre + half).min(1.0) };
    Some(Bounds { low, high })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_the_observed_share(n in 1_u64..100_000, part in 0.0..=1.0_f64, z in 0.1..6.0_f64) {
            let hits = (part * n as f64) as u64;
            let bounds = wilson(hits, n, z).unwrap();
            let p = hits as f64 / n as f64;
            prop_assert!(0.0 <= bounds.low && bounds.low <= p + 1e-12);
            prop_assert!(p - 1e-12 <= bounds.high && bounds.high <= 1.0);
        }

        #[test]
        fn more_hits_raise_both_bounds(n in 2_u64..10_000, part in 0.0..1.0_f64) {
            let hits = (part * (n - 1) as f64) as u64;
            let (here, more) = (wilson(hits, n, 1.96).unwrap(), wilson(hits + 1, n, 1.96).unwrap());
            prop_assert!(more.low >= here.low && more.high >= here.high);
        }

        #[test]
        fn mirrors(n in 1_u64..10_000, part in 0.0..=1.0_f64) {
            let hits = (part * n as f64) as u64;
            let (hit, miss) = (wilson(hits, n, 1.96).unwrap(), wilson(n - hits, n, 1.96).unwrap());
            prop_assert!((hit.low - (1.0 - miss.high)).abs() < 1e-9);
        }
    }

    #[test]
    fn says_nothing_about_nothing() {
        assert_eq!(wilson(0, 0, 1.96), None);
    }
}
