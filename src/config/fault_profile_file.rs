//! [`FaultProfileFile`]: a fault profile as typed.

use super::delay_file::DelayFile;
use super::value::{Node, Quantity};
use super::when_file::{UntilFile, WhenFile};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A fault profile.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FaultProfileFile {
    /// The file's name without its ending, if absent.
    pub(super) name: Option<String>,
    #[serde(rename = "describe")]
    pub(super) _describe: Option<String>,
    /// What a resilient app does meanwhile, for people and their tools.
    pub(super) expect: Option<Spanned<String>>,
    /// The worst severity that a resilient app comes to.
    pub(super) worst: Option<Spanned<String>>,
    /// The items of the playbook that it stands for.
    #[serde(default)]
    pub(super) playbook: Vec<Spanned<String>>,
    /// Further profiles, whose faults come before this one's: names, or tables with `profile`, `shift` and `scale`.
    #[serde(default)]
    pub(super) include: Vec<Spanned<Node>>,
    #[serde(default)]
    pub(super) fault: Vec<Spanned<FaultFile>>,
}

/// `[[fault]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FaultFile {
    /// The profile's name and a number, if absent.
    pub(super) name: Option<Spanned<String>>,
    pub(super) upstream: Spanned<String>,
    /// Every request, if absent.
    #[serde(default)]
    pub(super) when: WhenFile,
    /// The start of the run, if absent.
    pub(super) from: Option<Spanned<Quantity>>,
    /// To the end of the run, if absent.
    #[serde(rename = "for")]
    pub(super) lasts: Option<Spanned<Quantity>>,
    /// At full strength at once, if absent.
    pub(super) ramp_up: Option<Spanned<Quantity>>,
    /// At full strength to the end, if absent.
    pub(super) ramp_down: Option<Spanned<Quantity>>,
    /// What ramps change: `share` or `delay`; the share if absent.
    pub(super) ramps: Option<Spanned<String>>,
    /// On throughout, if absent; needs `off`.
    pub(super) on: Option<Spanned<Quantity>>,
    pub(super) off: Option<Spanned<Quantity>>,
    /// By its time only, if absent.
    pub(super) until: Option<Spanned<UntilFile>>,
    pub(super) inject: Spanned<InjectFile>,
}

/// `fault.inject.KIND`; the names are those of Toxiproxy and Envoy, so they keep their underscores.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum InjectFile {
    Latency(Box<DelayFile>),
    Abort(AbortFile),
    ResetPeer(NothingFile),
    Timeout(TimeoutFile),
    LimitData(LimitDataFile),
    Stall(StallFile),
    Truncate(TruncateFile),
    StreamError(StreamErrorFile),
}

impl InjectFile {
    /// Whether it is a delay, whose length can be ramped.
    pub(super) const fn is_latency(&self) -> bool {
        matches!(self, Self::Latency(_))
    }
}

/// A kind without settings: `inject.reset_peer = {}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NothingFile {}

/// `inject.abort`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AbortFile {
    pub(super) error: Option<Spanned<String>>,
    pub(super) status: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(super) body: Option<String>,
    /// None if absent.
    #[serde(default)]
    pub(super) omit: Vec<Spanned<String>>,
}

/// `inject.timeout`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TimeoutFile {
    /// Never closes, if absent.
    pub(super) after: Option<Spanned<Quantity>>,
}

/// `inject.limit_data`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LimitDataFile {
    pub(super) bytes: Spanned<Quantity>,
}

/// `inject.stall`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StallFile {
    /// This or `events` is needed.
    pub(super) after: Option<Spanned<Quantity>>,
    pub(super) events: Option<Spanned<i64>>,
    /// For ever, if absent.
    pub(super) pause: Option<Spanned<Quantity>>,
}

/// `inject.truncate`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct TruncateFile {
    /// Without this and `events`: before the last event.
    pub(super) after: Option<Spanned<Quantity>>,
    pub(super) events: Option<Spanned<i64>>,
}

/// `inject.stream_error`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StreamErrorFile {
    /// 1 if absent.
    pub(super) events: Option<Spanned<i64>>,
    pub(super) error: Spanned<String>,
    /// The one that the API sends, if absent.
    pub(super) form: Option<Spanned<String>>,
}
