//! The only conductor: wires the stages of a run, linearises what they report, and ends them.
//!
//! `conductor` starts everything in order and undoes it in reverse; `dispatch` is the one loop that turns the
//! outside world (events, signals, the load's end, a lost target) into the journal and the timeline; `fold` (with `fold_calls`) makes
//! a timeline out of events, live or from a journal; `folder` owns the run's files; `actions` says in the undo journal
//! what is about to be done to the world.

mod actions;
mod conductor;
mod dispatch;
mod error;
mod fold;
mod fold_calls;
mod folder;
mod machine;

pub use conductor::{RunInput, RunOutput, run};
pub use dispatch::Observer;
pub use error::RunError;
pub use fold::timeline;
pub use folder::{recover, rejudge};
