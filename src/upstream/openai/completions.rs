//! `POST /v1/completions`, which only older models have: a plain text goes in, and one comes out, whole or as a stream.

use super::completion::{Identity, UsageBody, billed, identifier};
use super::errors::{envelope, invalid, unknown_model};
use super::events::{DONE, event};
use super::models::{Model, Purpose, find};
use super::pace::{Timing, Work};
use super::prompt::{Format, Prompt, Role, ToolChoice, Turn};
use super::request::{Kind, Parameters, missing_model, out_of_range, read};
use super::said::{Said, Spoken, Usage};
use super::state::State;
use crate::upstream::answer::{Answer, AnswerBody, Call, Piece};
use http::StatusCode;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::VecDeque;

/// What is answered at most unless it is said otherwise (OpenAI's API description).
const USUAL_MOST: i64 = 16;
/// The most answers of one request (same source).
const MOST_CHOICES: i64 = 128;
/// The most prompts of one request.
const MOST_PROMPTS: usize = 2048;

const PARAMETERS: &Parameters = &[
    ("model", Kind::Text),
    ("prompt", Kind::Any),
    ("max_tokens", Kind::Integer),
    ("n", Kind::Integer),
    ("best_of", Kind::Integer),
    ("stop", Kind::TextOrTexts),
    ("stream", Kind::Bool),
    ("stream_options", Kind::Object),
    ("echo", Kind::Bool),
    ("logprobs", Kind::Integer),
    ("temperature", Kind::Number),
    ("top_p", Kind::Number),
    ("presence_penalty", Kind::Number),
    ("frequency_penalty", Kind::Number),
    ("logit_bias", Kind::Object),
    ("seed", Kind::Integer),
    ("suffix", Kind::Text),
    ("user", Kind::Text),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    model: Option<String>,
    prompt: Option<Prompts>,
    max_tokens: Option<i64>,
    n: Option<i64>,
    stop: Option<Stop>,
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    echo: Option<bool>,
    logprobs: Option<i64>,
    temperature: Option<f64>,
    #[serde(rename = "best_of")]
    _best_of: Option<i64>,
    #[serde(rename = "top_p")]
    _top_p: Option<f64>,
    #[serde(rename = "presence_penalty")]
    _presence_penalty: Option<f64>,
    #[serde(rename = "frequency_penalty")]
    _frequency_penalty: Option<f64>,
    #[serde(rename = "logit_bias")]
    _logit_bias: Option<IgnoredAny>,
    #[serde(rename = "seed")]
    _seed: Option<i64>,
    #[serde(rename = "suffix")]
    _suffix: Option<String>,
    #[serde(rename = "user")]
    _user: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Prompts {
    Text(String),
    Texts(Vec<String>),
    Tokens(Vec<u32>),
    ManyTokens(Vec<Vec<u32>>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Stop {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    text: Cow<'a, str>,
    index: usize,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'static str>,
}

/// The older form of `logprobs`.
#[derive(Serialize)]
struct Logprobs<'a> {
    tokens: Vec<&'a str>,
    token_logprobs: Vec<f64>,
    top_logprobs: Option<()>,
    text_offset: Vec<usize>,
}

/// `POST /v1/completions`.
pub fn create(state: &State, call: &Call<'_>, _: &str) -> Answer {
    complete(state, call).unwrap_or_else(|refusal| *refusal)
}

fn complete(state: &State, call: &Call<'_>) -> Result<Answer, Box<Answer>> {
    let request: Request = read(call, PARAMETERS)?;
    let asked = request.model.as_deref().filter(|asked| !asked.is_empty()).ok_or_else(missing_model)?;
    let named = find(asked).ok_or_else(|| unknown_model(asked))?;
    check_model(named.model)?;
    for (name, value, least, most) in [
        ("n", request.n, 1, MOST_CHOICES),
        ("max_tokens", request.max_tokens, 0, i64::MAX),
        ("logprobs", request.logprobs, 0, 5),
    ] {
        if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
            return Err(Box::new(out_of_range(name, value as f64, least as f64, most as f64, true)));
        }
    }
    if let Some(value) = request.temperature.filter(|value| !(0.0..=2.0).contains(value)) {
        return Err(Box::new(out_of_range("temperature", value, 0.0, 2.0, false)));
    }
    let most = u64::try_from(request.max_tokens.unwrap_or(USUAL_MOST)).unwrap_or(0);
    let prompts = prompts(state, &request, named.model)?;
    let stop: Vec<Cow<'_, str>> = match &request.stop {
        None => Vec::new(),
        Some(Stop::One(stop)) => vec![Cow::Borrowed(stop)],
        Some(Stop::Many(stops)) => stops.iter().map(|stop| Cow::Borrowed(stop.as_str())).collect(),
    };
    let prompt_tokens: u64 = prompts.iter().map(|(_, tokens)| tokens).sum();
    if let Some((_, tokens)) = prompts.iter().find(|(_, tokens)| tokens + most > named.model.context) {
        let message = format!(
            "This model's maximum context length is {} tokens, however you requested {} tokens ({tokens} in your prompt; {most} \
             for the completion). Please reduce your prompt; or completion length.",
            named.model.context,
            tokens + most
        );
        return Err(Box::new(invalid(&message, None, None)));
    }
    let choices = u64::try_from(request.n.unwrap_or(1)).unwrap_or(1);
    let reserved = prompt_tokens.saturating_add(most.saturating_mul(choices).saturating_mul(prompts.len() as u64));
    let grant = state.limits.admit(call, named.model, reserved)?;

    let mut usage = Usage { prompt: prompt_tokens, ..Usage::default() };
    let (mut said, mut warning) = (Vec::new(), None);
    for (text, tokens) in &prompts {
        let user = Turn { role: Role::User, text: Cow::Borrowed(text), name: None, calls: Vec::new(), media_tokens: 0 };
        let prompt = Prompt {
            asked,
            named,
            turns: vec![user],
            tools: Vec::new(),
            tool_choice: ToolChoice::None,
            parallel: false,
            format: Format::Text,
            max_tokens: Some(most),
            stop: stop.clone(),
            effort: None,
            key: call.number,
            path: call.path,
            body: call.body,
        };
        let reply = state.inference.reply(&prompt, *tokens, choices);
        usage.completion += reply.usage.completion;
        warning = warning.or(reply.warning);
        let echoed = request.echo == Some(true);
        said.extend(reply.choices.into_iter().map(|said| Line { echo: echoed.then(|| text.clone()), said }));
    }
    let timing =
        state.pace.timing(Work { model: named.model, number: call.number, prompt_tokens, in_flight: call.in_flight });
    let identity = Identity {
        id: identifier("cmpl-", state.seed, call.number).into(),
        created: jiff::Timestamp::now().as_second(),
        model: named.answers_as.into(),
        tier: "default",
    };
    let longest = said.iter().map(|line| line.said.tokens).max().unwrap_or(0);
    let timing = state.pace.queued(timing, longest);
    let answer = if request.stream == Some(true) {
        let include_usage = request.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
        let mut answer = Answer::text(StatusCode::OK, "text/event-stream; charset=utf-8", "");
        answer.delay = timing.first();
        answer.body = AnswerBody::Stream(Box::new(events(identity, said, usage, include_usage, timing)));
        answer
    } else {
        let choices = said.iter().enumerate().map(|(index, line)| Choice {
            text: line.text(),
            index,
            logprobs: request.logprobs.and_then(|_| logprobs(line, state, call.number)),
            finish_reason: Some(line.said.finish.name()),
        });
        Answer::json(StatusCode::OK, &body(&identity, choices.collect(), Some(Some(usage.into()))))
            .delayed(timing.whole(longest))
    };
    Ok(grant.dress(billed(answer, named.model, usage).warned(warning)))
}

