//! `POST /v1/responses`: reads the request, and answers it whole, as a stream, or later.

use super::ask::{prompt, unfaithful};
use super::body::{End, Made, Output, Stage};
use super::earlier::Earlier;
use super::echo::echo;
use super::events::{self, Options, frame};
use super::request::Request;
use super::store::Stored;
use crate::units::Seed;
use crate::upstream::answer::{Answer, AnswerBody, Call};
use crate::upstream::openai::completion::billed;
use crate::upstream::openai::errors::invalid;
use crate::upstream::openai::models::find;
use crate::upstream::openai::pace::Work;
use crate::upstream::openai::prompt::Prompt;
use crate::upstream::openai::said::{Finish, Said, Spoken, Usage};
use crate::upstream::openai::state::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use tokio::time::Instant;

/// What stands where a model would sum up its reasoning.
const SUMMARY: &str = "**Considering the request**\n\nThis stands where a summary of the model's reasoning would.";

type Refused = Box<Answer>;

/// `POST /v1/responses`.
pub fn create(state: &State, call: &Call<'_>, _: &str) -> Answer {
    respond(state, call).unwrap_or_else(|refusal| *refusal)
}

/// `POST /v1/responses/input_tokens`.
pub fn input_tokens(state: &State, call: &Call<'_>, _: &str) -> Answer {
    #[derive(Serialize)]
    struct Counted {
        object: &'static str,
        input_tokens: u64,
    }
    let count = || {
        let request = Request::read(call.body)?;
        let earlier = Earlier::of(state, &request)?;
        let prompt = prompt(call, &request, &earlier)?;
        Ok(Counted { object: "response.input_tokens", input_tokens: state.inference.prompt_tokens(&prompt) })
    };
    count().map_or_else(|refusal: Refused| *refusal, |counted| Answer::json(StatusCode::OK, &counted))
}

/// The `response.failed` event of a call's response, for faults that make it fail after all.
pub fn failed_event(state: &State, call: &Call<'_>, sequence: u64, code: &str, message: &str) -> Option<Bytes> {
    #[derive(Serialize)]
    struct Failed<'a> {
        r#type: &'static str,
        sequence_number: u64,
        response: super::body::Body<'a>,
    }
    let request = Request::read(call.body).ok()?;
    let named = find(request.model.as_deref()?)?;
    let ids = Ids::new(state.seed, call.number);
    let made = Made {
        id: ids.of("resp", 0).into(),
        created: jiff::Timestamp::now().as_second(),
        model: named.answers_as.into(),
        echo: echo(&request, named.model),
        output: Vec::new(),
        end: End::Failed(code.to_owned(), message.to_owned()),
        usage: Usage::default(),
    };
    let r#type = "response.failed";
    let response = made.body(Stage::Ended, made.created);
    Some(frame(r#type, &Failed { r#type, sequence_number: sequence, response }))
}

fn respond(state: &State, call: &Call<'_>) -> Result<Answer, Refused> {
    let request = Request::read(call.body)?;
    let earlier = Earlier::of(state, &request)?;
    let mut prompt = prompt(call, &request, &earlier)?;
    let named = prompt.named;
    state.inference.check(&prompt).map_err(|bad| match bad.tool {
        Some(index) => {
            let param = format!("tools[{index}].parameters");
            invalid(&bad.message, Some(&param), Some("invalid_function_parameters"))
        }
        None => invalid(&bad.message, Some("text.format.schema"), Some("invalid_json_schema")),
    })?;
    let prompt_tokens = fit(state, &request, &mut prompt)?;

    let timing =
        state.pace.timing(Work { model: named.model, number: call.number, prompt_tokens, in_flight: call.in_flight });
    let grant = state.limits.admit(call, named.model, prompt_tokens + prompt.max_tokens.unwrap_or(0))?;
    let mut reply = state.inference.reply(&prompt, prompt_tokens, 1);
    let (usage, warning) = (reply.usage, reply.warning.take());
    // As many as were asked for: one.
    let said = reply.choices.pop().unwrap_or_else(nothing_said);
    let tokens = said.tokens - said.reasoning_tokens;
    let timing = state.pace.queued(timing, tokens);
    let whole_time = timing.clone().whole(tokens);

    let ids = Ids::new(state.seed, call.number);
    let end = match request.marked_failure() {
        Some(code) => End::Failed(code.chars().take(100).collect(), failure(code).to_owned()),
        None => match said.finish {
            Finish::Length => End::Incomplete("max_output_tokens"),
            Finish::ContentFilter => End::Incomplete("content_filter"),
            Finish::Stop | Finish::ToolCalls => End::Completed,
        },
    };
    let created = jiff::Timestamp::now().as_second();
    let made = Made {
        id: ids.of("resp", 0).into(),
        created,
        model: named.answers_as.into(),
        echo: echo(&request, named.model),
        output: if matches!(end, End::Failed(..)) { Vec::new() } else { output(said, &request, &ids) },
        end,
        usage,
    };
    let background = request.background.unwrap_or(false);
    let completes = created + i64::try_from(whole_time.as_secs()).unwrap_or(i64::MAX >> 1);
    let body = serde_json::to_vec(&made.body(Stage::Ended, completes)).map(Bytes::from).unwrap_or_default();
    if request.store.unwrap_or(true) {
        let now = Instant::now();
        state.responses.keep(Stored {
            id: made.id.to_string(),
            request: Bytes::copy_from_slice(call.body),
            answer: body.clone(),
            previous: request.previous_response_id.clone(),
            background,
            begins: now + timing.head(),
            done: now + whole_time,
        });
    }
    let answer = match (request.stream.unwrap_or(false), background) {
        (true, _) => {
            let obfuscate =
                request.stream_options.as_ref().and_then(|options| options.include_obfuscation).unwrap_or(true);
            let seed = Seed(state.seed.derive("padding").draw(&[call.number]));
            let options = Options { obfuscate, queued: background, completes, seed };
            let mut answer = Answer::text(StatusCode::OK, "text/event-stream; charset=utf-8", "");
            answer.delay = timing.head();
            answer.body = AnswerBody::Stream(Box::new(events::events(made, options, timing)));
            answer
        }
        (false, true) => Answer::json(StatusCode::OK, &made.body(Stage::Queued, completes)),
        (false, false) => Answer::text(StatusCode::OK, "application/json", body).delayed(whole_time),
    };
    let warning = earlier.warning.clone().or(warning).or_else(|| unfaithful(&request));
    Ok(grant.dress(billed(answer.warned(warning), named.model, usage)))
}

/// Makes the prompt fit the model, and counts it.
fn fit<'a>(state: &State, request: &Request<'_>, prompt: &mut Prompt<'a>) -> Result<u64, Refused> {
    let context = prompt.named.model.context;
    let tokens = state.inference.prompt_tokens(prompt);
    if tokens <= context {
        return Ok(tokens);
    }
    if request.truncation.as_deref() == Some("auto") {
        // The fewest turns from the beginning without which it fits, but for the instructions and the last turn.
        let first = usize::from(request.instructions.is_some());
        let all = std::mem::take(&mut prompt.turns);
        let (mut low, mut high) = (1, all.len().saturating_sub(first + 1));
        let without = |dropped: usize, prompt: &mut Prompt<'a>| {
            prompt.turns.clear();
            prompt.turns.extend(all.iter().take(first).chain(all.iter().skip(first + dropped)).cloned());
            state.inference.prompt_tokens(prompt)
        };
        while low < high {
            let middle = low.midpoint(high);
            if without(middle, prompt) <= context { high = middle } else { low = middle + 1 }
        }
        let tokens = without(low, prompt);
        if tokens <= context {
            return Ok(tokens);
        }
    }
    let message = "Your input exceeds the context window of this model. Please adjust your input and try again.";
    Err(Box::new(invalid(message, Some("input"), Some("context_length_exceeded"))))
}

