//! The events of a streamed chat completion, in OpenAI's order, each made when it is about to be sent.

use super::completion::{FINGERPRINT, Identity, UsageBody};
use super::pace::Timing;
use super::said::{Reply, Said};
use crate::upstream::answer::Piece;
use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;

/// How a stream was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether a last chunk tells the usage.
    pub include_usage: bool,
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
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u64,
    delta: Delta<'a>,
    logprobs: Option<()>,
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[CallDelta<'a>; 1]>,
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

/// Where a stream is.
#[derive(Clone, Copy)]
enum At {
    Role,
    /// At this piece of the text or refusal.
    Piece(usize),
    /// At the beginning of this call.
    Call(usize),
    /// At this piece of this call's arguments.
    Arguments(usize, usize),
    Finish,
    Usage,
    Done,
    End,
}

/// First the role, then content, refusal or calls token by token, then the reason for the end, choice after choice;
/// then the usage if it was asked for; then `[DONE]`.
pub fn events(
    identity: Identity,
    reply: Reply,
    options: Options,
    timing: Timing,
) -> impl Iterator<Item = Piece> + Send {
    let mut stream = Stream { identity, reply, options, timing, choice: 0, at: At::Role };
    std::iter::from_fn(move || stream.next())
}

struct Stream {
    identity: Identity,
    reply: Reply,
    options: Options,
    timing: Timing,
    choice: usize,
    at: At,
}

impl Stream {
    fn next(&mut self) -> Option<Piece> {
        loop {
            let at = self.at;
            let said = self.reply.choices.get(self.choice);
            let (next, event) = match (at, said) {
                (At::End, _) => return None,
                (At::Done, _) => (At::End, Some((Bytes::from_static(b"data: [DONE]\n\n"), false))),
                (At::Usage, _) => {
                    let usage = UsageBody::from(self.reply.usage);
                    (At::Done, Some((self.chunk(&[], Some(usage)), false)))
                }
                (_, None) => (if self.options.include_usage { At::Usage } else { At::Done }, None),
                (at, Some(said)) => {
                    let (next, delta) = step(at, said);
                    let finish = matches!(at, At::Finish).then(|| said.finish.name());
                    let is_token = matches!(at, At::Piece(_) | At::Arguments(..));
                    let index = self.choice as u64;
                    let event = delta.map(|delta| {
                        let choice = Choice { index, delta, logprobs: None, finish_reason: finish };
                        (self.chunk(&[choice], None), is_token)
                    });
                    (next, event)
                }
            };
            if matches!(at, At::Finish) {
                self.choice += 1;
            }
            self.at = next;
            if let Some((bytes, is_token)) = event {
                let first = matches!(at, At::Piece(0));
                let after = if is_token && !first { self.timing.gap() } else { Duration::ZERO };
                return Some(Piece { bytes, after });
            }
        }
    }

    fn chunk(&self, choices: &[Choice<'_>], usage: Option<UsageBody>) -> Bytes {
        let chunk = Chunk {
            id: &self.identity.id,
            object: "chat.completion.chunk",
            created: self.identity.created,
            model: &self.identity.model,
            service_tier: "default",
            system_fingerprint: FINGERPRINT,
            choices,
            usage: self.options.include_usage.then_some(usage),
        };
        event(&chunk)
    }
}

/// One event of a stream of data-only events.
pub fn event(data: &impl Serialize) -> Bytes {
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(b"data: ");
    // Serialising our own values to memory cannot fail.
    let _ = serde_json::to_writer(&mut bytes, data);
    bytes.extend_from_slice(b"\n\n");
    Bytes::from(bytes)
}

/// What is said at a place, if anything, and the next place.
fn step(at: At, said: &Said) -> (At, Option<Delta<'_>>) {
    let after_text = if said.calls.is_empty() { At::Finish } else { At::Call(0) };
    match at {
        At::Role => {
            let content = Some(said.calls.is_empty().then_some(""));
            (At::Piece(0), Some(Delta { role: Some("assistant"), content, refusal: Some(None), ..Delta::default() }))
        }
        At::Piece(index) => {
            let Some(spoken) = said.text.as_ref().or(said.refusal.as_ref()) else { return (after_text, None) };
            if index >= spoken.pieces() {
                return (after_text, None);
            }
            let piece = spoken.piece(index);
            let delta = if said.text.is_some() {
                Delta { content: Some(Some(piece)), ..Delta::default() }
            } else {
                Delta { refusal: Some(Some(piece)), ..Delta::default() }
            };
            (At::Piece(index + 1), (!piece.is_empty()).then_some(delta))
        }
        At::Call(index) => {
            let Some(call) = said.calls.get(index) else { return (At::Finish, None) };
            let function = FunctionDelta { name: Some(&call.name), arguments: "" };
            let delta = CallDelta { index, id: Some(&call.id), r#type: Some("function"), function };
            (At::Arguments(index, 0), Some(Delta { tool_calls: Some([delta]), ..Delta::default() }))
        }
        At::Arguments(index, piece) => {
            let Some(call) = said.calls.get(index).filter(|call| piece < call.arguments.pieces()) else {
                return (At::Call(index + 1), None);
            };
            let arguments = call.arguments.piece(piece);
            let delta = CallDelta { index, id: None, r#type: None, function: FunctionDelta { name: None, arguments } };
            let delta = Delta { tool_calls: Some([delta]), ..Delta::default() };
            (At::Arguments(index, piece + 1), (!arguments.is_empty()).then_some(delta))
        }
        At::Finish => (At::Role, Some(Delta::default())),
        At::Usage | At::Done | At::End => (At::End, None),
    }
}
