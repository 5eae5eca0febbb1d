//! What a response repeats from its request.

use super::ask::tool;
use super::body::{Echo, ReasoningEcho};
use super::request::{Request, Text, ToolBody};
use crate::upstream::openai::models::{Model, Reasoning};
use serde::Serialize;
use serde_json::value::RawValue;

/// What a response repeats from its request.
pub fn echo(request: &Request<'_>, model: &Model) -> Echo {
    let usual = match model.reasoning {
        Reasoning::Never => None,
        Reasoning::Always => Some("medium"),
        Reasoning::Asked => Some("none"),
    };
    let reasoning = request.reasoning.as_ref();
    Echo {
        background: request.background.unwrap_or(false),
        instructions: request.instructions.clone(),
        max_output_tokens: request.max_output_tokens,
        max_tool_calls: request.max_tool_calls,
        metadata: raw(&request.metadata.as_ref().cloned().unwrap_or_default()),
        parallel_tool_calls: request.parallel_tool_calls.unwrap_or(true),
        previous_response_id: request.previous_response_id.clone(),
        prompt_cache_key: request.prompt_cache_key.clone(),
        prompt_cache_retention: request.prompt_cache_retention.clone(),
        reasoning: ReasoningEcho {
            effort: reasoning.and_then(|reasoning| reasoning.effort.as_deref()).or(usual).map(str::to_owned),
            summary: reasoning.and_then(|reasoning| reasoning.summary.as_deref()).map(str::to_owned),
        },
        safety_identifier: request.safety_identifier.clone(),
        service_tier: match request.service_tier.as_deref() {
            Some("flex") => "flex",
            Some("priority") => "priority",
            Some("scale") => "scale",
            _ => "default",
        },
        store: request.store.unwrap_or(true),
        temperature: Some(request.temperature.unwrap_or(1.0)),
        text: text(request.text.as_ref()),
        tool_choice: request
            .tool_choice
            .filter(|raw| raw.get() != "null")
            .map_or_else(|| raw(&"auto"), ToOwned::to_owned),
        tools: request.tools.iter().flatten().enumerate().map(|(index, sent)| echoed_tool(sent, index)).collect(),
        top_logprobs: request.top_logprobs.unwrap_or(0),
        top_p: Some(request.top_p.unwrap_or(1.0)),
        truncation: if request.truncation.as_deref() == Some("auto") { "auto" } else { "disabled" },
        user: request.user.clone(),
    }
}

fn raw(value: &impl Serialize) -> Box<RawValue> {
    // Serialising our own values to memory cannot fail; `null` would show it if it did.
    serde_json::value::to_raw_value(value).unwrap_or_default()
}

/// A tool as it is repeated: functions with all that they have, others as sent.
fn echoed_tool(sent: &RawValue, index: usize) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Function<'a> {
        r#type: &'static str,
        description: Option<&'a str>,
        name: &'a str,
        parameters: Option<&'a RawValue>,
        strict: bool,
    }
    match tool(sent, index) {
        Ok(ToolBody { r#type, name: Some(name), description, parameters, strict }) if &*r#type == "function" => {
            let (description, strict) = (description.as_deref(), strict.unwrap_or(true));
            raw(&Function { r#type: "function", description, name: &name, parameters, strict })
        }
        _ => sent.to_owned(),
    }
}

fn text(sent: Option<&Text<'_>>) -> Box<RawValue> {
    #[derive(Serialize)]
    struct Config<'a> {
        format: FormatEcho<'a>,
        verbosity: &'a str,
    }
    #[derive(Serialize)]
    struct FormatEcho<'a> {
        r#type: &'a str,
        #[serde(flatten)]
        schema: Option<SchemaEcho<'a>>,
    }
    #[derive(Serialize)]
    struct SchemaEcho<'a> {
        description: Option<&'a str>,
        name: Option<&'a str>,
        schema: Option<&'a RawValue>,
        strict: bool,
    }
    let format = sent.and_then(|text| text.format.as_ref());
    let schema = format.filter(|format| &*format.r#type == "json_schema").map(|format| SchemaEcho {
        description: format.description.as_deref(),
        name: format.name.as_deref(),
        schema: format.schema,
        strict: format.strict.unwrap_or(false),
    });
    raw(&Config {
        format: FormatEcho { r#type: format.map_or("text", |format| &*format.r#type), schema },
        verbosity: sent.and_then(|text| text.verbosity.as_deref()).unwrap_or("medium"),
    })
}
