//! What a fault does, as typed → [`Injection`].

use super::collector::Collector;
use super::inject_file::{AbortFile, HeadersFile, InjectFile, StreamErrorFile};
use super::request::World;
use super::resolve_connection_fault;
use super::resolve_delay::{Held, fault_delay};
use super::value::Quantity;
use crate::model::fault::{
    Abort, BodyPoint, ContentFault, DataFault, Drip, DuplicateChunk, FinishReason, Garbage, Headers, HugeBody,
    Injection, InvalidOutput, MalformedJson, PartialBatch, SlowTokens, StaleRead, StreamError, StreamErrorForm,
    WrongContentLength, WrongContentType,
};
use crate::model::source::SourcePlan;
use crate::model::upstream::UpstreamKind;
use crate::units::{ByteSize, Share, Span};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// What a fault does.
pub(super) fn injection(
    out: &mut Collector,
    file: &InjectFile,
    span: Range<usize>,
    kind: Option<&UpstreamKind>,
    world: &World<'_>,
) -> Injection {
    if let Some(fault) = resolve_connection_fault::fault(out, file, span.clone(), kind) {
        return Injection::Connection(fault);
    }
    match file {
        InjectFile::Latency(file) => {
            let (delay, held) = fault_delay(out, file, span.clone());
            if delay.mean.get().is_zero() && delay.jitter.get().is_zero() {
                out.warn(span, "a latency of zero changes nothing");
            }
            match held {
                Held::Headers => Injection::Latency(delay),
                Held::Body => Injection::BodyLatency(delay),
                Held::Chunks => Injection::ChunkLatency(delay),
            }
        }
        InjectFile::Abort(file) => Injection::Abort(abort(out, file, span, kind, world)),
        InjectFile::ResetPeer(file) => match body_point(out, file.after.as_ref(), file.events.as_ref()) {
            None => Injection::ResetPeer {},
            Some(after) => Injection::ResetMidway { after },
        },
        // Those that are faults on connections only were taken above.
        InjectFile::Refuse(_)
        | InjectFile::AcceptHang(_)
        | InjectFile::Partition(_)
        | InjectFile::Blackhole(_)
        | InjectFile::HalfClose(_)
        | InjectFile::SlowClose(_)
        | InjectFile::Bandwidth(_)
        | InjectFile::Slicer(_)
        | InjectFile::ConnectionCap(_)
        | InjectFile::TlsHandshakeFailure(_)
        | InjectFile::Certificate(_)
        | InjectFile::Postgres(_) => Injection::ResetPeer {},
        InjectFile::Timeout(file) => {
            Injection::Timeout { after: file.after.as_ref().map(|after| out.quantity(after, Span::from_secs(1))) }
        }
        InjectFile::LimitData(file) => Injection::LimitData { bytes: out.quantity(&file.bytes, ByteSize::default()) },
        InjectFile::Stall(file) => {
            let after = body_point(out, file.after.as_ref(), file.events.as_ref()).unwrap_or_else(|| {
                out.error(span, "a stall needs a place in the body")
                    .help("write after = \"100B\", or for a stream events = 1");
                BodyPoint::Events(1)
            });
            Injection::Stall { after, pause: file.pause.as_ref().map(|pause| out.quantity(pause, Span::from_secs(1))) }
        }
        InjectFile::Truncate(file) => Injection::Truncate {
            after: body_point(out, file.after.as_ref(), file.events.as_ref()).unwrap_or(BodyPoint::LastEvent),
        },
        InjectFile::StreamError(file) => Injection::StreamError(stream_error(out, file, span, kind, world)),
        InjectFile::Drip(file) => Injection::Drip(Drip {
            bytes: size(out, file.bytes.as_ref(), ByteSize(1), 1, ByteSize::mib(1)),
            every: out.positive(file.every.as_ref(), "`every`", Span(Duration::from_millis(10))),
        }),
        InjectFile::SlowTokens(file) => {
            Injection::SlowTokens(SlowTokens { every: out.positive(Some(&file.every), "`every`", Span::from_secs(1)) })
        }
        InjectFile::Headers(file) => Injection::Headers(headers(out, file, span)),
        InjectFile::WrongContentType(file) => Injection::WrongContentType(WrongContentType {
            value: file.value.as_ref().map_or_else(
                || "text/html".to_owned(),
                |value| {
                    header_value(out, value);
                    value.get_ref().clone()
                },
            ),
        }),
        InjectFile::WrongContentLength(file) => {
            let off = *file.off.get_ref();
            if off == 0 || off.unsigned_abs() > u64::from(u32::MAX) {
                out.error(file.off.span(), "the length must be wrong by some bytes")
                    .help("write off = 10 for a length that is too long, off = -10 for one that is too short");
            }
            Injection::WrongContentLength(WrongContentLength { off })
        }
        InjectFile::HugeBody(file) => Injection::HugeBody(HugeBody {
            size: size(out, Some(&file.size), ByteSize::mib(1), 1, ByteSize::mib(4_096)),
        }),
        InjectFile::MalformedJson(file) => {
            content(ContentFault::MalformedJson(MalformedJson { events: events(out, file.events.as_ref(), 1) }))
        }
        InjectFile::DuplicateChunk(file) => {
            content(ContentFault::DuplicateChunk(DuplicateChunk { events: events(out, file.events.as_ref(), 1) }))
        }
        InjectFile::EmptyObject(_) => content(ContentFault::EmptyObject {}),
        InjectFile::HtmlPage(_) => content(ContentFault::HtmlPage {}),
        InjectFile::MissingUsage(_) => content(ContentFault::MissingUsage {}),
        InjectFile::EmptyChoices(_) => content(ContentFault::EmptyChoices {}),
        InjectFile::ReorderedRows(_) => content(ContentFault::ReorderedRows {}),
        InjectFile::Garbage(file) => content(ContentFault::Garbage(Garbage {
            after: body_point(out, file.after.as_ref(), file.events.as_ref())
                .unwrap_or(BodyPoint::Bytes(ByteSize::default())),
            bytes: size(out, file.bytes.as_ref(), ByteSize(1_000), 1, ByteSize(16_000_000)),
        })),
        InjectFile::FinishReason(file) => content(ContentFault::FinishReason(FinishReason {
            reason: one_of(out, file.reason.as_ref(), "reason", &["length", "content_filter"]).to_owned(),
            keep: part(out, file.keep.as_ref()),
            events: events(out, file.events.as_ref(), 3),
        })),
        InjectFile::InvalidOutput(file) => content(ContentFault::InvalidOutput(
            match one_of(out, file.how.as_ref(), "way", &["cut", "fence", "prose"]) {
                "fence" => InvalidOutput::Fence,
                "prose" => InvalidOutput::Prose,
                _ => InvalidOutput::Cut,
            },
        )),
        InjectFile::StaleRead(file) => Injection::Data(DataFault::StaleRead(StaleRead {
            age: out.positive(Some(&file.age), "`age`", Span::from_secs(1)),
        })),
        InjectFile::LostWrite(_) => Injection::Data(DataFault::LostWrite {}),
        InjectFile::DuplicateWrite(_) => Injection::Data(DataFault::DuplicateWrite {}),
        InjectFile::PartialBatch(file) => {
            Injection::Data(DataFault::PartialBatch(PartialBatch { keep: part(out, file.keep.as_ref()) }))
        }
    }
}

