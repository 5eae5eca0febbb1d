//! [`InjectFile`]: what a fault does, as typed.

use super::connection_fault_file::{
    AfterBytesFile, BandwidthFile, CertificateFile, ConnectionCapFile, PostgresFaultFile, RefuseFile, SlicerFile,
    SlowCloseFile, StreamFile,
};
use super::delay_file::DelayFile;
use super::value::Quantity;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

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
    Refuse(RefuseFile),
    AcceptHang(NothingFile),
    Partition(StreamFile),
    Blackhole(AfterBytesFile),
    HalfClose(AfterBytesFile),
    SlowClose(SlowCloseFile),
    Bandwidth(BandwidthFile),
    Slicer(SlicerFile),
    ConnectionCap(ConnectionCapFile),
    TlsHandshakeFailure(NothingFile),
    Certificate(CertificateFile),
    Postgres(Spanned<PostgresFaultFile>),
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
