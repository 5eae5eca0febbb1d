//! Errors to words and exit codes.

use super::exit::Exit;
use super::{again, out};
use crate::config::ConfigError;
use crate::run::RunError;
use crate::undo::BeginError;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::path::Path;

/// Says what is wrong with a file.
pub(super) fn config(error: &ConfigError) -> Exit {
    out::stderr(&error.render(out::stderr_color()));
    if error.is_usage() { Exit::Usage } else { Exit::BadFile }
}

/// Says why a run could not be made.
pub(super) fn run(error: &RunError) -> Exit {
    out::stderr(&run_text(error));
    match error {
        RunError::Target(_) => Exit::Unreachable,
        // The address is what the scenario says; another one, or ending the other process, is the remedy.
        RunError::Upstream(_) => Exit::BadFile,
        RunError::Unreadable { .. } => Exit::BadFile,
        RunError::OutIsFile { .. } => Exit::Usage,
        RunError::InterruptedEarly(signal) => Exit::Signal(*signal),
        RunError::Left { .. } | RunError::Begin(BeginError::MayBeLeft { .. } | BeginError::Running { .. }) => {
            Exit::MayBeLeft
        }
        RunError::Folder { .. }
        | RunError::Ca { .. }
        | RunError::Begin(BeginError::Io { .. })
        | RunError::Undo { .. }
        | RunError::Journal { .. }
        | RunError::Load(_)
        | RunError::Report { .. } => Exit::Failure,
    }
}

/// A run's error with its causes, what was kept all the same, and how to go on.
fn run_text(error: &RunError) -> String {
    let because = causes(error);
    match error {
        RunError::InterruptedEarly(_) => format!("error: {error}{because}"),
        RunError::Report { dir, verdict, .. } => {
            let again = again::quoted(&dir.display().to_string());
            let dir = dir.display();
            format!(
                "error: cannot {error}{because}\n  verdict: {verdict}\n  nothing half-written was left; what was \
                 measured is in {dir}/events.jsonl\n  {}, then: firedrill report {again}",
                first(error)
            )
        }
        // A journal without a beginning is gone by now, with its folder.
        RunError::Journal { path, .. } if path.exists() => {
            let again = again::quoted(&path.parent().unwrap_or(path).display().to_string());
            format!(
                "error: cannot {error}{because}\n  the run was ended; what was measured until then is in {}\n  {}, \
                 then: firedrill report {again}",
                path.display(),
                first(error)
            )
        }
        RunError::Journal { .. } => {
            format!("error: cannot {error}{because}\n  nothing was measured; {}, then run it again", first(error))
        }
        RunError::Begin(BeginError::MayBeLeft { journal, what }) => {
            format!("error: cannot {error}{}", left(what, Some(journal)))
        }
        RunError::Begin(BeginError::Running { journal, .. }) => {
            format!(
                "error: cannot {error}: their faults and loads would mix\n  journal: {}\n  wait until it has ended, or \
                 end it with Ctrl-C",
                journal.display()
            )
        }
        RunError::Left { failure, journal, what } => format!("{}{}", run_text(failure), left(what, journal.as_deref())),
        RunError::Folder { .. }
        | RunError::Ca { .. }
        | RunError::Begin(BeginError::Io { .. })
        | RunError::Undo { .. }
        | RunError::OutIsFile { .. }
        | RunError::Unreadable { .. }
        | RunError::Upstream(_)
        | RunError::Target(_)
        | RunError::Load(_) => format!("error: cannot {error}{because}"),
    }
}

/// What may still be in place, by which journal, and what to do.
pub(super) fn left(what: &[String], journal: Option<&Path>) -> String {
    let mut text: String = what.iter().map(|what| format!("\n  left: {what}")).collect();
    if let Some(journal) = journal {
        let quoted = again::quoted(&journal.display().to_string());
        text.push_str(&format!("\n  to take it away and make sure: firedrill undo --journal {quoted}"));
    }
    text
}

/// What has to be done before a file can be written.
fn first(error: &RunError) -> &'static str {
    let mut cause: Option<&dyn Error> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge)
        {
            return "free some space";
        }
        cause = error.source();
    }
    "put that right"
}

/// An error and its causes, a line each.
pub(super) fn chain(error: &dyn Error) -> String {
    format!("error: {error}{}", causes(error))
}

