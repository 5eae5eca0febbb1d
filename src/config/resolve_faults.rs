//! A fault profile → [`FaultRule`]s.

use super::collector::Collector;
use super::fault_profile_file::{FaultFile, FaultProfileFile};
use super::request::World;
use super::resolve_course::{Timing, course};
use super::resolve_inject::injection;
use super::resolve_when::{matcher, share};
use super::suggest;
use crate::model::fault::{FaultMatch, FaultRule};
use crate::model::upstream::{OpenaiPlan, SupabasePlan, UpstreamKind, UpstreamPlan};
use crate::units::Offset;
use std::collections::HashSet;
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
