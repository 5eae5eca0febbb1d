//! Whether the run itself can be trusted.

use super::context::Context;
use super::memory;
use super::outage;
use super::words;
use crate::model::plan::LoadPlan;
use crate::model::reading::Reading;
use crate::model::run_record::EndReason;
use crate::model::sample::Outcome;
use crate::model::verdict::Trust;
use crate::units::Offset;
use std::collections::BTreeSet;
use std::time::Duration;

/// A timer of ours that is this late distorts what it measures.
const LATE: Duration = Duration::from_millis(100);

/// ...and a single one this late means that firedrill stood still.
const STALLED: Duration = Duration::from_secs(1);

/// Late readings that are no percentile yet, but accidents.
const ACCIDENTS: usize = 2;

/// Steps that could not be built are the scenario's fault; more than this share of them and it is the scenario
/// that was tested.
const UNBUILDABLE: f64 = 0.01;

/// Time to finish after which steps of half the users still under way mean that the app hangs, and not that the
/// run's end happened to fall into them.
const GRACE: Duration = Duration::from_secs(5);

/// Reasons to doubt the run, and what else a reader should know.
pub(super) fn examine(ctx: &Context<'_>) -> Trust {
    let mut trust = Trust::default();
    ending(ctx, &mut trust);
    steps(ctx, &mut trust);
    harness(ctx, &mut trust);
    faults(ctx, &mut trust);
    probing(ctx, &mut trust);
    for death in memory::deaths(ctx) {
        let why = match death.cause {
            memory::Cause::Oom => continue,
            memory::Cause::Other => "not for lack of memory",
            memory::Cause::Unknown => "and nobody saw why",
        };
        trust.notes.push(format!("warning: the app's process {} at {}, {why}", death.how, death.at));
    }
    let silent = outage::silent(ctx);
    let checks = ctx.timeline.readings.iter().filter(|reading| matches!(reading, Reading::Health { .. })).count();
    if let Some(why) = silent.first().filter(|_| silent.len() == checks) {
        trust
            .doubts
            .push(format!("the health check never said how the app is ({why}): are its path and headers right?"));
    }
    let warnings = ctx.timeline.warnings.len() as u64;
    if warnings > 0 {
        trust.notes.push(format!("{} during the run", words::counted(warnings, "warning")));
    }
    trust
}

fn ending(ctx: &Context<'_>, trust: &mut Trust) {
    match ctx.end {
        EndReason::Completed => {}
        EndReason::Interrupted(signal) => trust.doubts.push(format!(
            "the run was interrupted at {} (signal {signal}); only what came before is judged",
            ctx.ended
        )),
        EndReason::TargetLost(why) => {
            let gone = memory::deaths(ctx).last().map_or(ctx.ended, |death| death.at);
            trust.doubts.push(format!("the app went away at {gone}, and the run ended with it: {why}"));
        }
        EndReason::Killed => trust
            .doubts
            .push(format!("firedrill was killed at about {}; only what its journal holds is judged", ctx.ended)),
    }
}

fn steps(ctx: &Context<'_>, trust: &mut Trust) {
    let (mut unfinished, mut unbuildable, mut refused) = (0_u64, 0_u64, 0_u64);
    for (outcome, count) in
        ctx.timeline.intervals.iter().flat_map(|i| &i.endpoints).flat_map(|endpoint| &endpoint.outcomes)
    {
        let sum = match outcome {
            Outcome::Unfinished => &mut unfinished,
            Outcome::Unbuildable => &mut unbuildable,
            Outcome::Refused => &mut refused,
            _ => continue,
        };
        *sum = sum.saturating_add(*count);
    }
    let classed = ctx.all.total().n;
    if classed == 0 {
        trust.doubts.push(if unfinished > 0 {
            format!("all {} were unfinished when the run ended", words::counted(unfinished, "step"))
        } else {
            "no step had an outcome: nothing was tested".to_owned()
        });
    } else if refused == classed {
        trust
            .doubts
            .push(format!("every one of {} was refused: was the app ever there?", words::counted(classed, "step")));
    }
    let built = classed.saturating_add(unfinished).saturating_add(unbuildable);
    if unbuildable as f64 > UNBUILDABLE * built as f64 {
        trust.doubts.push(format!(
            "{} of {} could not be built from earlier answers, so they were never sent",
            words::count(unbuildable),
            words::counted(built, "step")
        ));
    }
    let LoadPlan::Closed { users, graceful_stop, .. } = ctx.plan.load;
    let stuck = *ctx.end == EndReason::Completed
        && graceful_stop.get() >= GRACE
        && unfinished > 0
        && unfinished.saturating_mul(2) >= u64::from(users);
    if stuck && classed > 0 {
        trust.doubts.push(format!(
            "{} were still waiting for an answer {graceful_stop} after the load's end: what they met is not known",
            words::counted(unfinished, "step")
        ));
    } else if unfinished > 0 && classed > 0 {
        trust
            .notes
            .push(format!("{} unfinished at the end; they count neither way", words::counted(unfinished, "step")));
    }
}

