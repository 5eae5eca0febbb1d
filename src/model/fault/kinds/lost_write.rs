//! `lost_write`: acknowledges a write and does not keep it.
//!
//! Keys: none.
//!
//! On the wire: the answer of a write that succeeded, with its rows if asked for; the database is as it was before.
//! Only writes to the Supabase mock's tables that change something are hit. The ledger has them as acknowledged, and
//! names the fault that lost them.
//!
//! Imitates: an asynchronous replica that is promoted before it had the last transactions; a disk that lied about a
//! flush.
//!
//! Clients see: success; the row is missing when it is read.
