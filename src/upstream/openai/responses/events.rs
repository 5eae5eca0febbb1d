//! The events of a streamed response, in OpenAI's order (WIRE-openai §6), each made when it is about to be sent.

use super::body::{Body, End, ItemBody, Made, Output, PartBody, Stage, SummaryBody};
use crate::units::Seed;
use crate::upstream::answer::Piece;
use crate::upstream::openai::pace::Timing;
use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;

/// How a stream is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether deltas are padded, so that their sizes say less.
    pub obfuscate: bool,
    /// Whether the response waits first, in the background.
    pub queued: bool,
    /// When the response is complete, Unix seconds.
    pub completes: i64,
    /// Where the padding comes from, for this response.
    pub seed: Seed,
}

/// Where a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Created,
    Queued,
    InProgress,
    /// At a place in this item.
    Item(usize, Place),
    Ended,
    Over,
}

/// Where a stream is in an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Added,
    PartAdded,
    /// At this piece of what is said.
    Piece(usize),
    SpokenDone,
    PartDone,
    Done,
}

#[derive(Serialize)]
struct OfResponse<'a> {
    r#type: &'static str,
    sequence_number: u64,
    response: Body<'a>,
}

#[derive(Serialize)]
struct OfItem<'a> {
    r#type: &'static str,
    sequence_number: u64,
    output_index: usize,
    item: ItemBody<'a>,
}