fn causes(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str("\n  because: ");
        text.push_str(&cause.to_string().replace('\n', "\n           "));
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::LoadError;
    use crate::report::ReportError;
    use crate::target::TargetError;
    use crate::upstream::UpstreamError;
    use std::path::PathBuf;

    fn full() -> io::Error {
        io::Error::from_raw_os_error(rustix::io::Errno::NOSPC.raw_os_error())
    }

    #[test]
    fn every_error_of_a_run_reads_as_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let journal = dir.path().join("events.jsonl");
        std::fs::write(&journal, "{}\n").unwrap();
        let in_use = io::Error::from_raw_os_error(rustix::io::Errno::ADDRINUSE.raw_os_error());
        let errors = [
            RunError::Folder { path: "out/1".into(), source: full() },
            RunError::OutIsFile { out: "plain/x".into(), file: "plain".into() },
            RunError::Journal { path: "out/gone/events.jsonl".into(), source: full() },
            RunError::Journal { path: journal, source: full() },
            RunError::Unreadable { path: "out/1/events.jsonl".into(), reason: "line 3: expected `,`".into() },
            RunError::Upstream(UpstreamError::Bind {
                upstream: "openai".into(),
                address: ([127, 0, 0, 1], 9101).into(),
                source: in_use,
            }),
            RunError::Target(TargetError::NoProcess { pid: 7 }),
            RunError::Load(LoadError::Nothing("journeys")),
            RunError::Report {
                dir: "out/1".into(),
                verdict: "GO: all is well.".into(),
                source: ReportError::Write { path: PathBuf::from("out/1/run.json"), source: full() },
            },
            RunError::Report {
                dir: "my out/1".into(),
                verdict: "GO: all is well.".into(),
                source: ReportError::Write {
                    path: PathBuf::from("my out/1/run.json"),
                    source: io::Error::from_raw_os_error(rustix::io::Errno::ACCESS.raw_os_error()),
                },
            },
            RunError::InterruptedEarly(2),
            RunError::Begin(BeginError::MayBeLeft {
                journal: "out/.firedrill/1.jsonl".into(),
                what: vec!["db/slow through the control API at http://127.0.0.1:8474: toxic db/slow is on".into()],
            }),
            RunError::Begin(BeginError::Running {
                journal: "out/.firedrill/1.jsonl".into(),
                pid: 7,
                app: "http://127.0.0.1:8001".into(),
            }),
            RunError::Begin(BeginError::Io { path: "out/.firedrill/1.jsonl".into(), source: full() }),
            RunError::Left {
                failure: Box::new(RunError::Load(LoadError::Nothing("journeys"))),
                journal: Some("my out/.firedrill/1.jsonl".into()),
                what: vec!["the app under test (sh) and all that it started: process 8 still there".into()],
            },
        ];
        let texts: Vec<String> = errors.iter().map(run_text).collect();
        let texts = texts.join("\n").replace(&dir.path().display().to_string(), "[DIR]");
        insta::assert_snapshot!(texts, @r"
        error: cannot create the folder out/1 for the run
          because: No space left on device (os error 28)
        error: cannot make the run's folder in plain/x: plain is a file, not a folder; name another with `--out`, or move the file away
        error: cannot write the journal out/gone/events.jsonl
          because: No space left on device (os error 28)
          nothing was measured; free some space, then run it again
        error: cannot write the journal [DIR]/events.jsonl
          because: No space left on device (os error 28)
          the run was ended; what was measured until then is in [DIR]/events.jsonl
          free some space, then: firedrill report [DIR]
        error: cannot read the journal out/1/events.jsonl: line 3: expected `,`
        error: cannot start the upstreams
          because: upstream `openai` cannot listen on 127.0.0.1:9101; stop what uses it (`ss -ltnp` names it) or give another `listen` under `[upstreams]`
          because: Address already in use (os error 98)
        error: cannot reach the app under test
          because: there is no process 7 (`target.pid`); name the app's running process, or leave `pid` out
        error: cannot drive the virtual users
          because: there is nothing to do: the plan has no journeys
        error: cannot write the report
          because: cannot write out/1/run.json
          because: No space left on device (os error 28)
          verdict: GO: all is well.
          nothing half-written was left; what was measured is in out/1/events.jsonl
          free some space, then: firedrill report out/1
        error: cannot write the report
          because: cannot write my out/1/run.json
          because: Permission denied (os error 13)
          verdict: GO: all is well.
          nothing half-written was left; what was measured is in my out/1/events.jsonl
          put that right, then: firedrill report 'my out/1'
        error: interrupted by signal 2 before the load began; nothing was measured, everything was undone
        error: cannot begin while something of an earlier run may still be in place
          left: db/slow through the control API at http://127.0.0.1:8474: toxic db/slow is on
          to take it away and make sure: firedrill undo --journal out/.firedrill/1.jsonl
        error: cannot begin while process 7 tests http://127.0.0.1:8001: their faults and loads would mix
          journal: out/.firedrill/1.jsonl
          wait until it has ended, or end it with Ctrl-C
        error: cannot write the undo journal out/.firedrill/1.jsonl
          because: No space left on device (os error 28)
        error: cannot drive the virtual users
          because: there is nothing to do: the plan has no journeys
          left: the app under test (sh) and all that it started: process 8 still there
          to take it away and make sure: firedrill undo --journal 'my out/.firedrill/1.jsonl'
        ");
    }
}
