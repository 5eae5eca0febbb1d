//! `POST /v1/chat/completions`: reads the request, and answers it whole or as a stream.

use super::completion::{Completion, FINGERPRINT, identifier};
use super::content::{self, Prompt};
use super::errors::{CATALOGUE, invalid, not_json, unknown_model};
use super::models::{Model, Purpose, find};
use super::{stream, tokens};
use crate::units::Seed;
use crate::upstream::answer::{Answer, AnswerBody};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// The most choices of one request.
const MOST_CHOICES: u64 = 128;

#[derive(Deserialize)]
struct Request {
    model: Option<String>,
    messages: Option<Vec<Message>>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
    n: Option<u64>,
    stop: Option<Stop>,
    response_format: Option<ResponseFormat>,
    tools: Option<Vec<serde::de::IgnoredAny>>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
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
struct ResponseFormat {
    r#type: String,
}

/// The answer, and what it reserves of the limits: the model and its tokens.
pub fn answer(body: &[u8], number: u64, seed: Seed) -> (Answer, Option<(&'static Model, u64)>) {
    match complete(body, number, seed) {
        Ok((answer, model, reserved)) => (answer, Some((model, reserved))),
        Err(refusal) => (*refusal, None),
    }
}

fn complete(body: &[u8], number: u64, seed: Seed) -> Result<(Answer, &'static Model, u64), Box<Answer>> {
    let request: Request = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() { invalid(&format!("Invalid type in request: {error}."), None, None) } else { not_json() }
    })?;
    let asked = request.model.ok_or_else(|| invalid("you must provide a model parameter", None, None))?;
    let named = find(&asked).ok_or_else(|| unknown_model(&asked))?;
    if named.model.purpose != Purpose::Chat {
        let message = "This is not a chat model and thus not supported in the v1/chat/completions endpoint. Did you \
                       mean to use v1/completions?";
        return Err(Box::new(invalid(message, Some("model"), None)));
    }
    let messages = request.messages.ok_or_else(|| {
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

    let (mut system, mut other) = (String::new(), String::new());
    for message in &messages {
        let text = if matches!(message.role.as_str(), "system" | "developer") { &mut system } else { &mut other };
        match &message.content {
            None => {}
            Some(Content::Text(content)) => text.push_str(content),
            Some(Content::Parts(parts)) => {
                parts.iter().filter_map(|p| p.text.as_deref()).for_each(|p| text.push_str(p))
            }
        }
        text.push('\n');
    }
    // The line breaks put in between stand for nothing that was sent.
    let chars = (system.chars().count() + other.chars().count()).saturating_sub(messages.len());
    let prompt_tokens = tokens::of_chars(chars) + messages.len() as u64 * tokens::PER_MESSAGE + tokens::REPLY_PRIMER;
    if prompt_tokens > named.model.context {
        return Err(Box::new(context_exceeded(named.model, prompt_tokens)));
    }

    let max_tokens = request.max_completion_tokens.or(request.max_tokens);
    let format = request.response_format.map_or_else(|| "text".to_owned(), |format| format.r#type);
    let full =
        content::answer(&Prompt { model: &asked, json: format != "text", max_tokens, system: &system, other: &other });
    let stops = match &request.stop {
        None => &[],
        Some(Stop::One(stop)) => std::slice::from_ref(stop),
        Some(Stop::Many(stops)) => stops.as_slice(),
    };
    let stopped = stops.iter().filter(|stop| !stop.is_empty()).filter_map(|stop| full.find(stop.as_str())).min();
    let wanted = stopped.map_or(full, |end| &full[..end]);
    let said = max_tokens.map_or(wanted, |most| tokens::truncated(wanted, most));

    let completion = Completion {
        id: identifier("chatcmpl-", seed, number),
        created: jiff::Timestamp::now().as_second(),
        model: named.answers_as.to_owned(),
        content: said.to_owned(),
        choices,
        finish: if said.len() < wanted.len() { "length" } else { "stop" },
        prompt_tokens,
        completion_tokens: tokens::of_text(said) * choices,
    };
    let unsupported = match (format.as_str(), request.tools.as_ref().is_some_and(|tools| !tools.is_empty())) {
        ("json_schema", _) => Some("the OpenAI mock does not yet obey `json_schema`: its JSON may not fit the schema"),
        (_, true) => Some("the OpenAI mock does not yet call tools: it answers with text"),
        _ => None,
    };
    let reserved = prompt_tokens + max_tokens.unwrap_or(completion.completion_tokens);
    let include_usage = request.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
    let answer = if request.stream.unwrap_or(false) { streamed(completion, include_usage) } else { whole(&completion) };
    Ok((answer.warned(unsupported.map(str::to_owned)), named.model, reserved))
}

fn whole(completion: &Completion) -> Answer {
    let choices: Vec<Value> = (0..completion.choices)
        .map(|index| {
            json!({
                "index": index,
                "message": {"role": "assistant", "content": completion.content, "refusal": null, "annotations": []},
                "logprobs": null,
                "finish_reason": completion.finish,
            })
        })
        .collect();
    let body = json!({
        "id": completion.id, "object": "chat.completion", "created": completion.created, "model": completion.model,
        "choices": choices, "usage": completion.usage(), "service_tier": "default",
        "system_fingerprint": FINGERPRINT,
    });
    let mut answer = Answer::json(StatusCode::OK, &body);
    answer.tokens_in = completion.prompt_tokens;
    answer.tokens_out = completion.completion_tokens;
    answer
}

fn streamed(completion: Completion, include_usage: bool) -> Answer {
    let mut answer = Answer::text(StatusCode::OK, "text/event-stream; charset=utf-8", "");
    answer.tokens_in = completion.prompt_tokens;
    answer.tokens_out = completion.completion_tokens;
    answer.body = AnswerBody::Stream(Box::new(stream::events(completion, include_usage).map(Into::into)));
    answer
}

fn context_exceeded(model: &Model, tokens: u64) -> Answer {
    let values = [("context", model.context.to_string()), ("tokens", tokens.to_string())];
    let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    CATALOGUE.iter().find(|error| error.name == "context_length_exceeded").map_or_else(
        || invalid("context length exceeded", Some("messages"), Some("context_length_exceeded")),
        |error| error.answer(&values),
    )
}
