//! What faults make of an answer's content: [`Alterations`], in the order of their rules, each on what the one before
//! left.
//!
//! An alteration that finds nothing that it can change leaves the answer as it is and does not count as fired. Only
//! answers with a 2xx status and a body are altered: an error is no content. Each kind is an [`Edit`] in a file of its
//! own (`choices`, `failed`, `finish`, `garbage`, `malformed`, `output`, `rows`, `twice`, `usage`); `json` and `sse` read and write what they
//! change, leaving all else byte for byte.

mod choices;
mod failed;
mod finish;
mod garbage;
mod json;
mod malformed;
mod output;
mod rows;
mod sse;
mod twice;
mod usage;

use super::answer::{Answer, AnswerBody, Call, Piece};
use super::fire::Fire;
use crate::model::fault::ContentFault;
use crate::units::Seed;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use std::collections::VecDeque;
use std::time::Duration;

/// A page as single sign-on and captive portals serve it with 200.
const PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Please wait</title></head>\n\
                    <body><h1>Please wait</h1><p>Your request is being checked.</p></body>\n</html>\n";

/// What becomes of an event of a stream.
pub enum Edited {
    /// It stays.
    Same(Bytes),
    /// These come in its place.
    Instead(Vec<Bytes>),
}

/// One way to change content.
pub trait Edit: Send {
    /// A whole body, changed; `None` if there is nothing to change.
    fn whole(&mut self, _body: &Bytes) -> Option<Bytes> {
        None
    }

    /// The next event of a stream.
    fn event(&mut self, event: Bytes) -> Edited {
        Edited::Same(event)
    }

    /// Whether nothing more may come.
    fn is_over(&self) -> bool {
        false
    }
}

enum Way {
    Edit(Box<dyn Edit>),
    /// Whatever was there, this takes its place.
    Replace {
        content_type: &'static str,
        body: &'static str,
    },
}

struct Alteration {
    way: Way,
    fire: Fire,
}

/// The alterations of one answer.
#[derive(Default)]
pub struct Alterations(Vec<Alteration>);

impl Alterations {
    /// Adds what a fault does to the answer to this call.
    pub fn add(&mut self, fault: &ContentFault, draw: Seed, call: &Call<'_>, fire: Fire) {
        let way = match fault {
            ContentFault::MalformedJson(malformed) => Way::Edit(Box::new(malformed::Malformed::new(*malformed))),
            ContentFault::EmptyObject {} => Way::Replace { content_type: "application/json", body: "{}" },
            ContentFault::HtmlPage {} => Way::Replace { content_type: "text/html; charset=utf-8", body: PAGE },
            ContentFault::Garbage(garbage) => Way::Edit(Box::new(garbage::Random::new(*garbage, draw))),
            ContentFault::DuplicateChunk(chunk) => Way::Edit(Box::new(twice::Twice::new(*chunk))),
            ContentFault::MissingUsage {} => Way::Edit(Box::new(usage::Uncounted)),
            ContentFault::EmptyChoices {} => Way::Edit(Box::<choices::NoChoice>::default()),
            ContentFault::FinishReason(finish) => Way::Edit(Box::new(finish::BrokenOff::new(finish.clone()))),
            ContentFault::InvalidOutput(how) => Way::Edit(Box::new(output::Spoilt::new(*how))),
            ContentFault::ReorderedRows {} => match rows::Shuffled::of(call, draw) {
                Some(edit) => Way::Edit(Box::new(edit)),
                None => return,
            },
        };
        self.0.push(Alteration { way, fire });
    }

