//! The control API: Toxiproxy's HTTP API (version 2) over our TCP proxies, so that its clients drive them unchanged,
//! and what it does not have under `/firedrill/`: leases, whole sets at once, what is on and what has touched whom.
//!
//! `api` turns HTTP into calls of the `registry`, which owns the proxies; `body` reads and writes Toxiproxy's JSON;
//! `error` holds its errors.

mod api;
mod body;
mod error;
mod registry;
mod server;

pub use registry::{PlannedState, PlannedStates, Registry};
pub use server::{Control, ControlError, ControlPlan};
