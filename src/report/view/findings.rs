//! The breaches, worst first, each with its evidence.

use super::criteria::{limit, measure};
use super::figures;
use super::text;
use crate::model::run_record::RunRecord;
use crate::model::timeline::Exemplar;
use crate::model::verdict::{CriterionResult, Finding, Origin, State};

/// Findings that are shown in full; the rest are counted.
const SHOWN: usize = 24;
/// Offending requests that are shown per finding.
const EXEMPLARS: usize = 3;
/// Characters of a body that are shown.
const BODY: usize = 600;

/// The section on what failed.
#[derive(Debug)]
pub struct Findings {
    /// The findings, worst first.
    pub shown: Vec<FindingCard>,
    /// How many more there are.
    pub more: usize,
    /// Criteria that were measured but cannot tell: id, severity, words, why.
    pub unsure: Vec<Unsure>,
    /// How many criteria were decided: breached or clear.
    pub decided: usize,
}

/// A criterion that cannot tell.
#[derive(Debug)]
pub struct Unsure {
    /// Its id.
    pub id: String,
    /// Its severity.
    pub severity: String,
    /// The playbook's words.
    pub says: String,
    /// Why it cannot tell.
    pub why: String,
}

/// One finding.
#[derive(Debug)]
pub struct FindingCard {
    /// Its severity.
    pub severity: String,
    /// The criterion's id.
    pub id: String,
    /// The playbook's words.
    pub says: String,
    /// What is wrong.
    pub sentence: String,
    /// What it is about.
    pub subject: Option<String>,
    /// What was measured: name, value, interval.
    pub figure: Option<(String, String, Option<String>)>,
    /// Its limit.
    pub limit: String,
    /// Samples in the worst window.
    pub samples: String,
    /// When it held.
    pub when: String,
    /// `induced by …` or `spontaneous`.
    pub origin: String,
    /// Whether the gate counts it.
    pub gated: bool,
    /// Why the gate counts it or not.
    pub gate: String,
    /// The playbook's section on what to do.
    pub section: String,
    /// The time within which it should be resolved.
    pub resolve: String,
    /// First offending requests.
    pub exemplars: Vec<ExemplarView>,
}

/// One offending request.
#[derive(Debug)]
pub struct ExemplarView {
    /// When it ended.
    pub at: String,
    /// Method and path.
    pub request: String,
    /// The status, or that none came.
    pub status: String,
    /// How it ended.
    pub outcome: &'static str,
    /// What was not as expected.
    pub why: String,
    /// How long it took.
    pub took: String,
    /// The beginning of the body.
    pub body: String,
}

/// All findings with their criterion, worst first: by severity, those that the gate counts before others, then
/// by time.
pub fn worst_first(record: &RunRecord) -> Vec<(&CriterionResult, &Finding)> {
    let mut all: Vec<_> = record
        .verdict
        .criteria
        .iter()
        .flat_map(|result| result.findings.iter().map(move |finding| (result, finding)))
        .collect();
    all.sort_by_key(|(result, finding)| (result.severity, !finding.gated, finding.first));
    all
}

/// The section on what failed.
pub fn findings(record: &RunRecord) -> Findings {
    let all = worst_first(record);
    let criteria = &record.verdict.criteria;
    Findings {
        shown: all.iter().take(SHOWN).map(|(result, finding)| card(record, result, finding)).collect(),
        more: all.len().saturating_sub(SHOWN),
        unsure: criteria
            .iter()
            .filter_map(|result| match &result.state {
                State::Inconclusive(why) => Some(Unsure {
                    id: text::line(&result.id, 40),
                    severity: result.severity.to_string(),
                    says: text::line(&result.says, 160),
                    why: text::line(why, 400),
                }),
                _ => None,
            })
            .collect(),
        decided: criteria.iter().filter(|result| matches!(result.state, State::Breached | State::Clear)).count(),
    }
}

fn card(record: &RunRecord, result: &CriterionResult, finding: &Finding) -> FindingCard {
    let figure = finding.figure.as_ref();
    FindingCard {
        severity: result.severity.to_string(),
        id: text::line(&result.id, 40),
        says: text::line(&result.says, 160),
        sentence: text::line(&finding.sentence, 600),
        subject: finding.subject.as_ref().map(|subject| text::line(subject, 80)),
        figure: figure.map(|f| (text::line(&f.what, 80), figures::value(f.value, f.unit), figures::interval(f))),
        limit: figure.map_or_else(String::new, |f| limit(f, measure(&record.playbook, &result.id))),
        samples: figures::count(finding.samples),
        when: figures::stretch(finding.first, finding.last),
        origin: origin(&finding.origin),
        gated: finding.gated,
        gate: gate(record, finding),
        section: text::line(&result.section, 160),
        resolve: figures::span(result.severity.resolve_within()),
        exemplars: finding
            .exemplars
            .iter()
            .filter_map(|i| record.timeline.exemplars.get(*i))
            .take(EXEMPLARS)
            .map(exemplar)
            .collect(),
    }
}

/// Where a finding comes from, in words.
pub fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Induced(faults) if faults.is_empty() => "induced".to_owned(),
        Origin::Induced(faults) => text::line(&format!("induced by {}", faults.join(", ")), 120),
        Origin::Spontaneous => "spontaneous".to_owned(),
    }
}

fn gate(record: &RunRecord, finding: &Finding) -> String {
    let gate = record.header.plan.gate;
    match (&finding.origin, finding.gated) {
        (Origin::Spontaneous, true) => format!("counted: no fault was on, and the gate fails on {}", gate.fail_on),
        (Origin::Induced(_), true) => format!("counted: a fault may cause {} at worst", gate.while_faulted),
        (Origin::Spontaneous, false) => format!("tolerated: the gate fails on {} and worse", gate.fail_on),
        (Origin::Induced(_), false) => {
            format!("tolerated: a fault may cause {} at worst", gate.while_faulted)
        }
    }
}

fn exemplar(exemplar: &Exemplar) -> ExemplarView {
    ExemplarView {
        at: exemplar.at.to_string(),
        request: text::line(&exemplar.request, 200),
        status: exemplar.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string()),
        outcome: exemplar.outcome.words(),
        why: text::line(&exemplar.why, 300),
        took: figures::seconds(exemplar.took_ms as f64 / 1000.0),
        body: text::block(&exemplar.body, BODY),
    }
}
