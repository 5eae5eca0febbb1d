//! What was on when: load, faults, pressure, breaches, the app's deaths; one row each, so no names overlap.

use super::canvas::{Anchor, Canvas, Ink, fit, text_width};
use super::chart::{Chart, DataTable, Key};
use super::frame::{Data, Plot, Width, frame};
use crate::model::plan::LoadPlan;
use crate::model::reading::TargetChange;
use crate::model::run_record::RunRecord;
use crate::report::error::ReportError;
use crate::report::view::criteria::measure;
use crate::report::view::headline::nouns;
use crate::report::view::series::BandKind;
use crate::report::view::{figures, findings, text};
use crate::units::Offset;

/// A row's height in pixels.
const ROW: f64 = 21.0;
/// Faults that get a row; the rest stand in the table of faults.
const FAULTS: usize = 8;
/// Breaches that get a row.
const BREACHES: usize = 8;

/// One row of the strip.
struct Row {
    /// Where it begins to rise to its full height, for the load's ramp.
    rise: f64,
    /// When it was on: apart and in order, at least one.
    spans: Vec<(f64, f64)>,
    ink: Ink,
    label: String,
    /// The name where there is no room for the label.
    short: String,
    kind: &'static str,
}

/// The strip over all other charts.
pub fn strip(record: &RunRecord, data: &Data) -> Result<Chart, ReportError> {
    let rows = rows(record, data);
    let title = "What was on when";
    let breaches = breaches(record);
    let takeaway = match (record.timeline.faults.len() as u64, breaches.len() as u64) {
        (0, 0) => "No fault was on, and nothing was breached.".to_owned(),
        (faults, breaches) => format!(
            "{} and {} on one clock.",
            figures::plural(faults, "fault", "faults"),
            figures::plural(breaches, "breached criterion", "breached criteria")
        ),
    };
    let meanings = [
        (Ink::Phase, "load"),
        (Ink::FaultEdge, "fault (shaded on every chart)"),
        (Ink::Ballast, "memory pressure"),
        (Ink::Breach, "breach, counted by the gate"),
        (Ink::Tolerated, "breach, tolerated"),
    ];
    let height = 36.0 + ROW * rows.len() as f64;
    let bare =
        Data { bands: Vec::new(), wide: data.wide.clone(), narrow: data.narrow.clone(), table: data.table.clone() };
    let draw = |width| {
        frame(("strip", title, &takeaway), width, height, &bare, None, |canvas, plot, _| {
            for (i, row) in rows.iter().enumerate() {
                draw_row(canvas, plot, row, plot.top + ROW * i as f64)?;
            }
            Ok(())
        })
    };
    Ok(Chart {
        id: "strip",
        title,
        wide: draw(Width::Wide)?,
        narrow: draw(Width::Narrow)?,
        legend: meanings
            .into_iter()
            .filter(|(ink, _)| rows.iter().any(|row| row.ink == *ink))
            .map(|(ink, meaning)| Key::area(ink, meaning))
            .collect(),
        table: DataTable {
            step: String::new(),
            head: ["what", "name", "from", "until"].map(str::to_owned).to_vec(),
            rows: rows
                .iter()
                .map(|row| {
                    let time = |secs| Offset::from_secs_f64(secs).to_string();
                    let (from, until) = row.hull();
                    vec![row.kind.to_owned(), row.label.clone(), time(from), time(until)]
                })
                .collect(),
        },
        takeaway: takeaway.clone(),
    })
}

