//! `POST /v1/chat/completions`: reads the request, and answers it whole or as a stream.

use super::completion::{FINGERPRINT, Identity, UsageBody, identifier};
use super::errors::{CATALOGUE, invalid, not_json, unknown_model};
use super::models::{Model, Purpose, find};
use super::pace::Work;
use super::prompt::{Format, Prompt, Role, Tool, ToolChoice, Turn};
use super::state::State;
use super::{said, stream};
use crate::upstream::answer::{Answer, AnswerBody, Call};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The most choices of one request.
const MOST_CHOICES: u64 = 128;

#[derive(Deserialize)]
struct Request<'a> {
    model: Option<String>,
    #[serde(borrow)]
    messages: Option<Vec<Message<'a>>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: Option<u64>,
    stop: Option<Stop>,
    #[serde(borrow)]
    response_format: Option<ResponseFormat<'a>>,
    #[serde(borrow)]
    tools: Option<Vec<ToolBody<'a>>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    role: Cow<'a, str>,
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct ResponseFormat<'a> {
    r#type: String,
    #[serde(borrow)]
    json_schema: Option<SentSchema<'a>>,
}

#[derive(Deserialize)]
struct SentSchema<'a> {
    name: String,
    strict: Option<bool>,
    #[serde(borrow)]
    schema: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ToolBody<'a> {
    #[serde(borrow)]
    function: Option<SentFunction<'a>>,
}

#[derive(Deserialize)]
struct SentFunction<'a> {
    name: String,
    description: Option<String>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    strict: Option<bool>,
}

/// `POST /v1/chat/completions`.
pub fn create(state: &State, call: &Call<'_>, _: &str) -> Answer {
    complete(state, call).unwrap_or_else(|refusal| *refusal)
}

fn complete(state: &State, call: &Call<'_>) -> Result<Answer, Box<Answer>> {
    let request: Request<'_> = serde_json::from_slice(call.body).map_err(|error| {
        if error.is_data() { invalid(&format!("Invalid type in request: {error}."), None, None) } else { not_json() }
    })?;
    let asked = request.model.as_deref().ok_or_else(|| invalid("you must provide a model parameter", None, None))?;
    let named = find(asked).ok_or_else(|| unknown_model(asked))?;
    if named.model.purpose != Purpose::Chat {
        let message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you \
                       mean to use v1/completions?";
        return Err(Box::new(invalid(message, Some("model"), None)));
    }
    let messages = request.messages.as_ref().ok_or_else(|| {
        let code = Some("missing_required_parameter");
        invalid("Missing required parameter: 'messages'.", Some("messages"), code)
    })?;
    if messages.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty \
                       array instead.";
        return Err(Box::new(invalid(message, Some("messages"), Some("empty_array"))));
    }
    let choices = request.n.unwrap_or(1);
    if !(1..=MOST_CHOICES).contains(&choices) {
        let message = format!("Invalid 'n': expected a value between 1 and {MOST_CHOICES}, but got {choices}.");
        return Err(Box::new(invalid(&message, Some("n"), Some("invalid_value"))));
    }

    let prompt = Prompt {
        asked,
        named,
        turns: messages.iter().map(turn).collect(),
        tools: request.tools.as_deref().unwrap_or_default().iter().filter_map(tool).collect(),
        tool_choice: ToolChoice::Auto,
        parallel: true,
        format: format(request.response_format.as_ref()),
        max_tokens: request.max_completion_tokens.or(request.max_tokens),
        stop: match &request.stop {
            None => Vec::new(),
            Some(Stop::One(stop)) => vec![Cow::Borrowed(stop)],
            Some(Stop::Many(stops)) => stops.iter().map(|stop| Cow::Borrowed(stop.as_str())).collect(),
        },
        effort: None,
        key: call.number,
        path: call.path,
        body: call.body,
    };
    state.inference.check(&prompt).map_err(|bad| invalid(&bad.message, Some("response_format"), None))?;
    let prompt_tokens = state.inference.prompt_tokens(&prompt);
    if prompt_tokens > named.model.context {
        return Err(Box::new(context_exceeded(named.model, prompt_tokens)));
    }
    let timing =
        state.pace.timing(Work { model: named.model, number: call.number, prompt_tokens, in_flight: call.in_flight });
    let grant = state.limits.admit(call, named.model, prompt_tokens + prompt.max_tokens.unwrap_or(0))?;
    let mut reply = state.inference.reply(&prompt, prompt_tokens, choices);
    // Choices are made side by side: the longest counts. Reasoning is in the time to the first token.
    let longest = reply.choices.iter().map(|said| said.tokens - said.reasoning_tokens).max().unwrap_or(0);
    let timing = state.pace.queued(timing, longest);

    let identity = Identity {
        id: identifier("chatcmpl-", state.seed, call.number).into(),
        created: jiff::Timestamp::now().as_second(),
        model: named.answers_as.into(),
    };
    let (usage, warning) = (reply.usage, reply.warning.take());
    let mut answer = if request.stream.unwrap_or(false) {
        let include_usage = request.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
        let mut answer = Answer::text(StatusCode::OK, "text/event-stream; charset=utf-8", "");
        answer.delay = timing.first();
        answer.body =
            AnswerBody::Stream(Box::new(stream::events(identity, reply, stream::Options { include_usage }, timing)));
        answer
    } else {
        whole(&identity, &reply).delayed(timing.whole(longest))
    };
    answer.tokens_in = usage.prompt;
    answer.tokens_out = usage.completion;
    Ok(grant.dress(answer.warned(warning)))
}

