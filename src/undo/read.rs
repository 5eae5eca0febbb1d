//! [`read`] and [`verify`]: what an undo journal says, to its last complete line.

use super::line::{Action, Event, Line, NO_LINE, Opening, hash};
use super::moment::Lease;
use std::io;
use std::path::Path;

/// More than any journal of ours has; what is larger is none.
const MOST_BYTES: u64 = 256 << 20;

/// An action that is not undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its number.
    pub id: u64,
    /// What it is.
    pub action: Action,
    /// Until when it lasts at most.
    pub lease: Option<Lease>,
}

/// What a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whose it is.
    pub opening: Opening,
    /// Complete lines.
    pub lines: u64,
    /// What is not undone.
    pub open: Vec<Open>,
    /// Whether its last line says that everything is undone.
    pub closed: bool,
    /// Where a last line begins that was cut off, in bytes.
    pub torn_at: Option<u64>,
    /// The number of the next action.
    pub(super) next_id: u64,
    /// The hash of the last complete line.
    pub(super) last_hash: String,
}

/// Why a journal cannot be relied upon.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be read at all.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It does not even say whose it is: it was killed while it was being made, before anything was done.
    #[error("it has no complete first line, so nothing had been done yet")]
    Unbegun,
    /// A line in the middle is not what was written there.
    #[error("line {line} is not what was written there: {why}")]
    Broken {
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads a journal. A last line that was cut off is left out; anything else that is wrong is an error.
///
/// # Errors
/// When it cannot be relied upon.
pub fn read(path: &Path) -> Result<Reading, ReadError> {
    let length = std::fs::metadata(path)?.len();
    if length > MOST_BYTES {
        return Err(ReadError::Io(io::Error::other("it is too large to be a journal")));
    }
    verify(&std::fs::read(path)?)
}

/// Reads a journal's text: every line is complete, numbered, and holds the hash of the one before.
///
/// # Errors
/// When it cannot be relied upon.
pub fn verify(text: &[u8]) -> Result<Reading, ReadError> {
    let complete = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn_at = (complete < text.len()).then_some(complete as u64);
    let mut reading: Option<Reading> = None;
    let mut previous = NO_LINE.to_owned();
    let lines = text[..complete].strip_suffix(b"\n").unwrap_or_default().split(|byte| *byte == b'\n');
    for (number, bytes) in lines.enumerate().filter(|_| complete > 0) {
        let number = number as u64;
        let broken = |why: &str| ReadError::Broken { line: number + 1, why: why.to_owned() };
        let line: Line = serde_json::from_slice(bytes).map_err(|error| broken(&error.to_string()))?;
        if line.sequence != number {
            return Err(broken(&format!("it says that it is number {}", line.sequence + 1)));
        }
        if line.previous != previous {
            return Err(broken("the line before has been changed, or lines are missing"));
        }
        previous = hash(bytes);
        match (&mut reading, line.event) {
            (None, Event::Opened(opening)) => {
                reading = Some(Reading {
                    opening: *opening,
                    lines: 1,
                    open: Vec::new(),
                    closed: false,
                    torn_at,
                    next_id: 0,
                    last_hash: String::new(),
                });
            }
            (None, _) => return Err(broken("the first line does not open a journal")),
            (Some(_), Event::Opened(_)) => return Err(broken("it opens another journal")),
            (Some(reading), event) => reading.take(event),
        }
    }
    let mut reading = reading.ok_or(ReadError::Unbegun)?;
    reading.last_hash = previous;
    Ok(reading)
}

impl Reading {
    fn take(&mut self, event: Event) {
        self.lines += 1;
        self.closed = matches!(event, Event::Closed);
        match event {
            Event::Acting { id, action, lease } => {
                self.next_id = self.next_id.max(id + 1);
                self.open.push(Open { id, action, lease });
            }
            Event::Renewed { id, lease } => {
                if let Some(open) = self.open.iter_mut().find(|open| open.id == id) {
                    open.lease = Some(lease);
                }
            }
            Event::Undone { id } => self.open.retain(|open| open.id != id),
            Event::Opened(_) | Event::Acted { .. } | Event::Left { .. } | Event::Noted { .. } | Event::Closed => {}
        }
    }
}
