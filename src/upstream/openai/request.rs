//! Reading request bodies, and saying what is wrong with them as OpenAI does.
//!
//! A body is read straight into what it is read for. Only if that fails is it looked at again, to find out why.

use super::errors::{invalid, not_json};
use crate::upstream::answer::{Answer, Call};
use serde::Deserialize;
use serde_json::Value;

/// The JSON that a parameter may be; `null` is as good as none everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Anything.
    Any,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// A string.
    Text,
    /// A list of objects.
    Objects,
    /// An object.
    Object,
    /// A string or a list of strings.
    TextOrTexts,
}

impl Kind {
    fn fits(self, value: &Value) -> bool {
        match self {
            _ if value.is_null() => true,
            Self::Any => true,
            Self::Bool => value.is_boolean(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Text => value.is_string(),
            Self::Objects => value.is_array(),
            Self::Object => value.is_object(),
            Self::TextOrTexts => {
                value.is_string() || value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Bool => "a boolean",
            Self::Integer => "an integer",
            Self::Number => "a decimal number",
            Self::Text => "a string",
            Self::Objects => "an array of objects",
            Self::Object => "an object",
            Self::TextOrTexts => "one of a string or array of strings",
        }
    }
}

/// The parameters of a call.
pub type Parameters = [(&'static str, Kind)];

/// Reads a body.
///
/// # Errors
/// The answer to a body that is no JSON, to a parameter that the call does not have, and to one of the wrong type.
pub fn read<'a, T: Deserialize<'a>>(call: &Call<'a>, parameters: &Parameters) -> Result<T, Box<Answer>> {
    if let Some(kind) = call.header("content-type")
        && !kind.to_ascii_lowercase().contains("json")
    {
        return Err(Box::new(not_json_by_header(kind)));
    }
    let error = match serde_json::from_slice(call.body) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    if call.body.iter().all(u8::is_ascii_whitespace) {
        return Err(Box::new(missing_model()));
    }
    let Ok(body) = serde_json::from_slice::<Value>(call.body) else { return Err(Box::new(not_json())) };
    let Some(entries) = body.as_object() else {
        let shown: String = body.to_string().chars().take(200).collect();
        return Err(Box::new(invalid(&format!("{shown} is not of type 'object'"), None, None)));
    };
    let unknown: Vec<&str> =
        entries.keys().map(String::as_str).filter(|key| !parameters.iter().any(|(known, _)| known == key)).collect();
    if !unknown.is_empty() {
        return Err(Box::new(unrecognized(&unknown)));
    }
    for (name, kind) in parameters {
        if let Some(value) = body.get(name)
            && !kind.fits(value)
        {
            return Err(Box::new(wrong_type(name, kind.name(), value)));
        }
    }
    Err(Box::new(deep(&body).unwrap_or_else(|| invalid(&format!("Invalid request: {error}."), None, None))))
}

/// Parameters that the call does not have (llm_wiki#336, langchain_dart#712).
pub fn unrecognized(names: &[&str]) -> Answer {
    let plural = if names.len() > 1 { "s" } else { "" };
    let names: String = names.join(", ").chars().take(500).collect();
    invalid(&format!("Unrecognized request argument{plural} supplied: {names}"), None, None)
}

/// A parameter of the wrong type (pydantic-ai#2653).
pub fn wrong_type(name: &str, expected: &str, got: &Value) -> Answer {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    let message = format!("Invalid type for '{name}': expected {expected}, but got {got} instead.");
    invalid(&message, Some(name), Some("invalid_type"))
}

/// A parameter that must be there.
pub fn missing(name: &str) -> Answer {
    invalid(&format!("Missing required parameter: '{name}'."), Some(name), Some("missing_required_parameter"))
}

/// No model, which is said in other words than any other parameter's absence.
pub fn missing_model() -> Answer {
    invalid("you must provide a model parameter", None, None)
}

/// A value that is not among those that are allowed.
pub fn not_among(name: &str, got: &str, allowed: &[&str]) -> Answer {
    let allowed: Vec<String> = allowed.iter().map(|value| format!("'{value}'")).collect();
    let got: String = got.chars().take(100).collect();
    let listed = match allowed.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, [before])) => format!("{before} and {last}"),
        Some((last, before)) => format!("{}, and {last}", before.join(", ")),
        None => String::new(),
    };
    let message = format!("Invalid value: '{got}'. Supported values are: {listed}.");
    invalid(&message, Some(name), Some("invalid_value"))
}

/// A number outside of its range.
pub fn out_of_range(name: &str, got: f64, least: f64, most: f64, whole: bool) -> Answer {
    let kind = if whole { "integer" } else { "decimal" };
    let (bound, code, limit) = if got < least {
        ("minimum", format!("{kind}_below_min_value"), least)
    } else {
        ("maximum", format!("{kind}_above_max_value"), most)
    };
    let relation = if got < least { ">=" } else { "<=" };
    let message = format!(
        "Invalid '{name}': {kind} {} {bound} value. Expected a value {relation} {limit}, but got {got} instead.",
        if got < least { "below" } else { "above" }
    );
    invalid(&message, Some(name), Some(&code))
}

fn not_json_by_header(kind: &str) -> Answer {
    let kind: String = kind.chars().take(100).collect();
    let message = format!(
        "Unsupported content type: '{kind}'. This API method only accepts 'application/json' requests, but you specified \
         the header 'Content-Type: {kind}'. Please try again with a supported content type."
    );
    invalid(&message, None, Some("unsupported_content_type"))
}

/// What is wrong inside of `messages`, `tools` or `response_format`.
fn deep(body: &Value) -> Option<Answer> {
    for (at, message) in body["messages"].as_array().into_iter().flatten().enumerate() {
        let name = |rest: &str| format!("messages[{at}]{rest}");
        if !message.is_object() {
            return Some(wrong_type(&name(""), "an object", message));
        }
        if message.get("role").is_none() {
            return Some(missing(&name(".role")));
        }
        if !message["role"].is_string() {
            return Some(wrong_type(&name(".role"), "a string", &message["role"]));
        }
        if !matches!(&message["content"], Value::Null | Value::String(_) | Value::Array(_)) {
            return Some(wrong_type(&name(".content"), "one of a string or array of objects", &message["content"]));
        }
        for (part_at, part) in message["content"].as_array().into_iter().flatten().enumerate() {
            if !part.is_object() {
                return Some(wrong_type(&name(&format!(".content[{part_at}]")), "an object", part));
            }
            for key in ["type", "text"] {
                if !matches!(part[key], Value::Null | Value::String(_)) {
                    return Some(wrong_type(&name(&format!(".content[{part_at}].{key}")), "a string", &part[key]));
                }
            }
        }
        for key in ["name", "tool_call_id", "refusal"] {
            if !matches!(message[key], Value::Null | Value::String(_)) {
                return Some(wrong_type(&name(&format!(".{key}")), "a string", &message[key]));
            }
        }
        if !matches!(message["tool_calls"], Value::Null | Value::Array(_)) {
            return Some(wrong_type(&name(".tool_calls"), "an array of objects", &message["tool_calls"]));
        }
        for (call_at, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
            for (key, value) in [("id", &call["id"]), ("function.name", &call["function"]["name"])] {
                let name = name(&format!(".tool_calls[{call_at}].{key}"));
                match value {
                    Value::String(_) => {}
                    Value::Null => return Some(missing(&name)),
                    other => return Some(wrong_type(&name, "a string", other)),
                }
            }
            if !call["function"]["arguments"].is_string() {
                let name = name(&format!(".tool_calls[{call_at}].function.arguments"));
                return Some(wrong_type(&name, "a string", &call["function"]["arguments"]));
            }
        }
    }
    for (at, tool) in body["tools"].as_array().into_iter().flatten().enumerate() {
        if !tool.is_object() {
            return Some(wrong_type(&format!("tools[{at}]"), "an object", tool));
        }
        for (path, value, kind) in [
            ("type", &tool["type"], Kind::Text),
            ("function", &tool["function"], Kind::Object),
            ("function.name", &tool["function"]["name"], Kind::Text),
            ("function.description", &tool["function"]["description"], Kind::Text),
            ("function.strict", &tool["function"]["strict"], Kind::Bool),
        ] {
            if !kind.fits(value) {
                return Some(wrong_type(&format!("tools[{at}].{path}"), kind.name(), value));
            }
        }
    }
    let format = &body["response_format"];
    for (path, value, kind) in [
        ("type", &format["type"], Kind::Text),
        ("json_schema", &format["json_schema"], Kind::Object),
        ("json_schema.name", &format["json_schema"]["name"], Kind::Text),
        ("json_schema.strict", &format["json_schema"]["strict"], Kind::Bool),
    ] {
        if !kind.fits(value) {
            return Some(wrong_type(&format!("response_format.{path}"), kind.name(), value));
        }
    }
    None
}
