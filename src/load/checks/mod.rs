//! Checks beside and after the load: rows that are written and read back, a quiet time for memory, requests that must
//! be refused.

mod durability;
mod quiet;
mod security;
mod send;

use super::canary::Canaries;
use crate::model::event::EventSink;
use crate::model::plan::Plan;
use crate::units::RunClock;
use std::future::Future;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What checks need.
#[derive(Clone, Debug)]
pub struct ChecksContext {
    /// What to check.
    pub plan: Arc<Plan>,
    /// The app's base URL.
    pub base_url: String,
    /// The run's id: part of every key that checks write.
    pub run_id: String,
    /// The run's clock.
    pub clock: RunClock,
    /// Where observations go.
    pub events: EventSink,
    /// What no answer may hold.
    pub canaries: Option<Arc<Canaries>>,
    /// Ends all checks at once.
    pub stop: CancellationToken,
}

/// Carries out the plan's checks around a load: `load` runs as it would alone, and what it gave is given back, once the
/// checks after it are done too.
pub async fn around<T, E>(ctx: ChecksContext, load: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let sender = send::Sender::new(&ctx);
    let over = ctx.stop.child_token();
    let writing = async {
        match &sender {
            Ok(sender) => durability::write(&ctx, sender, &over).await,
            Err(_) => Vec::new(),
        }
    };
    let loading = async {
        let result = load.await;
        over.cancel();
        result
    };
    let (result, rows) = tokio::join!(loading, writing);
    if let Some(canaries) = &ctx.canaries {
        canaries.report();
    }
    let checks = &ctx.plan.checks;
    let asked = checks.after_load.is_some() || !checks.security.is_empty() || !checks.durability.is_empty();
    match sender {
        Ok(sender) if result.is_ok() => {
            let after = async {
                quiet::keep(&ctx, &sender).await;
                durability::read_back(&ctx, &sender, rows).await;
                security::check(&ctx, &sender).await;
            };
            tokio::select! {
                biased;
                () = ctx.stop.cancelled() => {}
                () = after => {}
            }
        }
        Err(why) if asked => ctx.warn(format!("nothing was checked beside the load: {why}")),
        _ => {}
    }
    result
}

impl ChecksContext {
    fn warn(&self, message: String) {
        self.events.emit(crate::model::event::RunEvent::Warning { at: self.clock.now(), message });
    }

    fn observe(&self, what: crate::model::checks::Observation) {
        self.events.emit(crate::model::event::RunEvent::Observed { what });
    }
}