fn turn<'a>(message: &'a Message<'_>) -> Turn<'a> {
    let role = match &*message.role {
        "system" | "developer" => Role::System,
        "assistant" => Role::Assistant,
        "tool" | "function" => Role::Tool,
        _ => Role::User,
    };
    let text = match &message.content {
        None => Cow::Borrowed(""),
        Some(Content::Text(text)) => Cow::Borrowed(text.as_str()),
        Some(Content::Parts(parts)) => Cow::Owned(parts.iter().filter_map(|part| part.text.as_deref()).collect()),
    };
    Turn { role, text, name: None, calls: Vec::new(), media_tokens: 0 }
}

fn tool<'a>(tool: &'a ToolBody<'_>) -> Option<Tool<'a>> {
    let function = tool.function.as_ref()?;
    Some(Tool {
        name: Cow::Borrowed(&function.name),
        description: function.description.as_deref().map(Cow::Borrowed),
        parameters: function.parameters,
        strict: function.strict.unwrap_or(false),
    })
}

fn format<'a>(format: Option<&'a ResponseFormat<'_>>) -> Format<'a> {
    match format {
        Some(ResponseFormat { json_schema: Some(sent), .. }) if let Some(schema) = sent.schema => {
            Format::JsonSchema { name: Cow::Borrowed(&sent.name), strict: sent.strict.unwrap_or(false), schema }
        }
        Some(ResponseFormat { r#type, .. }) if r#type != "text" => Format::JsonObject,
        _ => Format::Text,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    usage: UsageBody,
    service_tier: &'static str,
    system_fingerprint: &'static str,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: usize,
    message: Reply<'a>,
    logprobs: Option<()>,
    finish_reason: &'static str,
}

#[derive(Serialize)]
struct Reply<'a> {
    role: &'static str,
    content: Option<&'a str>,
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<CallBody<'a>>,
    annotations: [(); 0],
}

#[derive(Serialize)]
struct CallBody<'a> {
    id: &'a str,
    r#type: &'static str,
    function: FunctionBody<'a>,
}

#[derive(Serialize)]
struct FunctionBody<'a> {
    name: &'a str,
    arguments: &'a str,
}

fn whole(identity: &Identity, reply: &said::Reply) -> Answer {
    let choices = reply.choices.iter().enumerate().map(|(index, said)| Choice {
        index,
        message: Reply {
            role: "assistant",
            content: said.text.as_ref().map(said::Spoken::text),
            refusal: said.refusal.as_ref().map(said::Spoken::text),
            tool_calls: said.calls.iter().map(called).collect(),
            annotations: [],
        },
        logprobs: None,
        finish_reason: said.finish.name(),
    });
    Answer::json(
        StatusCode::OK,
        &Body {
            id: &identity.id,
            object: "chat.completion",
            created: identity.created,
            model: &identity.model,
            choices: choices.collect(),
            usage: reply.usage.into(),
            service_tier: "default",
            system_fingerprint: FINGERPRINT,
        },
    )
}

fn called(call: &said::ToolCall) -> CallBody<'_> {
    let function = FunctionBody { name: &call.name, arguments: call.arguments.text() };
    CallBody { id: &call.id, r#type: "function", function }
}

fn context_exceeded(model: &Model, tokens: u64) -> Answer {
    let values = [("context", model.context.to_string()), ("tokens", tokens.to_string())];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    CATALOGUE.iter().find(|error| error.name == "context_length_exceeded").map_or_else(
        || invalid("context length exceeded", Some("messages"), Some("context_length_exceeded")),
        |error| error.answer(&values),
    )
}