fn check_model(model: &Model) -> Result<(), Box<Answer>> {
    let (status, message, param) = match model.purpose {
        Purpose::Completion => return Ok(()),
        Purpose::Chat | Purpose::Responses => (
            StatusCode::NOT_FOUND,
            "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use v1/chat/completions?",
            Some("model"),
        ),
        Purpose::Embedding { .. } | Purpose::Moderation => {
            (StatusCode::FORBIDDEN, "You are not allowed to sample from this model", None)
        }
    };
    Err(Box::new(envelope(status, "invalid_request_error", message, param, None)))
}

/// The prompts with their tokens; what was sent as tokens has no text.
fn prompts(state: &State, request: &Request, model: &Model) -> Result<Vec<(String, u64)>, Box<Answer>> {
    let refused = |what: &str| Box::new(invalid(&format!("Invalid 'prompt': {what}."), Some("prompt"), None));
    let texts = |texts: &[String]| {
        let counted = texts.iter().map(|text| (text.clone(), state.inference.tokens().of(model.encoding, text)));
        counted.collect::<Vec<_>>()
    };
    let prompts = match &request.prompt {
        // A model that is asked nothing begins anew, with one token (OpenAI's API description).
        None => vec![(String::new(), 1)],
        Some(Prompts::Text(text)) => texts(std::slice::from_ref(text)),
        Some(Prompts::Texts(list)) => texts(list),
        Some(Prompts::Tokens(tokens)) => vec![(String::new(), tokens.len() as u64)],
        Some(Prompts::ManyTokens(many)) => many.iter().map(|tokens| (String::new(), tokens.len() as u64)).collect(),
        Some(Prompts::Other(_)) => return Err(refused("expected a string, an array of strings or of tokens")),
    };
    match prompts.len() {
        0 => Err(refused("empty array")),
        1..=MOST_PROMPTS => Ok(prompts),
        _ => Err(refused(&format!("array too long, expected at most {MOST_PROMPTS} prompts"))),
    }
}

