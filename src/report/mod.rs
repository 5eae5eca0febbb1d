//! A run's record to files for people: the page, the terminal summary, and `run.json` itself.
//!
//! `view` turns a record into what is to be shown (pure functions), `html` and `terminal` show it, `disk` keeps it.
//! Everything here needs a [`RunRecord`](crate::model::run_record::RunRecord) and nothing else, so last month's run
//! can be rendered again.

mod disk;
mod error;
mod html;
mod terminal;
mod view;

pub use disk::{read_run, write_run};
pub use error::ReportError;
pub use html::render as html;
pub use terminal::render as terminal;
