//! What a fault does, as typed → [`Injection`].

use super::collector::Collector;
use super::inject_file::{AbortFile, InjectFile, StreamErrorFile};
use super::request::World;
use super::resolve_connection_fault;
use super::resolve_delay::delay;
use super::value::Quantity;
use crate::model::fault::{Abort, BodyPoint, Injection, StreamError, StreamErrorForm};
use crate::model::upstream::UpstreamKind;
use crate::units::{ByteSize, Span};
use std::ops::Range;
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
            let delay = delay(out, file, span.clone());
            if delay.mean.get().is_zero() && delay.jitter.get().is_zero() {
                out.warn(span, "a latency of zero changes nothing");
            }
            Injection::Latency(delay)
        }
        InjectFile::Abort(file) => Injection::Abort(abort(out, file, span, kind, world)),
        // Those that are faults on connections only were taken above.
        InjectFile::ResetPeer(_)
        | InjectFile::Refuse(_)
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
        if http::HeaderName::from_bytes(name.get_ref().as_bytes()).is_err() {
            out.error(name.span(), format!("`{}` cannot be the name of a header", name.get_ref()));
        }
    }
    for value in file.headers.values() {
        if http::HeaderValue::from_str(value.get_ref()).is_err() {
            out.error(value.span(), "this cannot be the value of a header").help("a header is one line of text");
        }
    }
    Abort {
        error: file.error.as_ref().map(|error| error.get_ref().clone()),
        status,
        headers: file.headers.iter().map(|(k, v)| (k.get_ref().clone(), v.get_ref().clone())).collect(),
        body: file.body.clone(),
        omit: file.omit.iter().map(|name| name.get_ref().clone()).collect(),
    }
}
