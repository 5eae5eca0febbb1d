//! [`Share`]: a part of a whole as people write it (`"20%"`).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A part of a whole, between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Share(f64);

/// Why a text is no share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a share: {reason}; write a percentage between 0% and 100%, such as \"30%\"")]
pub struct ParseShareError {
    /// What was written.
    pub text: String,
    reason: &'static str,
}

impl Share {
    /// The whole.
    pub const ALL: Self = Self(1.0);
    /// Nothing.
    pub const NONE: Self = Self(0.0);

    /// A share from a fraction; `None` outside 0..=1.
    #[must_use]
    pub fn from_fraction(fraction: f64) -> Option<Self> {
        (0.0..=1.0).contains(&fraction).then_some(Self(fraction))
    }

    /// The share as a fraction between 0 and 1.
    #[must_use]
    pub const fn fraction(self) -> f64 {
        self.0
    }
}

impl FromStr for Share {
    type Err = ParseShareError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| ParseShareError { text: text.to_owned(), reason };
        let number = text.trim().strip_suffix('%').ok_or_else(|| fail("the percent sign is missing"))?;
        let percent: f64 = number.trim().parse().map_err(|_| fail("there is no number before the percent sign"))?;
        Self::from_fraction(percent / 100.0).ok_or_else(|| fail("it is outside the range"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded to a thousandth of a percent, so that 0.07 prints as 7% and not as 7.000000000000001%.
        write!(f, "{}%", (self.0 * 1e5).round() / 1e3)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_percentages_only() {
        assert_eq!("30%".parse::<Share>().unwrap().fraction(), 0.3);
        assert_eq!("7%".parse::<Share>().unwrap().to_string(), "7%");
        assert_eq!("12.5%".parse::<Share>().unwrap().to_string(), "12.5%");
        for bad in ["30", "0.3", "130%", "-1%", "%", "NaN%"] {
            assert!(bad.parse::<Share>().is_err(), "{bad}");
        }
    }
}
