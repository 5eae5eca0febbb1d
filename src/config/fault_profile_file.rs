//! [`FaultProfileFile`]: a fault profile as typed.

use super::inject_file::InjectFile;
use super::value::Quantity;
use super::when_file::WhenFile;
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
    pub(super) inject: Spanned<InjectFile>,
}
