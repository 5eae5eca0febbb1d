//! `POST /v1/responses`: reads the request, and answers it whole, as a stream, or later.

use super::body::{Echo, End, Made, Output, ReasoningEcho, Stage};
use super::events::{self, Options, frame};
use super::item::{BadItem, Conversation, Item};
use super::request::{ChoiceBody, Request, Text, ToolBody, missing};
use super::store::Stored;
use crate::units::Seed;
use crate::upstream::answer::{Answer, AnswerBody, Call};
use crate::upstream::openai::errors::{envelope, invalid, unknown_model};
use crate::upstream::openai::models::{Purpose, find};
use crate::upstream::openai::pace::Work;
use crate::upstream::openai::prompt::{Format, Prompt, Role, Tool, ToolChoice};
use crate::upstream::openai::said::{Finish, Said, Spoken};
use crate::upstream::openai::state::State;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;
use tokio::time::Instant;

/// How many responses back a conversation goes.
const LONGEST_CHAIN: usize = 1_000;
/// What stands where a model would sum up its reasoning.
const SUMMARY: &str = "**Considering the request**\n\nThis stands where a summary of the model's reasoning would.";
/// What `include` may ask for and this mock does not have.
const NOT_INCLUDED: &str = "message.output_text.logprobs";

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
        echo: echo(&request, named.model.id),
        output: Vec::new(),
        end: End::Failed(code.to_owned(), message.to_owned()),
        usage: crate::upstream::openai::said::Usage::default(),
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
        echo: echo(&request, named.model.id),
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
    let mut answer = match (request.stream.unwrap_or(false), background) {
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
    answer.tokens_in = usage.prompt;
    answer.tokens_out = usage.completion;
    Ok(grant.dress(answer.warned(earlier.warning.or(warning).or_else(|| unsupported(&request)))))
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

/// What a request goes on from.
#[derive(Default)]
struct Earlier {
    /// The responses before it, the oldest first.
    chain: Vec<Arc<Stored>>,
    /// By the index of the input item: the response of which an item is referred to.
    referenced: Vec<Option<Arc<Stored>>>,
    warning: Option<String>,
}

/// The input of a request that is kept.
#[derive(Deserialize)]
struct Kept<'a> {
    #[serde(borrow)]
    input: Option<&'a RawValue>,
}

/// The output of a response that is kept.
#[derive(Deserialize)]
struct Answered<'a> {
    #[serde(borrow)]
    output: Vec<Item<'a>>,
}

impl Earlier {
    fn of(state: &State, request: &Request<'_>) -> Result<Self, Refused> {
        let mut earlier = Self::default();
        let mut next = request.previous_response_id.clone();
        while let Some(id) = next.take() {
            let Some(found) = state.responses.find(&id).filter(|found| found.id == id) else {
                let forgotten = state.responses.has_forgotten();
                if forgotten {
                    let warning = "the OpenAI mock has forgotten old responses for want of room: a `previous_response_id` \
                                   may have been one of them";
                    earlier.warning = Some(warning.to_owned());
                }
                if earlier.chain.is_empty() {
                    let short: String = id.chars().take(100).collect();
                    let message = format!("Previous response with id '{short}' not found.");
                    let code = Some("previous_response_not_found");
                    let refusal = invalid(&message, Some("previous_response_id"), code).warned(earlier.warning);
                    return Err(Box::new(refusal));
                }
                break;
            };
            if earlier.chain.len() < LONGEST_CHAIN {
                next.clone_from(&found.previous);
            }
            earlier.chain.push(found);
        }
        earlier.chain.reverse();
        for item in request.input.and_then(|input| list(input).ok()).into_iter().flatten() {
            let Some(id) = reference(&item) else {
                earlier.referenced.push(None);
                continue;
            };
            let Some(found) = state.responses.find(id) else {
                let short: String = id.chars().take(100).collect();
                let message = format!(
                    "Item with id '{short}' not found. Items are not persisted when `store` is set to false. Try again \
                     with `store` set to true, or remove this item from your input."
                );
                return Err(Box::new(envelope(
                    StatusCode::NOT_FOUND,
                    "invalid_request_error",
                    &message,
                    Some("input"),
                    None,
                )));
            };
            earlier.referenced.push(Some(found));
        }
        Ok(earlier)
    }
}

/// The identifier that an item refers to, if it is a reference.
fn reference<'a>(item: &'a Item<'_>) -> Option<&'a str> {
    let is_reference = match item.r#type.as_deref() {
        Some(kind) => kind == "item_reference",
        None => item.role.is_none(),
    };
    item.id.as_deref().filter(|_| is_reference)
}

