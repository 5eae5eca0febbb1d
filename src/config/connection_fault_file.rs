//! Faults on connections as typed: `fault.inject.KIND`. Kinds are Toxiproxy's names where it has one.

use super::value::Quantity;
use serde::Deserialize;
use toml::Spanned;

/// `inject.partition`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StreamFile {
    /// `upstream`, `downstream` or `both`; both, if absent.
    pub(super) stream: Option<Spanned<String>>,
}

/// `inject.refuse`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RefuseFile {
    /// Whether open connections stay open; a server that is gone resets them.
    #[serde(default)]
    pub(super) keep_open: bool,
}

/// `inject.bandwidth`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BandwidthFile {
    /// Such as `"20KB/s"`.
    pub(super) rate: Spanned<Quantity>,
    /// Downstream, if absent.
    pub(super) stream: Option<Spanned<String>>,
}

/// `inject.slicer`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SlicerFile {
    pub(super) average_size: Spanned<Quantity>,
    /// None, if absent.
    pub(super) size_variation: Option<Spanned<Quantity>>,
    /// Between pieces; none, if absent.
    pub(super) delay: Option<Spanned<Quantity>>,
    /// Downstream, if absent.
    pub(super) stream: Option<Spanned<String>>,
}

/// `inject.slow_close`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SlowCloseFile {
    pub(super) delay: Spanned<Quantity>,
    /// Downstream, if absent.
    pub(super) stream: Option<Spanned<String>>,
}

/// `inject.half_close` and `inject.blackhole`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AfterBytesFile {
    /// What gets through; nothing, if absent.
    pub(super) bytes: Option<Spanned<Quantity>>,
    pub(super) stream: Option<Spanned<String>>,
}

/// `inject.connection_cap`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ConnectionCapFile {
    pub(super) connections: Spanned<i64>,
}

/// `inject.certificate`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CertificateFile {
    /// What is wrong with it: `expired`, `wrong-host` or `untrusted`.
    pub(super) is: Spanned<String>,
}

/// `inject.postgres.KIND`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PostgresFaultFile {
    Startup(PostgresErrorFile),
    Terminate(PostgresErrorFile),
    Error(PostgresErrorFile),
    Slow(PostgresSlowFile),
    CutRows(CutRowsFile),
    RefuseSsl(NoKeysFile),
    StallSsl(NoKeysFile),
    StallAuth(NoKeysFile),
}

/// A kind without settings.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoKeysFile {}

/// An error of PostgreSQL's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PostgresErrorFile {
    /// A name such as `too_many_connections`, or an SQLSTATE.
    pub(super) error: Spanned<String>,
    /// What PostgreSQL says with it, if absent.
    pub(super) message: Option<Spanned<String>>,
}

/// `inject.postgres.slow`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PostgresSlowFile {
    pub(super) delay: Spanned<Quantity>,
}

/// `inject.postgres.cut_rows`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct CutRowsFile {
    /// Rows that get through whole; none, if absent.
    pub(super) after: Option<Spanned<i64>>,
}