fn rows(record: &RunRecord, data: &Data) -> Vec<Row> {
    let secs = data.wide.secs;
    let plan = &record.header.plan;
    let LoadPlan::Closed { users, ramp_up, .. } = plan.load;
    let ramp = ramp_up.get().as_secs_f64().min(secs);
    let end = plan.load_end().as_secs_f64().min(secs);
    let bar = |from: f64, until: f64, ink, kind, label: String| {
        let (from, until) = (from.min(secs), until.min(secs));
        Row { rise: from, spans: vec![(from, until)], ink, short: label.clone(), label, kind }
    };
    let all_users = format!("{users} users from {}", Offset::from_secs_f64(ramp));
    let mut rows = vec![Row { rise: 0.0, ..bar(ramp, end.max(ramp), Ink::Phase, "load", all_users) }];
    let mut push = |from, until, ink, kind, label| rows.push(bar(from, until, ink, kind, label));
    let faults: Vec<_> = data.bands.iter().filter(|band| band.kind == BandKind::Fault).collect();
    for band in faults.iter().take(FAULTS) {
        let label = format!("{} {}", band.mark, text::line(&band.name, 60));
        push(band.from, band.until, Ink::FaultEdge, "fault", label);
    }
    if let Some(more) = faults.get(FAULTS..).filter(|more| !more.is_empty()) {
        let from = more.iter().map(|band| band.from).fold(secs, f64::min);
        let until = more.iter().map(|band| band.until).fold(0.0, f64::max);
        push(from, until, Ink::FaultEdge, "fault", format!("{} more faults", more.len()));
    }
    for band in data.bands.iter().filter(|band| band.kind == BandKind::Pressure).take(FAULTS) {
        push(band.from, band.until, Ink::Ballast, "pressure", text::line(&band.name, 60));
    }
    for event in record.timeline.target.iter().take(2 * FAULTS) {
        if let TargetChange::Ended { oom_killed, .. } = event.what {
            let at = event.at.as_secs_f64();
            let label = if oom_killed { "✗ app killed for lack of memory" } else { "✗ app ended" };
            push(at, at, Ink::Breach, "app", label.to_owned());
        }
    }
    for (result, findings) in breaches(record).into_iter().take(BREACHES) {
        let measure = measure(&record.playbook, &result.id);
        let mut subjects: Vec<String> =
            findings.iter().filter_map(|f| f.subject.as_ref()).map(|subject| text::line(subject, 40)).collect();
        subjects.sort_unstable();
        subjects.dedup();
        let about = match subjects.as_slice() {
            [] => String::new(),
            [only] => format!(": {only}"),
            many => format!(": {}", figures::plural(many.len() as u64, "", nouns(measure).1)),
        };
        let spans =
            findings.iter().map(|f| (f.first.as_secs_f64().min(secs), f.last.as_secs_f64().min(secs))).collect();
        let ink = if findings.iter().any(|f| f.gated) { Ink::Breach } else { Ink::Tolerated };
        let spans = union(spans);
        let short = format!("✗ {}", text::line(&result.id, 40));
        let label = format!("{short}{about}");
        rows.push(Row { rise: spans.first().map_or(0.0, |span| span.0), spans, ink, label, short, kind: "breach" });
    }
    rows
}

/// The breaches, a criterion's in one row however many subjects it has.
fn breaches(record: &RunRecord) -> Vec<findings::Group<'_>> {
    findings::grouped(record, |a, b| a.gated == b.gated)
}

/// Spans in order, those that touch joined.
fn union(mut spans: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    spans.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut apart: Vec<(f64, f64)> = Vec::new();
    for (from, until) in spans {
        match apart.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => apart.push((from, until)),
        }
    }
    apart
}

impl Row {
    /// From its first moment to its last.
    fn hull(&self) -> (f64, f64) {
        let from = self.spans.first().map_or(0.0, |span| span.0);
        (from, self.spans.iter().map(|span| span.1).fold(from, f64::max))
    }
}

/// A bar with its name in it, or right of it, or left of it: wherever there is room.
fn draw_row(canvas: &Canvas, plot: &Plot, row: &Row, top: f64) -> Result<(), ReportError> {
    let ends = |(from, until)| (plot.x(from), plot.x(until).max(plot.x(from) + 3.0));
    let (from, until) = ends(row.hull());
    let (upper, lower) = (top + 3.0, top + ROW - 3.0);
    let middle = f64::midpoint(upper, lower);
    canvas.line(&[(plot.left, middle), (plot.right, middle)], Ink::Grid)?;
    if plot.x(row.rise) < from {
        canvas.shape(&[(plot.x(row.rise), lower), (from, upper), (from, lower)], row.ink)?;
    }
    // The widest comes last, so that a name in it lies directly on it.
    let mut bars: Vec<(f64, f64)> = row.spans.iter().map(|span| ends(*span)).collect();
    bars.sort_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)));
    for (from, until) in &bars {
        canvas.rect((*from, upper), (*until, lower), row.ink)?;
    }
    let need = text_width(&row.label) + 12.0;
    // Labels may run into the margins: nothing else stands in them on this chart.
    let (right, left) = (plot.right + 56.0 - until, from - plot.left + 46.0);
    let label = |room: f64| if need <= room { &row.label } else { &row.short };
    match bars.last() {
        Some((from, until)) if until - from >= need => {
            canvas.text(&row.label, (from + 6.0, middle), Anchor::Start, Ink::LabelInside)
        }
        _ if right >= need || right >= left => {
            canvas.text(&fit(label(right), right - 10.0), (until + 5.0, middle), Anchor::Start, Ink::Label)
        }
        _ => canvas.text(&fit(label(left), left - 10.0), (from - 5.0, middle), Anchor::End, Ink::Label),
    }
}
