//! The five tiles under the verdict.

use super::criteria::{mark, measure};
use super::endpoints::{Tally, percentile};
use super::faults::{back_after, fare};
use super::figures;
use super::headline::percent;
use super::mark::Mark;
use super::plan_words;
use super::text;
use crate::model::playbook::Measure;
use crate::model::reading::Reading;
use crate::model::run_record::RunRecord;
use crate::model::verdict::{Origin, State};
use crate::units::{ByteSize, Offset};

/// One tile.
#[derive(Debug)]
pub struct Tile {
    /// What it shows.
    pub title: &'static str,
    /// The figure.
    pub figure: String,
    /// How it stands.
    pub mark: Mark,
    /// The mark in words for this tile.
    pub word: &'static str,
    /// What to compare the figure with.
    pub notes: Vec<String>,
}

/// The five tiles.
pub fn tiles(record: &RunRecord, tallies: &[Tally]) -> Vec<Tile> {
    vec![success(record), slowest(record, tallies), under_fault(record), memory(record), trust(record)]
}

/// The worst state of the criteria whose measure `of` accepts: a tile is marked by those that its figure is about, and
/// by no others.
fn standing(record: &RunRecord, of: impl Fn(&Measure) -> bool) -> Mark {
    let marks: Vec<Mark> = record
        .verdict
        .criteria
        .iter()
        .filter(|result| measure(&record.playbook, &result.id).is_some_and(&of))
        .map(|result| mark(record, result))
        .collect();
    [Mark::Bad, Mark::Unknown, Mark::Good].into_iter().find(|mark| marks.contains(mark)).unwrap_or(Mark::Absent)
}

const fn limit_word(mark: Mark) -> &'static str {
    match mark {
        Mark::Bad => "over a limit",
        Mark::Good => "within limits",
        Mark::Unknown => "cannot tell",
        Mark::Absent => "not judged",
    }
}

/// Whether a measure is about the share of right answers.
const fn of_answers(measure: &Measure) -> bool {
    matches!(
        measure,
        Measure::ErrorRate { .. }
            | Measure::AgentsDown { .. }
            | Measure::KeyAgent { .. }
            | Measure::AgentFailing { .. }
            | Measure::EndpointBroken { .. }
    )
}

