//! `partial_batch`: keeps only a part of a write of several rows.
//!
//! Keys: `keep`: the share of the rows that is kept (50% if absent), at least one less than all.
//!
//! On the wire: the answer of a write that succeeded, with all rows if asked for; only the first of them are in the
//! database. Only writes of two rows and more to the Supabase mock's tables are hit. The ledger has all as
//! acknowledged, and names the fault that lost the rest.
//!
//! Imitates: a bulk insert that is split on its way and half of which fails unnoticed.
//!
//! Clients see: success; some rows are missing when they are read.

use crate::units::Share;
use serde::{Deserialize, Serialize};

/// How much of a batch is kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartialBatch {
    /// The share of the rows.
    pub keep: Share,
}
