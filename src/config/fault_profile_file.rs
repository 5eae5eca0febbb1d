//! [`FaultProfileFile`]: a fault profile as typed.

use super::inject_file::InjectFile;
use super::value::{Node, Quantity};
use super::when_file::{UntilFile, WhenFile};
use serde::Deserialize;
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
