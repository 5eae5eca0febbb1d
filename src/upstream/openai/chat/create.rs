//! [`create`]: reads a request into a prompt, and frames what is said to it, whole or as a stream.

use super::super::completion::{Identity, billed, identifier};
use super::super::errors::{invalid, unknown_model};
use super::super::models::{Model, find};
use super::super::pace::Work;
use super::super::prompt::{Format, PastCall, Prompt, Role, Tool, ToolChoice, Turn};
use super::super::request::{missing, missing_model, not_among, read};
use super::super::state::State;
use super::body;
use super::checks;
use super::logprobs;
use super::request::{Content, Function, Message, PARAMETERS, Part, Request, Stop, Str};
use super::stream;
use crate::upstream::answer::{Answer, AnswerBody, Call};
use http::StatusCode;
use serde_json::Value;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// `POST /v1/chat/completions`.
pub fn create(state: &State, call: &Call<'_>, _: &str) -> Answer {
    complete(state, call).unwrap_or_else(|refusal| *refusal)
}

fn complete(state: &State, call: &Call<'_>) -> Result<Answer, Box<Answer>> {
    let request: Request<'_> = read(call, PARAMETERS)?;
    let Str(asked) = request.model.as_ref().filter(|Str(asked)| !asked.is_empty()).ok_or_else(missing_model)?;
    let named = find(asked).ok_or_else(|| unknown_model(asked))?;
    checks::model(named.model)?;
    let messages = request.messages.as_deref().ok_or_else(|| missing("messages"))?;
    checks::messages(messages)?;
    checks::parameters(&request, named.model)?;

    let most = request.max_completion_tokens.or(request.max_tokens);
    let legacy = request.tools.is_none() && request.functions.is_some();
    let prompt = Prompt {
        asked,
        named,
        turns: messages.iter().map(|message| turn(message, named.model)).collect(),
        tools: tools(&request),
        tool_choice: tool_choice(&request)?,
        parallel: !legacy && request.parallel_tool_calls.unwrap_or(true),
        format: format(&request),
        max_tokens: most.and_then(|most| u64::try_from(most).ok()),
        stop: match &request.stop {
            None => Vec::new(),
            Some(Stop::One(stop)) => vec![Cow::Borrowed(stop)],
            Some(Stop::Many(stops)) => stops.iter().map(|stop| Cow::Borrowed(stop.as_str())).collect(),
        },
        effort: request.reasoning_effort.as_ref().map(|Str(effort)| Cow::Borrowed(&**effort)),
        key: call.number,
        path: call.path,
        body: call.body,
    };
    state.inference.check(&prompt).map_err(|bad| match bad.tool {
        None => invalid(&bad.message, Some("response_format"), None),
        Some(at) => {
            let param =
                if legacy { format!("functions[{at}].parameters") } else { format!("tools[{at}].function.parameters") };
            invalid(&bad.message, Some(&param), Some("invalid_function_parameters"))
        }
    })?;
    let prompt_tokens = state.inference.prompt_tokens(&prompt);
    if prompt_tokens > named.model.context {
        return Err(Box::new(too_long(state, &prompt, prompt_tokens)));
    }
    let choices = request.n.and_then(|n| u64::try_from(n).ok()).unwrap_or(1);
    let reserved = prompt_tokens + prompt.max_tokens.unwrap_or(0).saturating_mul(choices);
    let timing =
        state.pace.timing(Work { model: named.model, number: call.number, prompt_tokens, in_flight: call.in_flight });
    let grant = state.limits.admit(call, named.model, reserved)?;
    let mut reply = state.inference.reply(&prompt, prompt_tokens, choices);
    // Choices are made side by side: the longest counts. Reasoning is in the time to the first token.
    let longest = reply.choices.iter().map(|said| said.tokens - said.reasoning_tokens).max().unwrap_or(0);
    let timing = state.pace.queued(timing, longest);

    let identity = Identity {
        id: identifier("chatcmpl-", state.seed, call.number).into(),
        created: jiff::Timestamp::now().as_second(),
        model: named.answers_as.into(),
        tier: match request.service_tier.as_ref().map(|Str(tier)| &**tier) {
            Some("flex") => "flex",
            Some("priority") => "priority",
            Some("scale") => "scale",
            _ => "default",
        },
    };
    let logprobs = (request.logprobs == Some(true)).then(|| logprobs::Asked {
        top: request.top_logprobs.and_then(|top| usize::try_from(top).ok()).unwrap_or(0),
        seed: state.seed.derive("logprobs"),
        key: call.number,
    });
    let warning = reply.warning.take().or_else(|| unfaithful(&request));
    let usage = reply.usage;
    let answer = if request.stream == Some(true) {
        let sent = request.stream_options.as_ref();
        let options = stream::Options {
            include_usage: sent.and_then(|options| options.include_usage).unwrap_or(false),
            obfuscate: sent.and_then(|options| options.include_obfuscation).unwrap_or(true),
            legacy,
            logprobs,
        };
        let mut answer = Answer::text(StatusCode::OK, "text/event-stream; charset=utf-8", "");
        answer.delay = timing.first();
        answer.body = AnswerBody::Stream(Box::new(stream::events(identity, reply, options, timing)));
        answer
    } else {
        body::whole(&identity, &reply, legacy, logprobs).delayed(timing.whole(longest))
    };
    Ok(grant.dress(billed(answer, named.model, usage).warned(warning)))
}

