//! The agents: what a generation does, call by call, in the order that was observed on HolisticOS.
//!
//! `decide`, `context`, `health_data` and `store` are the building blocks; `analysis`, `routine`, `nutrition` and
//! `insights` string them together.

pub(super) mod analysis;
mod context;
mod decide;
pub(super) mod extract;
pub(super) mod fallback;
pub(super) mod health_data;
pub(super) mod insights;
mod knowledge;
pub(super) mod nutrition;
mod prompts;
pub(super) mod routine;
mod store;
pub(super) mod subject;

pub(super) use prompts::energy_zones as energy_zones_prompt;
