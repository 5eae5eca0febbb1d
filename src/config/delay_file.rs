//! [`DelayFile`]: a delay as typed, in faults and in upstreams.

use super::value::Quantity;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use std::fmt;
use toml::Spanned;

/// A delay: by mean and jitter, by quantiles, or by a file of samples.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(remote = "Self", deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DelayFile {
    /// `latency = "500ms"`: always this.
    #[serde(skip)]
    pub(super) always: Option<Quantity>,
    pub(super) mean: Option<Spanned<Quantity>>,
    /// None if absent.
    pub(super) jitter: Option<Spanned<Quantity>>,
    /// By what else is given: `lognormal` with jitter or with `p50` and one quantile above it, `empirical` with more
    /// quantiles or samples, else `constant`.
    pub(super) shape: Option<Spanned<String>>,
    pub(super) min: Option<Spanned<Quantity>>,
    pub(super) p10: Option<Spanned<Quantity>>,
    pub(super) p25: Option<Spanned<Quantity>>,
    pub(super) p50: Option<Spanned<Quantity>>,
    pub(super) p75: Option<Spanned<Quantity>>,
    pub(super) p90: Option<Spanned<Quantity>>,
    pub(super) p95: Option<Spanned<Quantity>>,
    pub(super) p99: Option<Spanned<Quantity>>,
    pub(super) max: Option<Spanned<Quantity>>,
    /// A file with one delay a line.
    pub(super) samples: Option<Spanned<String>>,
    /// The unit of samples that are bare numbers.
    pub(super) unit: Option<Spanned<String>>,
    /// How much a draw depends on the one before; 0% if absent.
    pub(super) correlation: Option<Spanned<Quantity>>,
    /// Of faults alone: what waits; `headers` if absent.
    pub(super) at: Option<Spanned<String>>,
}

impl<'de> Deserialize<'de> for DelayFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = DelayFile;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time such as \"500ms\", or a table such as { mean = \"500ms\", jitter = \"100ms\" }")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(DelayFile { always: Some(Quantity(text.to_owned())), ..DelayFile::default() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                // The derived function, which reads a table.
                DelayFile::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Read)
    }
}

impl DelayFile {
    /// The quantiles that are given, in ascending order of their share.
    pub(super) fn quantiles(&self) -> Vec<(f64, &'static str, &Spanned<Quantity>)> {
        let all = [
            (0.0, "min", &self.min),
            (0.1, "p10", &self.p10),
            (0.25, "p25", &self.p25),
            (0.5, "p50", &self.p50),
            (0.75, "p75", &self.p75),
            (0.9, "p90", &self.p90),
            (0.95, "p95", &self.p95),
            (0.99, "p99", &self.p99),
            (1.0, "max", &self.max),
        ];
        all.into_iter().filter_map(|(share, name, given)| Some((share, name, given.as_ref()?))).collect()
    }
}
