//! The standard normal distribution: density, upper tail and quantiles.

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

/// The value below which a standard normal variable falls with this chance; infinite at 0 and 1.
///
/// By rational approximations on three ranges, relative error about 1e-16 (Wichura, algorithm AS 241, "PPND16").
#[must_use]
#[expect(clippy::excessive_precision, reason = "the coefficients as published")]
pub fn normal_quantile(chance: f64) -> f64 {
    const CENTRE: ([f64; 8], [f64; 8]) = (
        [
            3.387_132_872_796_366_608,
            1.331_416_678_917_843_774_5e2,
            1.971_590_950_306_551_442_7e3,
            1.373_169_376_550_946_112_5e4,
            4.592_195_393_154_987_145_7e4,
            6.726_577_092_700_870_085_3e4,
            3.343_057_558_358_812_810_5e4,
            2.509_080_928_730_122_672_7e3,
        ],
        [
            1.0,
            4.231_333_070_160_091_125_2e1,
            6.871_870_074_920_579_083e2,
            5.394_196_021_424_751_107_7e3,
            2.121_379_430_158_659_586_7e4,
            3.930_789_580_009_271_061e4,
            2.872_908_573_572_194_267_4e4,
            5.226_495_278_852_854_561e3,
        ],
    );
    const NEAR: ([f64; 8], [f64; 8]) = (
        [
            1.423_437_110_749_683_577_34,
            4.630_337_846_156_545_295_9,
            5.769_497_221_460_691_405_5,
            3.647_848_324_763_204_605_04,
            1.270_458_252_452_368_382_58,
            2.417_807_251_774_506_117_7e-1,
            2.272_384_498_926_918_458_33e-2,
            7.745_450_142_783_414_076_4e-4,
        ],
        [
            1.0,
            2.053_191_626_637_758_821_87,
            1.676_384_830_183_803_849_4,
            6.897_673_349_851_000_045_5e-1,
            1.481_039_764_274_800_745_9e-1,
            1.519_866_656_361_645_719_66e-2,
            5.475_938_084_995_344_946e-4,
            1.050_750_071_644_416_843_24e-9,
        ],
    );
    const FAR: ([f64; 8], [f64; 8]) = (
        [
            6.657_904_643_501_103_777_2,
            5.463_784_911_164_114_369_9,
            1.784_826_539_917_291_335_8,
            2.965_605_718_285_048_912_3e-1,
            2.653_218_952_657_612_309_3e-2,
            1.242_660_947_388_078_438_6e-3,
            2.711_555_568_743_487_578_15e-5,
            2.010_334_399_292_288_132_65e-7,
        ],
        [
            1.0,
            5.998_322_065_558_879_376_9e-1,
            1.369_298_809_227_358_053_1e-1,
            1.487_536_129_085_061_485_25e-2,
            7.868_691_311_456_132_591e-4,
            1.846_318_317_510_054_681_8e-5,
            1.421_511_758_316_445_888_7e-7,
            2.044_263_103_389_939_785_64e-15,
        ],
    );
    let ratio = |(above, below): &([f64; 8], [f64; 8]), at: f64| {
        let polynomial = |terms: &[f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * at + term);
        polynomial(above) / polynomial(below)
    };
    let from_half = chance - 0.5;
    if from_half.abs() <= 0.425 {
        return from_half * ratio(&CENTRE, 0.180_625 - from_half * from_half);
    }
    let tail = if from_half < 0.0 { chance } else { 1.0 - chance };
    if tail <= 0.0 {
        return f64::INFINITY.copysign(from_half);
    }
    let depth = (-tail.ln()).sqrt();
    let size = if depth <= 5.0 { ratio(&NEAR, depth - 1.6) } else { ratio(&FAR, depth - 5.0) };
    size.copysign(from_half)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (chance, expected) in [(0.5, 0.0), (0.95, 1.644_853_626_951_472), (0.975, 1.959_963_984_540_054)] {
            assert!((normal_quantile(chance) - expected).abs() < 1e-12, "{chance}");
        }
        assert!((normal_quantile(1e-10) + 6.361_340_902_404_056).abs() < 1e-10);
        assert_eq!((normal_quantile(0.0), normal_quantile(1.0)), (f64::NEG_INFINITY, f64::INFINITY));
    }

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
        fn quantiles_undo_the_tail(chance in 1e-12..1.0_f64) {
            let back = 1.0 - upper_tail(normal_quantile(chance));
            prop_assert!((back - chance).abs() < 1e-9 * chance.max(1e-3), "{chance} came back as {back}");
            let low = upper_tail(normal_quantile(1.0 - chance));
            prop_assert!((low - chance).abs() < 1e-9 + 1e-3 * chance, "{chance} came back as {low}");
        }

        #[test]
        fn is_symmetric(z in -6.0..6.0_f64) {
            prop_assert!((upper_tail(z) + upper_tail(-z) - 1.0).abs() < 1e-12);
        }
    }
}
