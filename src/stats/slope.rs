//! The slope of one figure along another, by medians.

use super::normal::normal_quantile;
use super::wilson::Bounds;

/// Points below which no interval is given.
const FEWEST: usize = 8;

/// The Theil-Sen slope of `(x, y)` points and its 95 % interval (Sen, 1968: from Kendall's variance, without ties in y);
/// nothing with fewer than eight points or where all lie at one x. Outliers of up to 29 % of the points do not move it.
///
/// It looks at every pair: give it some hundred points at most.
#[must_use]
pub fn theil_sen(points: &[(f64, f64)]) -> Option<(f64, Bounds)> {
    let mut slopes = Vec::with_capacity(points.len() * points.len() / 2);
    for (index, a) in points.iter().enumerate() {
        slopes.extend(points[index + 1..].iter().filter(|b| b.0 != a.0).map(|b| (b.1 - a.1) / (b.0 - a.0)));
    }
    if points.len() < FEWEST || slopes.is_empty() {
        return None;
    }
    slopes.sort_by(f64::total_cmp);
    let (n, pairs) = (points.len() as f64, slopes.len() as f64);
    let deviation = (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt() * normal_quantile(0.975);
    let rank = |place: f64| slopes[(place.max(0.0) as usize).min(slopes.len() - 1)];
    let middle = slopes.len() / 2;
    let median = if slopes.len() % 2 == 1 { slopes[middle] } else { f64::midpoint(slopes[middle - 1], slopes[middle]) };
    Some((
        median,
        Bounds { low: rank(((pairs - deviation) / 2.0).floor()), high: rank(((pairs + deviation) / 2.0).ceil()) },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_through_outliers() {
        let mut points: Vec<(f64, f64)> = (0..20).map(|x| (f64::from(x), 3.0 * f64::from(x) + 1.0)).collect();
        points[3].1 = 900.0;
        points[11].1 = -900.0;
        let (slope, bounds) = theil_sen(&points).unwrap();
        assert!((slope - 3.0).abs() < 1e-9, "{slope}");
        assert!(bounds.low <= 3.0 && bounds.high >= 3.0 && bounds.low > 0.0, "{bounds:?}");
    }

    #[test]
    fn what_does_not_rise_has_a_slope_that_may_be_nothing() {
        let points: Vec<(f64, f64)> =
            (0..30).map(|x| (f64::from(x), if x % 2 == 0 { 5.0 } else { 6.0 } + f64::from(x % 3))).collect();
        let (_, bounds) = theil_sen(&points).unwrap();
        assert!(bounds.low <= 0.0 && bounds.high >= 0.0);
        assert_eq!(theil_sen(&points[..7]), None);
        assert_eq!(theil_sen(&[(1.0, 2.0); 9]), None);
    }
}
