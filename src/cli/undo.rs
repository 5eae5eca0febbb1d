//! `firedrill undo`: what a killed run may have left, taken away and made sure of, by its undo journal.

use super::args::UndoArgs;
use super::exit::Exit;
use super::{out, render_error};
use crate::undo::{self, ReadError, UndoError, Undone};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Works through the journals. Ends with 0 only if nothing is left of any of them.
pub(super) fn execute(args: &UndoArgs) -> Exit {
    let journals = match journals(args) {
        Ok(journals) => journals,
        Err(message) => {
            out::stderr(&format!("error: {message}"));
            return Exit::BadFile;
        }
    };
    if args.dry_run {
        return tell(&journals, args.json);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            out::stderr(&render_error::chain(&error));
            return Exit::Failure;
        }
    };
    let mut results = Vec::new();
    for journal in journals {
        let result = runtime.block_on(undo::undo(&journal, args.token.as_deref()));
        results.push((journal, result));
    }
    let is_clean = |result: &Result<Undone, UndoError>| result.as_ref().is_ok_and(|undone| undone.left.is_empty());
    let clean = results.iter().all(|(_, result)| is_clean(result));
    if args.json {
        let all: Vec<Value> = results.iter().map(|(path, result)| as_json(path, result)).collect();
        out::stdout(&json!({"clean": clean, "journals": all}).to_string());
    } else if results.is_empty() {
        out::stdout("nothing is left: there is no open undo journal");
    } else {
        results.iter().for_each(|(path, result)| out::stdout(&in_words(path, result)));
    }
    if clean { Exit::Go } else { Exit::MayBeLeft }
}

/// The journals that are meant.
fn journals(args: &UndoArgs) -> Result<Vec<PathBuf>, String> {
    if let Some(journal) = &args.journal {
        return if journal.is_file() { Ok(vec![journal.clone()]) } else { Err(missing(journal)) };
    }
    let dir = &args.dir;
    if !dir.is_dir() {
        // Where nothing was ever run, nothing is left; a folder that was named is another matter.
        let is_default = dir == Path::new("reports");
        return if is_default { Ok(Vec::new()) } else { Err(missing(dir)) };
    }
    let is_run = dir.join("events.jsonl").exists() || dir.join("run.json").exists();
    if !is_run {
        return Ok(undo::find(dir));
    }
    // An open journal is beside the run's folder, under the same name.
    let absolute = dir.canonicalize().map_err(|error| format!("{}: {error}", dir.display()))?;
    let name = absolute.file_name().unwrap_or_default().to_owned();
    let reports = absolute.parent().unwrap_or(&absolute);
    Ok(undo::find(reports).into_iter().filter(|journal| journal.file_stem() == Some(&name)).collect())
}

fn missing(path: &Path) -> String {
    format!("{} is not there; name a reports folder, a run's folder, or a journal with --journal", path.display())
}

/// Says what journals hold.
fn tell(journals: &[PathBuf], as_json: bool) -> Exit {
    let mut exit = Exit::Go;
    let mut all = Vec::new();
    for path in journals {
        match undo::read(path) {
            Ok(reading) => {
                let actions: Vec<Value> = reading
                    .open
                    .iter()
                    .map(|open| {
                        json!({"action": open.action, "what": open.action.describe(), "undo": open.action.undo(),
                               "lease": open.lease})
                    })
                    .collect();
                if !as_json {
                    let alive = if reading.opening.owner.lives() { "still at work" } else { "gone" };
                    out::stdout(&format!("{}: process {} is {alive}", path.display(), reading.opening.owner.pid));
                    for open in &reading.open {
                        out::stdout(&format!("  {}\n    undo: {}", open.action.describe(), open.action.undo()));
                    }
                }
                all.push(json!({"journal": path, "opening": reading.opening, "lines": reading.lines,
                                "closed": reading.closed, "torn": reading.torn_at.is_some(), "open": actions}));
            }
            Err(error) => {
                exit = Exit::MayBeLeft;
                if !as_json {
                    out::stdout(&format!("{}: {error}", path.display()));
                }
                all.push(json!({"journal": path, "error": error.to_string()}));
            }
        }
    }
    if as_json {
        out::stdout(&json!({"journals": all}).to_string());
    } else if journals.is_empty() {
        out::stdout("nothing is left: there is no open undo journal");
    }
    exit
}

fn as_json(path: &Path, result: &Result<Undone, UndoError>) -> Value {
    match result {
        Ok(undone) => json!({"journal": undone.journal.as_deref().unwrap_or(path), "undone": undone.undone,
                             "left": undone.left}),
        Err(error) => json!({"journal": path, "error": error.to_string()}),
    }
}

fn in_words(path: &Path, result: &Result<Undone, UndoError>) -> String {
    let mut text = format!("{}:", path.display());
    match result {
        Ok(undone) => {
            if undone.undone.is_empty() && undone.left.is_empty() {
                text.push_str(" nothing had been done");
            }
            undone.undone.iter().for_each(|undone| text.push_str(&format!("\n  undone: {undone}")));
            undone.left.iter().for_each(|left| text.push_str(&format!("\n  left: {left}")));
            if let Some(journal) = undone.journal.as_deref().filter(|journal| *journal != path) {
                text.push_str(&format!("\n  the journal is now {}", journal.display()));
            }
        }
        Err(UndoError::Kept { .. }) => {
            text.push_str(" its process is still at work, and undoes everything when it ends; end it with Ctrl-C");
        }
        Err(error @ UndoError::Read(ReadError::Broken { .. })) => text.push_str(&format!(
            " {error}\n  read it, undo by hand what it names, and move the file away when nothing is left"
        )),
        Err(error) => text.push_str(&format!(" {error}")),
    }
    text
}
