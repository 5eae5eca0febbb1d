//! Recordings of what passed between the app and a real service, one JSON line an exchange.
//!
//! `format` is the file's shape; `strip` takes out what must not be kept; `recorder` gathers exchanges while they pass
//! and writes them; `matching` finds which recorded request a new one is; `replay` answers from a recording;
//! `usage` reads what a real answer says was billed.

mod format;
mod matching;
mod recorder;
mod replay;
mod strip;
mod usage;

pub use recorder::{Capture, Recorder};
pub use replay::Replay;
pub use usage::of as billed_tokens;

/// Why a recording cannot be made or replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The file could not be made, or read.
    #[error("{file}: {source}")]
    File {
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is no recording, or of another version.
    #[error("{file}:{line}: {what}")]
    Format {
        /// The file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// What must not be kept cannot be found.
    #[error("not a regular expression: {0}")]
    Strip(#[from] regex::Error),
}
