//! The undo journals of one reports folder: those that are open are in `.firedrill/`, each one that is closed goes
//! into its run's folder.

use super::carry::{Mode, Settled, settle};
use super::journal::UndoJournal;
use super::line::Opening;
use super::read::{ReadError, Reading, read};
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The folder with the open journals, below the reports folder.
const OPEN: &str = ".firedrill";
/// The name that a journal has in its run's folder.
const IN_RUN: &str = "undo.jsonl";
/// What the names of journals end with.
const ENDING: &str = "jsonl";
/// How long another process may hold the reports folder's lock: it looks through what was left, which takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a lock is asked for: nothing tells when one is free.
const LOOK: Duration = Duration::from_millis(50);
/// How long a journal whose writer is dead may be in other hands.
const HANDOVER: Duration = Duration::from_secs(2);

/// Why nothing may begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The journal cannot be written, and without it nothing may be done.
    #[error("write the undo journal {}", path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Something of an earlier run may still be in place.
    #[error("begin while something of an earlier run may still be in place")]
    MayBeLeft {
        /// That run's journal.
        journal: PathBuf,
        /// What may be left.
        what: Vec<String>,
    },
    /// A run that goes on at this moment tests the same app.
    #[error("begin while process {pid} tests {app}")]
    Running {
        /// That run's journal.
        journal: PathBuf,
        /// Its process.
        pid: u32,
        /// The app that both would test.
        app: String,
    },
}

/// What undoing came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Where the journal is now; `None` if it had nothing to say and is gone.
    pub journal: Option<PathBuf>,
    /// What was undone, or was found to be gone: what it was, and how that is known.
    pub undone: Vec<String>,
    /// What may still be in place, and why.
    pub left: Vec<String>,
}

/// Begins a journal below the reports folder `out`, which must be there; for `actor`, who is going to write it.
///
/// Journals of processes that are gone are looked at first. If nothing of them is left they are closed, and what was
/// found is returned; otherwise nothing begins. Two that begin at the same time are held apart by a lock.
///
/// # Errors
/// When the journal cannot be written, something may be left, or a run that goes on tests the same app.
pub async fn begin(
    out: &Path,
    actor: &'static str,
    opening: Opening,
) -> Result<(UndoJournal, Vec<String>), BeginError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| BeginError::Io { path, source }
    };
    let _lock = lock(out).await.map_err(fail(out))?;
    let mut found = Vec::new();
    for path in find(out) {
        match attend(&path, Mode::Look, None).await {
            Ok(undone) if undone.left.is_empty() => found.extend(undone.undone),
            Ok(undone) => return Err(BeginError::MayBeLeft { journal: path, what: undone.left }),
            Err(UndoError::Kept { reading: Some(reading) }) => {
                let shares = |reading: &Reading| {
                    reading.opening.shares.clone().filter(|app| Some(app) == opening.shares.as_ref())
                };
                if let Some(app) = shares(&reading) {
                    return Err(BeginError::Running { journal: path, pid: reading.opening.owner.pid, app });
                }
            }
            Err(UndoError::Kept { reading: None }) => {}
            Err(error) => return Err(BeginError::MayBeLeft { journal: path, what: vec![error.to_string()] }),
        }
    }
    let folder = out.join(OPEN);
    fs::create_dir_all(&folder).map_err(fail(&folder))?;
    let path = folder.join(format!("{}.{ENDING}", opening.run));
    let mut created = UndoJournal::create(&path, actor, opening.clone());
    if created.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        // Somebody who put the last journal away took the empty folder with it.
        fs::create_dir_all(&folder).map_err(fail(&folder))?;
        created = UndoJournal::create(&path, actor, opening);
    }
    Ok((created.map_err(fail(&path))?, found))
}

/// The journals below a reports folder that are not closed.
#[must_use]
pub fn find(out: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(out.join(OPEN)).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == ENDING) && path.is_file())
        .collect();
    found.sort();
    found
}

/// Why a journal could not be worked from.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// The process that keeps it lives, and undoes everything by itself when it ends.
    #[error("the process that keeps it{} is still at work", .reading.as_ref().map(|r| format!(" ({})", r.opening.owner.pid)).unwrap_or_default())]
    Kept {
        /// What the journal says, as far as it can be read.
        reading: Option<Box<Reading>>,
    },
    /// It cannot be relied upon.
    #[error("the journal cannot be relied upon: {0}")]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error("the journal cannot be written: {0}")]
    Io(#[from] io::Error),
}