/// One answer, with the prompt before it if it is to be repeated.
struct Line {
    echo: Option<String>,
    said: Said,
}

impl Line {
    fn spoken(&self) -> Option<&Spoken> {
        self.said.text.as_ref().or(self.said.refusal.as_ref())
    }

    fn text(&self) -> Cow<'_, str> {
        let text = self.spoken().map_or("", Spoken::text);
        self.echo.as_ref().map_or(Cow::Borrowed(text), |echo| Cow::Owned(format!("{echo}{text}")))
    }
}

fn body<'a>(identity: &'a Identity, choices: Vec<Choice<'a>>, usage: Option<Option<UsageBody>>) -> Body<'a> {
    Body {
        id: &identity.id,
        object: "text_completion",
        created: identity.created,
        model: &identity.model,
        choices,
        usage,
    }
}

fn logprobs<'a>(line: &'a Line, state: &State, key: u64) -> Option<Logprobs<'a>> {
    let spoken = line.spoken()?;
    let tokens: Vec<&str> = (0..spoken.pieces()).map(|at| spoken.piece(at)).collect();
    let seed = state.seed.derive("logprobs");
    let token_logprobs = (0..tokens.len() as u64).map(|at| (1.0 - 0.5 * seed.unit(&[key, at]).powi(3)).ln()).collect();
    let start = line.echo.as_ref().map_or(0, |echo| echo.chars().count());
    let text_offset = tokens
        .iter()
        .scan(start, |offset, token| Some(std::mem::replace(offset, *offset + token.chars().count())))
        .collect();
    Some(Logprobs { tokens, token_logprobs, top_logprobs: None, text_offset })
}

/// Answer after answer token by token, each ending with its reason; then the usage if it was asked for; then `[DONE]`.
fn events(
    identity: Identity,
    mut lines: Vec<Line>,
    usage: Usage,
    include_usage: bool,
    mut timing: Timing,
) -> impl Iterator<Item = Piece> + Send {
    let mut places: VecDeque<(usize, usize)> = lines.iter().enumerate().map(|(line, _)| (line, 0)).collect();
    let mut ends = VecDeque::from([Some(()), None]);
    if !include_usage {
        ends.pop_front();
    }
    let mut spoken = false;
    std::iter::from_fn(move || {
        let between = include_usage.then_some(None);
        let Some((line, at)) = places.pop_front() else {
            let bytes = match ends.pop_front()? {
                Some(()) => event(&body(&identity, Vec::new(), Some(Some(usage.into())))),
                None => DONE,
            };
            return Some(Piece::from(bytes));
        };
        let echo = lines[line].echo.take().unwrap_or_default();
        let pieces = lines[line].spoken().map_or(0, Spoken::pieces);
        let (text, finish_reason) = if at < pieces {
            places.push_front((line, at + 1));
            (lines[line].spoken().map_or("", |spoken| spoken.piece(at)), None)
        } else {
            ("", Some(lines[line].said.finish.name()))
        };
        let after = if spoken && at < pieces { timing.gap() } else { std::time::Duration::ZERO };
        spoken = true;
        let choice = Choice { text: format!("{echo}{text}").into(), index: line, logprobs: None, finish_reason };
        Some(Piece { bytes: event(&body(&identity, vec![choice], between)), after })
    })
}
