//! The body of `POST /v1/responses` as sent.

use crate::upstream::answer::Answer;
use crate::upstream::openai::errors::{invalid, not_json};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The most pairs of metadata, and characters of their keys and values (OpenAI's API description).
const METADATA: (usize, usize, usize) = (16, 64, 512);
/// The least `max_output_tokens` (same source).
const LEAST_OUTPUT: i64 = 16;

/// A request. Every parameter of OpenAI's API description is named, because the service refuses others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request<'a> {
    pub model: Option<String>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
    pub instructions: Option<String>,
    pub stream: Option<bool>,
    pub stream_options: Option<StreamOptions>,
    pub store: Option<bool>,
    pub background: Option<bool>,
    pub previous_response_id: Option<String>,
    pub max_output_tokens: Option<i64>,
    pub max_tool_calls: Option<i64>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub top_logprobs: Option<u64>,
    #[serde(borrow)]
    pub tools: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    pub tool_choice: Option<&'a RawValue>,
    pub parallel_tool_calls: Option<bool>,
    #[serde(borrow)]
    pub text: Option<Text<'a>>,
    #[serde(borrow)]
    pub reasoning: Option<Reasoning<'a>>,
    pub truncation: Option<String>,
    pub metadata: Option<BTreeMap<String, String>>,
    pub include: Option<Vec<String>>,
    pub user: Option<String>,
    pub service_tier: Option<String>,
    pub prompt_cache_key: Option<String>,
    pub prompt_cache_retention: Option<String>,
    pub safety_identifier: Option<String>,
    #[serde(borrow)]
    pub conversation: Option<&'a RawValue>,
    #[serde(borrow)]
    pub prompt: Option<&'a RawValue>,
    // Taken and without effect on what is answered.
    #[serde(rename = "access_programs")]
    _access_programs: Option<IgnoredAny>,
    #[serde(rename = "background_options")]
    _background_options: Option<IgnoredAny>,
    #[serde(rename = "context_management")]
    _context_management: Option<IgnoredAny>,
    #[serde(rename = "image")]
    _image: Option<IgnoredAny>,
    #[serde(rename = "moderation")]
    _moderation: Option<IgnoredAny>,
    #[serde(rename = "prompt_cache_options")]
    _prompt_cache_options: Option<IgnoredAny>,
}

/// `stream_options`
#[derive(Debug, Deserialize)]
pub struct StreamOptions {
    pub include_obfuscation: Option<bool>,
}

/// `text`
#[derive(Debug, Deserialize)]
pub struct Text<'a> {
    #[serde(borrow)]
    pub format: Option<Format<'a>>,
    #[serde(borrow)]
    pub verbosity: Option<Cow<'a, str>>,
}

/// `text.format`
#[derive(Debug, Deserialize)]
pub struct Format<'a> {
    #[serde(borrow)]
    pub r#type: Cow<'a, str>,
    pub name: Option<String>,
    pub description: Option<String>,
    #[serde(borrow)]
    pub schema: Option<&'a RawValue>,
    pub strict: Option<bool>,
}

/// `reasoning`
#[derive(Debug, Default, Deserialize)]
pub struct Reasoning<'a> {
    #[serde(borrow)]
    pub effort: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub summary: Option<Cow<'a, str>>,
}

/// One of `tools`.
#[derive(Debug, Deserialize)]
pub struct ToolBody<'a> {
    #[serde(borrow)]
    pub r#type: Cow<'a, str>,
    pub name: Option<String>,
    pub description: Option<String>,
    #[serde(borrow)]
    pub parameters: Option<&'a RawValue>,
    pub strict: Option<bool>,
}

/// A `tool_choice` that is no word.
#[derive(Debug, Deserialize)]
pub struct ChoiceBody<'a> {
    #[serde(borrow)]
    pub r#type: Cow<'a, str>,
    pub name: Option<String>,
    #[serde(borrow)]
    pub mode: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub tools: Option<Vec<ToolBody<'a>>>,
}

/// Parameters of chat completions that have other names here, and those.
const MOVED: [(&str, &str); 6] = [
    ("messages", "input"),
    ("max_tokens", "max_output_tokens"),
    ("max_completion_tokens", "max_output_tokens"),
    ("response_format", "text.format"),
    ("reasoning_effort", "reasoning.effort"),
    ("verbosity", "text.verbosity"),
];

impl<'a> Request<'a> {
    /// Reads a body.
    ///
    /// # Errors
    /// The answer that refuses it.
    pub fn read(body: &'a [u8]) -> Result<Self, Box<Answer>> {
        let request: Self = serde_json::from_slice(body).map_err(|error| Box::new(unreadable(&error)))?;
        request.check()?;
        Ok(request)
    }

