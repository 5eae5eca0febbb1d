//! [`ChecksPlan`]: what a run looks at beyond its load, and [`Observation`]: what that showed.

use super::gauge::GaugeProbe;
use super::journey::Condition;
use super::secret::Secret;
use crate::units::{Offset, Span};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is looked at beyond the load. Every part is optional: a criterion without its part is not measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChecksPlan {
    /// A day's traffic, to project costs on.
    pub traffic: Option<Traffic>,
    /// A page with the app's own figure of its costs; read as other figures are.
    pub cost: Option<GaugeProbe>,
    /// What happens after the load, to see whether memory comes back.
    pub after_load: Option<AfterLoad>,
    /// Requests that must be refused, or must not show something.
    pub security: Vec<SecurityCheck>,
    /// What no answer may hold.
    pub canaries: Canaries,
    /// Writes that are read back after the run.
    pub durability: Vec<DurabilityCheck>,
    /// Where the app says how its database is.
    pub database: Option<DatabaseProbe>,
    /// Where the app lists its own alerts.
    pub alerts: Option<AlertProbe>,
}

/// A day's traffic.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// Journeys in a day, in the scenario's mix.
    pub journeys_per_day: f64,
    /// Users in a day, where the scenario says so.
    pub users_per_day: Option<f64>,
}

/// What happens after the load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterLoad {
    /// The time without load in which memory may come back.
    pub quiet: Span,
    /// The path that is posted to half-way through it, so that the app cleans up.
    pub cleanup: Option<String>,
}

/// A request as the checks send it: templates inside, as each check's own words say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckRequest {
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path, starting with `/`.
    pub path: String,
    /// Headers of this request; they stand in for the run's own of the same name.
    pub headers: BTreeMap<String, String>,
    /// The JSON body.
    pub body: Option<Value>,
    /// How long the answer may take.
    pub deadline: Span,
}

/// A request that must be refused, or whose answer must not show something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecurityCheck {
    /// Its name.
    pub name: String,
    /// What is written before, with the run's own headers, for the request to find or not.
    pub plant: Option<CheckRequest>,
    /// The request.
    pub request: CheckRequest,
    /// The run's headers that this request goes without.
    pub without: Vec<String>,
    /// The statuses that count as a refusal; empty where only the answer's content is looked at.
    pub refuse: Vec<u16>,
    /// Texts that the answer must not hold, whatever its status.
    pub hides: Vec<String>,
    /// An origin (of a foreign web page) that the answer must not let read it with the user's credentials.
    pub foreign_origin: Option<String>,
}

/// What no answer may hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Canaries {
    /// Whether the keys that firedrill gave the app are looked for.
    pub keys: bool,
    /// The data (by its name in the scenario) of which no answer may show another user's row.
    pub others: Option<String>,
    /// Further values, by name.
    pub values: BTreeMap<String, Secret>,
}

/// Writes through the app that are read back after the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DurabilityCheck {
    /// Its name.
    pub name: String,
    /// How often a row is written while the load runs.
    pub every: Span,
    /// Writes one row: `{row}` is its key, `{mark}` what is looked for later; `{date}` is today.
    pub write: CheckRequest,
    /// What acknowledges the write.
    pub acknowledged: Condition,
    /// Reads the row back, with the same placeholders.
    pub read: CheckRequest,
    /// Statuses that say the row is not there.
    pub gone: Vec<u16>,
    /// How often the mark stands in the answer for a row that is there once.
    pub copies: u32,
}

/// Where the app says how its database is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseProbe {
    /// The path.
    pub path: String,
    /// How often it is asked.
    pub every: Span,
    /// Where the body says it (a JSON pointer).
    pub status_at: String,
    /// The values that mean that all is well.
    pub well: Vec<String>,
}

/// Where the app lists its own alerts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertProbe {
    /// The path of its history.
    pub path: Option<String>,
    /// How often it is asked.
    pub every: Span,
    /// Where the list stands (a JSON pointer).
    pub list: String,
    /// Where an entry says its severity, its title and its time (JSON pointers).
    pub severity: String,
    /// Where an entry says what it is.
    pub title: String,
    /// Where an entry says when it was raised; tells it from an earlier one of the same title.
    pub time: String,
    /// Severities that are no alert but news.
    pub ignore: Vec<String>,
    /// The stub upstream that receives the app's alerts: each call is one.
    pub webhook: Option<String>,
}

