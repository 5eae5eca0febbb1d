//! `stale_read`: answers a read from the database as it was some time ago.
//!
//! Keys: `age`: how long ago.
//!
//! On the wire: status, headers and rows as they would have been then; writes are not touched. Only reads (GET, HEAD)
//! of the Supabase mock's tables are hit, and only if the answer is another one than that of now. History goes back
//! 10,000 changed rows or 64 MiB of them at most.
//!
//! Imitates: a read replica that lags, a cache that outlives a write (Supabase's read replicas are asynchronous).
//!
//! Clients see: an ordinary answer without the row just written: read-your-writes is broken.

use crate::units::Span;
use serde::{Deserialize, Serialize};

/// How stale a read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaleRead {
    /// How long ago the state was true that is read.
    pub age: Span,
}
