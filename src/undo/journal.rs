//! [`UndoJournal`]: writes what is about to be done, and keeps the file locked for as long as its owner lives.

use super::line::{Action, Event, Line, NO_LINE, Opening, hash};
use super::moment::Lease;
use super::read::{Open, Reading};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// An undo journal that is being written.
///
/// Every line is with the disk (fsync) before the call that writes it returns: there are few of them, and each is
/// about something that must not be forgotten. The file is locked while this value lives; the kernel lets go of the
/// lock when the process dies, however that comes about, so an unlocked journal is one that nobody keeps any more.
#[derive(Debug)]
pub struct UndoJournal {
    path: PathBuf,
    file: File,
    actor: &'static str,
    opening: Opening,
    sequence: u64,
    next_id: u64,
    previous: String,
    open: Vec<Open>,
}

impl UndoJournal {
    /// Creates a journal; its folder must be there.
    pub(super) fn create(path: &Path, actor: &'static str, opening: Opening) -> io::Result<Self> {
        let file = File::options().append(true).read(true).create_new(true).open(path)?;
        // Nobody knows of the file yet but those who look through the folder, and they hold the folder's lock.
        file.try_lock()?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            actor,
            opening: opening.clone(),
            sequence: 0,
            next_id: 0,
            previous: NO_LINE.to_owned(),
            open: Vec::new(),
        };
        journal.write(Event::Opened(Box::new(opening)), None)?;
        // A file's name is kept by its folder, which has to reach the disk as well.
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(journal)
    }

    /// Takes a journal over that nobody keeps any more; `file` is open for appending, and locked.
    pub(super) fn take_over(path: &Path, file: File, actor: &'static str, reading: Reading) -> io::Result<Self> {
        if let Some(torn) = reading.torn_at {
            // What was cut off has said nothing; left in place, the next line would continue it.
            file.set_len(torn)?;
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            actor,
            opening: reading.opening,
            sequence: reading.lines,
            next_id: reading.next_id,
            previous: reading.last_hash,
            open: reading.open,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whose it is.
    #[must_use]
    pub fn opening(&self) -> &Opening {
        &self.opening
    }

    /// How many actions it has told of.
    #[must_use]
    pub(super) fn actions(&self) -> u64 {
        self.next_id
    }

    /// What is not undone yet, in the order in which it was done.
    #[must_use]
    pub fn open(&self) -> &[Open] {
        &self.open
    }

    /// Says that something is about to be done. It must not be done before this returns.
    ///
    /// # Errors
    /// When the line is not safely on disk; then the thing must not be done.
    pub fn acting(&mut self, action: Action, lease: Option<Lease>) -> io::Result<u64> {
        let id = self.next_id;
        self.write(Event::Acting { id, action: action.clone(), lease: lease.clone() }, None)?;
        self.next_id += 1;
        self.open.push(Open { id, action, lease });
        Ok(id)
    }

    /// Says that it is done, and what came of it.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn acted(&mut self, id: u64, evidence: String) -> io::Result<()> {
        self.write(Event::Acted { id }, Some(evidence))
    }

    /// Says that it lasts longer. The lease must not be given before this returns.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn renewed(&mut self, id: u64, lease: Lease) -> io::Result<()> {
        self.write(Event::Renewed { id, lease: lease.clone() }, None)?;
        if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
            open.lease = Some(lease);
        }
        Ok(())
    }

    /// Says that it is undone, and how that is known.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn undone(&mut self, id: u64, evidence: String) -> io::Result<()> {
        self.write(Event::Undone { id }, Some(evidence))?;
        self.open.retain(|open| open.id != id);
        Ok(())
    }

    /// Says that something of it may be left, and why.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn left(&mut self, id: u64, why: String) -> io::Result<()> {
        self.write(Event::Left { id }, Some(why))
    }

    /// Says something that a reader should know.
    ///
    /// # Errors
    /// When the line cannot be written.
    pub fn note(&mut self, what: String, evidence: Option<String>) -> io::Result<()> {
        self.write(Event::Noted { what }, evidence)
    }

    /// Says that everything is undone.
    ///
    /// # Errors
    /// When something is not, or the line cannot be written.
    pub(super) fn close(&mut self) -> io::Result<()> {
        if !self.open.is_empty() {
            return Err(io::Error::other("something is not undone"));
        }
        self.write(Event::Closed, None)
    }

    fn write(&mut self, event: Event, evidence: Option<String>) -> io::Result<()> {
        let line = Line::new(self.sequence, self.actor, event, evidence, self.previous.clone());
        let mut text = serde_json::to_vec(&line)?;
        let hash = hash(&text);
        text.push(b'\n');
        let before = self.file.metadata()?.len();
        if let Err(error) = self.file.write_all(&text).and_then(|()| self.file.sync_data()) {
            // Half a line (a full disk) would spoil the next one.
            let _ = self.file.set_len(before);
            return Err(error);
        }
        self.sequence += 1;
        self.previous = hash;
        Ok(())
    }
}
