//! [`Numeric`]: PostgreSQL's `numeric`.

use super::error::SqlError;
use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode, ToPrimitive as _, Zero as _};
use std::cmp::Ordering;
use std::str::FromStr as _;

/// Digits before the point that the type can hold.
const MOST_WHOLE_DIGITS: i64 = 131_072;
/// Digits after the point that the type can hold.
const MOST_SCALE: i64 = 16_383;

/// A `numeric`: exact, with as many digits after the point as it was written with.
#[derive(Clone, Debug)]
pub enum Numeric {
    /// Minus infinity.
    NegativeInfinity,
    /// A number; its scale is never negative.
    Finite(BigDecimal),
    /// Infinity.
    Infinity,
    /// Not a number: equal to itself and larger than everything.
    NaN,
}

impl Numeric {
    /// Reads a text as `numeric_in` does.
    ///
    /// # Errors
    /// 22P02 for what is no number, 22003 for one with too many digits.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let trimmed = text.trim_matches(is_space);
        let invalid = || SqlError::invalid_text("numeric", text);
        match trimmed.trim_start_matches('+').to_ascii_lowercase().as_str() {
            "nan" if !trimmed.starts_with('+') => return Ok(Self::NaN),
            "infinity" | "inf" => return Ok(Self::Infinity),
            "-infinity" | "-inf" => return Ok(Self::NegativeInfinity),
            _ => {}
        }
        let (negative, rest) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.len() + fraction.len() == 0 || !digits(whole) || !digits(fraction) {
            return Err(invalid());
        }
        let exponent: i64 = match exponent {
            None => 0,
            Some(text) => {
                let bare = text.strip_prefix(['+', '-']).unwrap_or(text);
                if bare.is_empty() || !digits(bare) {
                    return Err(invalid());
                }
                // What does not fit is far beyond every limit below.
                text.parse().unwrap_or(if text.starts_with('-') { -1 << 32 } else { 1 << 32 })
            }
        };
        let overflow = || SqlError::new("22003", "value overflows numeric format");
        let mut all = format!("{whole}{fraction}");
        let scale = fraction.len() as i64 - exponent;
        let significant = all.trim_start_matches('0').len() as i64;
        if scale > MOST_SCALE || (significant > 0 && significant - scale > MOST_WHOLE_DIGITS) {
            return Err(overflow());
        }
        if scale < 0 && significant > 0 {
            all.extend(std::iter::repeat_n('0', usize::try_from(-scale).map_err(|_| overflow())?));
        }
        let number = BigInt::from_str(&all).map_err(|_| invalid())?;
        Ok(Self::Finite(BigDecimal::new(if negative { -number } else { number }, scale.max(0))))
    }

    /// The number rounded to a column's `numeric(precision, scale)`.
    ///
    /// # Errors
    /// 22003 if it has too many digits before the point.
    pub fn bounded(self, precision: u16, scale: i16) -> Result<Self, SqlError> {
        let overflow = |details: String| SqlError::new("22003", "numeric field overflow").details(details);
        match self {
            Self::NaN => Ok(Self::NaN),
            Self::Infinity | Self::NegativeInfinity => Err(overflow(format!(
                "A field with precision {precision}, scale {scale} cannot hold an infinite value."
            ))),
            Self::Finite(number) => {
                let rounded = number.with_scale_round(i64::from(scale), RoundingMode::HalfUp);
                let whole = i64::from(precision) - i64::from(scale);
                let digits = i64::try_from(rounded.digits()).unwrap_or(i64::MAX);
                if !rounded.is_zero() && digits - rounded.fractional_digit_count() > whole {
                    let limit = if whole == 0 { "1".to_owned() } else { format!("10^{whole}") };
                    return Err(overflow(format!(
                        "A field with precision {precision}, scale {scale} must round to an absolute value less than {limit}."
                    )));
                }
                Ok(Self::Finite(rounded.with_scale(i64::from(scale.max(0)))))
            }
        }
    }

    /// The nearest double.
    pub fn to_f64(&self) -> f64 {
        match self {
            Self::NegativeInfinity => f64::NEG_INFINITY,
            Self::Infinity => f64::INFINITY,
            Self::NaN => f64::NAN,
            Self::Finite(number) => number.to_f64().unwrap_or(f64::NAN),
        }
    }

    /// PostgreSQL's order.
    pub fn compare(&self, other: &Self) -> Ordering {
        fn rank(number: &Numeric) -> u8 {
            match number {
                Numeric::NegativeInfinity => 0,
                Numeric::Finite(_) => 1,
                Numeric::Infinity => 2,
                Numeric::NaN => 3,
            }
        }
        match (self, other) {
            (Self::Finite(own), Self::Finite(other)) => own.cmp(other),
            _ => rank(self).cmp(&rank(other)),
        }
    }

    /// Appends it as text.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::NegativeInfinity => out.push_str("-Infinity"),
            Self::Infinity => out.push_str("Infinity"),
            Self::NaN => out.push_str("NaN"),
            Self::Finite(number) => out.push_str(&number.to_plain_string()),
        }
    }

    /// Bytes that it takes, roughly.
    pub fn size(&self) -> u64 {
        let digits = match self {
            Self::Finite(number) => number.as_bigint_and_scale().0.bits() / 8,
            _ => 0,
        };
        48 + digits
    }
}