/// An event about a part of an item. What it has beside the part's place differs.
#[derive(Serialize)]
struct OfPart<'a> {
    r#type: &'static str,
    sequence_number: u64,
    item_id: &'a str,
    output_index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<AnyPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprobs: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    obfuscation: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnyPart<'a> {
    Content(PartBody<'a>),
    Summary(SummaryBody<'a>),
}

/// All events: created, (queued,) in progress, the items one after the other, and how it ended.
pub fn events(made: Made, options: Options, timing: Timing) -> impl Iterator<Item = Piece> + Send {
    let mut stream = Stream { made, options, timing, at: At::Created, sequence: 0, has_spoken: false };
    std::iter::from_fn(move || stream.next())
}

struct Stream {
    made: Made,
    options: Options,
    timing: Timing,
    at: At,
    sequence: u64,
    /// Whether the time to the first token has passed.
    has_spoken: bool,
}

impl Stream {
    fn next(&mut self) -> Option<Piece> {
        loop {
            let at = self.at;
            let (next, bytes) = match at {
                At::Over => return None,
                At::Created => {
                    let stage = if self.options.queued { Stage::Queued } else { Stage::InProgress };
                    let next = if self.options.queued { At::Queued } else { At::InProgress };
                    (next, Some(self.of_response("response.created", stage)))
                }
                At::Queued => (At::InProgress, Some(self.of_response("response.queued", Stage::Queued))),
                At::InProgress => {
                    (At::Item(0, Place::Added), Some(self.of_response("response.in_progress", Stage::InProgress)))
                }
                At::Item(index, place) => match self.made.output.get(index) {
                    None => (At::Ended, None),
                    Some(item) => {
                        let (next, bytes) = self.of_item(index, place, item);
                        (next.map_or(At::Item(index + 1, Place::Added), |place| At::Item(index, place)), bytes)
                    }
                },
                At::Ended => {
                    let kind = match self.made.end {
                        End::Completed => "response.completed",
                        End::Incomplete(_) => "response.incomplete",
                        End::Failed(..) => "response.failed",
                    };
                    (At::Over, Some(self.of_response(kind, Stage::Ended)))
                }
            };
            self.at = next;
            if let Some(bytes) = bytes {
                self.sequence += 1;
                return Some(Piece { bytes, after: self.due(at) });
            }
        }
    }

    /// How long after the event before it an event is due. Thinking is over when the first thing that is said begins.
    fn due(&mut self, at: At) -> Duration {
        let (index, place) = match at {
            At::Item(index, place) => (index, place),
            At::Ended => (usize::MAX, Place::Done),
            At::Created | At::Queued | At::InProgress | At::Over => return Duration::ZERO,
        };
        let thinks = matches!(self.made.output.get(index), Some(Output::Reasoning { .. }));
        if !self.has_spoken && !thinks {
            self.has_spoken = true;
            return self.timing.first_after_head();
        }
        // Calls made at once come one after the other: their first tokens take their time, too.
        let is_token =
            matches!(place, Place::Piece(piece) if piece > 0) || place == Place::Added && index != usize::MAX;
        if is_token && !thinks { self.timing.gap() } else { Duration::ZERO }
    }

    fn of_response(&self, kind: &'static str, stage: Stage) -> Bytes {
        let response = self.made.body(stage, self.options.completes);
        frame(kind, &OfResponse { r#type: kind, sequence_number: self.sequence, response })
    }

    /// The event at a place in an item, if there is one, and the next place; none is the end of the item.
    fn of_item(&self, index: usize, place: Place, item: &Output) -> (Option<Place>, Option<Bytes>) {
        let names = Names::of(item);
        let has_parts = names.part_added.is_some() && item.spoken().is_some();
        let whole = |kind, whole| {
            let item = item.body(whole);
            Some(frame(kind, &OfItem { r#type: kind, sequence_number: self.sequence, output_index: index, item }))
        };
        match place {
            Place::Added => {
                let next = match item.spoken() {
                    None => Place::Done,
                    Some(_) if has_parts => Place::PartAdded,
                    Some(_) => Place::Piece(0),
                };
                (Some(next), whole("response.output_item.added", false))
            }
            Place::PartAdded => {
                (Some(Place::Piece(0)), names.part_added.map(|kind| self.of_part(index, item, kind, false)))
            }
            Place::Piece(piece) => {
                let spoken = item.spoken();
                if spoken.is_none_or(|spoken| piece >= spoken.pieces()) {
                    return (Some(Place::SpokenDone), None);
                }
                let delta = spoken.map_or("", |spoken| spoken.piece(piece));
                let bytes = (!delta.is_empty()).then(|| self.of_delta(index, item, names.delta, delta));
                (Some(Place::Piece(piece + 1)), bytes)
            }
            Place::SpokenDone => {
                let next = if has_parts { Place::PartDone } else { Place::Done };
                (Some(next), Some(self.of_spoken(index, item, names.done)))
            }
            Place::PartDone => (Some(Place::Done), names.part_done.map(|kind| self.of_part(index, item, kind, true))),
            Place::Done => (None, whole("response.output_item.done", true)),
        }
    }

    fn blank<'a>(&self, index: usize, item: &'a Output, kind: &'static str) -> OfPart<'a> {
        let of_message = matches!(item, Output::Text { .. } | Output::Refusal { .. });
        OfPart {
            r#type: kind,
            sequence_number: self.sequence,
            item_id: item.id(),
            output_index: index,
            content_index: of_message.then_some(0),
            summary_index: matches!(item, Output::Reasoning { .. }).then_some(0),
            part: None,
            delta: None,
            text: None,
            refusal: None,
            name: None,
            arguments: None,
            logprobs: None,
            obfuscation: None,
        }
    }

    fn of_part(&self, index: usize, item: &Output, kind: &'static str, whole: bool) -> Bytes {
        let text = item.spoken().map_or("", |spoken| if whole { spoken.text() } else { "" });
        let part = item.part(whole).map_or_else(|| AnyPart::Summary(SummaryBody::new(text)), AnyPart::Content);
        frame(kind, &OfPart { part: Some(part), ..self.blank(index, item, kind) })
    }

    fn of_delta(&self, index: usize, item: &Output, kind: &'static str, delta: &str) -> Bytes {
        let padding = self.padding(delta);
        let logprobs = matches!(item, Output::Text { .. }).then_some([]);
        let obfuscation = self.options.obfuscate.then_some(padding.as_str());
        frame(kind, &OfPart { delta: Some(delta), logprobs, obfuscation, ..self.blank(index, item, kind) })
    }

    fn of_spoken(&self, index: usize, item: &Output, kind: &'static str) -> Bytes {
        let blank = self.blank(index, item, kind);
        let spoken = item.spoken().map(crate::upstream::openai::said::Spoken::text);
        let event = match item {
            Output::Text { .. } => OfPart { text: spoken, logprobs: Some([]), ..blank },
            Output::Reasoning { .. } => OfPart { text: spoken, ..blank },
            Output::Refusal { .. } => OfPart { refusal: spoken, ..blank },
            Output::Call { call, .. } => OfPart { arguments: spoken, name: Some(&call.name), ..blank },
        };
        frame(kind, &event)
    }

    /// Random characters that bring a delta to a multiple of sixteen.
    fn padding(&self, delta: &str) -> String {
        if !self.options.obfuscate {
            return String::new();
        }
        let mut digits = format!("{:016x}", self.options.seed.draw(&[self.sequence]));
        digits.truncate(16 - delta.len() % 16);
        digits
    }
}

/// The types of an item's events.
struct Names {
    part_added: Option<&'static str>,
    delta: &'static str,
    done: &'static str,
    part_done: Option<&'static str>,
}

impl Names {
    const fn of(item: &Output) -> Self {
        const PARTS: (Option<&str>, Option<&str>) =
            (Some("response.content_part.added"), Some("response.content_part.done"));
        let (part_added, part_done) = match item {
            Output::Text { .. } | Output::Refusal { .. } => PARTS,
            Output::Reasoning { .. } => {
                (Some("response.reasoning_summary_part.added"), Some("response.reasoning_summary_part.done"))
            }
            Output::Call { .. } => (None, None),
        };
        let (delta, done) = match item {
            Output::Text { .. } => ("response.output_text.delta", "response.output_text.done"),
            Output::Refusal { .. } => ("response.refusal.delta", "response.refusal.done"),
            Output::Reasoning { .. } => {
                ("response.reasoning_summary_text.delta", "response.reasoning_summary_text.done")
            }
            Output::Call { .. } => ("response.function_call_arguments.delta", "response.function_call_arguments.done"),
        };
        Self { part_added, delta, done, part_done }
    }
}

/// One event with its name.
pub fn frame(kind: &str, data: &impl Serialize) -> Bytes {
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(b"event: ");
    bytes.extend_from_slice(kind.as_bytes());
    bytes.extend_from_slice(b"\ndata: ");
    // Serialising our own values to memory cannot fail.
    let _ = serde_json::to_writer(&mut bytes, data);
    bytes.extend_from_slice(b"\n\n");
    Bytes::from(bytes)
}
