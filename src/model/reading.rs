//! [`Reading`]: what a probe saw, and [`TargetEvent`]: what became of the app's process.

use crate::units::{Offset, Span};
use serde::{Deserialize, Serialize};

/// One observation of the app from beside the load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// Memory of the app's process tree.
    Memory {
        /// When.
        at: Offset,
        /// Resident set size of the process tree, bytes.
        rss: u64,
        /// Use of the app's memory group in bytes, ballast included, where there is a group.
        group: Option<u64>,
        /// The limit in force, bytes.
        limit: Option<u64>,
    },
    /// One health check.
    Health {
        /// When it was asked.
        at: Offset,
        /// How long the answer took, or how long we waited.
        took: Span,
        /// The status, if an answer came.
        status: Option<u16>,
        /// What the body calls the overall state, where it says.
        says: Option<String>,
        /// Our reading of it.
        state: HealthState,
    },
    /// A figure that the app states about itself (stats JSON or Prometheus text).
    Gauge {
        /// When.
        at: Offset,
        /// Its name in the scenario, such as `error_rate` or `memory_bytes`.
        name: String,
        /// The value as stated.
        value: f64,
    },
}

impl Reading {
    /// When it was taken.
    #[must_use]
    pub const fn at(&self) -> Offset {
        match self {
            Self::Memory { at, .. } | Self::Health { at, .. } | Self::Gauge { at, .. } => *at,
        }
    }
}

/// A health check's meaning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Answered, and says it is well.
    Up,
    /// Answered, and says it is impaired.
    Degraded,
    /// Answered, but not as a health check does, with the reason: it proves neither that the app is well nor that it is
    /// down.
    Unclear(String),
    /// No answer in time, a status of 500 or more, or a body that says critical; with the reason.
    Down(String),
}

/// What became of the app's process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetEvent {
    /// When.
    pub at: Offset,
    /// What.
    pub what: TargetChange,
}

/// A change of the app's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetChange {
    /// Started or seen for the first time.
    Started {
        /// Process id.
        pid: u32,
    },
    /// Ended, with the reason as far as it can be known.
    Ended {
        /// The exit code, if it exited.
        code: Option<i32>,
        /// The signal, if one ended it.
        signal: Option<i32>,
        /// Whether the kernel's counter says that it was killed for lack of memory.
        oom_killed: bool,
        /// Whether its memory was within 5 % of its limit when last seen.
        at_limit: bool,
    },
}

/// A change of the memory pressure that firedrill applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PressureMark {
    /// When.
    pub at: Offset,
    /// Bytes held by the ballast from now on.
    pub held: u64,
}

/// How firedrill itself was doing: the ground for "can this run be trusted?".
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HarnessReading {
    /// When.
    pub at: Offset,
    /// Worst lateness of a timer in the last second.
    pub lateness: Span,
    /// Processor time used since the run began, seconds.
    pub cpu_seconds: f64,
    /// Resident set size, bytes.
    pub rss: u64,
    /// Open file descriptors.
    pub fds: u32,
}
