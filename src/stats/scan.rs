//! [`family_z`]: how far a figure must stand out when it is the worst of many.

use super::normal::{density, upper_tail};

/// Standard errors of a two-sided 95 % interval.
pub const Z95: f64 = 1.959_963_984_540_054;

/// How often one looked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Looks {
    /// Windows at fixed places, and the first place of every sliding one.
    pub fixed: f64,
    /// The way that windows slid, in lengths of the window.
    pub sliding: f64,
}

impl Looks {
    /// The same looks at each of `subjects` series.
    #[must_use]
    pub fn times(self, subjects: usize) -> Self {
        Self { fixed: self.fixed * subjects as f64, sliding: self.sliding * subjects as f64 }
    }
}

/// The standard errors to use for every one of these looks so that, all together, the chance of a false alarm on
/// one side stays that of a single 95 % interval (2.5 %). Never below [`Z95`].
///
/// Fixed windows are added up (Bonferroni). A window that slides is looked at everywhere, which is more often than
/// its disjoint places: the sum in it moves like a Gaussian process with correlation 1 − |t|/length, whose highest
/// value over T lengths exceeds z with a chance of about T·z·φ(z) (J. Pickands, "Upcrossing probabilities for
/// stationary Gaussian processes", Trans. Am. Math. Soc. 145 (1969), with H₁ = 1).
#[must_use]
pub fn family_z(looks: Looks) -> f64 {
    let fixed = if looks.fixed.is_finite() { looks.fixed.max(1.0) } else { 1.0 };
    let sliding = if looks.sliding.is_finite() { looks.sliding.max(0.0) } else { 0.0 };
    let target = upper_tail(Z95);
    let alarm = |z: f64| fixed * upper_tail(z) + sliding * z * density(z);
    let (mut low, mut high) = (Z95, 12.0);
    if alarm(low) <= target {
        return Z95;
    }
    // z·φ(z) falls for z > 1, so the alarm rate falls throughout and halving finds the one crossing.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if alarm(middle) > target {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Seed;
    use proptest::prelude::*;

    #[test]
    fn one_look_is_a_plain_interval() {
        assert_eq!(family_z(Looks { fixed: 1.0, sliding: 0.0 }), Z95);
    }

    #[test]
    fn sliding_sums_of_noise_alarm_as_seldom_as_promised() {
        // 2,000 walks of a 30-second window over ten of its lengths, each second uniform noise.
        let (length, lengths, walks) = (30_usize, 10_usize, 2_000_u64);
        let z = family_z(Looks { fixed: 1.0, sliding: (lengths - 1) as f64 });
        let seed = Seed(11).derive("scan");
        let deviation = (length as f64 / 12.0).sqrt();
        let mut alarms = 0;
        for walk in 0..walks {
            let noise: Vec<f64> = (0..length * lengths).map(|second| seed.unit(&[walk, second as u64]) - 0.5).collect();
            let highest = noise.windows(length).map(|w| w.iter().sum::<f64>()).fold(f64::MIN, f64::max);
            alarms += u64::from(highest / deviation > z);
        }
        let rate = alarms as f64 / walks as f64;
        assert!(rate <= 0.035, "{rate} of the walks raised a false alarm");
        assert!(rate >= 0.005, "{rate}: far too careful, true breaches would be missed");
    }

    proptest! {
        #[test]
        fn more_looks_ask_for_more(fixed in 1.0..1e4_f64, sliding in 0.0..1e6_f64) {
            let here = family_z(Looks { fixed, sliding });
            prop_assert!((Z95..8.0).contains(&here));
            let more = Looks { fixed: fixed + 1.0, sliding: sliding + 1.0 };
            prop_assert!(family_z(more) >= here);
        }
    }
}
