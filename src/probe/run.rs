//! [`run`]: all probes of a run.

use super::client::client;
use super::context::ProbeContext;
use super::{gauges, harness, health, log, memory, states};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Runs all probes that the plan asks for, and the watch over firedrill itself, until stopped.
pub async fn run(ctx: ProbeContext) {
    // Tasks of the set end with it, so nothing outlives this call even if it is dropped.
    let mut probes = JoinSet::new();
    let ctx = Arc::new(ctx);
    probes.spawn(harness::run(ctx.clock, ctx.events.clone(), ctx.stop.clone()));
    if let Some(pid) = ctx.pid {
        probes.spawn(memory::run(Arc::clone(&ctx), pid));
    }
    if let Some(path) = ctx.log.clone() {
        probes.spawn(log::run(Arc::clone(&ctx), path));
    }
    let (plan, checks) = (&ctx.plan.probes, &ctx.plan.checks);
    let figures = plan.health.is_some() || plan.stats.is_some() || plan.metrics.is_some() || checks.cost.is_some();
    if figures || checks.database.is_some() || checks.alerts.is_some() {
        match client(&ctx.plan.headers) {
            Ok(client) => {
                if let Some(probe) = plan.health.clone() {
                    probes.spawn(health::run(Arc::clone(&ctx), client.clone(), probe));
                }
                if let Some(probe) = plan.stats.clone() {
                    probes.spawn(gauges::run(Arc::clone(&ctx), client.clone(), probe, gauges::Page::Stats));
                }
                if let Some(probe) = checks.cost.clone() {
                    probes.spawn(gauges::run(Arc::clone(&ctx), client.clone(), probe, gauges::Page::Cost));
                }
                if let Some(probe) = checks.database.clone() {
                    probes.spawn(states::database(Arc::clone(&ctx), client.clone(), probe));
                }
                if let Some(probe) = checks.alerts.clone() {
                    probes.spawn(states::alerts(Arc::clone(&ctx), client.clone(), probe));
                }
                if let Some(probe) = plan.metrics.clone() {
                    probes.spawn(gauges::run(Arc::clone(&ctx), client, probe, gauges::Page::Metrics));
                }
            }
            Err(error) => ctx.warn(format!("no probes over HTTP: {error}")),
        }
    }
    while let Some(ended) = probes.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            ctx.warn("a probe of firedrill failed; what it watches is not seen from now on".to_owned());
        }
    }
}