fn content(fault: ContentFault) -> Injection {
    Injection::Content(fault)
}

/// Reports a fault that its upstream cannot have, with the reason; nothing is left away in silence. `service` is the
/// one that the fault's matcher names.
pub(super) fn check_place(
    out: &mut Collector,
    span: Range<usize>,
    inject: &Injection,
    (upstream, source): (&UpstreamKind, &SourcePlan),
    service: Option<&str>,
) {
    let kind = inject.kind();
    let is_openai = matches!(upstream, UpstreamKind::Openai(_));
    let is_supabase = matches!(upstream, UpstreamKind::Supabase(_));
    let of_openai = match inject {
        Injection::SlowTokens(_) | Injection::ChunkLatency(_) => Some("only OpenAI's answers are streams of events"),
        Injection::Content(ContentFault::DuplicateChunk(_)) => Some("only OpenAI's answers are streams of events"),
        Injection::Content(
            ContentFault::MissingUsage {}
            | ContentFault::EmptyChoices {}
            | ContentFault::FinishReason(_)
            | ContentFault::InvalidOutput(_),
        ) => Some("it changes what is in OpenAI's answers, and no others have it"),
        _ => None,
    };
    if let (Some(reason), false) = (of_openai, is_openai) {
        out.error(span, format!("this upstream cannot have the fault `{kind}`")).help(reason);
        return;
    }
    let of_supabase = matches!(inject, Injection::Data(_) | Injection::Content(ContentFault::ReorderedRows {}));
    if !of_supabase {
        return;
    }
    if !is_supabase {
        out.error(span, format!("this upstream cannot have the fault `{kind}`"))
            .help("it is about the rows of a database, which only Supabase has");
    } else if let Some(service) = service.filter(|service| *service != "rest") {
        out.error(span, format!("the service `{service}` cannot have the fault `{kind}`"))
            .help("it is about rows, which are behind the service `rest`; leave `when.service` away or write that");
    } else if matches!(inject, Injection::Data(_)) && *source != SourcePlan::Mock {
        let from = if matches!(source, SourcePlan::Replay(_)) { "a recording" } else { "a real service" };
        out.error(span, format!("the fault `{kind}` needs the mock, and this upstream's answers come from {from}"))
            .help("what a database holds can only be changed where it is ours; nothing of it is done elsewhere");
    }
}

