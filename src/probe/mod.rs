//! Watches the app from beside the load.

mod beat;
mod client;
mod context;
mod gauges;
pub mod harness;
mod health;
mod log;
mod memory;
mod prometheus;
mod run;
mod states;

pub use context::ProbeContext;
pub use run::run;
