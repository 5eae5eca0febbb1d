//! `firedrill judge` and `firedrill report`: old runs, judged and rendered again.

use super::args::{JudgeArgs, ReportArgs};
use super::exit::Exit;
use super::run::verdict_json;
use super::{out, render_error};
use crate::config;
use crate::model::run_record::RunRecord;
use crate::report;
use crate::run::{recover, rejudge};
use std::path::Path;

/// Judges a run again and prints the verdict.
pub(super) fn execute(args: &JudgeArgs) -> Exit {
    let playbook = match args.playbook.as_deref().map(config::read_playbook).transpose() {
        Ok(playbook) => playbook,
        Err(error) => return render_error::config(&error),
    };
    let record = match read(&args.dir) {
        Ok(record) => rejudge(record, playbook),
        Err(exit) => return exit,
    };
    if args.write
        && let Err(error) = report::write_run(&args.dir, &record)
    {
        out::stderr(&render_error::chain(&error));
        return Exit::Failure;
    }
    let page = args.dir.join("report.html");
    if args.json {
        out::stdout(&verdict_json(&record, &page));
    } else {
        out::stdout(&report::terminal(&record, &page, out::stdout_color()));
    }
    record.verdict.decision.into()
}

/// Renders a run's report again.
pub(super) fn render(args: &ReportArgs) -> Exit {
    let record = match read(&args.dir) {
        Ok(record) => record,
        Err(exit) => return exit,
    };
    match report::write_run(&args.dir, &record) {
        Ok(()) => {
            out::stdout(&args.dir.join("report.html").display().to_string());
            Exit::Go
        }
        Err(error) => {
            out::stderr(&render_error::chain(&error));
            Exit::Failure
        }
    }
}

/// Reads `run.json`, or rebuilds the run from its journal where it was killed before writing one.
fn read(dir: &Path) -> Result<RunRecord, Exit> {
    if dir.join("run.json").exists() {
        return report::read_run(dir).map_err(|error| {
            out::stderr(&render_error::chain(&error));
            Exit::BadFile
        });
    }
    if !dir.join("events.jsonl").exists() {
        out::stderr(&format!(
            "error: {} is no run\n  because: it has neither run.json nor events.jsonl; name a folder below reports/",
            dir.display()
        ));
        return Err(Exit::BadFile);
    }
    recover(dir).map_err(|error| render_error::run(&error))
}