/// A size within bounds.
fn size(
    out: &mut Collector,
    written: Option<&Spanned<Quantity>>,
    default: ByteSize,
    least: u64,
    most: ByteSize,
) -> ByteSize {
    let Some(written) = written else { return default };
    let size: ByteSize = out.quantity(written, default);
    if size.get() < least || size > most {
        out.error(written.span(), format!("it must be {least} B at least and {most} at most"));
    }
    size
}

fn events(out: &mut Collector, written: Option<&Spanned<i64>>, default: u64) -> u64 {
    written.map_or(default, |events| out.number(events, "`events`", 0, u64::from(u32::MAX)))
}

/// The part that is kept: not all.
fn part(out: &mut Collector, written: Option<&Spanned<Quantity>>) -> Share {
    let half = Share::from_fraction(0.5).unwrap_or_default();
    let keep = out.quantity_or(written, half);
    if let Some(written) = written
        && keep == Share::ALL
    {
        out.error(written.span(), "to keep all changes nothing").help("write less than 100%");
    }
    keep
}

/// One of these words; the first, if none is written.
fn one_of<'a>(
    out: &mut Collector,
    written: Option<&Spanned<String>>,
    what: &str,
    valid: &'static [&'a str],
) -> &'a str {
    let default = valid.first().copied().unwrap_or_default();
    let Some(written) = written else { return default };
    match valid.iter().find(|word| *word == written.get_ref()) {
        Some(word) => word,
        None => {
            out.unknown(written.span(), what, written.get_ref(), valid.iter().copied());
            default
        }
    }
}

/// Headers that are the transport's own: what they say must be true, or faults of their own make it wrong.
const TRANSPORT: [&str; 5] = ["content-length", "transfer-encoding", "connection", "keep-alive", "upgrade"];

fn headers(out: &mut Collector, file: &HeadersFile, span: Range<usize>) -> Headers {
    if file.set.is_empty() && file.remove.is_empty() {
        out.error(span, "no header is set or removed").help("such as set = { retry-after = \"7200\" }");
    }
    for name in file.set.keys().chain(&file.remove) {
        header_name(out, name);
        if TRANSPORT.contains(&name.get_ref().to_ascii_lowercase().as_str()) {
            out.error(name.span(), format!("`{}` belongs to the transport", name.get_ref()))
                .help("`wrong_content_length`, `limit_data` and `truncate` are faults of a body's length");
        }
    }
    file.set.values().for_each(|value| header_value(out, value));
    let lower = |name: &Spanned<String>| name.get_ref().to_ascii_lowercase();
    Headers {
        set: file.set.iter().map(|(name, value)| (lower(name), value.get_ref().clone())).collect(),
        remove: file.remove.iter().map(lower).collect(),
    }
}

