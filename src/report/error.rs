//! [`ReportError`]: why a report could not be written or read.

use std::path::PathBuf;

/// Why a report could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The page's template failed.
    #[error("cannot render the page")]
    Template(#[source] askama::Error),
    /// A chart could not be drawn.
    #[error("cannot draw a chart of the report: {0}")]
    Chart(String),
    /// A file could not be written; nothing half-written is left under its name.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The record could not be turned into JSON.
    #[error("cannot encode the run as {}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no record of a run.
    #[error("{} is not a record of a run", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The file was written by a firedrill with another schema.
    #[error(
        "{} has schema {found}, and this firedrill reads schema {supported}; use the version that wrote it ({wrote})",
        path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// The file's schema.
        found: u64,
        /// Ours.
        supported: u32,
        /// The version that wrote the file, as it states.
        wrote: String,
    },
}
