//! Checks beside and after the load: rows that are written and read back, a quiet time for memory, requests that must
//! be refused.

mod context;
mod durability;
mod quiet;
mod security;
mod send;

pub use context::ChecksContext;
use std::future::Future;

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
