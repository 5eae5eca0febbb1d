//! [`FaultDecision`]: what was decided for one request, every draw already made.

use super::abort::Abort;
use super::body::{BodyPoint, StreamError};
use super::connection::ConnectionFault;
use crate::units::{ByteSize, Span};
use serde::{Deserialize, Serialize};

/// What was decided for one request: pure data, drawn from the seed, carried out by whoever serves the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultDecision {
    /// The rule's index in the plan.
    pub rule: usize,
    /// The request's number among those that matched the rule in its window, from 1: the key of the draw.
    pub n: u64,
    /// What to do.
    pub action: FaultAction,
}

/// What to do to a request, every draw already made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAction {
    /// Wait this long before the headers.
    Delay(Span),
    /// Answer with this error.
    Abort(Abort),
    /// Reset the connection.
    Reset,
    /// Do not answer; close after the time, if one is given.
    Hang(Option<Span>),
    /// Cut the body after this many bytes.
    Cut(ByteSize),
    /// Stall the body there, for the time given or for ever.
    Stall {
        /// What gets through first.
        after: BodyPoint,
        /// How long nothing comes.
        pause: Option<Span>,
    },
    /// End the body there, in good order.
    Truncate(BodyPoint),
    /// Send an error inside the stream, and end it.
    StreamError(StreamError),
    /// Something was done to the connection, whatever is asked over it.
    Connection(ConnectionFault),
}
