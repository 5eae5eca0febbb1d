//! The run's folder: its name, its journal, and reading both back.

use super::{RunError, fold};
use crate::judge::{JudgeInput, judge};
use crate::model::event::RunEvent;
use crate::model::playbook::Playbook;
use crate::model::run_record::{EndReason, RunHeader, RunRecord};
use crate::model::timeline::Timeline;
use crate::model::verdict::Verdict;
use crate::resilience::behaviour;
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
    fs::create_dir_all(out).map_err(|source| {
        match out.ancestors().find(|path| path.exists()).filter(|path| !path.is_dir()) {
            Some(file) => RunError::OutIsFile { out: out.to_owned(), file: file.to_owned() },
            None => RunError::Folder { path: out.to_owned(), source },
        }
    })?;
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

/// Removes a run's folder if no run can be rebuilt from it: if its journal does not even say what was run.
///
/// Best effort, for it is done where something else has failed already; whatever remains is only untidy.
pub(super) fn remove_unless_begun(dir: &Path) {
    let mut line = Vec::new();
    let read = File::open(dir.join(JOURNAL)).and_then(|file| BufReader::new(file).read_until(b'\n', &mut line));
    if read.is_err() || line.last() != Some(&b'\n') {
        let _ = fs::remove_dir_all(dir);
    }
}

/// `events.jsonl`, written as things happen.
///
/// Lines are buffered for at most a second (the dispatcher flushes), so a killed run loses no more than that.
pub(super) struct Journal {
    path: PathBuf,
    file: BufWriter<File>,
    /// Something could not be written. What came after it would stand behind a gap, or behind half a line.
    broken: bool,
}

impl Journal {
    /// Creates the journal in the run's folder.
    pub(super) fn create(dir: &Path) -> Result<Self, RunError> {
        let path = dir.join(JOURNAL);
        match File::create_new(&path) {
            Ok(file) => Ok(Self { path, file: BufWriter::with_capacity(64 * 1024, file), broken: false }),
            Err(source) => Err(RunError::Journal { path, source }),
        }
    }

    /// Appends one event.
    pub(super) fn append(&mut self, event: &RunEvent) -> Result<(), RunError> {
        self.guarded(|file| {
            serde_json::to_writer(&mut *file, event)?;
            file.write_all(b"\n")
        })
    }

    /// Hands what is buffered to the system.
    pub(super) fn flush(&mut self) -> Result<(), RunError> {
        self.guarded(|file| file.flush())
    }

