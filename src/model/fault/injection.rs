//! [`Injection`]: what a fault does, as it is planned.

use super::abort::Abort;
use super::body::{BodyPoint, StreamError};
use super::connection::ConnectionFault;
use super::delay::Delay;
use super::kinds::{
    Drip, DuplicateChunk, FinishReason, Garbage, Headers, HugeBody, InvalidOutput, MalformedJson, PartialBatch,
    SlowTokens, StaleRead, WrongContentLength, WrongContentType,
};
use crate::units::{ByteSize, Span};
use serde::{Deserialize, Serialize};

/// What a fault does. Names follow Toxiproxy's toxics and Envoy's `abort` where those exist.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Injection {
    /// Waits before the answer's headers. Imitates a slow provider.
    Latency(Delay),
    /// Answers at once with an error instead of passing the request on (Envoy's `abort`).
    Abort(Abort),
    /// Resets the connection (RST) before any answer.
    ResetPeer {},
    /// Accepts the request and never answers; closes after the time, if one is given (Toxiproxy's `timeout`).
    Timeout {
        /// When to close the connection; `None` is never.
        after: Option<Span>,
    },
    /// Sends this many bytes of the body, then closes: a body shorter than its declared length.
    LimitData {
        /// Body bytes that get through.
        bytes: ByteSize,
    },
    /// Sends the body up to here, then nothing more for the time given (or for ever), then goes on. What became due
    /// meanwhile comes at once.
    Stall {
        /// What gets through first.
        after: BodyPoint,
        /// How long nothing comes; `None` is for ever.
        pause: Option<Span>,
    },
    /// Ends the body here, in good order: nothing on the transport says that something is missing.
    Truncate {
        /// What gets through.
        after: BodyPoint,
    },
    /// Sends an error as the next event of a stream that began well, and ends it there.
    StreamError(StreamError),
    /// Waits before the body, once the headers are out.
    BodyLatency(Delay),
    /// Holds every event of a stream for a time of its own.
    ChunkLatency(Delay),
    /// Resets the connection within the body.
    ResetMidway {
        /// What gets through first.
        after: BodyPoint,
    },
    /// Sends the body a few bytes at a time.
    Drip(Drip),
    /// Lets events come no faster than a rate.
    SlowTokens(SlowTokens),
    /// Sets and removes headers.
    Headers(Headers),
    /// Names another type than the body has.
    WrongContentType(WrongContentType),
    /// Declares another length than the body has.
    WrongContentLength(WrongContentLength),
    /// Adds to a body what means nothing.
    HugeBody(HugeBody),
    /// Makes another content of the answer's.
    Content(ContentFault),
    /// Is a fault of the database behind the answer.
    Data(DataFault),
    /// Something on connections, whatever is asked over them.
    Connection(ConnectionFault),
}

/// What a fault makes of an answer's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentFault {
    /// Breaks JSON's syntax.
    MalformedJson(MalformedJson),
    /// `{}` instead of content.
    EmptyObject {},
    /// A page of HTML instead of content.
    HtmlPage {},
    /// Random bytes instead of the rest.
    Garbage(Garbage),
    /// An event twice.
    DuplicateChunk(DuplicateChunk),
    /// No count of tokens.
    MissingUsage {},
    /// Nothing to choose from.
    EmptyChoices {},
    /// An end before its time.
    FinishReason(FinishReason),
    /// A structured answer that is none.
    InvalidOutput(InvalidOutput),
    /// Rows in another order.
    ReorderedRows {},
}

impl ContentFault {
    /// The fault's name in files and reports.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::MalformedJson(_) => "malformed_json",
            Self::EmptyObject {} => "empty_object",
            Self::HtmlPage {} => "html_page",
            Self::Garbage(_) => "garbage",
            Self::DuplicateChunk(_) => "duplicate_chunk",
            Self::MissingUsage {} => "missing_usage",
            Self::EmptyChoices {} => "empty_choices",
            Self::FinishReason(_) => "finish_reason",
            Self::InvalidOutput(_) => "invalid_output",
            Self::ReorderedRows {} => "reordered_rows",
        }
    }
}

/// What a fault does in the database.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataFault {
    /// A read of an old state.
    StaleRead(StaleRead),
    /// A write that is acknowledged and not kept.
    LostWrite {},
    /// A write that is carried out twice.
    DuplicateWrite {},
    /// A write of which only a part is kept.
    PartialBatch(PartialBatch),
}

impl DataFault {
    /// The fault's name in files and reports.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::StaleRead(_) => "stale_read",
            Self::LostWrite {} => "lost_write",
            Self::DuplicateWrite {} => "duplicate_write",
            Self::PartialBatch(_) => "partial_batch",
        }
    }
}

impl Injection {
    /// Whether it stands for what is done by hand: nobody planned that it ever is on.
    #[must_use]
    pub const fn is_by_hand(&self) -> bool {
        matches!(self, Self::Connection(ConnectionFault::ByHand {}))
    }

    /// Whether it acts on connections, and not on requests.
    #[must_use]
    pub const fn is_on_connections(&self) -> bool {
        matches!(self, Self::Connection(_))
    }

    /// The fault's name in files and reports.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Latency(_) | Self::BodyLatency(_) | Self::ChunkLatency(_) => "latency",
            Self::Abort(_) => "abort",
            Self::ResetPeer {} | Self::ResetMidway { .. } => "reset_peer",
            Self::Timeout { .. } => "timeout",
            Self::LimitData { .. } => "limit_data",
            Self::Stall { .. } => "stall",
            Self::Truncate { .. } => "truncate",
            Self::StreamError(_) => "stream_error",
            Self::Drip(_) => "drip",
            Self::SlowTokens(_) => "slow_tokens",
            Self::Headers(_) => "headers",
            Self::WrongContentType(_) => "wrong_content_type",
            Self::WrongContentLength(_) => "wrong_content_length",
            Self::HugeBody(_) => "huge_body",
            Self::Content(fault) => fault.kind(),
            Self::Data(fault) => fault.kind(),
            Self::Connection(fault) => fault.kind(),
        }
    }
}
