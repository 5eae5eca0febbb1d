//! The run's folder: its name, its journal, and reading both back.

use super::{RunError, fold};
use crate::judge::{JudgeInput, judge};
use crate::model::event::RunEvent;
use crate::model::playbook::Playbook;
use crate::model::run_record::{EndReason, RunHeader, RunRecord};
use crate::model::timeline::Timeline;
use crate::model::verdict::Verdict;
use crate::units::Offset;
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, BufWriter, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// The journal's file name.
const JOURNAL: &str = "events.jsonl";

/// Makes a new folder below `out` and returns it with the run's id.
///
/// The id is the local-independent start time and the scenario's name, with a number where two runs start in the
/// same second: an existing run is never written into.
pub(super) fn create(out: &Path, scenario: &str, started_at: Timestamp) -> Result<(PathBuf, String), RunError> {
    fs::create_dir_all(out).map_err(|source| RunError::Folder { path: out.to_owned(), source })?;
    let stamp = started_at.strftime("%Y%m%d-%H%M%S").to_string();
    let name: String =
        scenario.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' }).collect();
    for attempt in 1_u32.. {
        let id = if attempt == 1 { format!("{stamp}-{name}") } else { format!("{stamp}-{name}-{attempt}") };
        let path = out.join(&id);
        match fs::create_dir(&path) {
            Ok(()) => return Ok((path, id)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(source) => return Err(RunError::Folder { path, source }),
        }
    }
    unreachable!("some number below 2^32 is free")
}

/// `events.jsonl`, written as things happen.
///
/// Lines are buffered for at most a second (the dispatcher flushes), so a killed run loses no more than that.
pub(super) struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Journal {
    /// Creates the journal in the run's folder.
    pub(super) fn create(dir: &Path) -> Result<Self, RunError> {
        let path = dir.join(JOURNAL);
        match File::create_new(&path) {
            Ok(file) => Ok(Self { path, file: BufWriter::with_capacity(64 * 1024, file) }),
            Err(source) => Err(RunError::Journal { path, source }),
        }
    }

    /// Appends one event.
    pub(super) fn append(&mut self, event: &RunEvent) -> Result<(), RunError> {
        let write = |file: &mut BufWriter<File>| -> std::io::Result<()> {
            serde_json::to_writer(&mut *file, event)?;
            file.write_all(b"\n")
        };
        write(&mut self.file).map_err(|source| RunError::Journal { path: self.path.clone(), source })
    }

    /// Hands what is buffered to the system.
    pub(super) fn flush(&mut self) -> Result<(), RunError> {
        self.file.flush().map_err(|source| RunError::Journal { path: self.path.clone(), source })
    }
}

/// Rebuilds a run from its journal: for runs that were killed before they could write `run.json`.
///
/// A last line that was cut off is left out; a broken line in the middle is an error.
pub fn recover(dir: &Path) -> Result<RunRecord, RunError> {
    let path = dir.join(JOURNAL);
    let unreadable = |reason: String| RunError::Unreadable { path: path.clone(), reason };
    let file = File::open(&path).map_err(|error| unreadable(error.to_string()))?;
    let mut lines = BufReader::new(file).lines().enumerate().peekable();
    let mut started: Option<(RunHeader, Playbook)> = None;
    let mut timeline = Timeline::default();
    let (mut last, mut end) = (Offset::ZERO, EndReason::Killed);
    while let Some((number, line)) = lines.next() {
        let line = line.map_err(|error| unreadable(format!("line {}: {error}", number + 1)))?;
        let event: RunEvent = match serde_json::from_str(&line) {
            Ok(event) => event,
            Err(_) if lines.peek().is_none() => break,
            Err(error) => return Err(unreadable(format!("line {}: {error}", number + 1))),
        };
        last = last.max(moment(&event));
        match event {
            RunEvent::Started { header, playbook } => started = Some((*header, *playbook)),
            RunEvent::Ended { reason, .. } => end = reason,
            event => fold::apply(&mut timeline, event),
        }
    }
    let (header, playbook) = started.ok_or_else(|| unreadable("it has no first line that says what was run".into()))?;
    fold::finish(&mut timeline);
    Ok(judged(header, last, end, timeline, playbook))
}

/// Judges a record again, by `playbook` or by its own.
#[must_use]
pub fn rejudge(record: RunRecord, playbook: Option<Playbook>) -> RunRecord {
    let RunRecord { header, ended, end, timeline, playbook: own, .. } = record;
    judged(header, ended, end, timeline, playbook.unwrap_or(own))
}

/// Puts a record together, verdict included.
pub(super) fn judged(
    header: RunHeader,
    ended: Offset,
    end: EndReason,
    timeline: Timeline,
    playbook: Playbook,
) -> RunRecord {
    let verdict: Verdict =
        judge(&JudgeInput { plan: &header.plan, playbook: &playbook, timeline: &timeline, ended, end: &end });
    RunRecord { header, ended, end, timeline, playbook, verdict }
}

/// The latest moment that an event speaks of.
fn moment(event: &RunEvent) -> Offset {
    match event {
        RunEvent::FaultOpened { at, .. }
        | RunEvent::FaultClosed { at, .. }
        | RunEvent::FaultFired { at, .. }
        | RunEvent::Warning { at, .. }
        | RunEvent::Ended { at, .. } => *at,
        RunEvent::Interval(interval) => Offset::from_secs(interval.second + 1),
        RunEvent::Upstream(interval) => Offset::from_secs(interval.second + 1),
        RunEvent::Reading(reading) => reading.at(),
        RunEvent::Target(event) => event.at,
        RunEvent::Pressure(mark) => mark.at,
        RunEvent::Harness(reading) => reading.at,
        RunEvent::Exemplar(exemplar) => exemplar.at,
        RunEvent::Started { .. } | RunEvent::Journeys { .. } | RunEvent::Users { .. } => Offset::ZERO,
    }
}
