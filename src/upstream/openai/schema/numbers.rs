//! Numbers that satisfy `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum` and `multipleOf`.

use super::fail::Fail;
use super::json::Json;
use super::words;
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_json::Number;

/// How many steps from one end of a range are looked at where both ends are far apart.
const STEPS: f64 = 1e6;
/// Integers up to here are exact in JSON's usual number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A range of numbers.
#[derive(Clone, Copy)]
struct Range {
    least: f64,
    most: f64,
    without_least: bool,
    without_most: bool,
}

impl Range {
    fn of(plain: &[&Json]) -> Self {
        let mut range =
            Self { least: f64::NEG_INFINITY, most: f64::INFINITY, without_least: false, without_most: false };
        for schema in plain {
            let number = |key| schema.get(key).and_then(Json::number);
            for (bound, exclusive) in [(number("minimum"), false), (number("exclusiveMinimum"), true)] {
                if let Some(bound) = bound
                    && (bound > range.least || (bound == range.least && exclusive))
                {
                    (range.least, range.without_least) = (bound, exclusive);
                }
            }
            for (bound, exclusive) in [(number("maximum"), false), (number("exclusiveMaximum"), true)] {
                if let Some(bound) = bound
                    && (bound < range.most || (bound == range.most && exclusive))
                {
                    (range.most, range.without_most) = (bound, exclusive);
                }
            }
        }
        range
    }

    fn holds(&self, number: f64) -> bool {
        (number > self.least || (number == self.least && !self.without_least))
            && (number < self.most || (number == self.most && !self.without_most))
    }

    /// The same range, ends given where there were none: near what is usual for the name, else near the other end.
    fn ended(self, usual: Option<(f64, f64)>, width: f64) -> (f64, f64) {
        let usual = usual.filter(|(least, most)| *most >= self.least && *least <= self.most);
        match (usual, self.least.is_finite(), self.most.is_finite()) {
            (Some((least, most)), ..) => (least.max(self.least), most.min(self.most)),
            (None, true, true) => (self.least, self.most),
            (None, true, false) => (self.least, self.least + width.max(self.least.abs() * 1e-9)),
            (None, false, true) => (self.most - width.max(self.most.abs() * 1e-9), self.most),
            (None, false, false) => (0.0, width),
        }
    }
}

/// A number for a property of this name.
pub fn make(plain: &[&Json], name: &str, whole: bool, rng: &mut ChaCha8Rng) -> Result<Number, Fail> {
    let range = Range::of(plain);
    let usual = words::usual_range(name, whole).map(|usual| (*usual.start(), *usual.end()));
    let divisors: Vec<&Json> = plain.iter().filter_map(|schema| schema.get("multipleOf")).collect();
    let unit = match divisors.as_slice() {
        [] if whole => Decimal::ONE,
        [] => return free(range, usual, rng),
        all => {
            let mut unit = if whole { Decimal::ONE } else { Decimal::of(all[0]).ok_or(Fail::Impossible)? };
            for divisor in all {
                unit = unit.common_multiple(Decimal::of(divisor).ok_or(Fail::Impossible)?).ok_or(Fail::Impossible)?;
            }
            unit
        }
    };
    let step = unit.value();
    let (least, most) = range.ended(usual, step.mul_add(100.0, 0.0));
    // Rounding may put the first or last count just outside: one more is looked at on both sides.
    let (from, to) = ((least / step).ceil() - 1.0, (most / step).floor() + 1.0);
    let inside = |count: f64| {
        let number = unit.times(count)?;
        number.as_f64().is_some_and(|value| range.holds(value)).then_some(number)
    };
    if to - from <= 64.0 {
        let all: Vec<Number> = (0..=(to - from) as u32).filter_map(|n| inside(from + f64::from(n))).collect();
        return if all.is_empty() {
            wider(range, usual, unit)
        } else {
            Ok(all[rng.random_range(0..all.len())].clone())
        };
    }
    let span = (to - from).min(STEPS);
    (0..20)
        .find_map(|_| inside(from + (rng.random::<f64>() * span).floor()))
        .map_or_else(|| wider(range, usual, unit), Ok)
}

/// Looks for a number outside of the usual range, where that holds none.
fn wider(range: Range, usual: Option<(f64, f64)>, unit: Decimal) -> Result<Number, Fail> {
    let step = unit.value();
    let (least, most) = range.ended(usual.filter(|_| false), step * 100.0);
    let near = [(least / step).ceil(), (most / step).floor()];
    near.iter()
        .flat_map(|count| (-2..=2).map(move |offset| count + f64::from(offset)))
        .filter_map(|count| unit.times(count))
        .find(|number| number.as_f64().is_some_and(|value| range.holds(value)))
        .ok_or(Fail::Impossible)
}

