//! A fault profile → [`FaultRule`]s.

use super::collector::Collector;
use super::fault_profile_file::{AbortFile, FaultFile, FaultProfileFile, InjectFile, WhenFile};
use super::request::World;
use super::resolve_delay::delay;
use super::suggest;
use crate::model::fault::{Abort, FaultMatch, FaultRule, FaultWindow, Injection};
use crate::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use crate::units::{ByteSize, Offset, Share, Span};
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

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

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
    let window = window(out, file, &name, used);
    FaultRule {
        name,
        upstream: upstream.to_owned(),
        when: matcher(out, &file.when),
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

fn window(out: &mut Collector, file: &FaultFile, name: &str, used: Option<&Use<'_>>) -> FaultWindow {
    let from = Offset::ZERO.plus(out.quantity_or(file.from.as_ref(), Span::default()).get());
    let until = file.lasts.as_ref().map(|written| {
        let lasts: Span = out.quantity(written, Span::from_secs(1));
        if lasts.get().is_zero() {
            out.error(written.span(), "a fault cannot last for no time")
                .help("write how long, or leave `for` away: to the end");
        }
        from.plus(lasts.get())
    });
    if let Some(used) = used
        && from >= used.load_end
    {
        let span = file.from.as_ref().map_or_else(|| file.upstream.span(), Spanned::span);
        out.warn(span, format!("fault `{name}` never fires: it begins at {from}, the load ends at {}", used.load_end));
    }
    FaultWindow { from, until }
}

fn matcher(out: &mut Collector, when: &WhenFile) -> FaultMatch {
    let method = when.method.as_ref().map(|method| {
        let upper = method.get_ref().to_uppercase();
        if !METHODS.contains(&upper.as_str()) {
            out.unknown(method.span(), "method", method.get_ref(), METHODS);
        }
        upper
    });
    if let Some(path) = &when.path
        && !path.get_ref().starts_with(['/', '*'])
    {
        out.error(path.span(), "a path starts with `/`")
            .help(format!("write \"/{0}\", or \"*{0}\" for any beginning", path.get_ref()));
    }
    FaultMatch {
        method,
        path: when.path.as_ref().map(|path| path.get_ref().clone()),
        header: when.header.iter().map(|(name, value)| (name.get_ref().clone(), value.clone())).collect(),
        nth: when.nth.as_ref().map(|nth| out.number(nth, "`nth`", 1, u64::from(u32::MAX))),
    }
}

fn share(out: &mut Collector, when: &WhenFile) -> Share {
    let share = out.quantity_or(when.share.as_ref(), Share::ALL);
    if let Some(written) = &when.share
        && share.fraction() == 0.0
    {
        out.warn(written.span(), "a share of 0% hits nothing");
    }
    share
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
        InjectFile::Stall(file) => Injection::Stall {
            after: out.quantity(&file.after, ByteSize::default()),
            pause: file.pause.as_ref().map(|pause| out.quantity(pause, Span::from_secs(1))),
        },
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
    match (&file.error, kind) {
        (None, _) if file.status.is_none() => {
            out.error(span, "an abort needs an `error` or a `status`")
                .help("`error` is one of the provider's own, with its true status, headers and body");
        }
        (Some(error), Some(kind)) => {
            let known = (world.provider_errors)(kind);
            if known.is_empty() && !known.contains(&error.get_ref().as_str()) {
                out.error(error.span(), "this upstream has no errors of its own").help("write a `status` instead");
            } else if !known.contains(&error.get_ref().as_str()) {
                out.unknown(error.span(), "error", error.get_ref(), known.iter().copied());
            }
        }
        _ => {}
    }
    for (name, value) in &file.headers {
        if http::HeaderName::from_bytes(name.get_ref().as_bytes()).is_err() {
            out.error(name.span(), format!("`{}` cannot be the name of a header", name.get_ref()));
        }
        if http::HeaderValue::from_str(value.get_ref()).is_err() {
            out.error(value.span(), "this cannot be the value of a header").help("a header is one line of text");
        }
    }
    Abort {
        error: file.error.as_ref().map(|error| error.get_ref().clone()),
        status,
        headers: file.headers.iter().map(|(k, v)| (k.get_ref().clone(), v.get_ref().clone())).collect(),
        body: file.body.clone(),
    }
}
