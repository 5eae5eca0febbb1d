//! The events of a streamed chat completion, in OpenAI's order, each made when it is about to be sent.

use super::super::completion::{FINGERPRINT, Identity, UsageBody};
use super::super::events::{DONE, event};
use super::super::pace::Timing;
use super::super::said::{Reply, Said, ToolCall};
use super::body::finish;
use super::logprobs::{Asked, Logprobs};
use crate::upstream::answer::Piece;
use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// Events are padded so that their length says little of their content: to multiples of so many characters.
const PADDED_TO: usize = 16;

/// How a stream was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether a last chunk tells the usage.
    pub include_usage: bool,
    /// Whether events are padded.
    pub obfuscate: bool,
    /// Whether `functions` were named, and not `tools`.
    pub legacy: bool,
    /// What `logprobs` were asked for.
    pub logprobs: Option<Asked>,
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    service_tier: &'static str,
    system_fingerprint: &'static str,
    choices: &'a [Choice<'a>],
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<UsageBody>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    obfuscation: Option<&'a str>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u64,
    delta: Delta<'a>,
    logprobs: Option<Logprobs<'a>>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<FunctionDelta<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<&'a str>>,
}

#[derive(Serialize)]
struct CallDelta<'a> {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'static str>,
    function: FunctionDelta<'a>,
}

#[derive(Serialize)]
struct FunctionDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    arguments: &'a str,
}

/// Where a choice is.
#[derive(Clone, Copy, PartialEq)]
enum At {
    Role,
    /// At this piece of the text or refusal.
    Piece(usize),
    /// At the beginning of this call.
    Call(usize),
    /// At this piece of this call's arguments.
    Arguments(usize, usize),
    Finish,
    Ended,
}

/// What comes once all choices have ended.
#[derive(Clone, Copy)]
enum Rest {
    Usage,
    Done,
    Nothing,
}

/// The events: for each choice first the role, then content, refusal or calls token by token, then the reason for the
/// end, all choices in turn; then the usage if it was asked for; then `[DONE]`. The first token is due at once, each
/// further one after its gap.
pub fn events(
    identity: Identity,
    reply: Reply,
    options: Options,
    timing: Timing,
) -> impl Iterator<Item = Piece> + Send {
    let at = vec![At::Role; reply.choices.len()];
    let rest = if options.include_usage { Rest::Usage } else { Rest::Done };
    let mut stream = Stream { identity, reply, options, timing, at, turn: 0, rest, spoken: false, due: Duration::ZERO };
    std::iter::from_fn(move || stream.next())
}

struct Stream {
    identity: Identity,
    reply: Reply,
    options: Options,
    timing: Timing,
    at: Vec<At>,
    /// Whose turn it is.
    turn: usize,
    rest: Rest,
    /// Whether the first token is out.
    spoken: bool,
    /// How long after the piece before it the next one is due.
    due: Duration,
}

impl Stream {
    fn next(&mut self) -> Option<Piece> {
        while self.at.iter().any(|at| *at != At::Ended) {
            let turn = self.turn;
            self.turn = (turn + 1) % self.at.len();
            let (Some(said), at) = (self.reply.choices.get(turn), self.at[turn]) else { break };
            let (next, delta) = step(at, said, self.options.legacy);
            self.at[turn] = next;
            // All choices speak at the same pace: time passes once a round, with the first of them that speaks.
            let is_token = matches!(at, At::Piece(_) | At::Arguments(..)) && next != At::Finish;
            let leads = !self.at[..turn].iter().any(|at| matches!(at, At::Piece(_) | At::Arguments(..)));
            if is_token && leads {
                self.due += if self.spoken { self.timing.gap() } else { Duration::ZERO };
                self.spoken = true;
            }
            let Some(delta) = delta else { continue };
            let logprobs = match (at, self.options.logprobs, said.text.as_ref().or(said.refusal.as_ref())) {
                (At::Piece(piece), Some(asked), Some(spoken)) => {
                    Some(Logprobs::of(asked, turn as u64, spoken, said.text.is_none(), piece..piece + 1))
                }
                _ => None,
            };
            let finish_reason = (at == At::Finish).then(|| finish(said, self.options.legacy));
            let choice = Choice { index: turn as u64, delta, logprobs, finish_reason };
            let bytes = self.chunk(std::slice::from_ref(&choice), None);
            return Some(Piece { bytes, after: std::mem::take(&mut self.due) });
        }
        let (next, bytes) = match self.rest {
            Rest::Usage => (Rest::Done, self.chunk(&[], Some(self.reply.usage.into()))),
            Rest::Done => (Rest::Nothing, DONE),
            Rest::Nothing => return None,
        };
        self.rest = next;
        Some(Piece { bytes, after: std::mem::take(&mut self.due) })
    }

