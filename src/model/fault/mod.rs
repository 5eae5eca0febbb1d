//! Faults: what shall break ([`FaultRule`]), and what was decided for one request ([`FaultDecision`]).

mod when;

pub use when::{BodyTest, Course, DutyCycle, FaultMatch, FaultWindow, First, Key, Ramped, Tries};

use crate::units::{ByteSize, Share, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// One fault of a profile: where, when, how often and what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FaultRule {
    /// Its name, unique in the plan; the profile's name and a number where the file gives none.
    pub name: String,
    /// The upstream whose traffic it touches.
    pub upstream: String,
    /// Which requests.
    pub when: FaultMatch,
    /// Of the matching requests, how many are hit.
    pub share: Share,
    /// When it is on.
    pub window: FaultWindow,
    /// What happens to a request that is hit.
    pub inject: Injection,
}

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
}

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

/// A delay drawn per request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delay {
    /// The mean of the distribution.
    pub mean: Span,
    /// Its spread: the standard deviation, or half the width if uniform. Zero is a constant delay, unless the shape
    /// is empirical.
    pub jitter: Span,
    /// Its shape.
    pub shape: DelayShape,
}

impl Delay {
    /// No delay at all.
    pub const NONE: Self =
        Self { mean: Span(Duration::ZERO), jitter: Span(Duration::ZERO), shape: DelayShape::Constant };

    /// Always the same delay.
    #[must_use]
    pub const fn constant(delay: Duration) -> Self {
        Self { mean: Span(delay), ..Self::NONE }
    }
}

/// The shape of a delay's distribution. Draws below zero become zero.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DelayShape {
    /// Always the mean.
    #[default]
    Constant,
    /// Even between mean − jitter and mean + jitter.
    Uniform,
    /// Normal, standard deviation = jitter.
    Normal,
    /// Log-normal with this mean and standard deviation: the long tail that real services have.
    Lognormal,
    /// Pareto (type I) with this mean and standard deviation: most delays near the least one, a few very long.
    Pareto,
    /// As observed: quantiles in ascending order, linear in between. Below the first and above the last given, those
    /// two hold. `mean` and `jitter` then only describe it.
    Empirical(Vec<Quantile>),
}

impl DelayShape {
    /// The shape's name in files and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Uniform => "uniform",
            Self::Normal => "normal",
            Self::Lognormal => "lognormal",
            Self::Pareto => "pareto",
            Self::Empirical(_) => "empirical",
        }
    }
}

/// One quantile of an observed distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// The share of delays that are at most this long, from 0 to 1.
    pub share: f64,
    /// The delay.
    pub delay: Span,
}

/// An answer given instead of the real one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Abort {
    /// The provider's error whose status, headers and body are used, such as `rate_limit` or `57014`.
    /// Which names exist is known to each upstream (see `firedrill validate`).
    pub error: Option<String>,
    /// The status; needed where `error` is not given, and wins over the error's own.
    pub status: Option<u16>,
    /// Further headers, which win over the error's own.
    pub headers: BTreeMap<String, String>,
    /// A body, which wins over the error's own.
    pub body: Option<String>,
    /// Headers of the error's own that are left out, such as `retry-after`.
    #[serde(default)]
    pub omit: Vec<String>,
}

impl Injection {
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
        }
    }
}

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
}
