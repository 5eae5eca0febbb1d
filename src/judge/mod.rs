//! The judge: [`Timeline`](crate::model::timeline::Timeline) and [`Playbook`](crate::model::playbook::Playbook) to
//! [`Verdict`](crate::model::verdict::Verdict), pure.
//!
//! `segments` splits the run into calm and faulted stretches, `series` counts, `scan` looks at every window of
//! every stretch; a file per family of measures turns what was seen into findings; `verdict` applies the gate and
//! says it in one sentence.

mod agents;
mod context;
mod endpoints;
mod error_rate;
mod exemplars;
mod gathered;
mod honesty;
mod memory;
mod outage;
mod rates;
mod scan;
mod segments;
mod sentence;
mod series;
mod trust;
mod users;
mod verdict;
mod words;

pub use verdict::{JudgeInput, judge};
