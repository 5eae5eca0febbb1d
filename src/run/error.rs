//! [`RunError`]: why a run could not be made or kept.

use crate::report::ReportError;
use crate::target::TargetError;
use crate::upstream::UpstreamError;
use std::path::PathBuf;

/// Why a run could not be made or kept.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The folder for the run's files could not be made.
    #[error("create the folder {} for the run", path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The journal could not be written: without it, nothing measured would be safe.
    #[error("write the journal {}", path.display())]
    Journal {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A journal could not be read back.
    #[error("read the journal {}: {reason}", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An upstream could not be started.
    #[error("start the upstreams")]
    Upstream(#[from] UpstreamError),
    /// The app under test could not be started or reached.
    #[error("reach the app under test")]
    Target(#[from] TargetError),
    /// The load could not be made.
    #[error("drive the virtual users")]
    Load(#[from] crate::load::LoadError),
    /// The report could not be written.
    #[error("write the report")]
    Report(#[from] ReportError),
    /// A signal came before there was anything to report.
    #[error("interrupted by signal {0} before the load began; nothing was measured, everything was undone")]
    InterruptedEarly(i32),
}
