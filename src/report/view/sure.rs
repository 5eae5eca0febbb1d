//! How sure we are: doubts, notes, how gaps of the playbook were read, and what could be observed.

use super::figures;
use super::text;
use crate::model::run_record::RunRecord;

/// Sentences of each kind that are shown.
const SHOWN: usize = 40;

/// The section on certainty.
#[derive(Debug)]
pub struct Sure {
    /// Reasons to doubt the run.
    pub doubts: Vec<String>,
    /// Things worth knowing.
    pub notes: Vec<String>,
    /// How gaps of the playbook were read.
    pub readings: Vec<String>,
    /// What could and could not be observed and applied.
    pub means: Vec<String>,
    /// How firedrill itself was doing.
    pub harness: Option<String>,
    /// The playbook's name and source.
    pub playbook: String,
}

/// The section on certainty.
pub fn sure(record: &RunRecord) -> Sure {
    let trust = &record.verdict.trust;
    let mut notes = sentences(&trust.notes);
    notes.extend(sentences(&record.timeline.warnings));
    let playbook = &record.playbook;
    Sure {
        doubts: sentences(&trust.doubts),
        notes,
        readings: sentences(&playbook.readings),
        means: sentences(&record.header.means),
        harness: harness(record),
        playbook: text::line(&format!("{} ({}): {}", playbook.name, playbook.source, playbook.describe), 300),
    }
}

fn sentences(all: &[String]) -> Vec<String> {
    let mut shown: Vec<String> = all.iter().take(SHOWN).map(|sentence| text::line(sentence, 500)).collect();
    if all.len() > SHOWN {
        shown.push(format!("… and {} more in run.json.", all.len() - SHOWN));
    }
    shown
}

fn harness(record: &RunRecord) -> Option<String> {
    let readings = &record.timeline.harness;
    let (first, last) = (readings.first()?, readings.last()?);
    let late = readings.iter().map(|reading| reading.lateness).max()?;
    let rss = readings.iter().map(|reading| reading.rss).max()?;
    let fds = readings.iter().map(|reading| reading.fds).max()?;
    // Since the run began where there is one reading only, between the first and the last otherwise.
    let (cpu, over) = if readings.len() == 1 {
        (last.cpu_seconds, last.at.as_secs_f64())
    } else {
        (last.cpu_seconds - first.cpu_seconds, last.at.since(first.at).as_secs_f64())
    };
    let cores = f64::from(record.header.machine.cores.max(1));
    let busy = if over > 0.0 { figures::share(cpu / over / cores) } else { figures::NONE.to_owned() };
    Some(format!(
        "firedrill itself: timers at most {} late, {busy} of the machine's processors, {} of memory, {}.",
        figures::span(late),
        figures::bytes(rss as f64),
        figures::plural(u64::from(fds), "open file", "open files")
    ))
}
