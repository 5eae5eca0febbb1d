//! [`Playbook`]: what would be an incident, as data.

use super::verdict::Severity;
use crate::units::{ByteSize, Money, Share, Span};
use serde::{Deserialize, Serialize};

/// A set of criteria. A run's record carries the playbook it was judged by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Playbook {
    /// Its name.
    pub name: String,
    /// The document it restates.
    pub describe: String,
    /// The file it came from, or `built-in`.
    pub source: String,
    /// The criteria, worst first.
    pub criteria: Vec<Criterion>,
    /// How gaps of the document are read; shown in the report.
    pub readings: Vec<String>,
}

/// One criterion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Criterion {
    /// Its id, such as `P1-key-agent`.
    pub id: String,
    /// How bad it is.
    pub severity: Severity,
    /// The playbook's words.
    pub says: String,
    /// The playbook's section on what to do then.
    pub section: String,
    /// What measures it.
    pub measure: Measure,
}

/// What measures a criterion. Every figure is a threshold from the playbook or a stated reading of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// So many health probes in a row find the app down.
    Outage {
        /// Probes in a row.
        probes: u32,
    },
    /// The share of failed and masked steps over all endpoints, in any window.
    ErrorRate {
        /// Breached when the interval lies above this share.
        over: Share,
        /// The window's length.
        window: Span,
        /// Samples that a window needs.
        min_samples: u32,
    },
    /// The app's process is killed for lack of memory, or dies or restarts while at its limit.
    Oom {},
    /// Every agent that is exercised fails, in one window.
    AgentsDown {
        /// An agent counts as down when its success lies below this share.
        success_under: Share,
        /// The window's length.
        window: Span,
        /// Tries that each agent needs in the window.
        min_samples: u32,
    },
    /// The share of users who met slow or failing steps.
    DegradedUsers {
        /// Breached above this share.
        over: Share,
        /// And up to this share, where a worse criterion takes over.
        up_to: Option<Share>,
        /// A step slower than this counts as slow.
        slow: Span,
        /// So does one slower than this many times its endpoint's baseline 95th percentile.
        times_baseline: f64,
        /// ...but never one faster than this: twice very little is still very little.
        slow_at_least: Span,
        /// The window's length.
        window: Span,
        /// Users that a window needs.
        min_users: u32,
    },
    /// One of these agents is completely broken, in any window.
    KeyAgent {
        /// The agents.
        agents: Vec<String>,
        /// Broken when its success lies below this share.
        success_under: Share,
        /// The window's length.
        window: Span,
        /// Tries that the agent needs in the window.
        min_samples: u32,
    },
    /// Memory stays above a limit.
    MemorySustained {
        /// The limit.
        above: ByteSize,
        /// For at least this long without a break.
        sustained: Span,
    },
    /// An agent fails and takes journeys down with it.
    AgentFailing {
        /// Failing when its failures lie above this share.
        over: Share,
        /// The window's length.
        window: Span,
        /// Tries that the agent needs in the window.
        min_samples: u32,
    },
    /// One endpoint is broken while the rest is well.
    EndpointBroken {
        /// Broken when its errors lie above this share.
        over: Share,
        /// The rest is well when its errors, taken together, lie below this share.
        rest_under: Share,
        /// The window's length.
        window: Span,
        /// Samples that the endpoint needs in the window.
        min_samples: u32,
    },
    /// Responses of an endpoint lie between two limits.
    SlowResponses {
        /// Slow from here.
        from: Span,
        /// The upper end of the band; slower ones count as well, and are named.
        to: Span,
        /// Breached when more than this share of an endpoint's responses are slower than `from`.
        share: Share,
        /// Responses that the endpoint needs.
        min_samples: u32,
    },
    /// What a day costs, by the tokens of this run, their prices and the traffic that the scenario declares.
    Cost {
        /// Breached when the interval lies above this amount a day.
        over: Money,
        /// Journeys that a stretch of the run needs.
        min_journeys: u32,
    },
    /// Memory does not come back after the load, or after a clean-up.
    MemoryCleanup {
        /// Back is within this share of where it began.
        within: Share,
        /// ...but less than this is never too much: allocators keep some for later.
        at_least: ByteSize,
        /// The quiet time that the app is given at least.
        quiet: Span,
    },
    /// A security check was answered where it must be refused, or a canary was seen.
    Security {},
    /// A write that the app acknowledged cannot be read back, or is not what was written.
    DataLoss {
        /// Acknowledged rows that are needed to call it clear.
        min_rows: u32,
    },
    /// The database cannot be reached: by the upstream's own failures, or by the app's word.
    Database {
        /// Breached when the share of the app's calls that failed, without a fault of ours, lies above this.
        over: Share,
        /// The window's length.
        window: Span,
        /// Calls that a window needs.
        min_samples: u32,
        /// So many of the app's own words in a row that all is not well.
        probes: u32,
    },
    /// The app raised alerts.
    Alerts {},
    /// The app's log shows errors while its answers do not.
    Logging {
        /// Breached when the interval of error records in an hour lies above this many.
        errors_per_hour: u32,
        /// Breached when the log grows by more than this for each step.
        per_step: ByteSize,
    },
    /// Not measured by this version, with the reason and what would measure it.
    NotMeasured {
        /// Why.
        why: String,
    },
}

impl Measure {
    /// How far from the cause this measure looks: of several that are breached at one severity, the nearest leads the
    /// verdict's sentence and the report. "40 % of users were affected" is true whenever "routine made no plan" is, and
    /// tells a reader less.
    #[must_use]
    pub const fn distance(&self) -> u8 {
        match self {
            Self::Oom {} => 0,
            Self::Outage { .. } => 1,
            Self::AgentsDown { .. } => 2,
            Self::KeyAgent { .. } => 3,
            Self::AgentFailing { .. } => 4,
            Self::EndpointBroken { .. } => 5,
            Self::MemorySustained { .. } => 6,
            Self::ErrorRate { .. } => 7,
            Self::SlowResponses { .. } => 8,
            Self::DegradedUsers { .. } => 9,
            Self::Security {} | Self::DataLoss { .. } => 0,
            Self::Cost { .. } | Self::Database { .. } => 1,
            Self::MemoryCleanup { .. } => 6,
            Self::Alerts {} => 10,
            Self::Logging { .. } => 11,
            Self::NotMeasured { .. } => 12,
        }
    }
}
