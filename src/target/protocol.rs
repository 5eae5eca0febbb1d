//! What firedrill and its guardian say to each other: JSON lines on the guardian's stdin and stdout.

use crate::model::memory_group::MemoryGroup;
use serde::{Deserialize, Serialize};

/// firedrill → guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// The first line: start. The values are kept out of the log; they come this way because arguments can be
    /// read by every user of the machine.
    Start {
        /// Secrets to blank in the app's output.
        redact: Vec<String>,
    },
    /// So many bytes of the limit are no longer the app's.
    Reserve {
        /// Bytes; 0 gives everything back.
        bytes: u64,
    },
    /// Ask the app to end, then make it.
    Stop {
        /// How long it has between SIGTERM and SIGKILL.
        grace_ms: u64,
    },
}

/// guardian → firedrill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// How the app's memory is limited and watched; always comes first.
    Limited {
        /// The app's own group, if it has one.
        group: Option<MemoryGroup>,
        /// The limit in force, bytes.
        limit: Option<u64>,
        /// Whether the guardian itself enforces the limit.
        watched: bool,
        /// A sentence for the report.
        means: String,
    },
    /// The app runs.
    Started {
        /// Its pid, which is also its process group.
        pid: u32,
    },
    /// The app could not be started.
    Failed {
        /// Why.
        why: String,
    },
    /// The line in which the app says where it listens.
    Announced {
        /// The address.
        listening: String,
    },
    /// The kernel killed one of the app's processes for lack of memory while its main process lives on.
    PartKilled,
    /// The app's main process ended.
    Ended {
        /// The exit code, if it exited.
        code: Option<i32>,
        /// The signal, if one ended it.
        signal: Option<i32>,
        /// Whether the kernel's counter of kills for lack of memory rose.
        oom_killed: bool,
        /// Whether it stood at its limit when last seen.
        at_limit: bool,
        /// Whether the guardian ended it for exceeding its limit.
        by_watcher: bool,
    },
    /// Nothing of the app is left; the last line.
    Gone,
}

/// The beginning of the line that the exec stage writes when the app cannot be started.
pub(super) const CANNOT_START: &str = "firedrill: cannot start ";
