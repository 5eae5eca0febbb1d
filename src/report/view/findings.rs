//! The breaches, worst first, each with its evidence.

use super::criteria::{limit, measure};
use super::figures;
use super::headline::{headline, nouns};
use super::text;
use crate::model::playbook::Measure;
use crate::model::run_record::RunRecord;
use crate::model::timeline::Exemplar;
use crate::model::verdict::{CriterionResult, Finding, Origin, State};

/// Cards that are shown of each kind; the rest are counted.
const CARDS: usize = 16;
/// Subjects that a card lists.
const ROWS: usize = 12;
/// Subjects of a card whose sentence and requests are shown.
const EVIDENCE: usize = 6;
/// Offending requests that are shown per subject.
const EXEMPLARS: usize = 3;
/// Characters of a body that are shown.
const BODY: usize = 600;

/// The section on what failed.
#[derive(Debug)]
pub struct Findings {
    /// What the gate counts, worst first.
    pub counted: Vec<Card>,
    /// What it tolerates, worst first.
    pub tolerated: Vec<Card>,
    /// How many more cards there are.
    pub more: usize,
    /// The tolerated criteria's ids.
    pub tolerated_ids: String,
    /// Criteria that were measured but cannot tell, by reason.
    pub unsure: Vec<Unsure>,
    /// How many criteria were decided: breached or clear.
    pub decided: usize,
}

/// Criteria that cannot tell, for the same reason.
#[derive(Debug)]
pub struct Unsure {
    /// Their ids.
    pub ids: String,
    /// The playbook's words; empty if they are several.
    pub says: String,
    /// Why they cannot tell.
    pub why: String,
}

/// The breaches of one criterion that have one cause.
#[derive(Debug)]
pub struct Card {
    /// The severity.
    pub severity: String,
    /// The criterion's id.
    pub id: String,
    /// The playbook's words.
    pub says: String,
    /// What is wrong, in short.
    pub headline: String,
    /// What the subjects are.
    pub subject: &'static str,
    /// What was measured of each.
    pub what: String,
    /// Its limit; empty if there is none.
    pub limit: String,
    /// One row per subject.
    pub rows: Vec<Row>,
    /// Subjects without a row.
    pub more: usize,
    /// `induced by …` or `spontaneous`.
    pub origin: String,
    /// Why the gate counts it or not.
    pub gate: String,
    /// The playbook's section on what to do.
    pub section: String,
    /// The time within which it should be resolved.
    pub resolve: String,
    /// The judge's words and first offending requests, subject by subject.
    pub evidence: Vec<Evidence>,
    /// How many requests the evidence shows.
    pub requests: usize,
}

/// One subject of a card.
#[derive(Debug)]
pub struct Row {
    /// An agent, an endpoint, or what the criterion is about.
    pub subject: String,
    /// The figure.
    pub value: String,
    /// Its 95 % interval; empty if it is no estimate.
    pub interval: String,
    /// Samples in the worst window.
    pub samples: String,
    /// When it held.
    pub when: String,
}

/// What one finding rests on.
#[derive(Debug)]
pub struct Evidence {
    /// The judge's sentence in full.
    pub sentence: String,
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

/// A criterion's findings of one origin.
pub type Group<'a> = (&'a CriterionResult, Vec<&'a Finding>);

/// All findings with their criterion, worst first: by severity, those that the gate counts before others, what no
/// fault explains before what one does, then what lies nearest to the cause; within a criterion as the judge has them.
pub fn worst_first(record: &RunRecord) -> Vec<(&CriterionResult, &Finding)> {
    let mut all: Vec<_> = record
        .verdict
        .criteria
        .iter()
        .flat_map(|result| result.findings.iter().map(move |finding| (result, finding)))
        .collect();
    all.sort_by_key(|(result, finding)| {
        let near = measure(&record.playbook, &result.id).map_or(u8::MAX, Measure::distance);
        (result.severity, !finding.gated, finding.origin != Origin::Spontaneous, near)
    });
    all
}

/// The findings in [`worst_first`] order, those of one criterion for which `alike` holds together.
pub fn grouped(record: &RunRecord, alike: impl Fn(&Finding, &Finding) -> bool) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (result, finding) in worst_first(record) {
        let group = groups.iter_mut().find(|(other, findings)| {
            other.id == result.id && findings.first().is_some_and(|first| alike(first, finding))
        });
        match group {
            Some((_, findings)) => findings.push(finding),
            None => groups.push((result, vec![finding])),
        }
    }
    groups
}