    fn chunk(&self, choices: &[Choice<'_>], usage: Option<UsageBody>) -> Bytes {
        let padding = choices.first().filter(|_| self.options.obfuscate).map(padding);
        let chunk = Chunk {
            id: &self.identity.id,
            object: "chat.completion.chunk",
            created: self.identity.created,
            model: &self.identity.model,
            service_tier: self.identity.tier,
            system_fingerprint: FINGERPRINT,
            choices,
            usage: self.options.include_usage.then_some(usage),
            obfuscation: padding
                .as_ref()
                .and_then(|padding| std::str::from_utf8(padding.letters.get(..padding.length)?).ok()),
        };
        event(&chunk)
    }
}

/// Letters and digits that bring what a delta says to a multiple of [`PADDED_TO`].
fn padding(choice: &Choice<'_>) -> Padding {
    let said = [choice.delta.content, choice.delta.refusal].into_iter().flatten().flatten().next();
    let said = said.or(choice.delta.tool_calls.as_ref().map(|calls| calls[0].function.arguments)).unwrap_or("");
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789ab";
    let drawn = xxh3_64(said.as_bytes()).to_le_bytes();
    let letters = std::array::from_fn(|at| LETTERS[usize::from(drawn[at % 8].rotate_left(at as u32 / 8 * 3) % 64)]);
    Padding { letters, length: PADDED_TO - said.len() % PADDED_TO }
}

/// Some letters, without an allocation for each event.
struct Padding {
    letters: [u8; PADDED_TO],
    length: usize,
}

/// What is said at a place, if anything, and the next place.
fn step(at: At, said: &Said, legacy: bool) -> (At, Option<Delta<'_>>) {
    match at {
        At::Role => {
            let (next, call) = match said.calls.as_slice() {
                [] => (At::Piece(0), None),
                // A single call begins with the role.
                [only] => (At::Arguments(0, 0), Some(called(0, only, legacy))),
                _ => (At::Call(0), None),
            };
            let content = Some(said.calls.is_empty().then_some(""));
            let delta = Delta { role: Some("assistant"), content, refusal: Some(None), ..call.unwrap_or_default() };
            (next, Some(delta))
        }
        At::Piece(index) => {
            let spoken = said.text.as_ref().or(said.refusal.as_ref()).filter(|spoken| index < spoken.pieces());
            let Some(spoken) = spoken else { return (At::Finish, None) };
            let piece = spoken.piece(index);
            let next = if index + 1 == spoken.pieces() { At::Finish } else { At::Piece(index + 1) };
            let delta = if said.text.is_some() {
                Delta { content: Some(Some(piece)), ..Delta::default() }
            } else {
                Delta { refusal: Some(Some(piece)), ..Delta::default() }
            };
            (next, (!piece.is_empty()).then_some(delta))
        }
        At::Call(index) => match said.calls.get(index) {
            Some(call) => (At::Arguments(index, 0), Some(called(index, call, legacy))),
            None => (At::Finish, None),
        },
        At::Arguments(index, piece) => {
            let after = if index + 1 < said.calls.len() { At::Call(index + 1) } else { At::Finish };
            let Some(call) = said.calls.get(index).filter(|call| piece < call.arguments.pieces()) else {
                return (after, None);
            };
            let function = FunctionDelta { name: None, arguments: call.arguments.piece(piece) };
            let next = if piece + 1 == call.arguments.pieces() { after } else { At::Arguments(index, piece + 1) };
            let empty = function.arguments.is_empty();
            let delta = if legacy {
                Delta { function_call: Some(function), ..Delta::default() }
            } else {
                Delta { tool_calls: Some([CallDelta { index, id: None, r#type: None, function }]), ..Delta::default() }
            };
            (next, (!empty).then_some(delta))
        }
        At::Finish => (At::Ended, Some(Delta::default())),
        At::Ended => (At::Ended, None),
    }
}

/// The beginning of a call: all but its arguments.
fn called(index: usize, call: &ToolCall, legacy: bool) -> Delta<'_> {
    let function = FunctionDelta { name: Some(&call.name), arguments: "" };
    if legacy {
        return Delta { function_call: Some(function), ..Delta::default() };
    }
    let call = CallDelta { index, id: Some(&call.id), r#type: Some("function"), function };
    Delta { tool_calls: Some([call]), ..Delta::default() }
}
