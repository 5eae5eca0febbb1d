//! What OpenAI refuses about a chat request that can be read, in its words (WIRE-openai §3, and public reports named
//! at the rules).

use super::super::errors::{envelope, invalid};
use super::super::models::{Encoding, Model, Purpose, Reasoning};
use super::super::request::{missing, not_among, out_of_range, unrecognized};
use super::request::{Content, Message, Request, Stop, Str};
use crate::upstream::answer::Answer;
use http::StatusCode;

/// The most choices of one request.
const MOST_CHOICES: i64 = 128;
/// The most tools of one request.
const MOST_TOOLS: usize = 128;
/// The most texts under `stop`.
const MOST_STOPS: usize = 4;
/// The longest text of a message, in bytes (VectorlyApp/bluebox#31, Shopify/roast#52).
const LONGEST: usize = 10_485_760;
const EFFORTS: [&str; 6] = ["none", "minimal", "low", "medium", "high", "xhigh"];
const ROLES: [&str; 6] = ["system", "assistant", "user", "function", "tool", "developer"];

type Refusal = Result<(), Box<Answer>>;

fn refuse(message: &str, param: &str, code: Option<&str>) -> Refusal {
    Err(Box::new(invalid(message, Some(param), code)))
}

/// Whether the model can be asked by this call.
///
/// # Errors
/// The answer that says no.
pub fn model(model: &Model) -> Refusal {
    let message = match model.purpose {
        Purpose::Chat => return Ok(()),
        Purpose::Completion => {
            "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you mean to use \
             v1/completions?"
        }
        Purpose::Responses => "This model is only supported in v1/responses and not in v1/chat/completions.",
        Purpose::Embedding { .. } | Purpose::Moderation => {
            let message = "You are not allowed to sample from this model";
            return Err(Box::new(envelope(StatusCode::FORBIDDEN, "invalid_request_error", message, None, None)));
        }
    };
    Err(Box::new(envelope(StatusCode::NOT_FOUND, "invalid_request_error", message, Some("model"), None)))
}

/// Everything about a request but its messages and schemas.
///
/// # Errors
/// The answer to the first thing that is not allowed.
pub fn parameters(request: &Request<'_>, model: &Model) -> Refusal {
    numbers(request, model)?;
    reasoning(request, model)?;
    if let Some(Stop::Many(stops)) = &request.stop
        && stops.len() > MOST_STOPS
    {
        return too_long("stop", MOST_STOPS, stops.len());
    }
    if let Some(Str(tier)) = &request.service_tier {
        let tiers = ["auto", "default", "flex", "scale", "priority"];
        among(|| "service_tier".to_owned(), tier, &tiers)?;
    }
    if request.stream_options.is_some() && request.stream != Some(true) {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return refuse(message, "stream_options", None);
    }
    if request.metadata.is_some() && request.store != Some(true) {
        return refuse("The 'metadata' parameter is only allowed when 'store' is enabled.", "metadata", None);
    }
    tools(request)?;
    format(request, model)
}

fn numbers(request: &Request<'_>, model: &Model) -> Refusal {
    let decimals = [
        ("temperature", request.temperature, 0.0, 2.0),
        ("top_p", request.top_p, 0.0, 1.0),
        ("presence_penalty", request.presence_penalty, -2.0, 2.0),
        ("frequency_penalty", request.frequency_penalty, -2.0, 2.0),
    ];
    for (name, value, least, most) in decimals {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            return Err(Box::new(out_of_range(name, value, least, most, false)));
        }
    }
    let integers = [
        ("n", request.n, 1, MOST_CHOICES),
        ("max_tokens", request.max_tokens, 1, i64::MAX),
        ("max_completion_tokens", request.max_completion_tokens, 1, i64::MAX),
        ("top_logprobs", request.top_logprobs, 0, 20),
    ];
    for (name, value, least, most) in integers {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            return Err(Box::new(out_of_range(name, value as f64, least as f64, most as f64, true)));
        }
    }
    for (token, bias) in request.logit_bias.iter().flatten() {
        if !(-100.0..=100.0).contains(bias) {
            let token: String = token.chars().take(40).collect();
            return Err(Box::new(out_of_range(&format!("logit_bias.{token}"), *bias, -100.0, 100.0, false)));
        }
    }
    if request.max_tokens.is_some() && request.max_completion_tokens.is_some() {
        let message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return refuse(message, "max_completion_tokens", Some("invalid_parameter_combination"));
    }
    let asked = [("max_tokens", request.max_tokens), ("max_completion_tokens", request.max_completion_tokens)];
    for (name, asked) in asked {
        if let Some(asked) = asked.and_then(|asked| u64::try_from(asked).ok()).filter(|asked| *asked > model.max_output)
        {
            let message = format!(
                "{name} is too large: {asked}. This model supports at most {} completion tokens, whereas you provided {asked}.",
                model.max_output
            );
            return refuse(&message, name, Some("invalid_value"));
        }
    }
    if request.top_logprobs.is_some() && request.logprobs != Some(true) {
        let message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.";
        return refuse(message, "top_logprobs", None);
    }
    Ok(())
}