/// What OpenAI says with these codes (WIRE-openai §3).
fn failure(code: &str) -> &'static str {
    match code {
        "rate_limit_exceeded" => "Rate limit reached. Please try again later.",
        "invalid_prompt" => "Invalid prompt: your prompt was flagged as potentially violating our usage policy.",
        _ => {
            "An error occurred while processing your request. You can retry your request, or contact us through our help center at help.openai.com if the error persists."
        }
    }
}

fn nothing_said() -> Said {
    let (text, refusal, calls) = (None, None, Vec::new());
    Said { text, refusal, calls, finish: Finish::Stop, tokens: 0, reasoning_tokens: 0 }
}

/// The items of what was said.
fn output(said: Said, request: &Request<'_>, ids: &Ids) -> Vec<Output> {
    let mut output = Vec::new();
    let cut = said.finish == Finish::Length;
    if said.reasoning_tokens > 0 {
        let asked = request.reasoning.as_ref().and_then(|reasoning| reasoning.summary.as_ref());
        let wants = |what: &str| request.include.iter().flatten().any(|wanted| wanted == what);
        output.push(Output::Reasoning {
            id: ids.of("rs", 1),
            summary: asked.map(|_| summary()),
            encrypted: wants("reasoning.encrypted_content").then(|| ids.sealed()),
        });
    }
    if let Some(text) = said.text
        // If every token went into reasoning, there is no message.
        && !(cut && text.pieces() == 0 && !output.is_empty())
    {
        output.push(Output::Text { id: ids.of("msg", 2), text, cut });
    }
    if let Some(words) = said.refusal {
        output.push(Output::Refusal { id: ids.of("msg", 2), words, cut });
    }
    let calls = said.calls.len();
    for (index, call) in said.calls.into_iter().enumerate() {
        // The most tokens cut the last one.
        output.push(Output::Call { id: ids.of("fc", 3 + index as u64), call, cut: cut && index + 1 == calls });
    }
    output
}

fn summary() -> Spoken {
    let ends: Vec<u32> = SUMMARY
        .match_indices(' ')
        .map(|(at, _)| at)
        .chain([SUMMARY.len()])
        .filter_map(|end| u32::try_from(end).ok())
        .collect();
    Spoken::new(Arc::from(SUMMARY), ends.into())
}

/// The identifiers of one response and its items: as OpenAI's, they begin alike.
struct Ids {
    seed: Seed,
    number: u64,
}

impl Ids {
    fn new(seed: Seed, number: u64) -> Self {
        Self { seed: seed.derive("response"), number }
    }

    fn of(&self, prefix: &str, item: u64) -> String {
        let own = |part| self.seed.draw(&[self.number, part]);
        format!("{prefix}_{:016x}{:016x}{:016x}", own(0), own(1), own(2 + item))
    }

    /// What stands for encrypted reasoning: of the form of OpenAI's, and holding nothing.
    fn sealed(&self) -> String {
        let bytes: Vec<u8> = (0..24_u64).flat_map(|n| self.seed.draw(&[self.number, n, 1]).to_be_bytes()).collect();
        format!("gAAAAAB{}", URL_SAFE.encode(bytes))
    }
}
