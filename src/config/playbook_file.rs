//! [`PlaybookFile`]: a playbook as typed. Nothing has a default: a threshold that nobody wrote is one that nobody
//! agreed to.

use super::value::Quantity;
use serde::Deserialize;
use toml::Spanned;

/// A playbook.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PlaybookFile {
    /// The file's name without its ending, if absent.
    pub(super) name: Option<String>,
    pub(super) describe: Option<String>,
    #[serde(default)]
    pub(super) readings: Vec<String>,
    #[serde(default)]
    pub(super) criterion: Vec<Spanned<CriterionFile>>,
}

/// `[[criterion]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CriterionFile {
    pub(super) id: Spanned<String>,
    pub(super) severity: Spanned<Quantity>,
    pub(super) says: String,
    pub(super) section: String,
    pub(super) measure: Spanned<MeasureFile>,
}

/// `criterion.measure.KIND`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub(super) enum MeasureFile {
    Outage {
        probes: Spanned<i64>,
    },
    ErrorRate {
        over: Spanned<Quantity>,
        window: Spanned<Quantity>,
        min_samples: Spanned<i64>,
    },
    Oom {},
    AgentsDown {
        success_under: Spanned<Quantity>,
        window: Spanned<Quantity>,
        min_samples: Spanned<i64>,
    },
    DegradedUsers {
        over: Spanned<Quantity>,
        up_to: Option<Spanned<Quantity>>,
        slow: Spanned<Quantity>,
        times_baseline: Spanned<f64>,
        slow_at_least: Spanned<Quantity>,
        window: Spanned<Quantity>,
        min_users: Spanned<i64>,
    },
    KeyAgent {
        agents: Spanned<Vec<String>>,
        success_under: Spanned<Quantity>,
        window: Spanned<Quantity>,
        min_samples: Spanned<i64>,
    },
    MemorySustained {
        above: Spanned<Quantity>,
        sustained: Spanned<Quantity>,
    },
    AgentFailing {
        over: Spanned<Quantity>,
        window: Spanned<Quantity>,
        min_samples: Spanned<i64>,
    },
    EndpointBroken {
        over: Spanned<Quantity>,
        rest_under: Spanned<Quantity>,
        window: Spanned<Quantity>,
        min_samples: Spanned<i64>,
    },
    SlowResponses {
        from: Spanned<Quantity>,
        to: Spanned<Quantity>,
        share: Spanned<Quantity>,
        min_samples: Spanned<i64>,
    },
    Cost {
        over: Spanned<Quantity>,
        min_journeys: Spanned<i64>,
    },
    MemoryCleanup {
        within: Spanned<Quantity>,
        at_least: Spanned<Quantity>,
        quiet: Spanned<Quantity>,
    },
    Security {},
    DataLoss {
        min_rows: Spanned<i64>,
    },
    Database {
        over: Spanned<Quantity>,
        window: Spanned<Quantity>,
        min_samples: Spanned<i64>,
        probes: Spanned<i64>,
    },
    Alerts {},
    Logging {
        errors_per_hour: Spanned<i64>,
        per_step: Spanned<Quantity>,
    },
    NotMeasured {
        why: String,
    },
}
