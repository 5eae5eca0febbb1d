//! A run's folder on disk: `run.json` and `report.html`, written whole or not at all.

use super::error::ReportError;
use super::html;
use crate::model::run_record::{RunRecord, SCHEMA};
use serde::Deserialize;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// The record's file name in a run's folder.
const RUN: &str = "run.json";
/// The page's file name in a run's folder.
const PAGE: &str = "report.html";

/// Writes `run.json` and `report.html` into `dir`, making the folder if needed.
///
/// Each is written to a temporary file beside its place, flushed to the disk and renamed, so a reader never sees
/// half a file and a full disk leaves an earlier version alone. The record comes first: the page can be made
/// from it again, but not the other way round.
///
/// # Errors
/// If the folder or a file cannot be written (the error names it), or the page cannot be rendered.
pub fn write_run(dir: &Path, record: &RunRecord) -> Result<(), ReportError> {
    fs::create_dir_all(dir).map_err(|source| ReportError::Write { path: dir.to_owned(), source })?;
    let path = dir.join(RUN);
    replace(&path, |file| serde_json::to_writer(file, record).map_err(io::Error::from)).map_err(|source| {
        match source.downcast::<serde_json::Error>() {
            Ok(source) => ReportError::Encode { path: path.clone(), source },
            Err(source) => ReportError::Write { path: path.clone(), source },
        }
    })?;
    let page = html::render(record)?;
    let path = dir.join(PAGE);
    replace(&path, |file| file.write_all(page.as_bytes())).map_err(|source| ReportError::Write { path, source })
}

/// Puts what `fill` writes in the place of `path`, whole or not at all.
fn replace(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let temporary = temporary(path);
    let written = write_new(&temporary, fill).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The first error is the one that matters; a leftover is only untidy.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Writes a file and flushes it to the disk.
fn write_new(path: &Path, fill: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(OpenOptions::new().write(true).create(true).truncate(true).open(path)?);
    fill(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()
}

/// The temporary name beside `path`; the process's id keeps two firedrills apart.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

/// What of a record must be readable whatever its schema.
#[derive(Deserialize)]
struct Probe {
    header: ProbeHeader,
}

/// The two fields that every schema keeps.
#[derive(Deserialize)]
struct ProbeHeader {
    schema: u64,
    #[serde(default)]
    firedrill: String,
}

/// Reads the record of a run from its folder.
///
/// # Errors
/// If there is no `run.json`, if it is no record of a run, or if it was written with another schema.
pub fn read_run(dir: &Path) -> Result<RunRecord, ReportError> {
    let path = dir.join(RUN);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(source) => return Err(ReportError::Read { path, source }),
    };
    // The schema first: a record of another schema would otherwise fail on whatever field differs.
    let header = match serde_json::from_slice::<Probe>(&text) {
        Ok(probe) => probe.header,
        Err(source) => return Err(ReportError::Parse { path, source }),
    };
    if header.schema != u64::from(SCHEMA) {
        let wrote = if header.firedrill.is_empty() { "unknown".to_owned() } else { header.firedrill };
        return Err(ReportError::Schema { path, found: header.schema, supported: SCHEMA, wrote });
    }
    serde_json::from_slice(&text).map_err(|source| ReportError::Parse { path, source })
}
