//! The body of `POST /v1/chat/completions`, as it is read (WIRE-openai §5).

use super::super::request::{Kind, Parameters};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The parameters of the call (OpenAI's API description, CreateChatCompletionRequest).
pub const PARAMETERS: &Parameters = &[
    ("model", Kind::Text),
    ("messages", Kind::Objects),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("max_tokens", Kind::Integer),
    ("max_completion_tokens", Kind::Integer),
    ("n", Kind::Integer),
    ("stop", Kind::TextOrTexts),
    ("temperature", Kind::Number),
    ("top_p", Kind::Number),
    ("presence_penalty", Kind::Number),
    ("frequency_penalty", Kind::Number),
    ("logprobs", Kind::Bool),
    ("top_logprobs", Kind::Integer),
    ("seed", Kind::Integer),
    ("tools", Kind::Objects),
    ("tool_choice", Kind::Any),
    ("parallel_tool_calls", Kind::Bool),
    ("functions", Kind::Objects),
    ("function_call", Kind::Any),
    ("response_format", Kind::Object),
    ("reasoning_effort", Kind::Text),
    ("service_tier", Kind::Text),
    ("store", Kind::Bool),
    ("metadata", Kind::Object),
    ("user", Kind::Text),
    ("logit_bias", Kind::Object),
    ("modalities", Kind::Any),
    ("audio", Kind::Object),
    ("prediction", Kind::Object),
    ("web_search_options", Kind::Object),
    ("verbosity", Kind::Text),
    ("prompt_cache_key", Kind::Text),
    ("prompt_cache_retention", Kind::Text),
    ("prompt_cache_options", Kind::Object),
    ("safety_identifier", Kind::Text),
    ("moderation", Kind::Any),
];

/// A text that is not copied where it need not be.
#[derive(Deserialize)]
pub struct Str<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// An object, whatever is in it.
pub type Fields = BTreeMap<String, IgnoredAny>;

/// The request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request<'a> {
    #[serde(borrow)]
    pub model: Option<Str<'a>>,
    #[serde(borrow)]
    pub messages: Option<Vec<Message<'a>>>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub max_tokens: Option<i64>,
    pub max_completion_tokens: Option<i64>,
    pub n: Option<i64>,
    pub stop: Option<Stop>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub presence_penalty: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub logprobs: Option<bool>,
    pub top_logprobs: Option<i64>,
    #[serde(borrow)]
    pub tools: Option<Vec<Tool<'a>>>,
    #[serde(borrow)]
    pub tool_choice: Option<&'a RawValue>,
    pub parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    pub functions: Option<Vec<Function<'a>>>,
    #[serde(borrow)]
    pub function_call: Option<&'a RawValue>,
    #[serde(borrow)]
    pub response_format: Option<ResponseFormat<'a>>,
    #[serde(borrow)]
    pub reasoning_effort: Option<Str<'a>>,
    #[serde(borrow)]
    pub service_tier: Option<Str<'a>>,
    pub store: Option<bool>,
    pub metadata: Option<Fields>,
    pub logit_bias: Option<BTreeMap<String, f64>>,
    pub modalities: Option<Vec<String>>,
    pub web_search_options: Option<Fields>,
    // Read for their types only: they change nothing about the answer of a model that says what it is told to.
    #[serde(rename = "seed")]
    _seed: Option<i64>,
    #[serde(rename = "user", borrow)]
    _user: Option<Str<'a>>,
    #[serde(rename = "audio")]
    _audio: Option<Fields>,
    #[serde(rename = "prediction")]
    _prediction: Option<Fields>,
    #[serde(rename = "verbosity", borrow)]
    _verbosity: Option<Str<'a>>,
    #[serde(rename = "prompt_cache_key", borrow)]
    _prompt_cache_key: Option<Str<'a>>,
    #[serde(rename = "prompt_cache_retention")]
    _prompt_cache_retention: Option<IgnoredAny>,
    #[serde(rename = "prompt_cache_options")]
    _prompt_cache_options: Option<IgnoredAny>,
    #[serde(rename = "safety_identifier", borrow)]
    _safety_identifier: Option<Str<'a>>,
    #[serde(rename = "moderation")]
    _moderation: Option<IgnoredAny>,
}

/// A message.
#[derive(Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub role: Cow<'a, str>,
    #[serde(borrow)]
    pub content: Option<Content<'a>>,
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow)]
    pub tool_call_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub function_call: Option<Called<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
}

/// A call that the model asked for before.
#[derive(Deserialize)]
pub struct Call<'a> {
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow)]
    pub function: Called<'a>,
}

/// The function of a call with its arguments.
#[derive(Deserialize)]
pub struct Called<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub arguments: Cow<'a, str>,
}

/// What a message says.
pub enum Content<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// Parts.
    Parts(Vec<Part<'a>>),
}

/// A part of what a message says.
#[derive(Deserialize)]
pub struct Part<'a> {
    #[serde(borrow)]
    pub r#type: Option<Str<'a>>,
    #[serde(borrow)]
    pub text: Option<Str<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Str<'a>>,
    #[serde(borrow)]
    pub image_url: Option<Image<'a>>,
}

/// A picture.
#[derive(Deserialize)]
pub struct Image<'a> {
    #[serde(borrow)]
    pub detail: Option<Str<'a>>,
}

/// `stream_options`
#[derive(Deserialize)]
pub struct StreamOptions {
    pub include_usage: Option<bool>,
    pub include_obfuscation: Option<bool>,
}

/// `stop`
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Stop {
    /// A text.
    One(String),
    /// Texts.
    Many(Vec<String>),
}

/// A tool.
#[derive(Deserialize)]
pub struct Tool<'a> {
    #[serde(borrow)]
    pub r#type: Option<Str<'a>>,
    #[serde(borrow)]
    pub function: Option<Function<'a>>,
}

/// A function.
#[derive(Deserialize)]
pub struct Function<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    #[serde(borrow)]
    pub description: Option<Str<'a>>,
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    pub strict: Option<bool>,
}

/// `response_format`
#[derive(Deserialize)]
pub struct ResponseFormat<'a> {
    #[serde(borrow)]
    pub r#type: Option<Str<'a>>,
    #[serde(borrow)]
    pub json_schema: Option<JsonSchema<'a>>,
}

/// `response_format.json_schema`
#[derive(Deserialize)]
pub struct JsonSchema<'a> {
    #[serde(borrow)]
    pub name: Option<Str<'a>>,
    pub strict: Option<bool>,
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ContentVisitor;

        impl<'de> Visitor<'de> for ContentVisitor {
            type Value = Content<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of objects")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Content<'de>, E> {
                Ok(Content::Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Content<'de>, E> {
                Ok(Content::Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Content<'de>, E> {
                Ok(Content::Text(Cow::Owned(text)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Content<'de>, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element()? {
                    parts.push(part);
                }
                Ok(Content::Parts(parts))
            }
        }

        deserializer.deserialize_any(ContentVisitor)
    }
}
