//! A scenario → [`Plan`], all but its faults, which stand in a file of their own.

use super::collector::Collector;
use super::control;
use super::request::World;
use super::resolve_checks;
use super::resolve_gauges::{gauges, json_gauges};
use super::resolve_journeys::{self, pointer};
use super::resolve_target;
use super::resolve_upstreams;
use super::scenario_file::{GateFile, HealthFile, LoadFile, MemoryFile, PressureFile, ProbesFile, ScenarioFile};
use crate::model::plan::{Ballast, Feeder, GatePlan, HealthProbe, LoadPlan, Plan, ProbePlan, TargetPlan};
use crate::model::verdict::Severity;
use crate::units::{ByteSize, Offset, Seed, Span};
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

pub(super) const DEFAULT_SEED: u64 = 1;
const GRACEFUL_STOP: Span = Span::from_secs(30);
const MEMORY_EVERY: Span = Span::from_secs(1);
const PROBE_EVERY: Span = Span::from_secs(30);
const HEALTH_DEADLINE: Span = Span::from_secs(10);
const RECOVERY: Span = Span::from_secs(30);
/// More users than one machine can drive; a slip of the keyboard is likelier.
const MAX_USERS: u32 = 100_000;

/// The plan without faults. With mistakes in `out`, it holds fallbacks and is good for finding more mistakes only.
pub(super) fn resolve(
    out: &mut Collector,
    file: &ScenarioFile,
    stem: &str,
    source: &str,
    folder: Option<&Path>,
    world: &World<'_>,
) -> Plan {
    let name = file.name.as_ref().map_or_else(|| stem.to_owned(), |name| name.get_ref().clone());
    if let Some(written) = &file.name
        && (name.trim().is_empty() || name.chars().any(|c| c == '/' || c == '\\' || c.is_control()))
    {
        out.error(written.span(), "this cannot be the name of a scenario")
            .help("it names the report's folder: no slashes");
    }
    let target = resolve_target::target(out, world, file.target.as_ref(), &file.allow_hosts);
    let upstreams =
        resolve_upstreams::upstreams(out, file.upstreams.as_ref(), &target, folder, &file.allow_hosts, world);
    if let Some(written) = &file.target {
        resolve_upstreams::check_names(out, written.get_ref(), &upstreams);
    }
    let feeders = resolve_journeys::feeders(out, &file.data);
    // Mocks alone need neither.
    let optional = world.mocks.is_some();
    let (journeys, endpoints) = match file.journey.as_slice() {
        [] if optional => Default::default(),
        journeys => resolve_journeys::journeys(out, journeys, &feeders),
    };
    unused_data(out, file, &feeders);
    let load = load(out, file.load.as_ref(), optional);
    let checks = resolve_checks::checks(out, file, &feeders, &upstreams, &target, world);
    let mut plan = Plan {
        name,
        describe: file.describe.clone().unwrap_or_default(),
        source: source.to_owned(),
        seed: Seed(file.seed.unwrap_or(DEFAULT_SEED)),
        headers: resolve_target::headers(out, world, &file.headers),
        target,
        upstreams,
        load,
        feeders,
        journeys,
        endpoints,
        fault_profile: None,
        faults: vec![],
        ballast: None,
        probes: probes(out, &file.probes),
        checks,
        gate: gate(out, &file.gate),
        control: file.control.as_ref().and_then(|control| control::access(out, world, control)),
        allow_hosts: file.allow_hosts.clone(),
    };
    plan.ballast = file.memory.as_ref().and_then(|memory| ballast(out, memory, &plan));
    plan
}

fn unused_data(out: &mut Collector, file: &ScenarioFile, feeders: &BTreeMap<String, Feeder>) {
    for name in file.data.keys().filter(|name| feeders.contains_key(name.get_ref())) {
        // Text search over the written journeys: a placeholder has one spelling.
        let used = out.source().text().contains(&format!("{{{}.", name.get_ref()));
        if !used && !file.journey.is_empty() {
            out.warn(name.span(), format!("no step uses the data `{}`", name.get_ref()));
        }
    }
}

fn load(out: &mut Collector, written: Option<&Spanned<LoadFile>>, optional: bool) -> LoadPlan {
    let Some(written) = written else {
        if !optional {
            out.missing("the scenario has no load").help("add [load.closed] with users = 10 and hold = \"1m\"");
        }
        return LoadPlan::Closed {
            users: 1,
            ramp_up: Span::default(),
            hold: Span::from_secs(1),
            graceful_stop: GRACEFUL_STOP,
            iterations: None,
        };
    };
    let LoadFile::Closed(file) = written.get_ref();
    LoadPlan::Closed {
        users: out.number(&file.users, "`users`", 1, MAX_USERS),
        ramp_up: out.quantity_or(file.ramp_up.as_ref(), Span::default()),
        hold: out.positive(Some(&file.hold), "`hold`", Span::from_secs(60)),
        graceful_stop: out.quantity_or(file.graceful_stop.as_ref(), GRACEFUL_STOP),
        iterations: file.iterations.as_ref().map(|n| out.number(n, "`iterations`", 1, u64::from(u32::MAX))),
    }
}

