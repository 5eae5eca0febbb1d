//! [`run`]: all probes of a run.

use super::client::client;
use super::context::ProbeContext;
use super::{gauges, harness, health, memory};
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
    let plan = &ctx.plan.probes;
    if plan.health.is_some() || plan.stats.is_some() || plan.metrics.is_some() {
        match client(&ctx.plan.headers) {
            Ok(client) => {
                if let Some(probe) = plan.health.clone() {
                    probes.spawn(health::run(Arc::clone(&ctx), client.clone(), probe));
                }
                if let Some(probe) = plan.stats.clone() {
                    probes.spawn(gauges::run(Arc::clone(&ctx), client.clone(), probe, gauges::Page::Stats));
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
