//! Events of streams that have data and no type, as those of both kinds of completions.

use bytes::Bytes;
use serde::Serialize;

/// The event that ends a stream.
pub const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// An event with this data.
pub fn event(data: &impl Serialize) -> Bytes {
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(b"data: ");
    // Serialising our own values to memory cannot fail.
    let _ = serde_json::to_writer(&mut bytes, data);
    bytes.extend_from_slice(b"\n\n");
    Bytes::from(bytes)
}