impl From<i64> for Numeric {
    fn from(number: i64) -> Self {
        Self::Finite(BigDecimal::from(number))
    }
}

/// What PostgreSQL skips around a value: C's `isspace` in ASCII.
pub fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn text(number: &Numeric) -> String {
        let mut text = String::new();
        number.write(&mut text);
        text
    }

    #[rstest]
    #[case("1.50", "1.50")]
    #[case(" -0.10 ", "-0.10")]
    #[case("1e3", "1000")]
    #[case("12.5e-3", "0.0125")]
    #[case("-0", "0")]
    #[case(".5", "0.5")]
    #[case("5.", "5")]
    #[case("nan", "NaN")]
    #[case("-inf", "-Infinity")]
    #[case("00012.340", "12.340")]
    fn keeps_its_scale(#[case] written: &str, #[case] read: &str) {
        assert_eq!(text(&Numeric::parse(written).unwrap()), read);
    }

    #[rstest]
    #[case("", "22P02")]
    #[case(".", "22P02")]
    #[case("1e", "22P02")]
    #[case("0x10", "22P02")]
    #[case("1e200000", "22003")]
    #[case("1e99999999999999999999", "22003")]
    #[case("1e-99999999999999999999", "22003")]
    fn refuses(#[case] written: &str, #[case] code: &str) {
        assert_eq!(Numeric::parse(written).unwrap_err().code, code);
    }

    #[rstest]
    #[case("1.005", 5, 2, Ok("1.01"))]
    #[case("-1.005", 5, 2, Ok("-1.01"))]
    #[case("999.994", 5, 2, Ok("999.99"))]
    #[case("999.995", 5, 2, Err("A field with precision 5, scale 2 must round to an absolute value less than 10^3."))]
    #[case("7", 5, 2, Ok("7.00"))]
    #[case("0", 2, 2, Ok("0.00"))]
    #[case("1", 2, 2, Err("A field with precision 2, scale 2 must round to an absolute value less than 1."))]
    fn is_rounded_to_its_column(
        #[case] written: &str,
        #[case] precision: u16,
        #[case] scale: i16,
        #[case] read: Result<&str, &str>,
    ) {
        let bounded = Numeric::parse(written).unwrap().bounded(precision, scale);
        match read {
            Ok(read) => assert_eq!(text(&bounded.unwrap()), read),
            Err(details) => assert_eq!(bounded.unwrap_err().details.unwrap(), details),
        }
    }
}
