//! The lines of a recording: a [`Header`], then an [`Exchange`] each.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The version of the format.
pub const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub struct Header {
    /// The version of the format: [`VERSION`].
    pub firedrill_recording: u32,
    /// The service that was recorded.
    pub from: String,
    /// What was taken out beside what always is, so that a request to be found is treated alike.
    #[serde(default)]
    pub strip: Vec<String>,
}

/// A request and its answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct Exchange {
    /// When the request came, in microseconds from the start of the recording.
    pub at_us: u64,
    /// The request.
    pub request: RecordedRequest,
    /// The answer.
    pub response: RecordedResponse,
}

/// A request.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordedRequest {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// Those of its headers on which an answer can depend.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Its body.
    #[serde(default)]
    pub body: Payload,
}

/// A body.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payload {
    /// None.
    #[default]
    Empty,
    /// JSON.
    Json(Value),
    /// Another text.
    Text(String),
    /// Bytes that are no text.
    Base64(String),
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordedResponse {
    /// Its status.
    pub status: u16,
    /// Its headers, without those of the transport.
    pub headers: Vec<(String, String)>,
    /// From the request to the headers, in microseconds.
    pub after_us: u64,
    /// From the request to the end, in microseconds.
    pub total_us: u64,
    /// Whether its length was not declared: it came in pieces, in its own time.
    pub streamed: bool,
    /// Its body: for each piece the microseconds since the one before it (or since the headers), and the piece.
    pub chunks: Vec<(u64, Chunk)>,
}

/// A piece of a body.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Chunk {
    /// A text.
    Text(String),
    /// Bytes that are no text.
    Bytes {
        /// The bytes.
        base64: String,
    },
}

impl Payload {
    /// A body as it is kept.
    pub fn new(body: &[u8]) -> Self {
        if body.is_empty() {
            return Self::Empty;
        }
        match std::str::from_utf8(body) {
            Err(_) => Self::Base64(STANDARD.encode(body)),
            Ok(text) => match serde_json::from_str(text) {
                Ok(value) => Self::Json(value),
                Err(_) => Self::Text(text.to_owned()),
            },
        }
    }
}

impl Chunk {
    /// A piece as it is kept.
    pub fn new(piece: &[u8]) -> Self {
        match std::str::from_utf8(piece) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Bytes { base64: STANDARD.encode(piece) },
        }
    }

    /// The piece; `None` if what stands there is no base64.
    pub fn into_bytes(self) -> Option<Bytes> {
        match self {
            Self::Text(text) => Some(text.into()),
            Self::Bytes { base64 } => STANDARD.decode(base64).ok().map(Bytes::from),
        }
    }
}
