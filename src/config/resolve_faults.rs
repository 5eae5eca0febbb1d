//! A fault profile → [`FaultRule`]s.

use super::collector::Collector;
use super::fault_profile_file::{AbortFile, FaultFile, FaultProfileFile, InjectFile, StreamErrorFile};
use super::request::World;
use super::resolve_course::{Timing, course};
use super::resolve_delay::delay;
use super::resolve_when::{matcher, share};
use super::suggest;
use super::value::Quantity;
use crate::model::fault::{Abort, BodyPoint, FaultMatch, FaultRule, Injection, StreamError, StreamErrorForm};
use crate::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use crate::units::{ByteSize, Offset, Span};
use std::collections::HashSet;
use std::ops::Range;
use toml::Spanned;

/// What a profile is used on; without it, a profile is checked by itself.
pub(super) struct Use<'a> {
    /// The scenario's upstreams.
    pub(super) upstreams: &'a [UpstreamPlan],
    /// When its load ends.
    pub(super) load_end: Offset,
}

/// The profile's name and its rules.
pub(super) fn resolve(
    out: &mut Collector,
    file: &FaultProfileFile,
    stem: &str,
    used: Option<&Use<'_>>,
    world: &World<'_>,
) -> (String, Vec<FaultRule>) {
    let name = file.name.clone().unwrap_or_else(|| stem.to_owned());
    if file.fault.is_empty() {
        out.missing("the profile has no fault").help("add one: [[fault]] with upstream, from, for and inject");
    }
    let mut names = HashSet::new();
    let rules = file
        .fault
        .iter()
        .enumerate()
        .map(|(index, fault)| {
            let rule_name = match &fault.get_ref().name {
                Some(given) => given.get_ref().clone(),
                None => format!("{name}-{}", index + 1),
            };
            if !names.insert(rule_name.clone()) {
                let span = fault.get_ref().name.as_ref().map_or_else(|| fault.span(), Spanned::span);
                out.error(span, format!("two faults are called `{rule_name}`"))
                    .help("give each fault a name of its own");
            }
            rule(out, fault.get_ref(), rule_name, used, world)
        })
        .collect();
    (name, rules)
}

fn rule(out: &mut Collector, file: &FaultFile, name: String, used: Option<&Use<'_>>, world: &World<'_>) -> FaultRule {
    let upstream = file.upstream.get_ref().as_str();
    let kind = upstream_kind(out, &file.upstream, used);
    let (window, course) = course(out, file, &name, Timing::AS_WRITTEN, used.map(|used| used.load_end));
    FaultRule {
        name,
        upstream: upstream.to_owned(),
        when: FaultMatch { course, ..matcher(out, &file.when, kind.as_ref()) },
        share: share(out, &file.when),
        window,
        inject: injection(out, file.inject.get_ref(), file.inject.span(), kind.as_ref(), world),
    }
}

/// The kind of the upstream that a fault names, or a mistake.
fn upstream_kind(out: &mut Collector, written: &Spanned<String>, used: Option<&Use<'_>>) -> Option<UpstreamKind> {
    let name = written.get_ref().as_str();
    match used {
        Some(used) => {
            let found = used.upstreams.iter().find(|upstream| upstream.name == name);
            if found.is_none() {
                out.unknown(
                    written.span(),
                    "upstream",
                    name,
                    used.upstreams.iter().map(|upstream| upstream.name.as_str()),
                );
            }
            found.map(|upstream| upstream.kind.clone())
        }
        // By itself, a profile may name the stub of any scenario; but a slip of the two usual names is one.
        None => match name {
            "openai" => Some(UpstreamKind::Openai(OpenaiPlan::default())),
            "supabase" => Some(UpstreamKind::Supabase(SupabasePlan::default())),
            _ => {
                if let Some(guess) = suggest::nearest(name, ["openai", "supabase"]) {
                    out.error(written.span(), format!("there is no upstream `{name}`"))
                        .label(format!("did you mean `{guess}`?"));
                }
                None
            }
        },
    }
}

fn injection(
    out: &mut Collector,
    file: &InjectFile,
    span: Range<usize>,
    kind: Option<&UpstreamKind>,
    world: &World<'_>,
) -> Injection {
    match file {
        InjectFile::Latency(file) => {
            let delay = delay(out, file, span.clone());
            if delay.mean.get().is_zero() && delay.jitter.get().is_zero() {
                out.warn(span, "a latency of zero changes nothing");
            }
            Injection::Latency(delay)
        }
        InjectFile::Abort(file) => Injection::Abort(abort(out, file, span, kind, world)),
        InjectFile::ResetPeer(_) => Injection::ResetPeer {},
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
