//! What the app said of itself, beside what was measured: an app whose monitoring lies will not page anyone.

use super::faults::fare;
use super::figures;
use super::text;
use crate::model::reading::{HealthState, Reading};
use crate::model::run_record::RunRecord;
use crate::model::verdict::Unit;
use crate::units::{ByteSize, Offset};
use std::collections::BTreeMap;

/// Gauges that are shown.
const SHOWN: usize = 40;

/// Health checks in one stretch of the run.
#[derive(Debug)]
pub struct HealthRow {
    /// The stretch.
    pub when: &'static str,
    /// Health checks: all, up, degraded, down.
    pub checks: [String; 4],
    /// The slowest.
    pub slowest: String,
    /// Steps ok by content in the same time.
    pub truth: String,
}

/// One figure that the app states.
#[derive(Debug)]
pub struct GaugeRow {
    /// Its name.
    pub name: String,
    /// First, lowest, highest, last.
    pub values: [String; 4],
}

/// The section on what the app said of itself.
#[derive(Debug)]
pub struct AppSays {
    /// Health, with and without a fault on.
    pub health: Vec<HealthRow>,
    /// Its figures.
    pub gauges: Vec<GaugeRow>,
    /// The plainest contradiction, in a sentence.
    pub contradiction: Option<String>,
}

/// The section on what the app said of itself.
pub fn app_says(record: &RunRecord) -> AppSays {
    let faults = &record.timeline.faults;
    let faulted = |second: u64| faults.iter().any(|f| f.window.contains(Offset::from_secs(second)));
    let mut health = Vec::new();
    let mut contradiction = None;
    for (when, wanted) in [("while a fault was on", true), ("the rest of the run", false)] {
        let (mut checks, mut slowest) = ([0_u64; 4], 0.0_f64);
        for reading in &record.timeline.readings {
            // A check that said nothing is none of what the app says of itself.
            if let Reading::Health { at, took, state, .. } = reading
                && !matches!(state, HealthState::Unclear(_))
                && faulted(at.second()) == wanted
            {
                checks[0] += 1;
                checks[match state {
                    HealthState::Up => 1,
                    HealthState::Degraded => 2,
                    HealthState::Down(_) | HealthState::Unclear(_) => 3,
                }] += 1;
                slowest = slowest.max(took.get().as_secs_f64());
            }
        }
        if checks[0] == 0 {
            continue;
        }
        let truth = fare(record, |second| faulted(second) == wanted);
        if wanted && checks[1] == checks[0] && truth.share().is_some_and(|ok| ok < 0.9) {
            contradiction = Some(format!(
                "The app called itself healthy in all {} while a fault was on and only {} of its answers were right.",
                figures::plural(checks[0], "check", "checks"),
                figures::share_of(truth.ok, truth.steps)
            ));
        }
        let when = if faults.is_empty() { "the whole run" } else { when };
        health.push(HealthRow {
            when,
            checks: checks.map(figures::count),
            slowest: figures::seconds(slowest),
            truth: figures::share_of(truth.ok, truth.steps),
        });
    }
    AppSays { health, gauges: gauges(record), contradiction }
}

fn gauges(record: &RunRecord) -> Vec<GaugeRow> {
    // first, lowest, highest, last
    let mut gauges: BTreeMap<&str, [f64; 4]> = BTreeMap::new();
    for reading in &record.timeline.readings {
        if let Reading::Gauge { name, value, .. } = reading {
            let seen = gauges.entry(name).or_insert([*value; 4]);
            seen[1] = seen[1].min(*value);
            seen[2] = seen[2].max(*value);
            seen[3] = *value;
        }
    }
    gauges
        .into_iter()
        .take(SHOWN)
        .map(|(name, values)| GaugeRow { name: text::line(name, 60), values: values.map(|value| stated(name, value)) })
        .collect()
}

/// A stated value; its name may say that it is bytes.
fn stated(name: &str, value: f64) -> String {
    if name.ends_with("_bytes") && value >= 0.0 {
        return figures::bytes(ByteSize(value as u64).get() as f64);
    }
    figures::value((value * 1e4).round() / 1e4, Unit::Count)
}