/// Works from a journal that nobody keeps any more: takes away what is left, makes sure of it, and closes it.
///
/// `token` is for control APIs that want one.
///
/// # Errors
/// When the journal is still kept, or cannot be relied upon; then something may be left.
pub async fn undo(journal: &Path, token: Option<&str>) -> Result<Undone, UndoError> {
    attend(journal, Mode::Clear, token).await
}

/// Ends one's own journal: settles what is not undone yet, and closes it if nothing is left.
///
/// # Errors
/// When it cannot be written.
pub async fn close(journal: UndoJournal, token: Option<&str>) -> io::Result<Undone> {
    finish(journal, Mode::Clear, token).await
}

async fn attend(path: &Path, mode: Mode, token: Option<&str>) -> Result<Undone, UndoError> {
    let file = File::options().read(true).append(true).open(path)?;
    take(&file, path).await?;
    if !path.exists() {
        // Somebody else has undone it meanwhile.
        return Ok(Undone::default());
    }
    let reading = match read(path) {
        Ok(reading) => reading,
        Err(ReadError::Unbegun) => {
            fs::remove_file(path)?;
            tidy(path);
            return Ok(Undone::default());
        }
        Err(error) => return Err(error.into()),
    };
    if reading.closed {
        return Ok(Undone { journal: put_away(path, &reading.opening, reading.next_id), ..Undone::default() });
    }
    let journal = UndoJournal::take_over(path, file, "undo", reading)?;
    Ok(finish(journal, mode, token).await?)
}

/// Locks a journal. Where its writer is dead, somebody else undoes it at this moment, or a lock of ours is shared with a
/// program that is just being started, from fork to exec: both are soon over, and waited for.
async fn take(file: &File, path: &Path) -> Result<(), UndoError> {
    let until = Instant::now() + HANDOVER;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error.into()),
            Err(TryLockError::WouldBlock) => {}
        }
        let reading = read(path).ok();
        let writer_lives = reading.as_ref().is_some_and(|reading| reading.opening.owner.lives());
        if writer_lives || Instant::now() >= until {
            return Err(UndoError::Kept { reading: reading.map(Box::new) });
        }
        sleep(LOOK).await;
    }
}

/// Settles what is open, the last first, and closes the journal if nothing is left.
async fn finish(mut journal: UndoJournal, mode: Mode, token: Option<&str>) -> io::Result<Undone> {
    let mut result = Undone::default();
    let open: Vec<_> = journal.open().iter().rev().cloned().collect();
    for open in open {
        let what = open.action.describe();
        match settle(journal.opening(), &open, mode, token).await {
            Settled::Gone(evidence) => {
                result.undone.push(format!("{what}: {evidence}"));
                journal.undone(open.id, evidence)?;
            }
            Settled::Left(why) => {
                result.left.push(format!("{what}: {why}"));
                journal.left(open.id, why)?;
            }
        }
    }
    let path = journal.path().to_owned();
    if result.left.is_empty() {
        journal.close()?;
        result.journal = put_away(&path, journal.opening(), journal.actions());
    } else {
        result.journal = Some(path);
    }
    Ok(result)
}

/// Takes a closed journal out of the open ones: into its run's folder, or away if nothing was ever done.
fn put_away(path: &Path, opening: &Opening, actions: u64) -> Option<PathBuf> {
    let to = opening.folder.join(IN_RUN);
    let moved = opening.folder.is_dir() && !to.exists() && fs::rename(path, &to).is_ok();
    let kept = if moved {
        Some(to)
    } else if actions == 0 || !opening.folder.is_dir() {
        // Whoever removed the run's folder wants none of it.
        let _ = fs::remove_file(path);
        None
    } else {
        // It is closed, and whoever looks at it next tries again.
        Some(path.to_owned())
    };
    tidy(path);
    kept
}

/// Removes the folder of open journals if it is empty; best effort, for an empty folder is only untidy.
fn tidy(journal: &Path) {
    if let Some(folder) = journal.parent().filter(|folder| folder.ends_with(OPEN)) {
        let _ = fs::remove_dir(folder);
    }
}

/// Locks the reports folder, so that nobody else begins meanwhile. The lock goes with the value, or the process.
async fn lock(out: &Path) -> io::Result<File> {
    let folder = File::open(out)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(LOOK).await,
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(ErrorKind::ResourceBusy, "another firedrill holds it while it begins"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}
