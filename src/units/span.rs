//! [`Span`]: a duration as people write it (`"30s"`, `"1m 30s"`, `"250ms"`).

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration with its unit written out, in files and on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a duration: {reason}; write a number and a unit, such as \"30s\", \"250ms\", \"5m\" or \"1h 30m\""
)]
pub struct ParseSpanError {
    /// What was written.
    pub text: String,
    reason: String,
}

impl Span {
    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }

    /// The duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = ParseSpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason: &str| ParseSpanError { text: text.to_owned(), reason: reason.to_owned() };
        // Fractions such as "1.5s" are not in humantime's grammar; they are common enough to be worth a line.
        if let Some((number, unit)) = split_fraction(text) {
            let scale = match unit {
                "ms" => 0.001,
                "s" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                _ => return Err(fail("the unit is unknown (ms, s, m, h)")),
            };
            return Duration::try_from_secs_f64(number * scale).map(Self).map_err(|_| fail("it is too large"));
        }
        match humantime::parse_duration(text.trim()) {
            Ok(duration) if duration.as_secs() > 100 * 365 * 86_400 => Err(fail("it is too large")),
            Ok(duration) => Ok(Self(duration)),
            Err(_) if text.trim().parse::<f64>().is_ok() => Err(fail("the unit is missing")),
            Err(humantime::DurationError::UnknownUnit { unit, .. }) => {
                Err(fail(&format!("the unit `{unit}` is unknown (ms, s, m, h, d)")))
            }
            Err(_) => Err(fail("it has no number with a unit")),
        }
    }
}

/// Splits `1.5s` into its number and unit; `None` where there is no single decimal number.
fn split_fraction(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(end);
    if !number.contains('.') {
        return None;
    }
    Some((number.parse().ok()?, unit.trim()))
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Below a microsecond nothing here is meaningful, and "3s 999ms 999us 998ns" is no figure for people.
        let micros = Duration::from_micros(u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX));
        write!(f, "{}", humantime::format_duration(micros))
    }
}

impl From<Duration> for Span {
    fn from(duration: Duration) -> Self {
        Self(duration)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [("30s", 30_000), ("250ms", 250), ("1.5s", 1_500), ("1m 30s", 90_000), ("2h", 7_200_000)]
        {
            assert_eq!(text.parse::<Span>().unwrap().get(), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        assert!("30".parse::<Span>().unwrap_err().to_string().contains("the unit is missing"));
        assert!("30x".parse::<Span>().unwrap_err().to_string().contains("`x` is unknown"));
        assert!("soon".parse::<Span>().is_err());
        assert!("-3s".parse::<Span>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(micros in 0_u64..1_000_000_000_000) {
            let span = Span(Duration::from_micros(micros));
            prop_assert_eq!(span.to_string().parse::<Span>().unwrap(), span);
        }

        #[test]
        fn never_panics(text in "\\PC{0,24}") {
            let _ = text.parse::<Span>();
        }
    }
}
