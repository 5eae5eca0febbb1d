//! The quiet time after the load, in which memory may come back.

use super::context::ChecksContext;
use super::send::{Filling, Sender};
use crate::model::checks::{CheckRequest, Observation};
use crate::units::Span;
use http::HeaderMap;
use std::collections::BTreeMap;
use tokio::time::sleep;

/// How long a clean-up may take.
const CLEANUP: Span = Span::from_secs(30);

/// Lets the app be for the planned time; half-way through, it is asked to clean up.
pub(super) async fn keep(ctx: &ChecksContext, sender: &Sender) {
    let Some(after) = &ctx.plan.checks.after_load else { return };
    ctx.observe(Observation::Quiet { at: ctx.clock.now() });
    let half = after.quiet.get() / 2;
    sleep(half).await;
    if let Some(path) = &after.cleanup {
        let request = CheckRequest {
            method: "POST".to_owned(),
            path: path.clone(),
            headers: BTreeMap::new(),
            body: None,
            deadline: CLEANUP,
        };
        let answer = sender.send(&request, &Filling::default(), &[], HeaderMap::new()).await;
        let status = answer.as_ref().ok().map(|reply| reply.status);
        ctx.observe(Observation::CleanedUp { at: ctx.clock.now(), status });
    }
    sleep(half).await;
    ctx.observe(Observation::QuietOver { at: ctx.clock.now() });
}
