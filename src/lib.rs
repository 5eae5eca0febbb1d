//! firedrill: load and chaos testing for web apps that depend on OpenAI and Supabase.

pub mod cli;
pub mod config;
pub mod fault;
pub mod judge;
pub mod load;
pub mod model;
pub mod pressure;
pub mod probe;
pub mod record;
pub mod report;
pub mod resilience;
pub mod run;
pub mod stats;
pub mod target;
pub mod undo;
pub mod units;
pub mod upstream;