fn turn<'a>(message: &'a Message<'_>, model: &Model) -> Turn<'a> {
    let role = match &*message.role {
        "system" | "developer" => Role::System,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => Role::User,
    };
    let (text, media_tokens) = match &message.content {
        None => (message.refusal.as_ref().map_or("", |Str(words)| words).into(), 0),
        Some(Content::Text(text)) => (Cow::Borrowed(&**text), 0),
        Some(Content::Parts(parts)) => (joined(parts), parts.iter().map(|part| media_tokens(part, model)).sum()),
    };
    let calls = message.tool_calls.iter().flatten().map(|call| &call.function);
    let calls = calls
        .chain(&message.function_call)
        .map(|call| PastCall { name: Cow::Borrowed(&*call.name), arguments: Cow::Borrowed(&*call.arguments) });
    let name = message.name.as_ref().map(|Str(name)| Cow::Borrowed(&**name));
    Turn { role, text, name, calls: calls.collect(), media_tokens }
}

fn joined<'a>(parts: &'a [Part<'_>]) -> Cow<'a, str> {
    let mut texts =
        parts.iter().filter_map(|part| part.text.as_ref().or(part.refusal.as_ref())).map(|Str(text)| &**text);
    match (texts.next(), texts.next()) {
        (None, _) => Cow::Borrowed(""),
        (Some(only), None) => Cow::Borrowed(only),
        (Some(first), Some(second)) => Cow::Owned([first, second].into_iter().chain(texts).collect()),
    }
}

/// What a picture is billed with (OpenAI, images and vision guide). How large it is is not looked at: it is taken
/// for 1024 by 1024 pixels.
fn media_tokens(part: &Part<'_>, model: &Model) -> u64 {
    let Some(image) = &part.image_url else { return 0 };
    let (base, tile) = if model.id == "gpt-4o-mini" { (2_833, 5_667) } else { (85, 170) };
    let low = image.detail.as_ref().is_some_and(|Str(detail)| detail == "low");
    if low { base } else { base + 4 * tile }
}

fn tools<'a>(request: &'a Request<'_>) -> Vec<Tool<'a>> {
    fn tool<'a>(function: &'a Function<'_>) -> Option<Tool<'a>> {
        let Str(name) = function.name.as_ref()?;
        Some(Tool {
            name: Cow::Borrowed(&**name),
            description: function.description.as_ref().map(|Str(text)| Cow::Borrowed(&**text)),
            parameters: function.parameters.filter(|parameters| parameters.get() != "null"),
            strict: function.strict.unwrap_or(false),
        })
    }
    match &request.tools {
        Some(tools) => tools.iter().filter_map(|sent| sent.function.as_ref()).filter_map(tool).collect(),
        None => request.functions.iter().flatten().filter_map(tool).collect(),
    }
}

fn tool_choice<'a>(request: &Request<'a>) -> Result<ToolChoice<'a>, Box<Answer>> {
    let (name, sent) = match (request.tool_choice, request.function_call) {
        (Some(sent), _) => ("tool_choice", sent),
        (None, Some(sent)) => ("function_call", sent),
        (None, None) => return Ok(ToolChoice::Auto),
    };
    let sent: &RawValue = sent;
    let value: Value = serde_json::from_str(sent.get()).unwrap_or_default();
    let wanted = match &value {
        Value::Null => return Ok(ToolChoice::Auto),
        Value::String(word) => {
            return match word.as_str() {
                "none" => Ok(ToolChoice::None),
                "auto" => Ok(ToolChoice::Auto),
                "required" if name == "tool_choice" => Ok(ToolChoice::Required),
                other => {
                    let allowed: &[&str] =
                        if name == "tool_choice" { &["none", "auto", "required"] } else { &["none", "auto"] };
                    Err(Box::new(not_among(name, other, allowed)))
                }
            };
        }
        value if value["type"] == "allowed_tools" => {
            return Ok(if value["allowed_tools"]["mode"] == "required" {
                ToolChoice::Required
            } else {
                ToolChoice::Auto
            });
        }
        value if name == "tool_choice" => value["function"]["name"].as_str(),
        value => value["name"].as_str(),
    };
    let Some(wanted) = wanted else {
        let param = if name == "tool_choice" { "tool_choice.function" } else { "function_call.name" };
        return Err(Box::new(missing(param)));
    };
    if !tools(request).iter().any(|tool| tool.name == wanted) {
        let wanted: String = wanted.chars().take(100).collect();
        let list = if name == "tool_choice" { "tools" } else { "functions" };
        let message = format!(
            "Invalid value for '{name}': no function named '{wanted}' was specified in the '{list}' parameter."
        );
        return Err(Box::new(invalid(&message, Some(name), None)));
    }
    Ok(ToolChoice::Named(Cow::Owned(wanted.to_owned())))
}