    fn guarded(&mut self, write: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<(), RunError> {
        let result =
            if self.broken { Err(std::io::Error::other("writing it failed before")) } else { write(&mut self.file) };
        self.broken |= result.is_err();
        result.map_err(|source| RunError::Journal { path: self.path.clone(), source })
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
    let resilience = behaviour(&header.plan, &timeline, ended);
    RunRecord { header, ended, end, timeline, resilience, playbook, verdict }
}

/// The latest moment that an event speaks of.
fn moment(event: &RunEvent) -> Offset {
    match event {
        RunEvent::FaultOpened { at, .. }
        | RunEvent::FaultClosed { at, .. }
        | RunEvent::FaultFired { at, .. }
        | RunEvent::Warning { at, .. }
        | RunEvent::Ended { at, .. } => *at,
        RunEvent::Call(note) => note.at.plus(note.took.get()),
        RunEvent::CallSettled(settled) => settled.at,
        RunEvent::Interval(interval) => Offset::from_secs(interval.second + 1),
        RunEvent::Upstream(interval) => Offset::from_secs(interval.second + 1),
        RunEvent::Reading(reading) => reading.at(),
        RunEvent::Target(event) => event.at,
        RunEvent::Pressure(mark) => mark.at,
        RunEvent::Harness(reading) => reading.at,
        RunEvent::Observed { what } => what.at(),
        RunEvent::Exemplar(exemplar) => exemplar.at,
        RunEvent::Started { .. } | RunEvent::Journeys { .. } | RunEvent::Users { .. } => Offset::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::calls::{
        CallEnd, CallNote, CallOutcome, CallSettled, Layer, Retry, RetrySign, TracedBy, Trigger,
    };
    use crate::model::fault::{Abort, BodyPoint, FaultAction};
    use crate::model::interval::{EndpointInterval, Interval, JourneyInterval, Spectrum, UserSlice};
    use crate::model::reading::{HarnessReading, HealthState, PressureMark, Reading, TargetChange, TargetEvent};
    use crate::model::sample::Outcome;
    use crate::model::timeline::{Exemplar, UpstreamInterval};
    use crate::units::{ByteSize, Span};
    use std::collections::BTreeMap;

    /// One event of every kind but the first, which needs a whole plan and is covered by the end-to-end tests.
    fn one_of_each() -> Vec<RunEvent> {
        let at = Offset::from_micros(1_234_567);
        vec![
            RunEvent::FaultOpened { at, rule: 0 },
            RunEvent::FaultClosed { at, rule: 0 },
            RunEvent::FaultFired {
                at,
                rule: 1,
                n: 7,
                call: Some(12),
                trigger: Some(Trigger { step: 3, user: 5, endpoint: 1, by: TracedBy::User }),
                upstream: "openai".into(),
                request: "POST /v1/chat/completions".into(),
                action: FaultAction::Abort(Abort {
                    error: Some("rate_limit".into()),
                    status: None,
                    headers: BTreeMap::from([("retry-after".into(), "2".into())]),
                    ..Abort::default()
                }),
            },
            RunEvent::FaultFired {
                at,
                rule: 1,
                n: 8,
                call: Some(13),
                trigger: None,
                upstream: "openai".into(),
                request: "GET /v1/models".into(),
                action: FaultAction::Stall { after: BodyPoint::Bytes(ByteSize(10)), pause: Some(Span::from_secs(2)) },
            },
            RunEvent::Call(Box::new(CallNote {
                at,
                upstream: 0,
                call: 14,
                logical: 12,
                attempt: 2,
                retry: Some(Retry {
                    by: RetrySign::Mark,
                    layer: Layer::Client,
                    number: 1,
                    gap: Some(Span::from_secs(1)),
                    asked: None,
                }),
                request: "POST /v1/chat/completions".into(),
                took: Span::from_secs(2),
                end: CallEnd::Answered(429),
                faults: 1,
                retry_after: Some(Span::from_secs(2)),
                inserted: 0,
                trigger: None,
            })),
            RunEvent::CallSettled(CallSettled {
                at,
                upstream: 0,
                logical: 12,
                tries: 3,
                outcome: CallOutcome::GaveUp,
                corrects: None,
                inserting_tries: 0,
                inserted_again: 0,
                request: "POST /v1/chat/completions".into(),
            }),
            RunEvent::Interval(Interval {
                second: 3,
                users: 2,
                started: 4,
                endpoints: vec![EndpointInterval {
                    endpoint: 1,
                    outcomes: BTreeMap::from([(Outcome::Ok, 3), (Outcome::Masked, 1)]),
                    plain_ok: 4,
                    bytes: 99,
                    response: Spectrum(vec![(1000, 3), (2000, 1)]),
                    service: Spectrum(vec![(1000, 4)]),
                }],
            }),
            RunEvent::Journeys {
                journeys: vec![JourneyInterval { second: 3, completed: 1, ..JourneyInterval::default() }],
            },
            RunEvent::Users {
                users: vec![UserSlice {
                    slice: 0,
                    user: 5,
                    endpoint: 1,
                    steps: 2,
                    bad: 1,
                    degraded: 0,
                    slowest_ms: 12,
                }],
            },
            RunEvent::Upstream(UpstreamInterval {
                second: 3,
                calls: 2,
                statuses: BTreeMap::from([(0, 1), (200, 1)]),
                ..UpstreamInterval::default()
            }),
            RunEvent::Reading(Reading::Memory { at, rss: 1, group: None, limit: Some(2) }),
            RunEvent::Reading(Reading::Health {
                at,
                took: Span::from_secs(1),
                status: Some(200),
                says: Some("critical".into()),
                state: HealthState::Down("the body says critical".into()),
            }),
            RunEvent::Reading(Reading::Gauge { at, name: "error_rate".into(), value: 0.5 }),
            RunEvent::Target(TargetEvent {
                at,
                what: TargetChange::Ended { code: None, signal: Some(9), oom_killed: true, at_limit: true },
            }),
            RunEvent::Pressure(PressureMark { at, held: 5 }),
            RunEvent::Harness(HarnessReading { at, lateness: Span::default(), cpu_seconds: 0.25, rss: 1, fds: 9 }),
            RunEvent::Exemplar(Exemplar {
                at,
                endpoint: 1,
                user: 5,
                request: "POST /x".into(),
                status: Some(200),
                outcome: Outcome::Masked,
                why: "/plan: missing".into(),
                took_ms: 12,
                body: "{}".into(),
            }),
            RunEvent::Warning { at, message: "a \"warning\"\n".into() },
            RunEvent::Ended { at, reason: EndReason::Interrupted(2) },
        ]
    }

    #[test]
    fn every_event_reads_back_as_it_was_written() {
        for event in one_of_each() {
            let line = serde_json::to_string(&event).unwrap();
            assert!(!line.contains('\n'), "one event, one line");
            assert_eq!(serde_json::from_str::<RunEvent>(&line).unwrap(), event, "{line}");
        }
    }

    #[test]
    fn a_journal_without_its_first_line_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(dir.path()).unwrap();
        for event in one_of_each() {
            journal.append(&event).unwrap();
        }
        journal.flush().unwrap();
        let error = recover(dir.path()).unwrap_err().to_string();
        assert!(error.contains("events.jsonl") && error.contains("no first line"), "{error}");
    }

    #[test]
    fn a_folder_stays_only_if_its_journal_says_what_was_run() {
        let out = tempfile::tempdir().unwrap();
        for (name, journal, stays) in [
            ("without", None, false),
            ("empty", Some(""), false),
            ("cut", Some("{\"event\":\"sta"), false),
            ("begun", Some("{\"event\":\"started\"}\n{\"ev"), true),
        ] {
            let dir = out.path().join(name);
            fs::create_dir(&dir).unwrap();
            fs::write(dir.join("target.log"), "hello").unwrap();
            if let Some(journal) = journal {
                fs::write(dir.join(JOURNAL), journal).unwrap();
            }
            remove_unless_begun(&dir);
            assert_eq!(dir.exists(), stays, "{name}");
        }
    }

    #[test]
    fn nothing_is_written_behind_a_gap() {
        // /dev/full takes no byte: every flush fails as on a full disk.
        let file = File::options().write(true).open("/dev/full").unwrap();
        let file = BufWriter::with_capacity(16, file);
        let mut journal = Journal { path: JOURNAL.into(), file, broken: false };
        let event = RunEvent::Warning { at: Offset::ZERO, message: "longer than the buffer".into() };
        let RunError::Journal { source, .. } = journal.append(&event).unwrap_err() else { panic!("another error") };
        assert_eq!(source.kind(), ErrorKind::StorageFull);
        journal.file = BufWriter::new(tempfile::tempfile().unwrap());
        assert!(journal.append(&event).is_err() && journal.flush().is_err(), "also when there is room again");
        assert_eq!(journal.file.buffer(), b"");
    }

    #[test]
    fn a_file_where_the_folder_shall_be_is_named() {
        let home = tempfile::tempdir().unwrap();
        let plain = home.path().join("plain");
        fs::write(&plain, "").unwrap();
        for out in [plain.clone(), plain.join("below")] {
            let error = create(&out, "smoke", Timestamp::UNIX_EPOCH).unwrap_err();
            assert!(matches!(&error, RunError::OutIsFile { file, .. } if *file == plain), "{error:?}");
        }
    }

    #[test]
    fn two_runs_of_one_second_get_two_folders() {
        let out = tempfile::tempdir().unwrap();
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let (_, first) = create(out.path(), "weekly load/1", now).unwrap();
        let (_, second) = create(out.path(), "weekly load/1", now).unwrap();
        assert_eq!(
            (first.as_str(), second.as_str()),
            ("20231114-221320-weekly-load-1", "20231114-221320-weekly-load-1-2")
        );
    }
}
