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
    ResetPeer(ResetPeerFile),
    Timeout(TimeoutFile),
    LimitData(LimitDataFile),
    Stall(StallFile),
    Truncate(TruncateFile),
    StreamError(StreamErrorFile),
    Drip(DripFile),
    SlowTokens(SlowTokensFile),
    Headers(HeadersFile),
    WrongContentType(WrongContentTypeFile),
    WrongContentLength(WrongContentLengthFile),
    MalformedJson(EventsFile),
    EmptyObject(NothingFile),
    HtmlPage(NothingFile),
    Garbage(GarbageFile),
    DuplicateChunk(EventsFile),
    MissingUsage(NothingFile),
    EmptyChoices(NothingFile),
    FinishReason(FinishReasonFile),
    InvalidOutput(InvalidOutputFile),
    HugeBody(HugeBodyFile),
    StaleRead(StaleReadFile),
    LostWrite(NothingFile),
    DuplicateWrite(NothingFile),
    PartialBatch(PartialBatchFile),
    ReorderedRows(NothingFile),
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

/// `inject.reset_peer`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ResetPeerFile {
    /// Without this and `events`: before any answer.
    pub(super) after: Option<Spanned<Quantity>>,
    pub(super) events: Option<Spanned<i64>>,
}

/// `inject.drip`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct DripFile {
    /// One if absent.
    pub(super) bytes: Option<Spanned<Quantity>>,
    /// 10 ms if absent.
    pub(super) every: Option<Spanned<Quantity>>,
}

/// `inject.slow_tokens`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SlowTokensFile {
    pub(super) every: Spanned<Quantity>,
}

/// `inject.headers`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HeadersFile {
    #[serde(default)]
    pub(super) set: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    pub(super) remove: Vec<Spanned<String>>,
}

/// `inject.wrong_content_type`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrongContentTypeFile {
    /// `text/html` if absent.
    pub(super) value: Option<Spanned<String>>,
}

/// `inject.wrong_content_length`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WrongContentLengthFile {
    pub(super) off: Spanned<i64>,
}

/// `inject.malformed_json`, `inject.duplicate_chunk`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct EventsFile {
    /// One if absent.
    pub(super) events: Option<Spanned<i64>>,
}

/// `inject.garbage`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GarbageFile {
    /// Without this and `events`: from the first byte.
    pub(super) after: Option<Spanned<Quantity>>,
    pub(super) events: Option<Spanned<i64>>,
    /// 1 KB if absent.
    pub(super) bytes: Option<Spanned<Quantity>>,
}

/// `inject.finish_reason`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct FinishReasonFile {
    /// `length` if absent.
    pub(super) reason: Option<Spanned<String>>,
    /// 50% if absent.
    pub(super) keep: Option<Spanned<Quantity>>,
    /// Three if absent.
    pub(super) events: Option<Spanned<i64>>,
}

/// `inject.invalid_output`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct InvalidOutputFile {
    /// `cut` if absent.
    pub(super) how: Option<Spanned<String>>,
}

/// `inject.huge_body`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HugeBodyFile {
    pub(super) size: Spanned<Quantity>,
}

/// `inject.stale_read`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct StaleReadFile {
    pub(super) age: Spanned<Quantity>,
}

/// `inject.partial_batch`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PartialBatchFile {
    /// 50% if absent.
    pub(super) keep: Option<Spanned<Quantity>>,
}

/// A kind without settings: `inject.lost_write = {}`.
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
