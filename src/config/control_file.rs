//! [`ControlFile`]: the control API as typed.

use serde::Deserialize;
use toml::Spanned;

/// `[control]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ControlFile {
    /// Toxiproxy's address on this machine, if absent.
    pub(super) listen: Option<Spanned<String>>,
    /// None, if absent; needed where other machines can reach it.
    pub(super) token: Option<Spanned<String>>,
}