/// The items of an input that is a list.
fn list(input: &RawValue) -> Result<Vec<Item<'_>>, Refused> {
    serde_json::from_str(input.get()).map_err(|error| {
        let message = if input.get().starts_with('[') {
            format!("Invalid type in 'input': {error}.")
        } else {
            "Invalid type for 'input': expected one of a string or array of objects.".to_owned()
        };
        Box::new(invalid(&message, Some("input"), Some("invalid_type")))
    })
}

fn bad(item: BadItem) -> Refused {
    Box::new(invalid(&item.message, Some(&item.param), Some(item.code).filter(|code| !code.is_empty())))
}

/// Adds an input to a conversation.
fn add_input<'a>(
    all: &mut Conversation<'a>,
    input: &'a RawValue,
    referenced: &'a [Option<Arc<Stored>>],
) -> Result<(), Refused> {
    if input.get().starts_with('"') {
        #[derive(Deserialize)]
        struct Plain<'a>(#[serde(borrow)] Cow<'a, str>);
        let Ok(Plain(text)) = serde_json::from_str(input.get()) else { return Ok(()) };
        all.text(Role::User, text);
        return Ok(());
    }
    for (index, item) in list(input)?.into_iter().enumerate() {
        let place = |part: &str| format!("input[{index}]{part}");
        match referenced.get(index).and_then(Option::as_ref) {
            None => all.item(item, place).map_err(bad)?,
            Some(stored) => {
                let id = item.id.unwrap_or_default();
                let Ok(answered) = serde_json::from_slice::<Answered<'_>>(&stored.answer) else { continue };
                if let Some(found) = answered.output.into_iter().find(|item| item.id.as_deref() == Some(&*id)) {
                    all.item(found, place).map_err(bad)?;
                }
            }
        }
    }
    Ok(())
}

fn prompt<'a>(call: &Call<'a>, request: &'a Request<'a>, earlier: &'a Earlier) -> Result<Prompt<'a>, Refused> {
    let Some(asked) = request.model.as_deref() else {
        return Err(Box::new(invalid(&missing("model"), Some("model"), Some("missing_required_parameter"))));
    };
    let named = find(asked).ok_or_else(|| unknown_model(asked))?;
    if named.model.purpose != Purpose::Chat {
        let message = format!("The requested model '{asked}' is not supported with the Responses API.");
        return Err(Box::new(invalid(&message, Some("model"), Some("unsupported_model"))));
    }
    absent(request)?;
    let mut all = Conversation::default();
    if let Some(instructions) = &request.instructions {
        all.text(Role::System, Cow::Borrowed(instructions));
    }
    for stored in &earlier.chain {
        if let Ok(Kept { input: Some(input) }) = serde_json::from_slice::<Kept<'_>>(&stored.request) {
            add_input(&mut all, input, &[])?;
        }
        let output = serde_json::from_slice::<Answered<'_>>(&stored.answer).map_or_else(|_| Vec::new(), |a| a.output);
        for item in output {
            // Our own: it can be read back.
            let _ = all.item(item, str::to_owned);
        }
    }
    match request.input {
        Some(input) => add_input(&mut all, input, &earlier.referenced)?,
        None if earlier.chain.is_empty() => {
            let message =
                "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.";
            return Err(Box::new(invalid(message, None, Some("missing_required_parameter"))));
        }
        None => {}
    }
    all.check().map_err(bad)?;
    Ok(Prompt {
        asked,
        named,
        turns: all.turns,
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

fn tool<'a>(raw: &'a RawValue, index: usize) -> Result<ToolBody<'a>, Refused> {
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

/// What cannot be done faithfully.
fn unsupported(request: &Request<'_>) -> Option<String> {
    let own = request.tools.iter().flatten().filter_map(|raw| serde_json::from_str::<ToolBody<'_>>(raw.get()).ok());
    if let Some(tool) = own.into_iter().find(|tool| &*tool.r#type != "function") {
        let kind: String = tool.r#type.chars().take(40).collect();
        return Some(format!("the OpenAI mock has no tool of the kind `{kind}`: it never calls it"));
    }
    let asks = request.include.iter().flatten().any(|wanted| wanted == NOT_INCLUDED);
    asks.then(|| format!("the OpenAI mock has no log probabilities in responses: `{NOT_INCLUDED}` is empty"))
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

/// What a response repeats from its request.
fn echo(request: &Request<'_>, model: &str) -> Echo {
    let reasons = reasons(model);
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
            effort: reasoning
                .and_then(|reasoning| reasoning.effort.as_deref())
                .or(reasons.then_some("medium"))
                .map(str::to_owned),
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

/// Whether a model reasons unless it is told not to.
fn reasons(model: &str) -> bool {
    model.starts_with(['o']) || matches!(model, "gpt-5" | "gpt-5-mini" | "gpt-5-nano" | "gpt-5-pro")
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