fn success(record: &RunRecord) -> Tile {
    let h = record.verdict.honesty;
    let mark = standing(record, of_answers);
    let mut notes = vec![format!("status codes said {}", figures::share_of(h.plain_ok, h.steps))];
    let parts: Vec<String> = [(h.degraded, "degraded"), (h.masked, "masked"), (h.failed, "failed")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{} {word}", figures::share_of(n, h.steps)))
        .collect();
    notes.push(if parts.is_empty() {
        format!("of {}", figures::plural(h.steps, "step", "steps"))
    } else {
        parts.join(", ")
    });
    let mark = if h.steps == 0 { Mark::Absent } else { mark };
    Tile { title: "True success", figure: figures::share_of(h.ok, h.steps), mark, word: limit_word(mark), notes }
}

fn slowest(record: &RunRecord, tallies: &[Tally]) -> Tile {
    let mark = standing(record, |m| matches!(m, Measure::SlowResponses { .. }));
    let name = |i: usize| record.header.plan.endpoints.get(i).map_or("", |endpoint| endpoint.name.as_str());
    let worst = |q: f64| {
        tallies
            .iter()
            .enumerate()
            .filter_map(|(i, tally)| percentile(&tally.response, q).map(|secs| (i, secs)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let slow = record.playbook.criteria.iter().find_map(|criterion| match criterion.measure {
        Measure::SlowResponses { from, share, .. } => Some((from, share)),
        _ => None,
    });
    let mut notes = Vec::new();
    let (title, figure) = match (worst(0.95), worst(0.5)) {
        (Some((i, secs)), _) => {
            notes.push(text::line(name(i), 60));
            ("Slowest endpoint, p95", figures::seconds(secs))
        }
        (None, Some((i, secs))) => {
            notes.push(format!("{}; too few samples for p95", text::line(name(i), 60)));
            ("Slowest endpoint, median", figures::seconds(secs))
        }
        (None, None) => {
            notes.push("too few samples for a percentile".to_owned());
            ("Slowest endpoint, p95", figures::NONE.to_owned())
        }
    };
    if let Some((from, share)) = slow {
        notes.push(format!("limit: {} slower than {}", percent(share), figures::span(from)));
    }
    let mark = if figure == figures::NONE && mark == Mark::Good { Mark::Absent } else { mark };
    Tile { title, figure, mark, word: limit_word(mark), notes }
}

fn under_fault(record: &RunRecord) -> Tile {
    let title = "While a fault was on";
    let faults = &record.timeline.faults;
    if faults.is_empty() {
        let why = if record.header.plan.faults.is_empty() { "this run planned none" } else { "planned, but never on" };
        let (figure, notes) = ("no faults".to_owned(), vec![why.to_owned()]);
        return Tile { title, figure, mark: Mark::Absent, word: "not tried", notes };
    }
    let within = |second: u64| faults.iter().any(|f| f.window.contains(Offset::from_secs(second)));
    let worst = faults
        .iter()
        .filter_map(|fault| {
            let share = fare(record, |s| fault.window.contains(Offset::from_secs(s))).share()?;
            Some((fault, share))
        })
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let by_fault = |origin: &Origin| match origin {
        Origin::Induced(names) => names.iter().any(|name| record.header.plan.faults.iter().any(|f| f.name == *name)),
        Origin::Spontaneous => false,
    };
    let induced: Vec<bool> = record
        .verdict
        .criteria
        .iter()
        .flat_map(|result| &result.findings)
        .filter(|finding| by_fault(&finding.origin))
        .map(|finding| finding.gated)
        .collect();
    // Only what the gate would count of a fault can make the tile doubtful.
    let gate = record.header.plan.gate;
    let unsure = record.verdict.criteria.iter().any(|result| {
        matches!(result.state, State::Inconclusive(_))
            && result.severity.at_least(gate.fail_on)
            && result.severity < gate.while_faulted
            && measure(&record.playbook, &result.id).is_some_and(of_answers)
    });
    let (mark, word) = match induced.iter().any(|gated| *gated) {
        true => (Mark::Bad, "not tolerated"),
        false if worst.is_none() => (Mark::Absent, "nothing ended in it"),
        false if unsure => (Mark::Unknown, "cannot tell"),
        false if induced.is_empty() => (Mark::Good, "no breach"),
        false => (Mark::Good, "tolerated"),
    };
    let mut notes = vec![format!(
        "outside {}",
        fare(record, |s| !within(s)).share().map_or_else(|| figures::NONE.to_owned(), figures::share)
    )];
    if let Some((fault, _)) = worst {
        notes.push(match fault.window.until {
            Some(until) if all_off(record, until) < record.ended => match back_after(record, all_off(record, until)) {
                Some(0) => "≥\u{a0}95\u{a0}% again at once after it".to_owned(),
                Some(secs) => {
                    format!("≥\u{a0}95\u{a0}% again {} after it", figures::exact(figures::seconds(secs as f64)))
                }
                None => "not ≥\u{a0}95\u{a0}% again by the end".to_owned(),
            },
            _ => "on until the end".to_owned(),
        });
    }
    let figure = worst.map_or_else(|| figures::NONE.to_owned(), |(_, share)| format!("{} ok", figures::share(share)));
    Tile { title, figure, mark, word, notes }
}

/// When no fault was on any more: `end`, or the end of a fault that was on then (or followed within a second).
fn all_off(record: &RunRecord, end: Offset) -> Offset {
    let mut off = end;
    let soon = |at: Offset| at.plus(std::time::Duration::from_secs(1));
    while let Some(later) = record.timeline.faults.iter().find_map(|fault| {
        let until = fault.window.until.unwrap_or(record.ended);
        (fault.window.from <= soon(off) && until > off).then_some(until)
    }) {
        off = later;
    }
    off
}

fn memory(record: &RunRecord) -> Tile {
    let title = "Peak memory";
    let (mut rss, mut group, mut limit) = (None, None, None);
    for reading in &record.timeline.readings {
        if let Reading::Memory { rss: r, group: g, limit: l, .. } = reading {
            rss = rss.max(Some(*r));
            group = group.max(*g);
            limit = limit.max(*l);
        }
    }
    let Some(rss) = rss else {
        let notes = vec!["no process or group to read it from".to_owned()];
        return Tile { title, figure: figures::NONE.to_owned(), mark: Mark::Absent, word: "not measured", notes };
    };
    let mark = standing(record, |m| matches!(m, Measure::MemorySustained { .. } | Measure::Oom {}));
    let mut notes = Vec::new();
    // The peak may pass the lower limit for a while; saying for how long keeps a pass from looking like a mistake.
    let long = record.playbook.criteria.iter().find_map(|criterion| match criterion.measure {
        Measure::MemorySustained { above, sustained } => {
            Some(format!("{} for {}", figures::exact(figures::bytes(above.get() as f64)), figures::span(sustained)))
        }
        _ => None,
    });
    let lines: Vec<String> = long
        .into_iter()
        .chain(limit.map(|l| format!("hard limit {}", figures::exact(figures::bytes(l as f64)))))
        .collect();
    if !lines.is_empty() {
        notes.push(format!("limits: {}", lines.join(", ")));
    }
    // Shared pages can make the processes' own sum the larger one; then the group's says nothing more.
    if let Some(group) = group.filter(|group| *group > rss) {
        notes.push(format!("with ballast {}", figures::bytes(group as f64)));
    }
    Tile { title, figure: figures::bytes(rss as f64), mark, word: limit_word(mark), notes }
}

/// The playbook's line for sustained memory.
pub fn sustained(record: &RunRecord) -> Option<ByteSize> {
    record.playbook.criteria.iter().find_map(|criterion| match criterion.measure {
        Measure::MemorySustained { above, .. } => Some(above),
        _ => None,
    })
}

fn trust(record: &RunRecord) -> Tile {
    let trust = &record.verdict.trust;
    let criteria = &record.verdict.criteria;
    let decided = criteria.iter().filter(|result| matches!(result.state, State::Breached | State::Clear)).count();
    let (figure, mark, word) = match trust.doubts.len() {
        0 => ("Yes".to_owned(), Mark::Good, "no doubts"),
        n => ("No".to_owned(), Mark::Unknown, if n == 1 { "one doubt" } else { "several doubts" }),
    };
    let mut notes = Vec::new();
    match trust.doubts.first() {
        Some(doubt) => notes.push(text::line(doubt, 110)),
        None => {
            let late = record.timeline.harness.iter().map(|reading| reading.lateness).max();
            notes.push(late.map_or_else(
                || figures::plural(record.verdict.honesty.steps, "step", "steps"),
                |late| {
                    let steps = figures::plural(record.verdict.honesty.steps, "step", "steps");
                    format!("{steps}, firedrill at most {} late", figures::span(late))
                },
            ));
        }
    }
    if let Some(end) = plan_words::end(&record.end) {
        notes.push(end);
    }
    notes.push(format!("{decided} of {} criteria decided", criteria.len()));
    Tile { title: "Can this run be trusted?", figure, mark, word, notes }
}
