//! [`ContentRulesFile`]: a file of content rules as typed.

use super::value::Node;
use super::value::Table;
use crate::model::content::{ContentEndpoint, ContentFinish, ContentRole};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;
use toml::Spanned;

/// A file of content rules.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ContentRulesFile {
    /// The file's name without its ending, if absent.
    pub(super) name: Option<String>,
    pub(super) describe: Option<String>,
    #[serde(default)]
    pub(super) rule: Vec<Spanned<RuleFile>>,
}

/// `[[rule]]`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RuleFile {
    pub(super) name: Spanned<String>,
    /// Every prompt, if absent.
    #[serde(default)]
    pub(super) when: Alternatives,
    pub(super) answer: Spanned<AnswerFile>,
    pub(super) finish: Option<Spanned<ContentFinish>>,
}

/// `when = { … }` or `when = [{ … }, { … }]`
#[derive(Debug, Default)]
pub(super) struct Alternatives(pub(super) Vec<WhenFile>);

/// `rule.when`
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WhenFile {
    pub(super) endpoint: Option<ContentEndpoint>,
    pub(super) model: Option<Spanned<String>>,
    pub(super) json: Option<bool>,
    pub(super) max_tokens: Option<Spanned<i64>>,
    pub(super) system: Option<Spanned<Node>>,
    pub(super) prompt: Option<Spanned<Node>>,
    pub(super) last: Option<Spanned<Node>>,
    pub(super) last_from: Option<ContentRole>,
    pub(super) tool: Option<Spanned<String>>,
    pub(super) about: Option<Spanned<Vec<Spanned<String>>>>,
    #[serde(default)]
    pub(super) pointer: Table<Spanned<Node>>,
}

/// `rule.answer.KIND`
#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum AnswerFile {
    Text(Spanned<String>),
    TextFile(Spanned<String>),
    Json(Spanned<Node>),
    Refusal(Spanned<String>),
    ToolCalls(Spanned<Vec<CallFile>>),
}

/// `rule.answer.tool-calls`
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CallFile {
    pub(super) name: Spanned<String>,
    /// None if absent.
    pub(super) arguments: Option<Spanned<Node>>,
}

impl<'de> Deserialize<'de> for Alternatives {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Alternatives;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of conditions, or a list of such tables")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Alternatives, A::Error> {
                WhenFile::deserialize(MapAccessDeserializer::new(map)).map(|when| Alternatives(vec![when]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Alternatives, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = seq.next_element()? {
                    all.push(one);
                }
                Ok(Alternatives(all))
            }
        }
        deserializer.deserialize_any(Read)
    }
}
