//! What plain status codes would have said beside what was true.

use super::context::Context;
use crate::model::verdict::Honesty;

/// Sums over the whole run.
pub(super) fn sums(ctx: &Context<'_>) -> Honesty {
    let total = ctx.all.total();
    Honesty {
        steps: total.n,
        plain_ok: total.plain_ok,
        ok: total.ok,
        degraded: total.degraded,
        masked: total.masked,
        failed: total.failed,
    }
}
