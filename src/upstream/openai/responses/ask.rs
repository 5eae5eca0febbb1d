//! A request of the Responses API → the [`Prompt`] that it asks.

use super::earlier::Earlier;
use super::request::{ChoiceBody, Request, ToolBody, missing};
use crate::upstream::answer::{Answer, Call};
use crate::upstream::openai::errors::{envelope, invalid, unknown_model};
use crate::upstream::openai::models::{Model, Purpose, Reasoning, find};
use crate::upstream::openai::prompt::{Format, Prompt, Tool, ToolChoice};
use crate::upstream::openai::request::out_of_range;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What `include` may ask for and this mock does not have.
const NOT_INCLUDED: &str = "message.output_text.logprobs";

type Refused = Box<Answer>;

/// What a request asks a model.
///
/// # Errors
/// The answer to a request that the service refuses.
pub fn prompt<'a>(call: &Call<'a>, request: &'a Request<'a>, earlier: &'a Earlier) -> Result<Prompt<'a>, Refused> {
    let Some(asked) = request.model.as_deref().filter(|asked| !asked.is_empty()) else {
        return Err(Box::new(invalid(&missing("model"), Some("model"), Some("missing_required_parameter"))));
    };
    let named = find(asked).ok_or_else(|| unknown_model(asked))?;
    if !matches!(named.model.purpose, Purpose::Chat | Purpose::Responses) {
        let message = format!("The requested model '{asked}' is not supported with the Responses API.");
        return Err(Box::new(invalid(&message, Some("model"), Some("unsupported_model"))));
    }
    absent(request)?;
    if let Some(most) = request.max_output_tokens.filter(|most| most.unsigned_abs() > named.model.max_output) {
        let (name, bound) = ("max_output_tokens", named.model.max_output);
        return Err(Box::new(out_of_range(name, most as f64, 0.0, bound as f64, true)));
    }
    reasoning(request, named.model)?;
    let conversation = earlier.conversation(request)?;
    Ok(Prompt {
        asked,
        named,
        turns: conversation.turns,
        tools: tools(request)?,
        tool_choice: choice(request)?,
        parallel: request.parallel_tool_calls.unwrap_or(true),
        format: format(request),
        max_tokens: request.max_output_tokens.map(i64::unsigned_abs),
        stop: Vec::new(),
        effort: request.reasoning.as_ref().and_then(|reasoning| reasoning.effort.as_deref()).map(Cow::Borrowed),
        key: call.number,
        path: call.path,
        body: call.body,
    })
}

/// What this mock has none of: conversations and prompts that are stored elsewhere.
fn absent(request: &Request<'_>) -> Result<(), Refused> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Id {
        Plain(String),
        In { id: String },
    }
    let id = |raw: &RawValue| match serde_json::from_str(raw.get()) {
        Ok(Id::Plain(id) | Id::In { id }) => id.chars().take(100).collect::<String>(),
        Err(_) => String::new(),
    };
    for (what, raw) in [("Conversation", request.conversation), ("Prompt", request.prompt)] {
        let Some(raw) = raw.filter(|raw| raw.get() != "null") else { continue };
        let message = format!("{what} with id '{}' not found.", id(raw));
        let warning = format!("the OpenAI mock has no {}s: it answered that it was not found", what.to_lowercase());
        let refusal = envelope(StatusCode::NOT_FOUND, "invalid_request_error", &message, None, None);
        return Err(Box::new(refusal.warned(Some(warning))));
    }
    Ok(())
}

/// One of the tools of a request.
///
/// # Errors
/// The answer to one that is none.
pub fn tool<'a>(raw: &'a RawValue, index: usize) -> Result<ToolBody<'a>, Refused> {
    let param = |part: &str| format!("tools[{index}]{part}");
    let tool: ToolBody<'_> = serde_json::from_str(raw.get()).map_err(|error| {
        let message = format!("Invalid type for '{}': {error}.", param(""));
        invalid(&message, Some(&param("")), Some("invalid_type"))
    })?;
    if &*tool.r#type == "function" && tool.name.is_none() {
        let name = param(".name");
        return Err(Box::new(invalid(&missing(&name), Some(&name), Some("missing_required_parameter"))));
    }
    Ok(tool)
}

/// The functions of a request; other tools are the provider's own, which a mock does not run.
fn tools<'a>(request: &'a Request<'a>) -> Result<Vec<Tool<'a>>, Refused> {
    let mut functions = Vec::new();
    for (index, raw) in request.tools.iter().flatten().enumerate() {
        let tool = tool(raw, index)?;
        if let ("function", Some(name)) = (&*tool.r#type, tool.name) {
            functions.push(Tool {
                name: Cow::Owned(name),
                description: tool.description.map(Cow::Owned),
                parameters: tool.parameters.filter(|raw| raw.get() != "null"),
                // Only where it is asked for is a schema refused that is not in the strict subset: without the word
                // the service bends the schema into it.
                strict: tool.strict.unwrap_or(false),
            });
        }
    }
    Ok(functions)
}

