//! What a scenario says of checks beyond its load, as typed. Defaults stand at the keys.

use super::value::{Node, OneOrMany, Quantity, Table};
use serde::Deserialize;
use toml::Spanned;

/// `[traffic]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TrafficFile {
    /// Or users and their journeys.
    pub(super) journeys_per_day: Option<Spanned<f64>>,
    pub(super) users_per_day: Option<Spanned<f64>>,
    /// 1 if absent.
    pub(super) journeys_per_user: Option<Spanned<f64>>,
}

/// `memory.after-load`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AfterLoadFile {
    pub(super) quiet: Spanned<Quantity>,
    /// Nothing is posted, if absent.
    pub(super) cleanup: Option<Spanned<String>>,
}

/// A request of a check.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RequestFile {
    pub(super) get: Option<Spanned<String>>,
    pub(super) post: Option<Spanned<String>>,
    pub(super) put: Option<Spanned<String>>,
    pub(super) patch: Option<Spanned<String>>,
    pub(super) delete: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) headers: Table<Spanned<String>>,
    pub(super) json: Option<Spanned<Node>>,
    /// 30 s if absent.
    pub(super) within: Option<Spanned<Quantity>>,
}

/// `[[security]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SecurityFile {
    pub(super) name: Spanned<String>,
    /// Written before, with the run's own headers, if given.
    pub(super) plant: Option<Spanned<RequestFile>>,
    pub(super) request: Spanned<RequestFile>,
    #[serde(default)]
    pub(super) without: Vec<Spanned<String>>,
    /// 401 and 403 if absent and nothing else is asked for.
    pub(super) refuse: Option<Spanned<OneOrMany<i64>>>,
    #[serde(default)]
    pub(super) hides: Vec<Spanned<String>>,
    pub(super) foreign_origin: Option<Spanned<String>>,
}

/// `[canaries]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CanariesFile {
    /// Looked for, if absent.
    pub(super) keys: Option<bool>,
    pub(super) others: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) values: Table<Spanned<String>>,
}

/// `[[durability]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DurabilityFile {
    pub(super) name: Spanned<String>,
    /// 1 s if absent.
    pub(super) every: Option<Spanned<Quantity>>,
    pub(super) write: Spanned<RequestFile>,
    /// Any 2xx, if absent.
    #[serde(default)]
    pub(super) acknowledged: AcknowledgedFile,
    pub(super) read: Spanned<RequestFile>,
    /// 404 and 410 if absent.
    pub(super) gone: Option<Spanned<OneOrMany<i64>>>,
    /// 1 if absent.
    pub(super) copies: Option<Spanned<i64>>,
}

/// `durability.acknowledged`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AcknowledgedFile {
    pub(super) status: Option<Spanned<OneOrMany<i64>>>,
    #[serde(default)]
    pub(super) json: Table<Spanned<Node>>,
    pub(super) contains: Option<String>,
}

/// `[probes.database]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DatabaseFile {
    pub(super) path: Spanned<String>,
    /// 30 s if absent.
    pub(super) every: Option<Spanned<Quantity>>,
    pub(super) status_at: Spanned<String>,
    pub(super) well: Spanned<Vec<String>>,
}

/// `[probes.alerts]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AlertsFile {
    /// The webhook alone, if absent.
    pub(super) path: Option<Spanned<String>>,
    /// 30 s if absent.
    pub(super) every: Option<Spanned<Quantity>>,
    /// `/alerts` if absent.
    pub(super) list: Option<Spanned<String>>,
    /// `/severity` if absent.
    pub(super) severity: Option<Spanned<String>>,
    /// `/title` if absent.
    pub(super) title: Option<Spanned<String>>,
    /// `/timestamp` if absent.
    pub(super) time: Option<Spanned<String>>,
    /// `info` if absent.
    pub(super) ignore: Option<Vec<String>>,
    pub(super) webhook: Option<Spanned<String>>,
}
