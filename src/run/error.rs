//! [`RunError`]: why a run could not be made or kept.

use crate::report::ReportError;
use crate::target::TargetError;
use crate::undo::BeginError;
use crate::upstream::UpstreamError;
use std::path::PathBuf;

/// Why a run could not be made or kept. A variant's text says what could not be done and fits after "cannot", except
/// that of [`RunError::InterruptedEarly`], which is a whole sentence.
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
    /// Where the folder for the run's files shall be made is a file.
    #[error("make the run's folder in {}: {} is a file, not a folder; name another with `--out`, or move the file away", out.display(), file.display())]
    OutIsFile {
        /// The folder that was wanted.
        out: PathBuf,
        /// It, or what stands in its way.
        file: PathBuf,
    },
    /// Something of an earlier run may still be in place, or the undo journal cannot be made.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The undo journal could not be written: without it, nothing may be broken.
    #[error("write the undo journal {}", path.display())]
    Undo {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The certificate that the app shall trust could not be written.
    #[error("write the test CA's certificate {}", path.display())]
    Ca {
        /// Which file.
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
    /// The report could not be written. Nothing half-written is left, and the journal is there to make it from.
    #[error("write the report")]
    Report {
        /// The run's folder.
        dir: PathBuf,
        /// The verdict's sentence, which is lost otherwise.
        verdict: String,
        /// Why not.
        source: ReportError,
    },
    /// The run failed, and something of it may still be in place.
    #[error("{failure}")]
    Left {
        /// Why the run failed.
        failure: Box<RunError>,
        /// Its undo journal.
        journal: Option<PathBuf>,
        /// What may be left, and why.
        what: Vec<String>,
    },
    /// A signal came before there was anything to report.
    #[error("interrupted by signal {0} before the load began; nothing was measured, everything was undone")]
    InterruptedEarly(i32),
}