/// What something beyond the load showed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// The load has ended and the quiet time begun.
    Quiet {
        /// When.
        at: Offset,
    },
    /// The app was asked to clean up.
    CleanedUp {
        /// When it had answered.
        at: Offset,
        /// Its status; nothing if no answer came.
        status: Option<u16>,
    },
    /// The quiet time is over.
    QuietOver {
        /// When.
        at: Offset,
    },
    /// A request of a security check was answered.
    Security {
        /// When.
        at: Offset,
        /// The check's index in the plan.
        check: usize,
        /// What it showed.
        outcome: SecurityOutcome,
    },
    /// An answer to the load held what it must not.
    Sighting(Sighting),
    /// So many answers were looked through for canaries until now.
    LookedThrough {
        /// When.
        at: Offset,
        /// How many.
        answers: u64,
        /// Canaries that were looked for.
        canaries: u32,
    },
    /// A row was written and read back.
    Row(RowFate),
    /// What the app says of its database.
    Database {
        /// When.
        at: Offset,
        /// What it says.
        says: String,
        /// Whether that means well.
        well: bool,
    },
    /// An alert that the app raised since its history was last read.
    Alert {
        /// When it was first seen.
        at: Offset,
        /// The last time that its history was read before.
        after: Offset,
        /// Its severity in the app's words.
        severity: String,
        /// Its title.
        title: String,
    },
    /// The app's alert history was read (or not: then why).
    AlertsRead {
        /// When.
        at: Offset,
        /// Why not.
        failed: Option<String>,
    },
    /// What the app's log held in one second.
    Log(LogSecond),
}

impl Observation {
    /// The last moment that it speaks of.
    #[must_use]
    pub const fn at(&self) -> Offset {
        match self {
            Self::Quiet { at }
            | Self::CleanedUp { at, .. }
            | Self::QuietOver { at }
            | Self::Security { at, .. }
            | Self::LookedThrough { at, .. }
            | Self::Database { at, .. }
            | Self::Alert { at, .. }
            | Self::AlertsRead { at, .. } => *at,
            Self::Sighting(sighting) => sighting.at,
            Self::Row(row) => match row.read {
                Some(read) => read,
                None => row.written,
            },
            Self::Log(log) => Offset::from_micros(log.second.saturating_mul(1_000_000)),
        }
    }
}

/// What a security check showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecurityOutcome {
    /// It was refused, or showed nothing that it must not.
    Held {
        /// The status.
        status: u16,
    },
    /// It was answered where it must be refused, or showed what it must not.
    Broken {
        /// The status.
        status: u16,
        /// How, in words without the secret.
        how: String,
    },
    /// It proves neither, for this reason.
    Unclear(String),
}

/// A canary in an answer or in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// When.
    pub at: Offset,
    /// Which canary, by name.
    pub canary: String,
    /// Where: the request's method and path, or the app's log.
    pub place: String,
    /// How often in all, this one included, at this place.
    pub count: u64,
}

/// What became of one written row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowFate {
    /// The check's index in the plan.
    pub check: usize,
    /// The row's key.
    pub row: String,
    /// When the write was sent.
    pub sent: Offset,
    /// When it was acknowledged, or failed.
    pub written: Offset,
    /// Whether it was acknowledged.
    pub acknowledged: bool,
    /// When it was read back.
    pub read: Option<Offset>,
    /// What was found.
    pub fate: Fate,
}

/// What was found of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// As it was written.
    Intact,
    /// Not there.
    Lost(String),
    /// There, but not as it was written.
    Altered(String),
    /// There more than once.
    Duplicated(u32),
    /// It could not be read, for this reason.
    Unread(String),
}

/// One second of the app's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSecond {
    /// Which second.
    pub second: u64,
    /// Lines written.
    pub lines: u64,
    /// Bytes written.
    pub bytes: u64,
    /// Records of errors: lines of level ERROR or worse, and tracebacks, each traceback once.
    pub errors: u64,
    /// Secrets that were blanked.
    pub secrets: u64,
    /// The first error line, shortened and without secrets.
    pub first: Option<String>,
}
