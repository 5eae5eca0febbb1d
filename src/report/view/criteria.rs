//! The playbook's criteria, one row each.

use super::figures;
use super::headline::percent;
use super::mark::Mark;
use super::text;
use crate::model::playbook::{Measure, Playbook};
use crate::model::run_record::RunRecord;
use crate::model::verdict::{CriterionResult, Figure, State};

/// One criterion.
#[derive(Debug)]
pub struct CriterionRow {
    /// Its state.
    pub mark: Mark,
    /// The state's word.
    pub state: &'static str,
    /// Its id.
    pub id: String,
    /// Its severity.
    pub severity: String,
    /// The playbook's words.
    pub says: String,
    /// Why it was not measured or cannot tell.
    pub why: String,
    /// What the figure is.
    pub what: String,
    /// The figure: the worst finding's, or the closest that it came.
    pub figure: String,
    /// The figure's 95 % interval.
    pub interval: String,
    /// Its limit.
    pub limit: String,
    /// Samples.
    pub samples: String,
    /// Windows looked at.
    pub windows: String,
    /// Whether a breach is counted by the gate; empty unless breached.
    pub gate: &'static str,
}

/// The rows in the playbook's order.
pub fn criteria(record: &RunRecord) -> Vec<CriterionRow> {
    record.verdict.criteria.iter().map(|result| row(record, result)).collect()
}

fn row(record: &RunRecord, result: &CriterionResult) -> CriterionRow {
    let worst = result.findings.first();
    let figure = worst.and_then(|finding| finding.figure.as_ref()).or(result.closest.as_ref());
    let samples = worst.map_or(result.samples, |finding| finding.samples);
    let measured = !matches!(result.state, State::NotMeasured(_));
    let measure = measure(&record.playbook, &result.id);
    let owned = owned_elsewhere(record, result);
    let mark = mark(record, result);
    CriterionRow {
        mark,
        state: if owned.is_some() { "not counted here" } else { mark.word() },
        id: text::line(&result.id, 40),
        severity: result.severity.to_string(),
        says: text::line(&result.says, 160),
        why: match &result.state {
            State::NotMeasured(why) | State::Inconclusive(why) => text::line(why, 300),
            State::Breached | State::Clear => owned.unwrap_or_default(),
        },
        what: figure.map_or_else(String::new, |figure| text::line(&figure.what, 80)),
        figure: figure.map_or_else(|| figures::NONE.to_owned(), |f| figures::value(f.value, f.unit)),
        interval: figure.and_then(figures::interval).unwrap_or_default(),
        limit: figure.map_or_else(|| figures::NONE.to_owned(), |f| limit(f, measure)),
        samples: if measured { figures::count(samples) } else { figures::NONE.to_owned() },
        windows: if measured { figures::count(result.windows) } else { figures::NONE.to_owned() },
        gate: match result.findings.as_slice() {
            [] => "",
            findings if findings.iter().any(|finding| finding.gated) => "counted",
            _ => "tolerated",
        },
    }
}

/// The mark of a criterion's result. One that is clear although its figure lies beyond its limit is neither well nor
/// broken: something else about it did not hold, and it must not look like a pass.
pub fn mark(record: &RunRecord, result: &CriterionResult) -> Mark {
    if owned_elsewhere(record, result).is_some() { Mark::Absent } else { Mark::of(&result.state) }
}

/// Why a criterion is clear although its figure lies beyond its limit; nothing for all others.
fn owned_elsewhere(record: &RunRecord, result: &CriterionResult) -> Option<String> {
    let measure = measure(&record.playbook, &result.id);
    let figure = result.closest.as_ref().filter(|figure| result.state == State::Clear && beyond(figure, measure))?;
    let met = format!("{} {}", text::line(&figure.what, 80), figures::value(figure.value, figure.unit));
    Some(match measure {
        Some(Measure::DegradedUsers { up_to: Some(up_to), .. }) if figure.value > up_to.fraction() => {
            let worse = record.verdict.criteria.iter().find(|other| {
                other.severity < result.severity
                    && matches!(self::measure(&record.playbook, &other.id), Some(Measure::DegradedUsers { .. }))
            });
            let owner = worse.map_or_else(String::new, |worse| match worse.state {
                State::Breached => format!(": counted as {}", text::line(&worse.id, 40)),
                _ => format!(": a case for {}", text::line(&worse.id, 40)),
            });
            format!("{met}, more than {}{owner}", percent(*up_to))
        }
        Some(Measure::EndpointBroken { .. }) => format!(
            "{met}, limit {}, but the rest was not well either: a case for the agents and the overall error rate",
            limit(figure, measure)
        ),
        _ => format!("{met}, limit {}, but not all that the criterion asks for held", limit(figure, measure)),
    })
}

/// The measure behind a criterion's id.
pub fn measure<'a>(playbook: &'a Playbook, id: &str) -> Option<&'a Measure> {
    playbook.criteria.iter().find(|criterion| criterion.id == id).map(|criterion| &criterion.measure)
}

/// On which side of its limit a figure is well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Well {
    Below,
    UpTo,
    From,
}

fn well(figure: &Figure, measure: Option<&Measure>) -> Well {
    match measure {
        Some(Measure::Outage { .. }) => Well::Below,
        Some(Measure::AgentsDown { .. } | Measure::KeyAgent { .. }) => Well::From,
        _ if figure.what.starts_with("success") => Well::From,
        _ => Well::UpTo,
    }
}

/// Whether a figure lies beyond its limit.
fn beyond(figure: &Figure, measure: Option<&Measure>) -> bool {
    match well(figure, measure) {
        Well::Below => figure.value >= figure.limit,
        Well::UpTo => figure.value > figure.limit,
        Well::From => figure.value < figure.limit,
    }
}

/// A figure's limit with its direction: what the figure may be at most, or must be at least.
pub fn limit(figure: &Figure, measure: Option<&Measure>) -> String {
    let sign = match well(figure, measure) {
        Well::Below => "<",
        Well::UpTo => "≤",
        Well::From => "≥",
    };
    format!("{sign}\u{a0}{}", figures::exact(figures::value(figure.limit, figure.unit)))
}