fn header_name(out: &mut Collector, name: &Spanned<String>) {
    if http::HeaderName::from_bytes(name.get_ref().as_bytes()).is_err() {
        out.error(name.span(), format!("`{}` cannot be the name of a header", name.get_ref()));
    }
}

fn header_value(out: &mut Collector, value: &Spanned<String>) {
    if http::HeaderValue::from_str(value.get_ref()).is_err() {
        out.error(value.span(), "this cannot be the value of a header").help("a header is one line of text");
    }
}

/// Where in a body a fault strikes, if the file says so.
fn body_point(
    out: &mut Collector,
    after: Option<&Spanned<Quantity>>,
    events: Option<&Spanned<i64>>,
) -> Option<BodyPoint> {
    if let (Some(_), Some(events)) = (after, events) {
        out.error(events.span(), "a place in the body is either `after` so many bytes or so many `events`")
            .help("leave one of them away");
    }
    let events = events.map(|events| BodyPoint::Events(out.number(events, "`events`", 0, u64::from(u32::MAX))));
    events.or_else(|| after.map(|after| BodyPoint::Bytes(out.quantity(after, ByteSize::default()))))
}

fn stream_error(
    out: &mut Collector,
    file: &StreamErrorFile,
    span: Range<usize>,
    kind: Option<&UpstreamKind>,
    world: &World<'_>,
) -> StreamError {
    match kind {
        Some(UpstreamKind::Openai(_)) | None => known_error(out, &file.error, kind, world),
        Some(_) => {
            out.error(span, "only OpenAI's answers are streams that can hold an error");
        }
    }
    let form = file.form.as_ref().and_then(|form| match form.get_ref().as_str() {
        "flat" => Some(StreamErrorForm::Flat),
        "nested" => Some(StreamErrorForm::Nested),
        "failed" => Some(StreamErrorForm::Failed),
        typed => {
            out.unknown(form.span(), "form", typed, ["flat", "nested", "failed"]);
            None
        }
    });
    StreamError {
        events: file.events.as_ref().map_or(1, |events| out.number(events, "`events`", 0, u64::from(u32::MAX))),
        error: file.error.get_ref().clone(),
        form,
    }
}

/// Notes a name that is none of the provider's errors.
fn known_error(out: &mut Collector, error: &Spanned<String>, kind: Option<&UpstreamKind>, world: &World<'_>) {
    let Some(kind) = kind else { return };
    let known = (world.provider_errors)(kind);
    if known.is_empty() {
        out.error(error.span(), "this upstream has no errors of its own").help("write a `status` instead");
    } else if !known.contains(&error.get_ref().as_str()) {
        out.unknown(error.span(), "error", error.get_ref(), known.iter().copied());
    }
}

fn abort(
    out: &mut Collector,
    file: &AbortFile,
    span: Range<usize>,
    kind: Option<&UpstreamKind>,
    world: &World<'_>,
) -> Abort {
    let status = file.status.as_ref().map(|status| out.number(status, "`status`", 200_u16, 599));
    match &file.error {
        Some(error) => known_error(out, error, kind, world),
        None if file.status.is_some() => {}
        None => {
            out.error(span, "an abort needs an `error` or a `status`")
                .help("`error` is one of the provider's own, with its true status, headers and body");
        }
    }
    for name in file.headers.keys().chain(&file.omit) {
        header_name(out, name);
    }
    file.headers.values().for_each(|value| header_value(out, value));
    Abort {
        error: file.error.as_ref().map(|error| error.get_ref().clone()),
        status,
        headers: file.headers.iter().map(|(k, v)| (k.get_ref().clone(), v.get_ref().clone())).collect(),
        body: file.body.clone(),
        omit: file.omit.iter().map(|name| name.get_ref().clone()).collect(),
    }
}
