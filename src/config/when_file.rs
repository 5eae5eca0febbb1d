//! [`WhenFile`]: which requests a fault hits, as typed.

use super::value::Quantity;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// `fault.when`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WhenFile {
    pub(super) method: Option<Spanned<String>>,
    pub(super) path: Option<Spanned<String>>,
    /// A service of the provider, such as `auth`.
    pub(super) service: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) header: BTreeMap<Spanned<String>, String>,
    pub(super) nth: Option<Spanned<i64>>,
    /// 100 % if absent.
    pub(super) share: Option<Spanned<Quantity>>,
}
