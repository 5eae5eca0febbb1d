//! [`Injection`]: what a fault does, as it is planned.

use super::abort::Abort;
use super::body::{BodyPoint, StreamError};
use super::connection::ConnectionFault;
use super::delay::Delay;
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
    /// Something on connections, whatever is asked over them.
    Connection(ConnectionFault),
}

impl Injection {
    /// Whether it acts on connections, and not on requests.
    #[must_use]
    pub const fn is_on_connections(&self) -> bool {
        matches!(self, Self::Connection(_))
    }

    /// The fault's name in files and reports.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Latency(_) => "latency",
            Self::Abort(_) => "abort",
            Self::ResetPeer {} => "reset_peer",
            Self::Timeout { .. } => "timeout",
            Self::LimitData { .. } => "limit_data",
            Self::Stall { .. } => "stall",
            Self::Truncate { .. } => "truncate",
            Self::StreamError(_) => "stream_error",
            Self::Connection(fault) => fault.kind(),
        }
    }
}
