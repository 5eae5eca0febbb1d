//! Never left behind: what firedrill is about to do to the world is on disk, with its undo, before it is done.
//!
//! `line` is what stands in an undo journal and `moment` its clocks; `journal` writes it, each line chained to the one
//! before by a hash, and `read` reads and verifies it, also one whose last line was cut off by a kill. `store` keeps
//! the journals that are open beside the reports and lets a run begin only where nothing may be left of an earlier one;
//! `carry` looks whether something is left, and takes it away: `processes` and `groups` that descend from a run,
//! `limits` that were lowered, toxics set through a `control` API.
//!
//! A run's own faults live in its process and die with it. What does not is what the journal is for.

mod carry;
mod control;
mod groups;
mod journal;
mod limits;
mod line;
mod moment;
mod processes;
mod read;
mod store;

pub use carry::{Mode, Settled, settle};
pub use journal::UndoJournal;
pub use line::{Action, Event, Line, LoweredLimit, Opening, Owner};
pub use moment::{Lease, Moment};
pub use processes::MARK;
pub use read::{Open, ReadError, Reading, read, verify};
pub use store::{BeginError, UndoError, Undone, begin, close, find, undo};
