//! Faults on connections, as typed → [`ConnectionFault`].

use super::collector::Collector;
use super::connection_fault_file::{PostgresErrorFile, PostgresFaultFile};
use super::fault_profile_file::FaultFile;
use super::inject_file::InjectFile;
use super::resolve_delay::{Held, fault_delay};
use super::value::Quantity;
use crate::model::fault::{
    CertificateFault, ConnectionFault, Course, Injection, POSTGRES_ERRORS, PostgresError, PostgresFault, Streams,
};
use crate::model::toxic::ToxicKind;
use crate::model::upstream::{TcpProtocol, UpstreamKind, UpstreamPlan};
use crate::units::{ByteSize, Span};
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// A cycle shorter than this is over before a connection has met it.
const SHORTEST_CYCLE: Duration = Duration::from_secs(1);

/// The fault on connections that this is: of kinds that are nothing else, and of any on an upstream that is a server
/// behind a TCP proxy, which has no requests. `None` for a fault on requests.
pub(super) fn fault(
    out: &mut Collector,
    file: &InjectFile,
    span: Range<usize>,
    kind: Option<&UpstreamKind>,
) -> Option<ConnectionFault> {
    let toxic = |kind, stream| Some(ConnectionFault::Toxic { kind, stream });
    let millis = |span: Span| u64::try_from(span.get().as_millis()).unwrap_or(u64::MAX);
    let here = Streams::Downstream;
    match file {
        InjectFile::Refuse(file) => Some(ConnectionFault::Refuse { keep_open: file.keep_open }),
        InjectFile::AcceptHang(_) => toxic(ToxicKind::AcceptHang {}, here),
        InjectFile::Partition(file) => {
            let stream = streams(out, file.stream.as_ref(), Streams::Both);
            toxic(ToxicKind::Partition {}, stream)
        }
        InjectFile::Blackhole(file) => {
            let stream = streams(out, file.stream.as_ref(), Streams::Both);
            let bytes = bytes(out, file.bytes.as_ref());
            toxic(ToxicKind::Blackhole { bytes }, stream)
        }
        InjectFile::HalfClose(file) => {
            let stream = streams(out, file.stream.as_ref(), here);
            if stream == Streams::Both
                && let Some(written) = &file.stream
            {
                out.error(written.span(), "closed both ways a connection is not half closed")
                    .help("write stream = \"upstream\" or \"downstream\"; to close both, limit_data");
            }
            let bytes = bytes(out, file.bytes.as_ref());
            toxic(ToxicKind::HalfClose { bytes }, stream)
        }
        InjectFile::SlowClose(file) => {
            let stream = streams(out, file.stream.as_ref(), here);
            let delay = millis(out.positive(Some(&file.delay), "`delay`", Span::from_secs(1)));
            toxic(ToxicKind::SlowClose { delay }, stream)
        }
        InjectFile::Bandwidth(file) => {
            let stream = streams(out, file.stream.as_ref(), here);
            let rate = rate(out, &file.rate);
            toxic(ToxicKind::Bandwidth { rate }, stream)
        }
        InjectFile::Slicer(file) => {
            let stream = streams(out, file.stream.as_ref(), here);
            let average_size = out.quantity(&file.average_size, ByteSize(1)).get();
            let size_variation = bytes(out, file.size_variation.as_ref());
            if average_size == 0 {
                out.error(file.average_size.span(), "a piece cannot be of no bytes").help("write \"1B\" or more");
            } else if size_variation >= average_size
                && let Some(written) = &file.size_variation
            {
                out.error(written.span(), "pieces cannot vary by their whole size or more")
                    .help(format!("write less than {}", ByteSize(average_size)));
            }
            let delay: Span = out.quantity_or(file.delay.as_ref(), Span::default());
            let delay = u64::try_from(delay.get().as_micros()).unwrap_or(u64::MAX);
            toxic(ToxicKind::Slicer { average_size, size_variation, delay }, stream)
        }
        InjectFile::ConnectionCap(file) => {
            let connections = out.number(&file.connections, "`connections`", 1, u64::from(u32::MAX));
            toxic(ToxicKind::ConnectionCap { connections }, here)
        }
        InjectFile::TlsHandshakeFailure(_) => Some(ConnectionFault::TlsHandshakeFailure {}),
        InjectFile::Certificate(file) => {
            let typed = file.is.get_ref();
            let known = CertificateFault::ALL.into_iter().find(|fault| fault.name() == typed);
            if known.is_none() {
                let names = CertificateFault::ALL.map(CertificateFault::name);
                out.unknown(file.is.span(), "fault of a certificate", typed, names);
            }
            Some(ConnectionFault::Certificate(known.unwrap_or(CertificateFault::Expired)))
        }
        InjectFile::Postgres(file) => Some(ConnectionFault::Postgres(postgres(out, file.get_ref()))),
        other if matches!(kind, Some(UpstreamKind::Tcp(_))) => Some(on_bytes(out, other, span)),
        _ => None,
    }
}

