//! Where in a body a fault strikes ([`BodyPoint`]), and errors inside a stream ([`StreamError`]).

use crate::units::ByteSize;
use serde::{Deserialize, Serialize};

/// A place in a body. What counts are the bytes as they are sent, compressed if the client asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyPoint {
    /// Behind this many bytes.
    Bytes(ByteSize),
    /// Behind this many events of a stream; a body that is no stream is one event.
    Events(u64),
    /// Before its last event, such as `[DONE]`.
    LastEvent,
}

/// An error inside a stream whose status was 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamError {
    /// Events that get through first.
    pub events: u64,
    /// The provider's error, by the names that an abort has.
    pub error: String,
    /// In which form it comes; `None` is the one that the API which is streamed from sends.
    pub form: Option<StreamErrorForm>,
}

/// The forms in which an error inside a stream was seen (WIRE-openai §4, §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamErrorForm {
    /// The Responses API by its description: an `error` event with `code` and `message` at its top.
    Flat,
    /// An object with the usual envelope, `{"error": {…}}`: chat completions; also reported of the Responses API.
    Nested,
    /// The Responses API's `response.failed`.
    Failed,
}
