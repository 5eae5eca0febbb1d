//! The summary for the terminal: the verdict, what was breached, what was not measured, where the page is.

use super::view::banner;
use super::view::criteria::{limit, measure};
use super::view::figures;
use super::view::findings::worst_first;
use super::view::mark::Mark;
use super::view::plan_words;
use super::view::text;
use crate::model::run_record::RunRecord;
use crate::model::verdict::{CriterionResult, Decision, Finding, Origin, State};
use comfy_table::{Attribute, Cell, CellAlignment, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};
use std::fmt::Write as _;
use std::path::Path;

/// Columns that the summary keeps to; what does not fit is wrapped inside its cell.
const WIDTH: u16 = 100;
/// Breaches that get a row.
const SHOWN: usize = 12;
/// Doubts that get a line.
const DOUBTS: usize = 4;

/// The summary of a run for the terminal, ending with a line break; with ANSI colours if `color`.
///
/// The verdict's sentence is the record's, word for word.
#[must_use]
pub fn render(record: &RunRecord, report_path: &Path, color: bool) -> String {
    let mut out = String::new();
    let decision = record.verdict.decision;
    let head = format!("{} {}", banner::mark(decision).symbol(), banner::word(decision));
    let _ = writeln!(out, "{}  {}", painted(&head, decision, color), text::line(&record.header.plan.name, 80));
    line(&mut out, &record.verdict.sentence);
    if let Some(end) = plan_words::end(&record.end) {
        line(&mut out, &format!("Cut short: {end}."));
    }
    if let Some(table) = table(record, color) {
        out.push('\n');
        out.push_str(&table);
        out.push('\n');
    }
    out.push('\n');
    for doubt in record.verdict.trust.doubts.iter().take(DOUBTS) {
        line(&mut out, &format!("Doubt: {doubt}"));
    }
    line(&mut out, &honesty(record));
    if let Some(words) = not_measured(record) {
        line(&mut out, &words);
    }
    line(&mut out, &format!("Report: {}", report_path.display()));
    out
}

/// Adds one line in which nothing can move the cursor.
fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{}", plain(&text::line(text, 4000)));
}

/// No-break spaces are for pages; somebody may search a log for `94.2 %`.
fn plain(text: &str) -> String {
    text.replace('\u{a0}', " ")
}

fn painted(text: &str, decision: Decision, color: bool) -> String {
    if !color {
        return text.to_owned();
    }
    let code = match decision {
        Decision::Go => 32,
        Decision::NoGo => 31,
        Decision::Inconclusive => 33,
    };
    format!("\u{1b}[1;{code}m{text}\u{1b}[0m")
}

/// The breaches, worst first, and the criteria that cannot tell.
fn table(record: &RunRecord, color: bool) -> Option<String> {
    let findings = worst_first(record);
    let unsure = unsure(record);
    if findings.is_empty() && unsure.is_empty() {
        return None;
    }
    let mut table = Table::new();
    // The width is fixed and the terminal is not asked: the same run reads the same in a pipe.
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).force_no_tty().set_width(WIDTH);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if color {
        table.enforce_styling();
    }
    table.set_header(["", "Criterion", "What", "Measured", "Limit", "When", "Cause"]);
    for (result, finding) in findings.iter().take(SHOWN) {
        table.add_row(breach(record, result, finding, color));
    }
    for (severity, ids, why) in unsure.iter().take(SHOWN) {
        let mut row = vec![
            styled(Mark::Unknown, severity, color),
            Cell::new(ids.join("\n")),
            Cell::new(format!("cannot tell: {}", text::line(why, 160))),
        ];
        row.resize_with(7, || Cell::new(""));
        table.add_row(row);
    }
    // Ids, limits and times are not to be broken; the rest is wrapped.
    table.set_constraints([0, 1, 2, 3, 4, 5, 6].map(|column| match column {
        2 | 6 => ColumnConstraint::UpperBoundary(Width::Fixed(40)),
        _ => ColumnConstraint::ContentWidth,
    }));
    let mut text = plain(&table.to_string());
    let more = findings.len().saturating_sub(SHOWN) + unsure.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = write!(text, "\n… and {more} more in the report.");
    }
    Some(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"))
}

/// The criteria that cannot tell, those with the same reason together: worst severity, ids, reason.
fn unsure(record: &RunRecord) -> Vec<(String, Vec<String>, &str)> {
    let mut groups: Vec<(String, Vec<String>, &str)> = Vec::new();
    for result in &record.verdict.criteria {
        let State::Inconclusive(why) = &result.state else { continue };
        let id = text::line(&result.id, 24);
        match groups.iter_mut().find(|(_, _, reason)| reason == why) {
            Some((_, ids, _)) => ids.push(id),
            None => groups.push((result.severity.to_string(), vec![id], why)),
        }
    }
    groups
}

fn breach(record: &RunRecord, result: &CriterionResult, finding: &Finding, color: bool) -> Vec<Cell> {
    let figure = finding.figure.as_ref();
    let what = finding.subject.clone().or_else(|| figure.map(|f| f.what.clone())).unwrap_or_default();
    let measured = figure.map_or_else(String::new, |f| {
        let interval = figures::interval(f).map_or_else(String::new, |interval| format!("\n{interval}"));
        format!("{}{interval}", figures::value(f.value, f.unit))
    });
    let mut cause = match &finding.origin {
        Origin::Induced(faults) => text::line(&faults.join(", "), 60),
        Origin::Spontaneous => "spontaneous".to_owned(),
    };
    if !finding.gated {
        cause.push_str("\n(tolerated)");
    }
    vec![
        styled(Mark::Bad, &result.severity.to_string(), color),
        Cell::new(text::line(&result.id, 24)),
        Cell::new(text::line(&what, 60)),
        number(&measured),
        number(&figure.map_or_else(String::new, |f| limit(f, measure(&record.playbook, &result.id)))),
        number(&figures::stretch(finding.first, finding.last)),
        Cell::new(cause),
    ]
}

fn number(text: &str) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn styled(mark: Mark, severity: &str, color: bool) -> Cell {
    let cell = Cell::new(format!("{}\u{a0}{severity}", mark.symbol()));
    match (color, mark) {
        (false, _) => cell,
        (true, Mark::Bad) => cell.fg(Color::Red).add_attribute(Attribute::Bold),
        (true, _) => cell.fg(Color::Yellow).add_attribute(Attribute::Bold),
    }
}

/// What status codes said beside what was true.
fn honesty(record: &RunRecord) -> String {
    let h = record.verdict.honesty;
    if h.steps == 0 {
        return "No step ended: there is nothing to say about answers.".to_owned();
    }
    let parts: Vec<String> = [(h.degraded, "degraded"), (h.masked, "masked"), (h.failed, "failed")]
        .into_iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{} {word}", figures::share_of(n, h.steps)))
        .collect();
    let rest = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
    format!(
        "Status codes said {} of {} were fine; by content {} were{rest}.",
        figures::share_of(h.plain_ok, h.steps),
        figures::plural(h.steps, "step", "steps"),
        figures::share_of(h.ok, h.steps)
    )
}

/// The criteria that nothing measured.
fn not_measured(record: &RunRecord) -> Option<String> {
    let all = &record.verdict.criteria;
    let ids: Vec<String> = all
        .iter()
        .filter(|result| matches!(result.state, State::NotMeasured(_)))
        .map(|result| text::line(&result.id, 40))
        .collect();
    if ids.is_empty() {
        return None;
    }
    Some(format!("Not measured: {} of {} criteria ({}).", ids.len(), all.len(), ids.join(", ")))
}
