//! The faults' windows: planned, real, what they did, and how the app fared in them.

use super::figures;
use super::plan_words;
use super::series::{bands, class_index, run_secs, until};
use super::text;
use crate::model::fault::FaultWindow;
use crate::model::run_record::RunRecord;
use crate::units::Offset;
use std::collections::BTreeMap;

/// Rows that are shown; the rest are counted.
const SHOWN: usize = 60;

/// How the app fared in a stretch of time: steps that ended in it, and of those ok by content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fare {
    /// Steps.
    pub steps: u64,
    /// Of those, ok.
    pub ok: u64,
}

impl Fare {
    /// The share that was ok, if anything was tried.
    pub fn share(self) -> Option<f64> {
        (self.steps > 0).then(|| self.ok as f64 / self.steps as f64)
    }
}

/// How the app fared in the seconds for which `within` holds.
pub fn fare(record: &RunRecord, within: impl Fn(u64) -> bool) -> Fare {
    let mut fare = Fare::default();
    for interval in record.timeline.intervals.iter().filter(|interval| within(interval.second)) {
        for (outcome, n) in interval.endpoints.iter().flat_map(|endpoint| &endpoint.outcomes) {
            if let Some(class) = outcome.class() {
                fare.steps += n;
                fare.ok += if class_index(class) == 0 { *n } else { 0 };
            }
        }
    }
    fare
}

/// How long after `end` the app was back: the first five seconds of which at least 95 % of the steps were ok
/// (the playbook's bar for "resolved"), counted to their beginning. `None` if not before the run ended.
pub fn back_after(record: &RunRecord, end: Offset) -> Option<u64> {
    let last = run_secs(record) as u64;
    let mut seconds: BTreeMap<u64, Fare> = BTreeMap::new();
    for interval in record.timeline.intervals.iter().filter(|interval| interval.second >= end.second()) {
        for (outcome, n) in interval.endpoints.iter().flat_map(|endpoint| &endpoint.outcomes) {
            if let Some(class) = outcome.class() {
                let fare = seconds.entry(interval.second).or_default();
                fare.steps += n;
                fare.ok += if class_index(class) == 0 { *n } else { 0 };
            }
        }
    }
    (end.second()..last.saturating_sub(4)).find_map(|second| {
        let (steps, ok) =
            seconds.range(second..second + 5).fold((0, 0), |sum, (_, fare)| (sum.0 + fare.steps, sum.1 + fare.ok));
        (steps > 0 && ok * 100 >= steps * 95).then_some(second - end.second())
    })
}

/// One fault.
#[derive(Debug)]
pub struct FaultRow {
    /// Its mark on the charts.
    pub mark: String,
    /// Its name.
    pub name: String,
    /// The upstream.
    pub upstream: String,
    /// Which requests.
    pub matches: String,
    /// What it did.
    pub what: String,
    /// The planned window.
    pub planned: String,
    /// The real window.
    pub real: String,
    /// Requests that it hit.
    pub fired: String,
    /// Whether it never hit anything.
    pub idle: bool,
    /// First and last hit.
    pub hits: String,
    /// Steps ok by content while it was on.
    pub fare: String,
}

/// The section on faults.
#[derive(Debug)]
pub struct Faults {
    /// The faults in the order in which they opened.
    pub rows: Vec<FaultRow>,
    /// Faults that are not shown.
    pub more: usize,
    /// Planned faults that never opened.
    pub unopened: Vec<String>,
    /// The memory pressure, as name and stretch.
    pub pressure: Vec<(String, String)>,
}

/// The section on faults.
pub fn faults(record: &RunRecord) -> Faults {
    let plan = &record.header.plan;
    let end = run_secs(record);
    let all = &record.timeline.faults;
    let rows = all
        .iter()
        .take(SHOWN)
        .enumerate()
        .map(|(i, fault)| {
            let rule = plan.faults.get(fault.rule);
            let real = fault.window;
            let within = fare(record, |second| real.contains(Offset::from_secs(second)));
            FaultRow {
                mark: format!("F{}", i + 1),
                name: rule.map_or_else(String::new, |rule| text::line(&rule.name, 80)),
                upstream: rule.map_or_else(String::new, |rule| text::line(&rule.upstream, 40)),
                matches: rule.map_or_else(String::new, plan_words::matches),
                what: rule.map_or_else(String::new, plan_words::injection),
                planned: rule.map_or_else(String::new, |rule| window(&rule.window)),
                real: figures::stretch(real.from, Offset::from_secs_f64(until(&real, end))),
                fired: figures::count(fault.fired),
                idle: fault.fired == 0,
                hits: match (fault.first_fired, fault.last_fired) {
                    (Some(first), Some(last)) => figures::stretch(first, last),
                    _ => figures::NONE.to_owned(),
                },
                fare: format!("{} of {}", figures::share_of(within.ok, within.steps), figures::count(within.steps)),
            }
        })
        .collect();
    let opened: Vec<usize> = all.iter().map(|fault| fault.rule).collect();
    Faults {
        rows,
        more: all.len().saturating_sub(SHOWN),
        unopened: plan
            .faults
            .iter()
            .enumerate()
            .filter(|(i, rule)| !opened.contains(i) && !rule.inject.is_by_hand())
            .take(SHOWN)
            .map(|(_, rule)| format!("{} ({})", text::line(&rule.name, 80), window(&rule.window)))
            .collect(),
        pressure: bands(record)
            .into_iter()
            .skip(all.len())
            .take(SHOWN)
            .map(|b| (b.name, figures::stretch(Offset::from_secs_f64(b.from), Offset::from_secs_f64(b.until))))
            .collect(),
    }
}

fn window(window: &FaultWindow) -> String {
    match window.until {
        Some(until) => figures::stretch(window.from, until),
        None => format!("{}–end", window.from),
    }
}
