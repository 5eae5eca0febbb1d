//! The judge: [`Timeline`](crate::model::timeline::Timeline) and [`Playbook`](crate::model::playbook::Playbook) to
//! [`Verdict`](crate::model::verdict::Verdict), pure.
//!
//! `segments` splits the run into calm and faulted stretches, `series` counts, `scan` looks at every window of
//! every stretch; a file per family of measures turns what was seen into findings; `verdict` applies the gate and
//! says it in one sentence.

mod agents;
mod alerts;
mod cleanup;
mod context;
mod cost;
mod data_loss;
mod database;
mod endpoints;
mod error_rate;
mod exemplars;
mod gathered;
mod honesty;
mod logging;
mod memory;
mod outage;
mod rates;
mod scan;
mod security;
mod segments;
mod sentence;
mod series;
mod trust;
mod users;
mod verdict;
mod words;

pub use verdict::{JudgeInput, judge};
