//! [`FaultDecision`]: what was decided for one request, every draw already made.

use super::abort::Abort;
use super::body::{BodyPoint, StreamError};
use super::connection::ConnectionFault;
use super::delay::Delay;
use super::injection::{ContentFault, DataFault};
use super::kinds::{Drip, Headers, HugeBody, SlowTokens, WrongContentLength, WrongContentType};
use crate::units::{ByteSize, Seed, Span};
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

/// The decision that something comes from, for ground truth: with both, the event of its firing is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cause {
    /// The rule's index in the plan.
    pub rule: usize,
    /// The request's number among those that matched the rule in its window.
    pub n: u64,
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
    /// Wait this long between headers and body.
    DelayBody(Span),
    /// Hold every event of the body for a time of its own.
    HoldChunks {
        /// From which distribution.
        delay: Delay,
        /// What the times are drawn from, by the event's number.
        draw: Seed,
    },
    /// Reset the connection there.
    ResetMidway(BodyPoint),
    /// Send the body a few bytes at a time.
    Drip(Drip),
    /// Let events come no faster than this.
    SlowTokens(SlowTokens),
    /// Set and remove headers.
    Headers(Headers),
    /// Name this type.
    WrongContentType(WrongContentType),
    /// Declare a wrong length.
    WrongContentLength(WrongContentLength),
    /// Add to the body what means nothing.
    HugeBody(HugeBody),
    /// Make another content of the answer's.
    Content {
        /// Which.
        fault: ContentFault,
        /// What is random about it is drawn from this.
        draw: Seed,
    },
    /// Be a fault of the database.
    Data(DataFault),
    /// Something was done to the connection, whatever is asked over it.
    Connection(ConnectionFault),
}