    /// Adds an error inside a stream of the Responses API that says of its response that it failed.
    pub fn add_failed(&mut self, events: u64, code: String, message: String, fire: Fire) {
        self.0.push(Alteration { way: Way::Edit(Box::new(failed::Failed::new(events, code, message))), fire });
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the answer's own body has no part in what is sent.
    pub fn replace(&self) -> bool {
        self.0.iter().any(|alteration| matches!(alteration.way, Way::Replace { .. }))
    }

    /// Forgets all of them if the answer with this head has no content to change.
    pub fn only_for(&mut self, method: &Method, status: StatusCode) {
        if *method == Method::HEAD || !status.is_success() {
            self.0.clear();
        }
    }

    /// A mock's answer, altered.
    pub fn applied(mut self, mut answer: Answer, method: &Method) -> Answer {
        self.only_for(method, answer.status);
        if self.is_empty() {
            return answer;
        }
        answer.body = match answer.body {
            AnswerBody::Full(body) if body.is_empty() => AnswerBody::Full(body),
            AnswerBody::Full(body) => AnswerBody::Full(self.whole(&mut answer.headers, body)),
            AnswerBody::Stream(_) if self.replace() => AnswerBody::Full(self.whole(&mut answer.headers, Bytes::new())),
            AnswerBody::Stream(pieces) => AnswerBody::Stream(Box::new(Changed {
                pieces,
                editor: self.editor(),
                after: Duration::ZERO,
                ended: false,
            })),
            upgrade @ AnswerBody::Upgrade(_) => upgrade,
        };
        answer
    }

    /// A whole body, altered, with the headers that say what it is.
    pub fn whole(self, headers: &mut HeaderMap, mut body: Bytes) -> Bytes {
        let was = body.clone();
        let mut replaced = false;
        for Alteration { way, mut fire } in self.0 {
            match way {
                Way::Replace { content_type, body: page } => {
                    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                    // An empty body stands for a stream that this takes the place of.
                    if body.as_ref() != page.as_bytes() {
                        fire.now();
                        body = Bytes::from_static(page.as_bytes());
                        replaced = true;
                    }
                }
                Way::Edit(mut edit) => {
                    if !body.is_empty()
                        && let Some(changed) = edit.whole(&body)
                    {
                        fire.now();
                        body = changed;
                    }
                }
            }
        }
        if replaced || was != body {
            // What it said of the body is not true of this one.
            headers.remove(ETAG);
        }
        body
    }

    /// The alterations of a stream's events.
    pub fn editor(self) -> EventEditor {
        let edits = self.0.into_iter().filter_map(|alteration| match alteration.way {
            Way::Edit(edit) => Some((edit, alteration.fire)),
            Way::Replace { .. } => None,
        });
        EventEditor { edits: edits.collect(), ready: VecDeque::new() }
    }
}

/// Changes the events of a stream, one after the other.
pub struct EventEditor {
    edits: Vec<(Box<dyn Edit>, Fire)>,
    ready: VecDeque<Bytes>,
}

impl EventEditor {
    /// Takes the next event.
    pub fn push(&mut self, event: Bytes) {
        let mut events = vec![event];
        for (edit, fire) in &mut self.edits {
            let mut next = Vec::with_capacity(events.len());
            for event in events {
                match edit.event(event) {
                    Edited::Same(event) => next.push(event),
                    Edited::Instead(instead) => {
                        fire.now();
                        next.extend(instead);
                    }
                }
            }
            events = next;
        }
        self.ready.extend(events.into_iter().filter(|event| !event.is_empty()));
    }

    /// Gives the next event that is to be sent.
    pub fn pop(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// Whether the stream ends here.
    pub fn is_over(&self) -> bool {
        self.edits.iter().any(|(edit, _)| edit.is_over())
    }
}

/// The pieces of a mock's stream, changed.
struct Changed {
    pieces: Box<dyn Iterator<Item = Piece> + Send>,
    editor: EventEditor,
    /// When the next piece is due: what was left out took its time too.
    after: Duration,
    ended: bool,
}

impl Iterator for Changed {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some(bytes) = self.editor.pop() {
                return Some(Piece { bytes, after: std::mem::take(&mut self.after) });
            }
            if self.ended || self.editor.is_over() {
                return None;
            }
            match self.pieces.next() {
                Some(piece) => {
                    self.after = self.after.saturating_add(piece.after);
                    sse::events(piece.bytes).for_each(|event| self.editor.push(event));
                }
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests;
