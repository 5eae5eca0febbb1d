//! The playbook's criteria, one row each.

use super::figures;
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
    record.verdict.criteria.iter().map(|result| row(&record.playbook, result)).collect()
}

fn row(playbook: &Playbook, result: &CriterionResult) -> CriterionRow {
    let worst = result.findings.first();
    let figure = worst.and_then(|finding| finding.figure.as_ref()).or(result.closest.as_ref());
    let samples = worst.map_or(result.samples, |finding| finding.samples);
    let measured = !matches!(result.state, State::NotMeasured(_));
    CriterionRow {
        mark: Mark::of(&result.state),
        id: text::line(&result.id, 40),
        severity: result.severity.to_string(),
        says: text::line(&result.says, 160),
        why: match &result.state {
            State::NotMeasured(why) | State::Inconclusive(why) => text::line(why, 300),
            State::Breached | State::Clear => String::new(),
        },
        what: figure.map_or_else(String::new, |figure| text::line(&figure.what, 80)),
        figure: figure.map_or_else(|| figures::NONE.to_owned(), |f| figures::value(f.value, f.unit)),
        interval: figure.and_then(figures::interval).unwrap_or_default(),
        limit: figure.map_or_else(|| figures::NONE.to_owned(), |f| limit(f, measure(playbook, &result.id))),
        samples: if measured { figures::count(samples) } else { figures::NONE.to_owned() },
        windows: if measured { figures::count(result.windows) } else { figures::NONE.to_owned() },
        gate: match result.findings.as_slice() {
            [] => "",
            findings if findings.iter().any(|finding| finding.gated) => "counted",
            _ => "tolerated",
        },
    }
}

/// The measure behind a criterion's id.
pub fn measure<'a>(playbook: &'a Playbook, id: &str) -> Option<&'a Measure> {
    playbook.criteria.iter().find(|criterion| criterion.id == id).map(|criterion| &criterion.measure)
}

/// A figure's limit with its direction: what the figure may be at most, or must be at least.
pub fn limit(figure: &Figure, measure: Option<&Measure>) -> String {
    let at_least = figure.what.starts_with("success")
        || matches!(measure, Some(Measure::AgentsDown { .. } | Measure::KeyAgent { .. }));
    let sign = match measure {
        Some(Measure::Outage { .. }) => "<",
        _ if at_least => "≥",
        _ => "≤",
    };
    format!("{sign}\u{a0}{}", figures::exact(figures::value(figure.limit, figure.unit)))
}
