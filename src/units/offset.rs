//! [`Offset`]: a moment of the run, counted from its start.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A moment on the run's one clock, as the time since the run started.
///
/// Kept in whole microseconds; written to files as seconds with up to six decimals, which an `f64` holds
/// exactly for any run shorter than a century.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Offset {
    micros: u64,
}

impl Offset {
    /// The start of the run.
    pub const ZERO: Self = Self { micros: 0 };

    /// An offset of `micros` microseconds.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// An offset of whole seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self { micros: secs * 1_000_000 }
    }

    /// An offset of fractional seconds; negative and non-finite values become zero.
    #[must_use]
    pub fn from_secs_f64(secs: f64) -> Self {
        // `as` saturates, and maps NaN to zero, which is what the doc promises.
        Self { micros: (secs * 1e6).round() as u64 }
    }

    /// Microseconds since the start of the run.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.micros
    }

    /// Seconds since the start of the run.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.micros as f64 / 1e6
    }

    /// The index of the one-second interval that contains this moment.
    #[must_use]
    pub const fn second(self) -> u64 {
        self.micros / 1_000_000
    }

    /// The time since `earlier`, or zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.micros.saturating_sub(earlier.micros))
    }

    /// This moment, `by` later; saturates at the far end.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let by = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        Self { micros: self.micros.saturating_add(by) }
    }

    /// This moment as a duration since the start of the run.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_micros(self.micros)
    }
}

impl From<Duration> for Offset {
    fn from(since_start: Duration) -> Self {
        Self::ZERO.plus(since_start)
    }
}

impl fmt::Display for Offset {
    /// Minutes and seconds, as on a timeline: `0:07`, `12:30`, `1:02:03`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.second();
        let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
        if hours > 0 { write!(f, "{hours}:{minutes:02}:{secs:02}") } else { write!(f, "{minutes}:{secs:02}") }
    }
}

impl Serialize for Offset {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_secs_f64())
    }
}

impl<'de> Deserialize<'de> for Offset {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let secs = f64::deserialize(deserializer)?;
        if !secs.is_finite() || secs < 0.0 {
            return Err(serde::de::Error::custom("an offset is a number of seconds, zero or more"));
        }
        Ok(Self::from_secs_f64(secs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn survives_json(micros in 0_u64..(100 * 365 * 86_400 * 1_000_000)) {
            let offset = Offset::from_micros(micros);
            let json = serde_json::to_string(&offset).unwrap();
            prop_assert_eq!(serde_json::from_str::<Offset>(&json).unwrap(), offset);
        }
    }

    #[test]
    fn reads_like_a_timeline() {
        assert_eq!(Offset::from_secs(7).to_string(), "0:07");
        assert_eq!(Offset::from_secs(3723).to_string(), "1:02:03");
    }
}
