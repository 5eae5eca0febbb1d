//! `upstreams.openai.pace` and `upstreams.openai.limits` as typed, and the presets of the former.

use super::delay_file::DelayFile;
use super::value::{Quantity, Table};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor, value::MapAccessDeserializer};
use std::fmt;
use std::marker::PhantomData;
use toml::Spanned;

/// A preset's name, or a table that says more.
#[derive(Debug)]
pub(super) enum PresetOr<T> {
    /// `pace = "gpt-4o-2024"`
    Preset(String),
    /// `pace = { … }`
    Table(Box<T>),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PresetOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = PresetOr<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a preset, or a table")
            }
            fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
                Ok(PresetOr::Preset(name.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|table| PresetOr::Table(Box::new(table)))
            }
        }
        deserializer.deserialize_any(Read(PhantomData))
    }
}

/// `upstreams.openai.pace`
pub(super) type PaceFile = PresetOr<PaceTable>;

/// `[upstreams.openai.pace]`. What is absent is as in the preset; without one, it takes no time.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PaceTable {
    pub(super) preset: Option<Spanned<String>>,
    pub(super) first_token: Option<Spanned<DelayFile>>,
    pub(super) token_gap: Option<Spanned<DelayFile>>,
    pub(super) tokens_per_second: Option<Spanned<f64>>,
    pub(super) token_jitter: Option<Spanned<Quantity>>,
    #[serde(rename = "per-1k-prompt-tokens")]
    pub(super) per_1k_prompt_tokens: Option<Spanned<Quantity>>,
    pub(super) per_concurrent: Option<Spanned<Quantity>>,
    /// As many at once as come, if absent.
    pub(super) capacity: Option<Spanned<i64>>,
    /// Embeddings and moderations.
    pub(super) embeddings: Option<Spanned<DelayFile>>,
    #[serde(default)]
    pub(super) model: Table<Spanned<PresetOr<ModelPaceTable>>>,
}

/// `[upstreams.openai.pace.model.NAME]`. What is absent is as in its preset, else as for every model.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ModelPaceTable {
    pub(super) preset: Option<Spanned<String>>,
    pub(super) first_token: Option<Spanned<DelayFile>>,
    pub(super) token_gap: Option<Spanned<DelayFile>>,
    pub(super) tokens_per_second: Option<Spanned<f64>>,
    pub(super) token_jitter: Option<Spanned<Quantity>>,
    #[serde(rename = "per-1k-prompt-tokens")]
    pub(super) per_1k_prompt_tokens: Option<Spanned<Quantity>>,
    pub(super) per_concurrent: Option<Spanned<Quantity>>,
}

/// What a pace for all models, one for a single model, and a preset have in common.
pub(super) struct PaceParts<'a> {
    pub(super) first_token: Option<&'a Spanned<DelayFile>>,
    pub(super) token_gap: Option<&'a Spanned<DelayFile>>,
    pub(super) tokens_per_second: Option<&'a Spanned<f64>>,
    pub(super) token_jitter: Option<&'a Spanned<Quantity>>,
    pub(super) per_1k_prompt_tokens: Option<&'a Spanned<Quantity>>,
    pub(super) per_concurrent: Option<&'a Spanned<Quantity>>,
}

/// Each of the three structs has the fields of [`PaceParts`].
macro_rules! parts {
    ($($file:ty),*) => {$(
        impl $file {
            /// What it says of the times.
            pub(super) fn parts(&self) -> PaceParts<'_> {
                PaceParts {
                    first_token: self.first_token.as_ref(),
                    token_gap: self.token_gap.as_ref(),
                    tokens_per_second: self.tokens_per_second.as_ref(),
                    token_jitter: self.token_jitter.as_ref(),
                    per_1k_prompt_tokens: self.per_1k_prompt_tokens.as_ref(),
                    per_concurrent: self.per_concurrent.as_ref(),
                }
            }
        }
    )*};
}
parts!(PaceTable, ModelPaceTable, PresetTable);

/// One preset of `data/pace-presets.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PresetTable {
    /// The model whose preset it is under `pace = "by-model"`.
    pub(super) model: Option<String>,
    /// Of when the figures are.
    pub(super) date: String,
    /// Where they come from.
    pub(super) source: String,
    first_token: Option<Spanned<DelayFile>>,
    token_gap: Option<Spanned<DelayFile>>,
    tokens_per_second: Option<Spanned<f64>>,
    token_jitter: Option<Spanned<Quantity>>,
    #[serde(rename = "per-1k-prompt-tokens")]
    per_1k_prompt_tokens: Option<Spanned<Quantity>>,
    per_concurrent: Option<Spanned<Quantity>>,
}

/// `[upstreams.openai.limits]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LimitsFile {
    /// Not enforced, if absent.
    pub(super) requests_per_minute: Option<Spanned<i64>>,
    /// Not enforced, if absent.
    pub(super) tokens_per_minute: Option<Spanned<i64>>,
    /// None if absent.
    pub(super) quota: Option<Spanned<Quantity>>,
    /// `all` if absent.
    pub(super) headers: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) count_refused: bool,
    #[serde(default)]
    pub(super) model: Table<Spanned<ModelLimitFile>>,
}

/// `[upstreams.openai.limits.model.NAME]`. What is absent is as for every model.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ModelLimitFile {
    pub(super) requests_per_minute: Option<Spanned<i64>>,
    pub(super) tokens_per_minute: Option<Spanned<i64>>,
}