fn ballast(out: &mut Collector, memory: &MemoryFile, plan: &Plan) -> Option<Ballast> {
    let Some(PressureFile::Ballast(written)) = &memory.pressure else { return None };
    let file = written.get_ref();
    let size: ByteSize = out.quantity(&file.size, ByteSize::mib(1));
    if size.get() == 0 {
        out.error(file.size.span(), "a ballast of nothing")
            .help("write its size, such as \"200MiB\", or leave [memory] away");
    }
    if let TargetPlan::Reference { memory_limit: Some(limit), .. }
    | TargetPlan::Command { memory_limit: Some(limit), .. } = &plan.target
        && size >= *limit
    {
        out.warn(file.size.span(), format!("the ballast of {size} fills the memory limit of {limit} by itself"));
    }
    let from = Offset::ZERO.plus(out.quantity_or(file.from.as_ref(), Span::default()).get());
    if from >= plan.load_end() {
        let span = file.from.as_ref().map_or_else(|| file.size.span(), Spanned::span);
        out.warn(span, format!("the ballast never grows: it begins at {from}, the load ends at {}", plan.load_end()));
    }
    Some(Ballast {
        size,
        from,
        ramp: out.quantity_or(file.ramp.as_ref(), Span::default()),
        hold: out.positive(Some(&file.hold), "`hold`", Span::from_secs(1)),
    })
}

fn probes(out: &mut Collector, file: &ProbesFile) -> ProbePlan {
    ProbePlan {
        health: file.health.as_ref().map(|health| self::health(out, health.get_ref())),
        memory_every: out.positive(file.memory_every.as_ref(), "`memory-every`", MEMORY_EVERY),
        stats: file.stats.as_ref().map(|stats| json_gauges(out, stats.get_ref())),
        metrics: file.metrics.as_ref().map(|metrics| {
            let probe = gauges(out, metrics.get_ref());
            for metric in metrics.get_ref().gauges.values() {
                let name = metric.get_ref();
                let valid = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
                if name.is_empty() || !name.chars().all(valid) || name.starts_with(|c: char| c.is_ascii_digit()) {
                    out.error(metric.span(), format!("`{name}` is not the name of a metric"))
                        .help("write the name alone, without labels, such as \"holisticos_memory_usage_bytes\"");
                }
            }
            probe
        }),
    }
}

fn health(out: &mut Collector, file: &HealthFile) -> HealthProbe {
    if let Some(place) = &file.status_at {
        pointer(out, place.get_ref(), place.span());
    } else if !file.down.is_empty() || !file.degraded.is_empty() {
        out.error(file.path.span(), "`down` and `degraded` need `status-at`")
            .help("say where in the body the state stands: status-at = \"/overall_status\"");
    }
    if let Some(both) = file.down.iter().find(|state| file.degraded.contains(state)) {
        out.error(file.path.span(), format!("`{both}` cannot mean both down and degraded"))
            .help("leave it in one of the lists");
    }
    let every = out.positive(file.every.as_ref(), "`every`", PROBE_EVERY);
    let blocks_app = out.quantity_or(file.blocks_app.as_ref(), Span::default());
    if let Some(written) = &file.every
        && every <= blocks_app
    {
        out.warn(
            written.span(),
            format!("asked every {every}, each check blocking the app for {blocks_app}, health is all it does"),
        );
    }
    HealthProbe {
        path: resolve_target::path(out, &file.path),
        every,
        deadline: out.positive(file.deadline.as_ref(), "`deadline`", HEALTH_DEADLINE),
        status_at: file.status_at.as_ref().map(|place| place.get_ref().clone()),
        down: file.down.clone(),
        degraded: file.degraded.clone(),
        blocks_app,
    }
}

fn gate(out: &mut Collector, file: &GateFile) -> GatePlan {
    GatePlan {
        fail_on: out.quantity_or(file.fail_on.as_ref(), Severity::P1),
        while_faulted: out.quantity_or(file.while_faulted.as_ref(), Severity::P2),
        recovery: out.quantity_or(file.recovery.as_ref(), RECOVERY),
    }
}