fn format<'a>(request: &'a Request<'_>) -> Format<'a> {
    let Some(format) = &request.response_format else { return Format::Text };
    let kind = format.r#type.as_ref().map_or("text", |Str(kind)| kind);
    match (&format.json_schema, kind) {
        (Some(sent), "json_schema") if let Some(schema) = sent.schema => Format::JsonSchema {
            name: sent.name.as_ref().map_or("", |Str(name)| name).into(),
            strict: sent.strict.unwrap_or(false),
            schema,
        },
        (_, "json_schema" | "json_object") => Format::JsonObject,
        _ => Format::Text,
    }
}

/// A prompt that the model cannot take in (bytedance/deer-flow#310).
fn too_long(state: &State, prompt: &Prompt<'_>, tokens: u64) -> Answer {
    let functions = state.inference.function_tokens(prompt);
    let (parts, cure) = if functions == 0 {
        (String::new(), "messages")
    } else {
        (format!(" ({} in the messages, {functions} in the functions)", tokens - functions), "messages or functions")
    };
    let message = format!(
        "This model's maximum context length is {} tokens. However, your messages resulted in {tokens} tokens{parts}. Please \
         reduce the length of the {cure}.",
        prompt.named.model.context
    );
    invalid(&message, Some("messages"), Some("context_length_exceeded"))
}

/// What was asked for and cannot be done faithfully.
fn unfaithful(request: &Request<'_>) -> Option<String> {
    let is_custom = |kind: &Option<Str<'_>>| kind.as_ref().is_some_and(|Str(kind)| kind == "custom");
    let wants_audio = request.modalities.iter().flatten().any(|modality| modality != "text");
    let what = if wants_audio {
        "speak: it answers with text"
    } else if request.web_search_options.is_some() {
        "search the web: it answers without"
    } else if request.tools.iter().flatten().any(|tool| is_custom(&tool.r#type)) {
        "call custom tools: it calls functions only"
    } else {
        return None;
    };
    Some(format!("the OpenAI mock does not {what}"))
}