fn harness(ctx: &Context<'_>, trust: &mut Trust) {
    let lateness: Vec<Duration> = ctx.timeline.harness.iter().map(|reading| reading.lateness.get()).collect();
    if lateness.is_empty() {
        if ctx.all.total().n > 0 {
            trust.notes.push("how firedrill itself was doing was not recorded".to_owned());
        }
        return;
    }
    let late = lateness.iter().filter(|lateness| **lateness > LATE).count();
    let worst = lateness.iter().max().copied().unwrap_or_default();
    if worst > STALLED {
        trust.doubts.push(format!("firedrill itself stood still for {:.1} s", worst.as_secs_f64()));
    } else if late > ACCIDENTS && late * 100 > lateness.len() {
        trust.doubts.push(format!(
            "firedrill itself was late by more than 100 ms in {late} of {} s: this machine is too busy for the load",
            lateness.len()
        ));
    }
}

fn faults(ctx: &Context<'_>, trust: &mut Trust) {
    // What is done by hand is no promise that something would be tested.
    let planned = || ctx.plan.faults.iter().enumerate().filter(|(_, rule)| !rule.inject.is_by_hand());
    let idle: Vec<&str> = planned()
        .filter(|(rule, _)| !ctx.timeline.faults.iter().any(|record| record.rule == *rule && record.fired > 0))
        .map(|(_, fault)| fault.name.as_str())
        .collect();
    if idle.is_empty() {
    } else if idle.len() == planned().count() {
        // A "go" would be read as "it stood the faults".
        trust
            .doubts
            .push(format!("no fault ever hit a request ({}): the app was only tested without", words::list(&idle)));
    } else {
        trust.notes.push(format!("never hit a request, so nothing is said about it: {}", words::list(&idle)));
    }
    if ctx.all.total().n > 0 {
        for group in ctx.segments.groups(1).iter().filter(|group| !group.calm) {
            let stretch = group.stretches[0];
            if ctx.all.sum(stretch.from, stretch.to).n == 0 {
                let when = ctx.segments.during(stretch);
                trust.doubts.push(format!("no step had an outcome {when}: nothing is known about that time"));
            }
        }
    }
    if ctx.plan.ballast.is_some() && !ctx.timeline.pressure.iter().any(|mark| mark.held > 0) {
        trust.notes.push("memory pressure was planned but never held".to_owned());
    }
}

/// What watching cost the app, where a probe is known to block it.
fn probing(ctx: &Context<'_>, trust: &mut Trust) {
    let run = ctx.ended.as_secs_f64();
    let probes = &ctx.plan.probes;
    let gauges = |names: &crate::model::plan::GaugeProbe| -> usize {
        let asked: BTreeSet<Offset> = ctx
            .timeline
            .readings
            .iter()
            .filter_map(|reading| match reading {
                Reading::Gauge { at, name, .. } if names.gauges.contains_key(name) => Some(*at),
                _ => None,
            })
            .collect();
        asked.len()
    };
    let health = ctx.timeline.readings.iter().filter(|reading| matches!(reading, Reading::Health { .. })).count();
    let asked = [
        ("health checks", probes.health.as_ref().map(|probe| (health, probe.blocks_app))),
        ("readings of its figures", probes.stats.as_ref().map(|probe| (gauges(probe), probe.blocks_app))),
        ("readings of its metrics", probes.metrics.as_ref().map(|probe| (gauges(probe), probe.blocks_app))),
    ];
    for (what, probe) in asked {
        let Some((n, blocks)) = probe else { continue };
        let cost = n as f64 * blocks.get().as_secs_f64();
        if cost > 0.0 && run > 0.0 {
            trust.notes.push(format!(
                "probing's cost: {n} {what} kept the app busy for {blocks} each, {} of the run",
                words::share((cost / run).min(1.0))
            ));
        }
    }
}
