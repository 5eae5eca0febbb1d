//! [`RunRecord`]: a run on disk (`run.json`), enough to judge and render it again.

use super::plan::Plan;
use super::playbook::Playbook;
use super::resilience::UpstreamBehaviour;
use super::timeline::Timeline;
use super::verdict::Verdict;
use crate::units::Offset;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the record's schema; raised when a reader of the old one would misread the new one.
pub const SCHEMA: u32 = 1;

/// Everything about a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What was done and where.
    pub header: RunHeader,
    /// When it ended.
    pub ended: Offset,
    /// Why it ended.
    pub end: EndReason,
    /// What happened.
    pub timeline: Timeline,
    /// How the app behaved towards its upstreams, one entry per upstream of the plan.
    #[serde(default)]
    pub resilience: Vec<UpstreamBehaviour>,
    /// What it was judged by.
    pub playbook: Playbook,
    /// What the judge found.
    pub verdict: Verdict,
}

/// What is known when a run starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// The record's schema, [`SCHEMA`].
    pub schema: u32,
    /// The version of firedrill.
    pub firedrill: String,
    /// The run's id: date, time and scenario, unique in its folder.
    pub run: String,
    /// When it started.
    pub started_at: Timestamp,
    /// The command line that would run it again.
    pub again: String,
    /// The machine.
    pub machine: Machine,
    /// The plan, secrets removed.
    pub plan: Plan,
    /// What could and could not be observed and applied, in sentences ("memory limit by cgroup v1").
    pub means: Vec<String>,
}

/// The machine a run was made on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Processors.
    pub cores: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Operating system and kernel.
    pub system: String,
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// By plan.
    Completed,
    /// By a signal (its number): Ctrl-C is 2.
    Interrupted(i32),
    /// The app went away and did not come back.
    TargetLost(String),
    /// Killed: the journal has no last line.
    Killed,
}
