//! [`Sample`]: one finished step, and [`Outcome`]: how it ended.

use crate::units::Offset;
use serde::{Deserialize, Serialize};

/// The index of an endpoint in [`Plan::endpoints`](crate::model::plan::Plan::endpoints).
pub type EndpointId = u16;

/// One finished step, with its times on the run's clock.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which endpoint.
    pub endpoint: EndpointId,
    /// The journey's index in the plan.
    pub journey: u16,
    /// The user of the app that the step was made for: the feeder's row number.
    pub user: u32,
    /// When the step should have started; response time counts from here.
    pub intended: Offset,
    /// When the request was begun; service time counts from here.
    pub sent: Offset,
    /// When the answer's head had arrived, if it did.
    pub first_byte: Option<Offset>,
    /// When it ended, well or not.
    pub done: Offset,
    /// Bytes of the answer's body that arrived.
    pub bytes: u64,
    /// The HTTP status, if an answer began.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered as expected.
    Ok,
    /// Answered with a fallback, by the step's `degraded` rule.
    Degraded,
    /// A 2xx whose content is not what was expected: broken, but a status code would not show it.
    Masked,
    /// A status that was not expected.
    Status,
    /// An expected status other than 2xx, with content that was not expected.
    Assertion,
    /// No complete answer within the step's deadline.
    Timeout,
    /// The connection was refused or could not be made.
    Refused,
    /// The connection was reset or closed before an answer began.
    Reset,
    /// The answer ended before it was complete.
    Truncated,
    /// The request could not be built: a template named a value that an earlier answer did not give.
    Unbuildable,
    /// The run ended while the step was under way and within its deadline; says nothing about the app.
    Unfinished,
}

/// What an outcome means for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The user got what was asked for.
    Ok,
    /// The user got a fallback.
    Degraded,
    /// The user got a 2xx without what was asked for.
    Masked,
    /// The user got an error or nothing.
    Failed,
}

impl Outcome {
    /// What this outcome means for the user; `None` where it says nothing about the app.
    #[must_use]
    pub const fn class(self) -> Option<Class> {
        match self {
            Self::Ok => Some(Class::Ok),
            Self::Degraded => Some(Class::Degraded),
            Self::Masked => Some(Class::Masked),
            Self::Status | Self::Assertion | Self::Timeout | Self::Refused | Self::Reset | Self::Truncated => {
                Some(Class::Failed)
            }
            Self::Unbuildable | Self::Unfinished => None,
        }
    }

    /// The outcome in the words of the report.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Masked => "masked",
            Self::Status => "unexpected status",
            Self::Assertion => "unexpected content",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Truncated => "truncated",
            Self::Unbuildable => "not sent",
            Self::Unfinished => "unfinished",
        }
    }
}