/// What a fault that has a meaning for requests does to a server that has connections only.
fn on_bytes(out: &mut Collector, file: &InjectFile, span: Range<usize>) -> ConnectionFault {
    let millis = |span: Span| u64::try_from(span.get().as_millis()).unwrap_or(u64::MAX);
    let stream = Streams::Downstream;
    match file {
        InjectFile::Latency(file) => {
            let (delay, held) = fault_delay(out, file, span);
            if let Some(at) = file.at.as_ref().filter(|_| held != Held::Headers) {
                out.error(at.span(), "this upstream has connections: bytes are delayed, whatever they are")
                    .help("leave `at` away");
            }
            ConnectionFault::Latency { delay, stream }
        }
        InjectFile::Timeout(file) => {
            let after = file.after.as_ref().map(|after| out.quantity(after, Span::from_secs(1)));
            ConnectionFault::Toxic { kind: ToxicKind::Timeout { timeout: after.map_or(0, millis) }, stream }
        }
        InjectFile::LimitData(file) => {
            let bytes = out.quantity(&file.bytes, ByteSize::default()).get();
            ConnectionFault::Toxic { kind: ToxicKind::LimitData { bytes }, stream }
        }
        InjectFile::ResetPeer(file) => {
            if let Some(events) = &file.events {
                out.error(events.span(), "this upstream has connections, and no events that could be counted")
                    .help("count bytes: after = \"100B\"");
            }
            let after = file.after.as_ref().map(|after| out.quantity(after, ByteSize::default()).get());
            let kind = after.map_or(ToxicKind::ResetPeer { timeout: 0 }, |bytes| ToxicKind::ResetAfter { bytes });
            ConnectionFault::Toxic { kind, stream }
        }
        _ => {
            out.error(span, "this upstream has connections, and no requests or answers that could be told apart").help(
                "valid here: latency, timeout, reset_peer, limit_data, refuse, accept_hang, half_close, slow_close, \
                 bandwidth, slicer, partition, blackhole, connection_cap, and with protocol = \"postgres\" those of \
                 inject.postgres",
            );
            ConnectionFault::Refuse { keep_open: false }
        }
    }
}

fn streams(out: &mut Collector, written: Option<&Spanned<String>>, default: Streams) -> Streams {
    let Some(written) = written else { return default };
    match written.get_ref().as_str() {
        "upstream" => Streams::Upstream,
        "downstream" => Streams::Downstream,
        "both" => Streams::Both,
        typed => {
            out.unknown(written.span(), "stream", typed, ["upstream", "downstream", "both"]);
            default
        }
    }
}

fn bytes(out: &mut Collector, written: Option<&Spanned<Quantity>>) -> u64 {
    out.quantity_or(written, ByteSize::default()).get()
}

/// Thousands of bytes a second.
fn rate(out: &mut Collector, written: &Spanned<Quantity>) -> u64 {
    const EXAMPLE: &str = "write how much a second, in whole thousands of bytes, such as \"20KB/s\"";
    let size = written.get_ref().0.strip_suffix("/s").and_then(|size| size.trim().parse::<ByteSize>().ok());
    match size.map(ByteSize::get) {
        Some(bytes) if bytes >= 1_000 => bytes / 1_000,
        _ => {
            out.error(written.span(), format!("`{}` is not a rate that a line can have", written.get_ref().0))
                .help(EXAMPLE)
                .help("to let nothing through, write inject.partition = {}");
            1
        }
    }
}

fn postgres(out: &mut Collector, file: &PostgresFaultFile) -> PostgresFault {
    match file {
        PostgresFaultFile::Startup(file) => PostgresFault::Startup(postgres_error(out, file)),
        PostgresFaultFile::Terminate(file) => PostgresFault::Terminate(postgres_error(out, file)),
        PostgresFaultFile::Error(file) => PostgresFault::Error(postgres_error(out, file)),
        PostgresFaultFile::Slow(file) => {
            PostgresFault::Slow { delay: out.positive(Some(&file.delay), "`delay`", Span::from_secs(1)) }
        }
        PostgresFaultFile::CutRows(file) => {
            let after = file.after.as_ref().map_or(0, |after| out.number(after, "`after`", 0, u64::from(u32::MAX)));
            PostgresFault::CutRows { after }
        }
        PostgresFaultFile::RefuseSsl(_) => PostgresFault::RefuseSsl {},
        PostgresFaultFile::StallSsl(_) => PostgresFault::StallSsl {},
        PostgresFaultFile::StallAuth(_) => PostgresFault::StallAuth {},
    }
}