/// A number that need not be a multiple of anything: with two decimals where they fit.
fn free(range: Range, usual: Option<(f64, f64)>, rng: &mut ChaCha8Rng) -> Result<Number, Fail> {
    let (least, most) = range.ended(usual, 100.0);
    let drawn = least + (most - least) * rng.random::<f64>();
    let rounded = (drawn * 100.0).round() / 100.0;
    let middle = least / 2.0 + most / 2.0;
    [rounded, drawn, middle, least, most]
        .into_iter()
        .find(|number| number.is_finite() && range.holds(*number))
        .and_then(whole_if_it_is)
        .ok_or(Fail::Impossible)
}

fn whole_if_it_is(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() < EXACT { Some((number as i64).into()) } else { Number::from_f64(number) }
}

/// A positive decimal number: `digits` × 10^-`scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Decimal {
    digits: u64,
    scale: u32,
}

impl Decimal {
    const ONE: Self = Self { digits: 1, scale: 0 };

    /// Reads a number from its shortest decimal form.
    fn of(json: &Json) -> Option<Self> {
        let text = format!("{}", json.number().filter(|n| n.is_finite() && *n > 0.0)?);
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let digits = format!("{whole}{fraction}").parse().ok().filter(|digits| *digits > 0)?;
        Some(Self { digits, scale: u32::try_from(fraction.len()).ok().filter(|scale| *scale <= 18)? })
    }

    fn value(self) -> f64 {
        self.digits as f64 / 10_f64.powi(self.scale.cast_signed())
    }

    /// The least number that is a multiple of both.
    fn common_multiple(self, other: Self) -> Option<Self> {
        let scale = self.scale.max(other.scale);
        let one = self.digits.checked_mul(10_u64.checked_pow(scale - self.scale)?)?;
        let two = other.digits.checked_mul(10_u64.checked_pow(scale - other.scale)?)?;
        let (mut a, mut b) = (one, two);
        while b != 0 {
            (a, b) = (b, a % b);
        }
        Some(Self { digits: (one / a).checked_mul(two)?, scale })
    }

    /// So many times this number, exactly as far as a JSON number can be.
    fn times(self, count: f64) -> Option<Number> {
        if count.abs() >= EXACT {
            return whole_if_it_is(count * self.value());
        }
        let digits = i128::from(self.digits).checked_mul(count as i128)?;
        if self.scale == 0 {
            return i64::try_from(digits).ok().map(Into::into).or_else(|| Number::from_f64(digits as f64));
        }
        format!("{digits}e-{}", self.scale).parse().ok().and_then(whole_if_it_is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng as _;
    use rstest::rstest;

    fn number(schema: &str, whole: bool, seed: u64) -> Result<Number, Fail> {
        let schema: Json = serde_json::from_str(schema).unwrap();
        make(&[&schema], "score", whole, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    proptest! {
        #[test]
        fn numbers_stay_in_range(least in -1e6_f64..1e6, width in 0.0_f64..1e3, whole: bool, seed: u64) {
            let schema = format!(r#"{{"minimum":{least},"maximum":{}}}"#, least + width);
            match number(&schema, whole, seed) {
                Ok(number) => {
                    let number = number.as_f64().unwrap();
                    prop_assert!((least..=least + width).contains(&number) && (!whole || number.fract() == 0.0));
                }
                Err(_) => prop_assert!(whole && (least + width).floor() < least.ceil()),
            }
        }
    }

    #[rstest]
    #[case(r#"{"multipleOf":0.01,"minimum":12.33,"maximum":12.34}"#, false, &["12.33", "12.34"])]
    #[case(r#"{"multipleOf":7,"exclusiveMinimum":7,"exclusiveMaximum":21}"#, true, &["14"])]
    #[case(r#"{"multipleOf":2.5,"minimum":4,"maximum":6}"#, true, &["5"])]
    #[case(r#"{"minimum":3,"maximum":3}"#, false, &["3"])]
    #[case(r#"{"minimum":1e300}"#, false, &[])]
    #[case(r#"{"maximum":-5,"minimum":-5}"#, true, &["-5"])]
    fn numbers_meet_narrow_demands(#[case] schema: &str, #[case] whole: bool, #[case] allowed: &[&str]) {
        for seed in 0..20 {
            let number = number(schema, whole, seed).unwrap().to_string();
            assert!(allowed.is_empty() || allowed.contains(&number.as_str()), "{number}");
        }
    }

    #[test]
    fn what_cannot_be_is_said_to_be_impossible() {
        assert_eq!(number(r#"{"minimum":2,"maximum":1}"#, false, 1), Err(Fail::Impossible));
        assert_eq!(number(r#"{"multipleOf":10,"minimum":1,"maximum":9}"#, true, 1), Err(Fail::Impossible));
        assert_eq!(number(r#"{"exclusiveMinimum":1,"exclusiveMaximum":2}"#, true, 1), Err(Fail::Impossible));
    }
}
