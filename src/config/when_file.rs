//! [`WhenFile`]: which requests a fault hits, as typed; and what belongs to a fault's time.

use super::value::{Node, Quantity, Table};
use serde::Deserialize;
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
    pub(super) header: Table<Spanned<String>>,
    #[serde(default)]
    pub(super) query: Table<Spanned<String>>,
    /// JSON pointers.
    #[serde(default)]
    pub(super) body: Table<Spanned<Node>>,
    pub(super) model: Option<Spanned<String>>,
    pub(super) table: Option<Spanned<String>>,
    pub(super) user: Option<Spanned<String>>,
    /// `first` or `retries`; both if absent.
    pub(super) tries: Option<Spanned<String>>,
    pub(super) nth: Option<Spanned<i64>>,
    pub(super) first: Option<Spanned<i64>>,
    /// Of all requests, if absent: a name, or `{ header = "NAME" }`.
    pub(super) per: Option<Spanned<Node>>,
    /// 100 % if absent.
    pub(super) share: Option<Spanned<Quantity>>,
}

/// `fault.until`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct UntilFile {
    pub(super) hits: Option<Spanned<i64>>,
    pub(super) quiet: Option<Spanned<Quantity>>,
}