fn postgres_error(out: &mut Collector, file: &PostgresErrorFile) -> PostgresError {
    let typed = file.error.get_ref();
    let message = file.message.as_ref().map(|message| {
        if message.get_ref().contains('\0') {
            out.error(message.span(), "PostgreSQL's texts cannot hold a zero byte");
        }
        message.get_ref().clone()
    });
    let known = PostgresError::named(typed);
    match (known, message) {
        (Some(known), message) => PostgresError { message: message.unwrap_or(known.message), ..known },
        (None, Some(message)) if PostgresError::is_code(typed) => PostgresError { code: typed.clone(), message },
        (None, None) if PostgresError::is_code(typed) => {
            out.error(file.error.span(), format!("nothing is known of what PostgreSQL says with {typed}"))
                .help("give its words: message = \"…\"");
            PostgresError { code: typed.clone(), message: String::new() }
        }
        (None, message) => {
            out.unknown(file.error.span(), "PostgreSQL error", typed, POSTGRES_ERRORS.map(|(name, ..)| name));
            PostgresError { code: "XX000".to_owned(), message: message.unwrap_or_default() }
        }
    }
}

/// Notes what a fault on connections cannot have: conditions that only requests can fulfil, endings that count
/// requests, and an upstream on which it could never strike.
pub(super) fn check(
    out: &mut Collector,
    file: &FaultFile,
    inject: &Injection,
    course: &Course,
    upstream: Option<&UpstreamPlan>,
) {
    let Injection::Connection(fault) = inject else { return };
    let when = &file.when;
    let place = |written: &Option<Spanned<String>>| written.as_ref().map(Spanned::span);
    let conditions = [
        ("method", place(&when.method)),
        ("path", place(&when.path)),
        ("service", place(&when.service)),
        ("header", when.header.keys().next().map(Spanned::span)),
        ("query", when.query.keys().next().map(Spanned::span)),
        ("body", when.body.keys().next().map(Spanned::span)),
        ("model", place(&when.model)),
        ("table", place(&when.table)),
        ("user", place(&when.user)),
        ("tries", place(&when.tries)),
        ("first", when.first.as_ref().map(Spanned::span)),
    ];
    for (key, span) in conditions {
        if let Some(span) = span {
            out.error(
                span,
                format!("`{}` strikes connections, before anybody knows the `{key}` of a request", fault.kind()),
            )
            .label("a connection carries many requests, and is hit as a whole")
            .help("choose connections by `share` or `nth`, or take a fault on requests, such as abort");
        }
    }
    if let Some(until) = file.until.as_ref().filter(|_| course.hits.is_some() || course.quiet.is_some()) {
        out.error(until.span(), format!("`{}` strikes connections: it cannot end by counting requests", fault.kind()))
            .help("say how long it lasts: for = \"30s\"");
    }
    if let (Some(cycle), Some(on)) = (course.cycle, &file.on)
        && cycle.on.get().saturating_add(cycle.off.get()) < SHORTEST_CYCLE
    {
        out.error(on.span(), "a fault on connections cannot come and go that fast")
            .help("let `on` and `off` be a second together, or more");
    }
    let Some(upstream) = upstream else { return };
    let name = &upstream.name;
    match fault {
        ConnectionFault::TlsHandshakeFailure {} | ConnectionFault::Certificate(_) if !upstream.tls => {
            out.error(file.inject.span(), format!("`{name}` is not served over TLS, so it has no handshake")).help(
                if matches!(upstream.kind, UpstreamKind::Tcp(_)) {
                    "a server behind a TCP proxy does its own TLS, which firedrill cannot look into".to_owned()
                } else {
                    format!("let it be: [upstreams] {name} = {{ tls = true }}")
                },
            );
        }
        ConnectionFault::Postgres(_) if !speaks_postgres(&upstream.kind) => {
            out.error(file.inject.span(), format!("`{name}` is not known to speak PostgreSQL's protocol"))
                .help("it can be hit where [upstreams.tcp] says protocol = \"postgres\"");
        }
        _ => {}
    }
}

fn speaks_postgres(kind: &UpstreamKind) -> bool {
    matches!(kind, UpstreamKind::Tcp(tcp) if tcp.protocol == TcpProtocol::Postgres)
}
