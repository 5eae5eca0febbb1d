//! [`ByteSize`]: an amount of memory or data as people write it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A number of bytes.
///
/// `"450MiB"` is 450 × 1,048,576 and `"450MB"` is 450 × 1,000,000, as in IEC 80000-13. Platforms that sell a
/// "512 MB instance" (and psutil's habit of dividing by 1024²) mean MiB, so the shipped files say MiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// Why a text is no byte size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a size: {reason}; write a number and a unit, such as \"450MiB\", \"512MB\" or \"64KiB\"")]
pub struct ParseByteSizeError {
    /// What was written.
    pub text: String,
    reason: &'static str,
}

const UNITS: [(&str, u64); 10] = [
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("bytes", 1),
];

impl ByteSize {
    /// A size in mebibytes.
    #[must_use]
    pub const fn mib(mebibytes: u64) -> Self {
        Self(mebibytes << 20)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The size in mebibytes.
    #[must_use]
    pub fn as_mib(self) -> f64 {
        self.0 as f64 / (1u64 << 20) as f64
    }
}

impl FromStr for ByteSize {
    type Err = ParseByteSizeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| ParseByteSizeError { text: text.to_owned(), reason };
        let trimmed = text.trim();
        let end = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
        let (number, unit) = trimmed.split_at(end);
        let number: f64 = number.parse().map_err(|_| fail("it does not start with a number"))?;
        let unit = unit.trim().to_ascii_lowercase();
        if unit.is_empty() {
            return Err(fail("the unit is missing"));
        }
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(|| fail("the unit is unknown"))?;
        let bytes = number * *scale as f64;
        if bytes >= 9e18 {
            return Err(fail("it is too large"));
        }
        Ok(Self(bytes.round() as u64))
    }
}

impl fmt::Display for ByteSize {
    /// The shortest exact-looking form: whole MiB or GiB where it divides, one decimal otherwise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, scale) in [("GiB", 1u64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
            if self.0 >= scale {
                return if self.0.is_multiple_of(scale) {
                    write!(f, "{}{unit}", self.0 / scale)
                } else {
                    write!(f, "{:.1}{unit}", self.0 as f64 / scale as f64)
                };
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl Serialize for ByteSize {
    /// As a plain number of bytes: exact, and what other programs expect.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(u64),
            Text(String),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Number(bytes) => Ok(Self(bytes)),
            Raw::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_both_families_of_units() {
        assert_eq!("450MiB".parse::<ByteSize>().unwrap(), ByteSize::mib(450));
        assert_eq!("450MB".parse::<ByteSize>().unwrap(), ByteSize(450_000_000));
        assert_eq!("1.5 GiB".parse::<ByteSize>().unwrap(), ByteSize(3 << 29));
        assert!("450".parse::<ByteSize>().unwrap_err().to_string().contains("unit is missing"));
        assert!("450mbit".parse::<ByteSize>().unwrap_err().to_string().contains("unit is unknown"));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = text.parse::<ByteSize>();
        }

        #[test]
        fn survives_json(bytes in 0_u64..(1 << 53)) {
            let json = serde_json::to_string(&ByteSize(bytes)).unwrap();
            prop_assert_eq!(serde_json::from_str::<ByteSize>(&json).unwrap(), ByteSize(bytes));
        }
    }
}