fn choice<'a>(request: &'a Request<'a>) -> Result<ToolChoice<'a>, Refused> {
    let Some(raw) = request.tool_choice.filter(|raw| raw.get() != "null") else { return Ok(ToolChoice::Auto) };
    let refuse = || {
        let message =
            "Invalid value for 'tool_choice': expected 'none', 'auto', 'required', or an object that names a tool.";
        Box::new(invalid(message, Some("tool_choice"), Some("invalid_value")))
    };
    match raw.get() {
        "\"none\"" => return Ok(ToolChoice::None),
        "\"auto\"" => return Ok(ToolChoice::Auto),
        "\"required\"" => return Ok(ToolChoice::Required),
        _ => {}
    }
    let choice: ChoiceBody<'_> = serde_json::from_str(raw.get()).map_err(|_| refuse())?;
    match (&*choice.r#type, choice.name) {
        ("function", Some(name)) => {
            let mut known =
                request.tools.iter().flatten().filter_map(|raw| serde_json::from_str::<ToolBody<'_>>(raw.get()).ok());
            if !known.any(|tool| tool.name.as_deref() == Some(&name)) {
                let short: String = name.chars().take(100).collect();
                let message = format!("Tool choice 'function' with name '{short}' not found in 'tools' parameter.");
                return Err(Box::new(invalid(&message, Some("tool_choice"), None)));
            }
            Ok(ToolChoice::Named(Cow::Owned(name)))
        }
        ("function", None) => Err(refuse()),
        // Of several allowed ones, one alone can be named; more are left to the model.
        ("allowed_tools", _) => {
            let named: Vec<String> = choice.tools.into_iter().flatten().filter_map(|tool| tool.name).collect();
            match (choice.mode.as_deref(), named.as_slice()) {
                (Some("required"), [one]) => Ok(ToolChoice::Named(Cow::Owned(one.clone()))),
                (Some("required"), _) => Ok(ToolChoice::Required),
                _ => Ok(ToolChoice::Auto),
            }
        }
        _ => Ok(ToolChoice::Auto),
    }
}

fn format<'a>(request: &'a Request<'a>) -> Format<'a> {
    let Some(format) = request.text.as_ref().and_then(|text| text.format.as_ref()) else { return Format::Text };
    match (&*format.r#type, format.schema) {
        ("json_schema", Some(schema)) => Format::JsonSchema {
            name: Cow::Borrowed(format.name.as_deref().unwrap_or_default()),
            strict: format.strict.unwrap_or(false),
            schema,
        },
        ("json_object", _) => Format::JsonObject,
        _ => Format::Text,
    }
}

/// What models that reason do not take, and the others do not know.
fn reasoning(request: &Request<'_>, model: &Model) -> Result<(), Refused> {
    let unsupported = |name: &str| {
        let message = format!("Unsupported parameter: '{name}' is not supported with this model.");
        Err(Box::new(invalid(&message, Some(name), Some("unsupported_parameter"))))
    };
    let effort = request.reasoning.as_ref().and_then(|reasoning| reasoning.effort.as_deref());
    let reasons = match model.reasoning {
        Reasoning::Never if effort.is_some_and(|effort| effort != "none") => return unsupported("reasoning.effort"),
        Reasoning::Never => false,
        Reasoning::Always => true,
        Reasoning::Asked => effort.is_some_and(|effort| effort != "none"),
    };
    for (name, value) in [("temperature", request.temperature), ("top_p", request.top_p)] {
        if reasons && value.is_some_and(|value| value != 1.0) {
            return unsupported(name);
        }
    }
    Ok(())
}

/// What cannot be done faithfully.
pub fn unfaithful(request: &Request<'_>) -> Option<String> {
    let own = request.tools.iter().flatten().filter_map(|raw| serde_json::from_str::<ToolBody<'_>>(raw.get()).ok());
    if let Some(tool) = own.into_iter().find(|tool| &*tool.r#type != "function") {
        let kind: String = tool.r#type.chars().take(40).collect();
        return Some(format!("the OpenAI mock has no tool of the kind `{kind}`: it never calls it"));
    }
    let asks = request.include.iter().flatten().any(|wanted| wanted == NOT_INCLUDED);
    asks.then(|| format!("the OpenAI mock has no log probabilities in responses: `{NOT_INCLUDED}` is empty"))
}
