//! Faults: what shall break ([`FaultRule`]), and what was decided for one request ([`FaultDecision`]).

mod abort;
mod action;
mod body;
mod connection;
mod delay;
mod injection;
mod kinds;
mod postgres;
mod when;

pub use abort::Abort;
pub use action::{Cause, FaultAction, FaultDecision};
pub use body::{BodyPoint, StreamError, StreamErrorForm};
pub use connection::{CertificateFault, ConnectionFault, Streams};
pub use delay::{Delay, DelayShape, Quantile};
pub use injection::{ContentFault, DataFault, Injection};
pub use kinds::{
    Drip, DuplicateChunk, FinishReason, Garbage, Headers, HugeBody, InvalidOutput, MalformedJson, PartialBatch,
    SlowTokens, StaleRead, WrongContentLength, WrongContentType,
};
pub use postgres::{POSTGRES_ERRORS, PostgresError, PostgresFault};
pub use when::{AskedFor, BodyTest, Course, DutyCycle, FaultMatch, FaultWindow, First, Key, Ramped, Tries};

use crate::units::Share;
use serde::{Deserialize, Serialize};

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