/// The section on what failed.
pub fn findings(record: &RunRecord) -> Findings {
    let groups = grouped(record, |a, b| a.origin == b.origin && a.gated == b.gated);
    let (counted, tolerated): (Vec<_>, Vec<_>) =
        groups.iter().partition(|(_, findings)| findings.iter().any(|finding| finding.gated));
    let cards = |groups: &[&Group<'_>]| groups.iter().take(CARDS).map(|group| card(record, group)).collect();
    let mut ids: Vec<String> = tolerated.iter().map(|(result, _)| text::line(&result.id, 40)).collect();
    ids.dedup();
    ids.truncate(CARDS);
    let criteria = &record.verdict.criteria;
    Findings {
        counted: cards(&counted),
        tolerated: cards(&tolerated),
        more: counted.len().saturating_sub(CARDS) + tolerated.len().saturating_sub(CARDS),
        tolerated_ids: ids.join(", "),
        unsure: unsure(criteria),
        decided: criteria.iter().filter(|result| matches!(result.state, State::Breached | State::Clear)).count(),
    }
}

fn unsure(criteria: &[CriterionResult]) -> Vec<Unsure> {
    let mut groups: Vec<(&str, Vec<&CriterionResult>)> = Vec::new();
    for result in criteria {
        let State::Inconclusive(why) = &result.state else { continue };
        match groups.iter_mut().find(|(reason, _)| reason == why) {
            Some((_, results)) => results.push(result),
            None => groups.push((why, vec![result])),
        }
    }
    groups
        .into_iter()
        .map(|(why, results)| Unsure {
            ids: results.iter().map(|result| text::line(&result.id, 40)).collect::<Vec<_>>().join(", "),
            says: match results.as_slice() {
                [only] => text::line(&only.says, 160),
                _ => String::new(),
            },
            why: text::line(why, 400),
        })
        .collect()
}

fn card(record: &RunRecord, (result, findings): &Group<'_>) -> Card {
    let measure = measure(&record.playbook, &result.id);
    let (noun, _, all) = nouns(measure);
    let mut subjects: Vec<String> = Vec::new();
    for subject in findings.iter().filter_map(|finding| finding.subject.as_ref()).map(|s| text::line(s, 80)) {
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    let first = findings.first();
    let figure = findings.iter().find_map(|finding| finding.figure.as_ref());
    let what = figure.map_or_else(String::new, |figure| {
        let of = first.and_then(|f| f.subject.as_ref()).map_or_else(String::new, |subject| format!(" of {subject}"));
        let bare = figure.what.strip_suffix(of.as_str()).unwrap_or(&figure.what);
        // "success of all agents" needs no more than "success" beside a row for all agents.
        text::line(bare.strip_suffix(&format!(" of {all}")).unwrap_or(bare), 80)
    });
    let evidence: Vec<Evidence> = findings.iter().take(EVIDENCE).map(|finding| evidence(record, finding)).collect();
    Card {
        severity: result.severity.to_string(),
        id: text::line(&result.id, 40),
        says: text::line(&result.says, 160),
        headline: headline(measure, &subjects, first.map_or("", |f| &f.sentence)),
        subject: noun,
        what,
        limit: figure.map_or_else(String::new, |f| limit(f, measure)),
        rows: findings.iter().take(ROWS).map(|finding| row(finding, all)).collect(),
        more: findings.len().saturating_sub(ROWS),
        origin: first.map_or_else(String::new, |f| origin(&f.origin)),
        gate: first.map_or_else(String::new, |f| gate(record, f)),
        section: text::line(&result.section, 160),
        resolve: figures::span(result.severity.resolve_within()),
        requests: evidence.iter().map(|evidence| evidence.exemplars.len()).sum(),
        evidence,
    }
}

fn row(finding: &Finding, all: &str) -> Row {
    let figure = finding.figure.as_ref();
    Row {
        subject: finding.subject.as_ref().map_or_else(|| all.to_owned(), |subject| text::line(subject, 80)),
        value: figure.map_or_else(|| figures::NONE.to_owned(), |f| figures::value(f.value, f.unit)),
        interval: figure.and_then(figures::interval).unwrap_or_default(),
        samples: figures::count(finding.samples),
        when: figures::stretch(finding.first, finding.last),
    }
}

fn evidence(record: &RunRecord, finding: &Finding) -> Evidence {
    Evidence {
        sentence: text::line(&finding.sentence, 600),
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
