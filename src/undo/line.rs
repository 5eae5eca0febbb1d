//! [`Line`]: one line of an undo journal, and what can stand in it.

use super::moment::{Lease, Moment};
use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use uuid::Uuid;

/// The hash that stands in the first line.
pub(super) const NO_LINE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 0.
    pub sequence: u64,
    /// When it was written, by the wall clock.
    pub wall: Timestamp,
    /// When, in milliseconds since the machine booted.
    pub monotonic_ms: u64,
    /// Who wrote it: `run`, `undo`, later a drill or a person in it.
    pub actor: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// What proves it, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// SHA-256 of the line before, without its line end, in hexadecimal; zeros in the first.
    pub previous: String,
}

/// What a line says. Numbers (`id`) tie what became of an action to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first line: whose journal it is.
    Opened(Box<Opening>),
    /// Something is about to be done. On disk before it is.
    Acting {
        /// The action's number.
        id: u64,
        /// What.
        action: Action,
        /// Until when it lasts at most, should nobody undo it.
        lease: Option<Lease>,
    },
    /// It is done; the evidence says what came of it.
    Acted {
        /// The action's number.
        id: u64,
    },
    /// It lasts longer.
    Renewed {
        /// The action's number.
        id: u64,
        /// Until when.
        lease: Lease,
    },
    /// It is undone, or was never done, or ended by itself; the evidence says how that is known.
    Undone {
        /// The action's number.
        id: u64,
    },
    /// Undoing it was tried, and something may be left; the evidence says what.
    Left {
        /// The action's number.
        id: u64,
    },
    /// Something that a reader of the journal should know.
    Noted {
        /// What.
        what: String,
    },
    /// The last line: everything is undone.
    Closed,
}

/// Whose journal it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The journal's own name, unlike any other; processes that are started bear it in their environment.
    pub journal: Uuid,
    /// The run's id.
    pub run: String,
    /// The process that keeps it.
    pub owner: Owner,
    /// The version of firedrill.
    pub firedrill: String,
    /// The app under test, if it runs apart from firedrill and others could test it too.
    pub shares: Option<String>,
    /// The run's folder, where the journal goes in the end.
    pub folder: PathBuf,
}

/// A process: a pid is used again, with its start it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its pid.
    pub pid: u32,
    /// When it started, in the kernel's ticks since the boot.
    pub started: u64,
    /// Which boot of the machine; empty where the kernel does not say.
    pub boot: String,
}

/// What firedrill does to the world, with what is needed to undo it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// A fault in one of our own upstreams. It ends with its window, and with our process.
    Fault {
        /// The rule's name.
        name: String,
        /// What it does.
        kind: String,
        /// The upstream.
        upstream: String,
        /// Where that listens.
        address: Option<SocketAddr>,
        /// When it comes on, milliseconds of the run.
        from_ms: u64,
        /// When it goes off; `None` is the end of the run.
        until_ms: Option<u64>,
    },
    /// An app that we start, with all that descends from it and its memory group. Its guardian ends it when we are
    /// gone.
    App {
        /// What is started, without arguments that may be secret.
        what: String,
        /// What the names of its memory groups begin with.
        groups: String,
    },
    /// Memory held in the app's group, or its own limits lowered. Whoever holds it ends when we are gone.
    Ballast {
        /// How much, bytes.
        bytes: u64,
        /// The process whose limits are lowered.
        process: Option<Owner>,
        /// Its limits as they were found.
        limits: Vec<LoweredLimit>,
    },
    /// Toxics, or proxies that are switched off, through the control API of another process: firedrill's own
    /// (`firedrill mock`) or Toxiproxy's.
    Control {
        /// The API's base URL, without credentials.
        api: String,
        /// Toxics that are put on, by proxy.
        toxics: BTreeMap<String, Vec<String>>,
        /// Proxies that are switched off.
        disabled: Vec<String>,
    },
}

/// A process's own limit that was lowered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoweredLimit {
    /// `data` or `as`, for `RLIMIT_DATA` and `RLIMIT_AS` (getrlimit(2)).
    pub resource: String,
    /// The soft limit as it was found, bytes.
    pub soft: u64,
    /// The hard limit, bytes; `None` is unlimited.
    pub hard: Option<u64>,
}

impl Action {
    /// What is done and to what, in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Fault { name, kind, upstream, address, .. } => {
                let at = address.map(|address| format!(" at {address}")).unwrap_or_default();
                format!("fault `{name}` ({kind}) on upstream `{upstream}`{at}")
            }
            Self::App { what, .. } => format!("the app under test ({what}) and all that it started"),
            Self::Ballast { bytes, process, .. } => match process {
                Some(process) => format!("the memory limits of process {} lowered by {bytes} bytes", process.pid),
                None => format!("a ballast of {bytes} bytes in the app's memory group"),
            },
            Self::Control { api, toxics, disabled } => {
                let toxics = toxics.iter().flat_map(|(proxy, names)| names.iter().map(move |n| format!("{proxy}/{n}")));
                let off = disabled.iter().map(|proxy| format!("{proxy} switched off"));
                format!("{} through the control API at {api}", toxics.chain(off).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// How it is undone, in a few words.
    #[must_use]
    pub fn undo(&self) -> String {
        match self {
            Self::Fault { .. } => "it ends with the process that injects it".to_owned(),
            Self::App { groups, .. } => {
                format!("end every process that bears the journal's name, remove memory groups `{groups}*`")
            }
            Self::Ballast { process, .. } => match process {
                Some(process) => format!("give process {} its limits back", process.pid),
                None => "end the process that holds it".to_owned(),
            },
            Self::Control { .. } => "take the toxics off and switch the proxies on again".to_owned(),
        }
    }
}

impl Line {
    /// A line that says something now.
    pub(super) fn new(sequence: u64, actor: &str, event: Event, evidence: Option<String>, previous: String) -> Self {
        let Moment { wall, monotonic_ms, .. } = Moment::now();
        Self { sequence, wall, monotonic_ms, actor: actor.to_owned(), event, evidence, previous }
    }
}

/// The hash of a line without its line end.
pub(super) fn hash(line: &[u8]) -> String {
    digest(&SHA256, line).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
