//! [`FunctionsFile`]: a file of database functions as typed.

use super::value::Node;
use serde::Deserialize;
use toml::Spanned;

/// A file of functions (`upstreams.supabase.functions`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FunctionsFile {
    #[serde(default)]
    pub(super) function: Vec<Spanned<FunctionFile>>,
}

/// `[[function]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FunctionFile {
    pub(super) name: Spanned<String>,
    /// `public` if absent.
    pub(super) schema: Option<String>,
    /// Each `name type` or `name type = default`.
    #[serde(default)]
    pub(super) args: Vec<Spanned<String>>,
    pub(super) returns: Spanned<ReturnsFile>,
    /// `volatile` if absent, as in PostgreSQL.
    pub(super) volatility: Option<Spanned<String>>,
    pub(super) json: Option<Spanned<Node>>,
    pub(super) template: Option<Spanned<String>>,
    /// The table of a query.
    pub(super) from: Option<Spanned<String>>,
    /// What of it; everything if absent.
    pub(super) select: Option<Spanned<String>>,
    /// Which rows of it; all if absent.
    pub(super) rows: Option<Spanned<String>>,
    /// Whether it sees rows that its caller may not.
    pub(super) definer: Option<Spanned<bool>>,
    pub(super) raise: Option<Spanned<RaiseFile>>,
}

/// `function.returns`: a type, or a table with one of these keys.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum ReturnsFile {
    /// One value of a type, or `void`.
    One(String),
    /// Something else.
    Other(ManyFile),
}

/// `function.returns.KIND`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ManyFile {
    /// Any number of values of a type.
    Values(String),
    /// One row of a table.
    Row(String),
    /// Any number of rows of a table.
    Rows(String),
    /// Any number of rows with columns of their own, each `name type`.
    Table(Vec<String>),
}

/// `function.raise`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RaiseFile {
    /// P0001 if absent.
    pub(super) code: Option<Spanned<String>>,
    pub(super) message: String,
    pub(super) details: Option<String>,
    pub(super) hint: Option<String>,
}
