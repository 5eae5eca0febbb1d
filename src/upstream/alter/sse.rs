//! Events of a stream (`text/event-stream`): where one ends, and the JSON that one holds.

use super::json::Object;
use bytes::Bytes;
use memchr::memmem;
use std::ops::Range;

/// The events in a piece of a stream. What comes behind the last blank line counts as one.
pub fn events(mut piece: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        if piece.is_empty() {
            return None;
        }
        let ends = [memmem::find(&piece, b"\n\n").map(|at| at + 2), memmem::find(&piece, b"\r\n\r\n").map(|at| at + 4)];
        let end = ends.into_iter().flatten().min().unwrap_or(piece.len());
        Some(piece.split_to(end))
    })
}

/// Where an event's data is. Both of OpenAI's APIs write it in one line.
pub fn data(event: &[u8]) -> Option<Range<usize>> {
    let start = if event.starts_with(b"data:") { 0 } else { memmem::find(event, b"\ndata:")? + 1 };
    let mut from = start + b"data:".len();
    if event.get(from) == Some(&b' ') {
        from += 1;
    }
    let rest = event.get(from..)?;
    let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
    Some(from..from + length)
}

/// An event's data as an object; `None` for `[DONE]` and comments.
pub fn object(event: &[u8]) -> Option<Object> {
    Object::read(event.get(data(event)?)?)
}

/// The same event with other data.
pub fn with_data(event: &[u8], data: &[u8]) -> Bytes {
    let Some(at) = self::data(event) else { return Bytes::copy_from_slice(event) };
    Bytes::from([event.get(..at.start).unwrap_or_default(), data, event.get(at.end..).unwrap_or_default()].concat())
}

/// The same event under another name.
pub fn renamed(event: &[u8], from: &str, to: &str) -> Bytes {
    match event.strip_prefix(format!("event: {from}").as_bytes()) {
        Some(rest) => Bytes::from([b"event: ", to.as_bytes(), rest].concat()),
        None => Bytes::copy_from_slice(event),
    }
}
