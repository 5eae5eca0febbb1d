//! [`Earlier`]: what a request goes on from, and how input becomes a conversation.

use super::item::{BadItem, Conversation, Item};
use super::request::Request;
use super::store::Stored;
use crate::upstream::answer::Answer;
use crate::upstream::openai::errors::{envelope, invalid};
use crate::upstream::openai::prompt::Role;
use crate::upstream::openai::state::State;
use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;

/// How many responses back a conversation goes.
const LONGEST_CHAIN: usize = 1_000;

type Refused = Box<Answer>;

/// What a request goes on from.
#[derive(Default)]
pub struct Earlier {
    /// The responses before it, the oldest first.
    chain: Vec<Arc<Stored>>,
    /// By the index of the input item: the response of which an item is referred to.
    referenced: Vec<Option<Arc<Stored>>>,
    /// What the reader of the run must know.
    pub warning: Option<String>,
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
    /// Finds it.
    ///
    /// # Errors
    /// The answer to a response or an item that is not there.
    pub fn of(state: &State, request: &Request<'_>) -> Result<Self, Refused> {
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
            earlier.chain.push(found);
            let before = earlier.chain.last().and_then(|found| found.previous.clone());
            if earlier.chain.len() < LONGEST_CHAIN {
                next = before;
            } else if before.is_some() {
                let warning = "the OpenAI mock goes back a thousand responses: what a longer conversation by \
                               `previous_response_id` began with was left out";
                earlier.warning = Some(warning.to_owned());
            }
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

/// The answer to an item that is none.
pub fn bad(item: BadItem) -> Refused {
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

impl Earlier {
    /// The whole conversation that a request asks about: its instructions, what came before, and its input.
    ///
    /// # Errors
    /// The answer to an input that is none.
    pub fn conversation<'a>(&'a self, request: &'a Request<'a>) -> Result<Conversation<'a>, Refused> {
        let mut all = Conversation::default();
        if let Some(instructions) = &request.instructions {
            all.text(Role::System, Cow::Borrowed(instructions));
        }
        for stored in &self.chain {
            if let Ok(Kept { input: Some(input) }) = serde_json::from_slice::<Kept<'_>>(&stored.request) {
                add_input(&mut all, input, &[])?;
            }
            let output =
                serde_json::from_slice::<Answered<'_>>(&stored.answer).map_or_else(|_| Vec::new(), |a| a.output);
            for item in output {
                // Our own: it can be read back.
                let _ = all.item(item, str::to_owned);
            }
        }
        match request.input {
            Some(input) => add_input(&mut all, input, &self.referenced)?,
            None if self.chain.is_empty() => {
                let message =
                    "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.";
                return Err(Box::new(invalid(message, None, Some("missing_required_parameter"))));
            }
            None => {}
        }
        all.check().map_err(bad)?;
        Ok(all)
    }
}