/// What models that reason do not take, and the others do not know.
fn reasoning(request: &Request<'_>, model: &Model) -> Refusal {
    if let Some(Str(effort)) = &request.reasoning_effort {
        if model.reasoning == Reasoning::Never {
            return Err(Box::new(unrecognized(&["reasoning_effort"])));
        }
        among(|| "reasoning_effort".to_owned(), effort, &EFFORTS)?;
    }
    let reasons = match model.reasoning {
        Reasoning::Never => return Ok(()),
        Reasoning::Always => true,
        Reasoning::Asked => request.reasoning_effort.as_ref().is_some_and(|Str(effort)| effort != "none"),
    };
    if request.max_tokens.is_some() {
        let message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
        return refuse(message, "max_tokens", Some("unsupported_parameter"));
    }
    let unsupported = |name: &str| {
        let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
        refuse(&message, name, Some("unsupported_parameter"))
    };
    if reasons {
        let fixed = [
            ("temperature", request.temperature, 1.0),
            ("top_p", request.top_p, 1.0),
            ("presence_penalty", request.presence_penalty, 0.0),
            ("frequency_penalty", request.frequency_penalty, 0.0),
        ];
        for (name, value, default) in fixed {
            if let Some(value) = value {
                // o3-mini does not even take the default (BeehiveInnovations/pal-mcp-server#78).
                if model.id == "o3-mini" {
                    return unsupported(name);
                }
                if value != default {
                    let message = format!(
                        "Unsupported value: '{name}' does not support {value} with this model. Only the default ({default}) \
                         value is supported."
                    );
                    return refuse(&message, name, Some("unsupported_value"));
                }
            }
        }
        if request.logprobs == Some(true) {
            let message = "You are not allowed to request logprobs from this model";
            return Err(Box::new(envelope(StatusCode::FORBIDDEN, "invalid_request_error", message, None, None)));
        }
    }
    if request.stop.is_some() && !model.id.starts_with("o1") {
        return unsupported("stop");
    }
    Ok(())
}

fn tools(request: &Request<'_>) -> Refusal {
    let Some(tools) = &request.tools else {
        if request.tool_choice.is_some_and(|choice| choice.get() != "\"none\"") {
            let message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.";
            return refuse(message, "tool_choice", None);
        }
        if request.parallel_tool_calls.is_some() {
            let message = "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified.";
            return refuse(message, "parallel_tool_calls", None);
        }
        return Ok(());
    };
    if tools.is_empty() {
        return empty("tools");
    }
    if tools.len() > MOST_TOOLS {
        return too_long("tools", MOST_TOOLS, tools.len());
    }
    for (at, tool) in tools.iter().enumerate() {
        match tool.r#type.as_ref().map(|Str(kind)| &**kind) {
            None => return Err(Box::new(missing(&format!("tools[{at}].type")))),
            Some("custom") => continue,
            Some(kind) => among(|| format!("tools[{at}].type"), kind, &["function", "custom"])?,
        }
        let Some(function) = &tool.function else { return Err(Box::new(missing(&format!("tools[{at}].function")))) };
        match &function.name {
            None => return Err(Box::new(missing(&format!("tools[{at}].function.name")))),
            Some(Str(name)) => identifier(&format!("tools[{at}].function.name"), name)?,
        }
    }
    Ok(())
}

fn format(request: &Request<'_>, model: &Model) -> Refusal {
    let Some(format) = &request.response_format else { return Ok(()) };
    let Some(Str(kind)) = &format.r#type else { return Err(Box::new(missing("response_format.type"))) };
    among(|| "response_format.type".to_owned(), kind, &["json_object", "json_schema", "text"])?;
    match &**kind {
        "json_object" if model.id == "gpt-4" => {
            let message =
                "Invalid parameter: 'response_format' of type 'json_object' is not supported with this model.";
            refuse(message, "response_format", None)
        }
        "json_object" => {
            let messages = request.messages.as_deref().unwrap_or_default();
            if messages.iter().any(mentions_json) {
                return Ok(());
            }
            let message =
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.";
            refuse(message, "messages", None)
        }
        "json_schema" => {
            if model.encoding == Encoding::Cl100k || model.id == "gpt-4o-2024-05-13" {
                let message = "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. \
                               Learn more about supported models at the Structured Outputs guide: \
                               https://platform.openai.com/docs/guides/structured-outputs";
                return Err(Box::new(invalid(message, None, None)));
            }
            let Some(sent) = &format.json_schema else { return Err(Box::new(missing("response_format.json_schema"))) };
            match &sent.name {
                None => Err(Box::new(missing("response_format.json_schema.name"))),
                Some(Str(name)) => identifier("response_format.json_schema.name", name),
            }
        }
        _ => Ok(()),
    }
}

