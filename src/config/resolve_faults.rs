//! A fault profile → [`FaultRule`]s.

use super::collector::Collector;
use super::fault_profile_file::{FaultFile, FaultProfileFile};
use super::request::World;
use super::resolve_connection_fault;
use super::resolve_course::{Timing, course};
use super::resolve_inject::{check_place, injection};
use super::resolve_when::{matcher, share};
use super::suggest;
use crate::model::fault::{FaultMatch, FaultRule};
use crate::model::source::SourcePlan;
use crate::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use crate::units::Offset;
use toml::Spanned;

/// What a profile is used on; without it, a profile is checked by itself.
pub(super) struct Use<'a> {
    /// The scenario's upstreams.
    pub(super) upstreams: &'a [UpstreamPlan],
    /// When its load ends.
    pub(super) load_end: Offset,
}

/// The rules of a profile of this name, with times that are changed like this.
pub(super) fn rules(
    out: &mut Collector,
    file: &FaultProfileFile,
    name: &str,
    timing: Timing,
    used: Option<&Use<'_>>,
    world: &World<'_>,
) -> Vec<FaultRule> {
    let named = |(index, fault): (usize, &Spanned<FaultFile>)| {
        let fault = fault.get_ref();
        let own = fault.name.as_ref().map(|name| name.get_ref().clone());
        rule(out, fault, own.unwrap_or_else(|| format!("{name}-{}", index + 1)), timing, used, world)
    };
    file.fault.iter().enumerate().map(named).collect()
}

fn rule(
    out: &mut Collector,
    file: &FaultFile,
    name: String,
    timing: Timing,
    used: Option<&Use<'_>>,
    world: &World<'_>,
) -> FaultRule {
    let upstream = file.upstream.get_ref().as_str();
    let kind = upstream_kind(out, &file.upstream, used);
    let (window, course) = course(out, file, &name, timing, used.map(|used| used.load_end));
    let inject = injection(out, file.inject.get_ref(), file.inject.span(), kind.as_ref(), world);
    let plan = used.and_then(|used| used.upstreams.iter().find(|plan| plan.name == upstream));
    resolve_connection_fault::check(out, file, &inject, &course, plan);
    if let Some(kind) = &kind {
        let source = plan.map_or(&SourcePlan::Mock, |plan| &plan.source);
        let service = file.when.service.as_ref().map(|service| service.get_ref().as_str());
        check_place(out, file.inject.span(), &inject, (kind, source), service);
    }
    FaultRule {
        name,
        upstream: upstream.to_owned(),
        when: FaultMatch { course, ..matcher(out, &file.when, kind.as_ref()) },
        share: share(out, &file.when),
        window,
        inject,
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
