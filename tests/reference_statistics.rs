//! The statistics against published numbers.

use firedrill::stats::{Looks, RankInterval, Z95, family_z, quantile_ranks, upper_tail, wilson};
use rstest::rstest;

/// R. G. Newcombe, "Two-sided confidence intervals for the single proportion: comparison of seven methods",
/// Statistics in Medicine 17 (1998), table I, method 3.
#[rstest]
#[case(81, 263, 0.2553, 0.3662)]
#[case(15, 148, 0.0624, 0.1605)]
#[case(0, 20, 0.0000, 0.1611)]
#[case(1, 29, 0.0061, 0.1718)]
fn wilson_agrees_with_newcombe(#[case] hits: u64, #[case] n: u64, #[case] low: f64, #[case] high: f64) {
    let bounds = wilson(hits, n, Z95).expect("there were tries");
    assert!((bounds.low - low).abs() < 5e-5, "{bounds:?}");
    assert!((bounds.high - high).abs() < 5e-5, "{bounds:?}");
}

/// The table of the standard normal distribution (Abramowitz and Stegun, table 26.1, and its tail, table 26.2).
#[rstest]
#[case(0.0, 0.5)]
#[case(1.0, 0.158_655_253_9)]
#[case(1.959_963_984_540_054, 0.025)]
#[case(3.0, 1.349_898_031_6e-3)]
#[case(5.0, 2.866_515_718_8e-7)]
fn upper_tail_agrees_with_the_tables(#[case] z: f64, #[case] tail: f64) {
    assert!((upper_tail(z) - tail).abs() / tail < 1e-9, "{} at {z}", upper_tail(z));
}

/// Ranks of the 95 % interval for a median, as in any table for the sign test.
#[rstest]
#[case(6, 1, 6)]
#[case(10, 2, 9)]
#[case(20, 6, 15)]
#[case(25, 8, 18)]
#[case(50, 18, 33)]
#[case(100, 40, 61)]
fn ranks_of_a_median_agree_with_the_sign_test(#[case] n: u64, #[case] low: u64, #[case] high: u64) {
    assert_eq!(quantile_ranks(n, 0.5, 0.05), RankInterval { low: Some(low), high: Some(high) });
}

/// A 95th percentile has an upper bound only from the point where 0.95^n falls below 2.5 %: 72 records.
#[test]
fn a_percentile_of_few_records_has_no_upper_bound() {
    assert_eq!(quantile_ranks(71, 0.95, 0.05).high, None);
    assert_eq!(quantile_ranks(72, 0.95, 0.05).high, Some(72));
    assert_eq!(quantile_ranks(0, 0.95, 0.05), RankInterval { low: None, high: None });
}

/// Bonferroni for fixed windows: the two-sided 95 % critical values for 2, 5 and 10 comparisons.
#[rstest]
#[case(2.0, 2.241_4)]
#[case(5.0, 2.575_8)]
#[case(10.0, 2.807_0)]
fn fixed_windows_are_bonferroni(#[case] looks: f64, #[case] z: f64) {
    let found = family_z(Looks { fixed: looks, sliding: 0.0 });
    assert!((found - z).abs() < 5e-5, "{found}");
}