fn mentions_json(message: &Message<'_>) -> bool {
    let mentions = |text: &str| text.as_bytes().windows(4).any(|four| four.eq_ignore_ascii_case(b"json"));
    match &message.content {
        None => false,
        Some(Content::Text(text)) => mentions(text),
        Some(Content::Parts(parts)) => {
            parts.iter().filter_map(|part| part.text.as_ref()).any(|Str(text)| mentions(text))
        }
    }
}

/// The messages: who says what, and whether every call has its result.
///
/// # Errors
/// The answer to the first that is not allowed.
pub fn messages(messages: &[Message<'_>]) -> Refusal {
    if messages.is_empty() {
        return empty("messages");
    }
    // Calls that wait for their results, and whether results may come.
    let mut waiting: Vec<&str> = Vec::new();
    let mut known: Vec<&str> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        among(|| format!("messages[{at}].role"), &message.role, &ROLES)?;
        content(at, message)?;
        if message.role == "tool" {
            let Some(Str(id)) = &message.tool_call_id else {
                return Err(Box::new(missing(&format!("messages[{at}].tool_call_id"))));
            };
            if known.is_empty() {
                // miurla/morphic#136
                let message = "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with \
                               'tool_calls'.";
                return refuse(message, &format!("messages.[{at}].role"), None);
            }
            if !known.contains(&&**id) {
                let id: String = id.chars().take(100).collect();
                let message = format!(
                    "Invalid parameter: 'tool_call_id' of '{id}' not found in 'tool_calls' of previous message."
                );
                return refuse(&message, &format!("messages.[{at}].tool_call_id"), None);
            }
            waiting.retain(|known| known != id);
            continue;
        }
        answered(&waiting, at)?;
        known = message.tool_calls.iter().flatten().map(|call| &*call.id).collect();
        waiting.clone_from(&known);
        if message.role != "assistant" {
            (known, waiting) = (Vec::new(), Vec::new());
        }
    }
    answered(&waiting, messages.len())
}

fn answered(waiting: &[&str], at: usize) -> Refusal {
    if waiting.is_empty() {
        return Ok(());
    }
    let ids: String = waiting.join(", ").chars().take(500).collect();
    let message = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The \
         following tool_call_ids did not have response messages: {ids}"
    );
    refuse(&message, &format!("messages.[{at}].role"), None)
}

fn content(at: usize, message: &Message<'_>) -> Refusal {
    let texts = match &message.content {
        None if message.role == "assistant" => return Ok(()),
        None => {
            let message = "Invalid value for 'content': expected a string, got null.";
            return refuse(message, &format!("messages.[{at}].content"), None);
        }
        Some(Content::Text(text)) => return length(|| format!("messages[{at}].content"), text),
        Some(Content::Parts(parts)) => parts,
    };
    if texts.is_empty() {
        return empty(&format!("messages[{at}].content"));
    }
    for (part_at, part) in texts.iter().enumerate() {
        let name = format!("messages[{at}].content[{part_at}]");
        match part.r#type.as_ref().map(|Str(kind)| &**kind) {
            None => return Err(Box::new(missing(&format!("{name}.type")))),
            Some("text") if part.text.is_none() => return Err(Box::new(missing(&format!("{name}.text")))),
            Some(kind) => {
                let kinds = ["text", "image_url", "input_audio", "refusal", "audio", "file"];
                among(|| format!("{name}.type"), kind, &kinds)?;
            }
        }
        if let Some(Str(text)) = &part.text {
            length(|| format!("{name}.text"), text)?;
        }
    }
    Ok(())
}

fn length(name: impl FnOnce() -> String, text: &str) -> Refusal {
    if text.len() <= LONGEST {
        return Ok(());
    }
    let got = text.chars().count();
    if got <= LONGEST {
        return Ok(());
    }
    let name = name();
    let message = format!(
        "Invalid '{name}': string too long. Expected a string with maximum length {LONGEST}, but got a string with length \
         {got} instead."
    );
    refuse(&message, &name, Some("string_above_max_length"))
}

/// The name is made only if it is needed, here and below: almost all requests are well.
fn among(name: impl FnOnce() -> String, value: &str, allowed: &[&str]) -> Refusal {
    if allowed.contains(&value) { Ok(()) } else { Err(Box::new(not_among(&name(), value, allowed))) }
}

fn empty(name: &str) -> Refusal {
    let message = format!(
        "Invalid '{name}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    );
    refuse(&message, name, Some("empty_array"))
}

fn too_long(name: &str, most: usize, got: usize) -> Refusal {
    let message = format!(
        "Invalid '{name}': array too long. Expected an array with maximum length {most}, but got an array with length {got} \
         instead."
    );
    refuse(&message, name, Some("array_above_max_length"))
}

fn identifier(name: &str, value: &str) -> Refusal {
    if value.chars().count() > 64 {
        let got = value.chars().count();
        let message = format!(
            "Invalid '{name}': string too long. Expected a string with maximum length 64, but got a string with length {got} \
             instead."
        );
        return refuse(&message, name, Some("string_above_max_length"));
    }
    if !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-') {
        return Ok(());
    }
    let message = format!(
        "Invalid '{name}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
    );
    refuse(&message, name, Some("invalid_value"))
}