    fn check(&self) -> Result<(), Box<Answer>> {
        let refuse = |message: &str, param: &str, code| Err(Box::new(invalid(message, Some(param), Some(code))));
        if let Some(most) = self.max_output_tokens.filter(|most| *most < LEAST_OUTPUT) {
            let message = format!(
                "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= {LEAST_OUTPUT}, but got \
                 {most} instead."
            );
            return refuse(&message, "max_output_tokens", "integer_below_min_value");
        }
        for (name, value, most) in [("temperature", self.temperature, 2.0), ("top_p", self.top_p, 1.0)] {
            let Some(value) = value else { continue };
            let (beyond, sign, bound) = match value {
                value if value > most => ("above maximum", "<=", most),
                value if value < 0.0 => ("below minimum", ">=", 0.0),
                _ => continue,
            };
            let code = if value > most { "decimal_above_max_value" } else { "decimal_below_min_value" };
            let message = format!(
                "Invalid '{name}': decimal {beyond} value. Expected a value {sign} {bound:?}, but got {value:?} instead."
            );
            return refuse(&message, name, code);
        }
        if self.background == Some(true) && self.store == Some(false) {
            let message = "Background mode requires 'store' to be true.";
            return refuse(message, "background", "invalid_value");
        }
        one_of("truncation", self.truncation.as_deref(), &["auto", "disabled"])?;
        if let Some(text) = &self.text {
            one_of("text.verbosity", text.verbosity.as_deref(), &["low", "medium", "high"])?;
            if let Some(format) = &text.format {
                one_of("text.format.type", Some(&*format.r#type), &["text", "json_object", "json_schema"])?;
                if &*format.r#type == "json_schema" {
                    let absent = match (&format.name, format.schema) {
                        (None, _) => Some("text.format.name"),
                        (_, None) => Some("text.format.schema"),
                        _ => None,
                    };
                    if let Some(param) = absent {
                        return refuse(&missing(param), param, "missing_required_parameter");
                    }
                }
            }
        }
        if let Some(reasoning) = &self.reasoning {
            let efforts = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
            one_of("reasoning.effort", reasoning.effort.as_deref(), &efforts)?;
            one_of("reasoning.summary", reasoning.summary.as_deref(), &["concise", "detailed", "auto"])?;
        }
        let metadata = self.metadata.iter().flatten();
        let (most, key_length, value_length) = METADATA;
        if metadata.clone().count() > most {
            let message =
                format!("Invalid 'metadata': too many properties. Expected an object with at most {most} properties.");
            return refuse(&message, "metadata", "object_above_max_properties");
        }
        let mut long =
            metadata.filter(|(key, value)| key.chars().count() > key_length || value.chars().count() > value_length);
        if long.next().is_some() {
            let message = format!(
                "Invalid 'metadata': string too long. Keys have at most {key_length} and values at most {value_length} \
                 characters."
            );
            return refuse(&message, "metadata", "string_above_max_length");
        }
        Ok(())
    }

    /// The marker by which a client asks for a response that fails: `metadata = {"firedrill": "fail"}`, or with the
    /// error's code, `"fail:rate_limit_exceeded"`.
    pub fn marked_failure(&self) -> Option<&str> {
        let marker = self.metadata.as_ref()?.get("firedrill")?.strip_prefix("fail")?;
        Some(marker.strip_prefix(':').unwrap_or("server_error"))
    }
}

fn unreadable(error: &serde_json::Error) -> Answer {
    if !error.is_data() {
        return not_json();
    }
    let says = error.to_string();
    let quoted = says.split('`').nth(1).unwrap_or_default();
    if !says.starts_with("unknown field") {
        return invalid(&format!("Invalid type in request: {says}."), None, Some("invalid_type"));
    }
    let name: String = quoted.chars().take(100).collect();
    if let Some((_, moved)) = MOVED.iter().find(|(old, _)| *old == name) {
        let message = format!(
            "Unsupported parameter: '{name}'. In the Responses API, this parameter has moved to '{moved}'. Try again with \
             the new parameter. See the API documentation for more information: \
             https://platform.openai.com/docs/api-reference/responses/create."
        );
        return invalid(&message, None, Some("unsupported_parameter"));
    }
    invalid(&format!("Unknown parameter: '{name}'."), Some(&name), Some("unknown_parameter"))
}

/// What OpenAI says of a parameter that is not there.
pub fn missing(param: &str) -> String {
    format!("Missing required parameter: '{param}'.")
}

fn one_of(param: &str, given: Option<&str>, valid: &[&str]) -> Result<(), Box<Answer>> {
    let Some(given) = given.filter(|given| !valid.contains(given)) else { return Ok(()) };
    let given: String = given.chars().take(100).collect();
    let quoted: Vec<String> = valid.iter().map(|name| format!("'{name}'")).collect();
    let list = match quoted.as_slice() {
        [one, other] => format!("{one} and {other}"),
        [head @ .., last] => format!("{}, and {last}", head.join(", ")),
        [] => String::new(),
    };
    let message = format!("Invalid value: '{given}'. Supported values are: {list}.");
    Err(Box::new(invalid(&message, Some(param), Some("invalid_value"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_body_makes_it_panic(
            body in prop_oneof![
                "\\PC{0,60}",
                ("[a-z_]{1,20}", "[\\[\\]{}\",:0-9a-z]{0,30}").prop_map(|(key, value)| format!("{{\"{key}\":{value}}}")),
            ],
        ) {
            let _ = Request::read(body.as_bytes()).map(|request| request.marked_failure().map(str::len));
        }
    }

    #[test]
    fn deep_bodies_are_refused_not_overflowed() {
        let deep = format!(r#"{{"model":"gpt-4o","input":{}1{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        let _ = Request::read(deep.as_bytes());
        let deep = format!(r#"{{"metadata":{}1{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        assert!(Request::read(deep.as_bytes()).is_err());
    }
}
