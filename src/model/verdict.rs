//! [`Verdict`]: what the judge found.

use crate::units::{Offset, Span};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How bad an incident is, in the playbook's classes. `P0` orders before `P3`: smaller is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Critical: resolve within 1 hour.
    P0,
    /// High: resolve within 4 hours.
    P1,
    /// Medium: resolve within 24 hours.
    P2,
    /// Low: resolve within 72 hours.
    P3,
}

impl Severity {
    /// Whether this is as bad as `other` or worse.
    #[must_use]
    pub fn at_least(self, other: Self) -> bool {
        self <= other
    }

    /// The time within which the playbook wants it resolved.
    #[must_use]
    pub const fn resolve_within(self) -> Span {
        Span::from_secs(
            3600 * match self {
                Self::P0 => 1,
                Self::P1 => 4,
                Self::P2 => 24,
                Self::P3 => 72,
            },
        )
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "P0" => Ok(Self::P0),
            "P1" => Ok(Self::P1),
            "P2" => Ok(Self::P2),
            "P3" => Ok(Self::P3),
            _ => Err(format!("`{text}` is not a severity; write P0, P1, P2 or P3")),
        }
    }
}

/// Whether the release may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Nothing at or above the gate.
    Go,
    /// Something at or above the gate.
    NoGo,
    /// The run cannot tell.
    Inconclusive,
}

/// The whole verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Go, no-go or inconclusive.
    pub decision: Decision,
    /// The worst severity breached, induced or not.
    pub worst: Option<Severity>,
    /// The verdict in one sentence, with its cause: the same words in the terminal, JSON and the report.
    pub sentence: String,
    /// One result per criterion of the playbook, in its order.
    pub criteria: Vec<CriterionResult>,
    /// Whether the run itself can be trusted, and why not.
    pub trust: Trust,
    /// What plain status codes would have said beside what was true.
    pub honesty: Honesty,
}

/// The result for one criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriterionResult {
    /// The criterion's id.
    pub id: String,
    /// Its severity.
    pub severity: Severity,
    /// The playbook's words.
    pub says: String,
    /// Breached, clear, not measured or inconclusive.
    pub state: State,
    /// The breaches, worst first; also those that the gate tolerates.
    pub findings: Vec<Finding>,
    /// What was measured, where it is clear or inconclusive: the closest that it came to its limit.
    pub closest: Option<Figure>,
    /// How many windows were looked at (so that nobody suspects cherry-picking).
    pub windows: u64,
    /// Samples behind it.
    pub samples: u64,
    /// The playbook's section on what to do.
    pub section: String,
}

/// How a criterion ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Its condition held.
    Breached,
    /// Its condition was measured and did not hold.
    Clear,
    /// Nothing measured it, for this reason.
    NotMeasured(String),
    /// It was measured, but the measurement cannot tell, for this reason.
    Inconclusive(String),
}

/// One breach.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// What is wrong, in one sentence.
    pub sentence: String,
    /// What it is about: an agent, an endpoint, or nothing narrower than the app.
    pub subject: Option<String>,
    /// Whether a fault of ours explains it.
    pub origin: Origin,
    /// Whether the gate counts it.
    pub gated: bool,
    /// The first moment at which it held.
    pub first: Offset,
    /// The last moment at which it held.
    pub last: Offset,
    /// The figure of the worst window.
    pub figure: Option<Figure>,
    /// Samples in the worst window.
    pub samples: u64,
    /// Indices into the timeline's exemplars.
    pub exemplars: Vec<usize>,
}

/// Where a finding comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Inside (or within the recovery time after) these faults of ours.
    Induced(Vec<String>),
    /// No fault of ours was on.
    Spontaneous,
}

/// A measured figure with its 95 % interval and its limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is, such as "errors" or "success of routine".
    pub what: String,
    /// The value, in `unit`.
    pub value: f64,
    /// The 95 % interval, where the figure is an estimate.
    pub interval: Option<(f64, f64)>,
    /// The limit, in `unit`.
    pub limit: f64,
    /// The unit.
    pub unit: Unit,
}

/// The unit of a [`Figure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A fraction between 0 and 1, shown as a percentage.
    Share,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A plain count.
    Count,
    /// US dollars.
    Dollars,
}

/// Whether the run can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trust {
    /// Reasons to doubt the whole run; any of them makes a "go" inconclusive.
    pub doubts: Vec<String>,
    /// Things worth knowing that do not make it doubtful, such as the cost of probing.
    pub notes: Vec<String>,
}

/// What plain status codes would have said beside what was true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Honesty {
    /// Steps with a class (all but unfinished and not sent).
    pub steps: u64,
    /// Of those, 2xx by status alone.
    pub plain_ok: u64,
    /// Of those, ok by content.
    pub ok: u64,
    /// Of those, answered with a fallback.
    pub degraded: u64,
    /// Of those, 2xx without the content.
    pub masked: u64,
    /// Of those, failed.
    pub failed: u64,
}
