//! [`Money`]: an amount of US dollars, exact enough for the price of a single token.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::str::FromStr;

/// Picodollars in a dollar.
const PER_DOLLAR: u64 = 1_000_000_000_000;

/// An amount of US dollars, in picodollars (10⁻¹² dollars): the cheapest tokens cost some thousands of them. It holds
/// up to 18 million dollars, and stays there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(pub u64);

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// An amount in dollars; what is no amount (negative, not a number) is nothing.
    #[must_use]
    pub fn dollars(dollars: f64) -> Self {
        Self((dollars * PER_DOLLAR as f64).round() as u64)
    }

    /// The amount in dollars.
    #[must_use]
    pub fn as_dollars(self) -> f64 {
        self.0 as f64 / PER_DOLLAR as f64
    }

    /// So many times this amount.
    #[must_use]
    pub const fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Why a text is no amount of money.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no amount of money; write US dollars, such as \"$100\"")]
pub struct ParseMoneyError(String);

impl FromStr for Money {
    type Err = ParseMoneyError;

    /// `$100` or `$0.50`, up to 18 million dollars.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('$').filter(|d| d.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
        let dollars = digits.and_then(|digits| digits.parse::<f64>().ok()).filter(|dollars| *dollars <= 18e6);
        dollars.map(Self::dollars).ok_or_else(|| ParseMoneyError(text.to_owned()))
    }
}

impl fmt::Display for Money {
    /// In dollars with cents; amounts below a dollar with as many digits as tell them from nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.as_dollars();
        let digits = match dollars {
            d if d == 0.0 || d >= 1.0 => 2,
            d if d >= 0.01 => 3,
            d if d >= 0.000_1 => 5,
            _ => 8,
        };
        write!(f, "${dollars:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(0.0, "$0.00")]
    #[case(12.345, "$12.35")]
    #[case(0.25, "$0.250")]
    #[case(0.001_234_5, "$0.00123")]
    #[case(0.000_000_05, "$0.00000005")]
    fn amounts_read_as_dollars(#[case] dollars: f64, #[case] expected: &str) {
        assert_eq!(Money::dollars(dollars).to_string(), expected);
    }

    #[rstest]
    #[case("$100", Some(100.0))]
    #[case("$0.25", Some(0.25))]
    #[case("100", None)]
    #[case("$", None)]
    #[case("$-1", None)]
    #[case("$1e3", None)]
    #[case("$1.2.3", None)]
    #[case("$99999999999", None)]
    fn amounts_are_read(#[case] text: &str, #[case] dollars: Option<f64>) {
        assert_eq!(text.parse().ok(), dollars.map(Money::dollars));
    }

    #[test]
    fn amounts_add_up_exactly_and_never_overflow() {
        let cent = Money::dollars(0.01);
        assert_eq!(std::iter::repeat_n(cent, 100).sum::<Money>(), Money::dollars(1.0));
        assert_eq!(Money(u64::MAX) + cent, Money(u64::MAX));
        assert_eq!(Money::dollars(-1.0), Money::ZERO);
        assert_eq!(Money::dollars(f64::NAN), Money::ZERO);
    }
}
