//! The app's memory and its limits.

use super::axis::byte_ticks;
use super::canvas::Ink;
use super::chart::{Chart, Key};
use super::frame::{Axis, Data, Width, between, frame, limit, line, table};
use crate::model::reading::{PressureMark, Reading};
use crate::model::run_record::RunRecord;
use crate::report::error::ReportError;
use crate::report::view::{figures, tiles};
use crate::units::Offset;

/// Resident memory, the group's memory, the ballast and the limits.
pub fn memory(record: &RunRecord, data: &Data) -> Result<Option<Chart>, ReportError> {
    let buckets = &data.wide.buckets;
    let peak = buckets.iter().filter_map(|b| b.rss.map(|rss| (b.from, rss))).max_by_key(|(_, rss)| *rss);
    let Some((at, peak)) = peak else { return Ok(None) };
    let group = buckets.iter().filter_map(|b| b.group).max();
    let hard = record
        .timeline
        .readings
        .iter()
        .filter_map(|reading| match reading {
            Reading::Memory { limit, .. } => *limit,
            _ => None,
        })
        .max();
    let line_at = tiles::sustained(record).map(|line| line.get());
    let highest = peak.max(group.unwrap_or(0));
    // A limit far above everything measured would only squash the lines.
    let limits: Vec<u64> =
        [line_at, hard].into_iter().flatten().filter(|limit| *limit <= highest.saturating_mul(6)).collect();
    let top = limits.iter().copied().chain([highest]).max().unwrap_or(highest) as f64;
    let axis =
        Axis::linear(byte_ticks(top.max(1.0), 4.0), |v| if v == 0.0 { "0".to_owned() } else { figures::bytes(v) });
    let title = "Memory of the app";
    let takeaway = format!(
        "Resident memory at most {} at {}{}.",
        figures::bytes(peak as f64),
        Offset::from_secs_f64(at),
        line_at.map_or_else(String::new, |line| format!("; the playbook's line is {}", figures::bytes(line as f64)))
    );
    let draw = |width| {
        frame(("memory", title, &takeaway), width, 170.0, data, Some(&axis), |canvas, plot, series| {
            ballast(&record.timeline.pressure, series.secs, |outline| {
                let points: Vec<(f64, f64)> =
                    outline.iter().map(|(at, held)| (plot.x(*at), plot.y(&axis, *held))).collect();
                canvas.shape(&points, Ink::Ballast)
            })?;
            // Labels closer than a line's height would touch; the lower one then gives way.
            let mut last = f64::MAX;
            for value in &limits {
                let y = plot.y(&axis, *value as f64);
                let label =
                    if (last - y).abs() < 13.0 { String::new() } else { figures::exact(figures::bytes(*value as f64)) };
                last = y;
                limit(canvas, plot, &axis, *value as f64, &label)?;
            }
            let bridge = between(series, series.buckets.iter().filter(|b| b.rss.is_some()).count());
            line(canvas, plot, &axis, &series.buckets, (Ink::Second, bridge), |b| b.group.map(|v| v as f64))?;
            line(canvas, plot, &axis, &series.buckets, (Ink::Main, bridge), |b| b.rss.map(|v| v as f64))
        })
    };
    let mut legend = vec![Key::line(Ink::Main, "resident memory")];
    if group.is_some() {
        legend.push(Key::line(Ink::Second, "its memory group, ballast included"));
    }
    if !record.timeline.pressure.is_empty() {
        legend.push(Key::area(Ink::Ballast, "ballast held by firedrill"));
    }
    if !limits.is_empty() {
        legend.push(Key::line(Ink::Limit, "limits"));
    }
    let bytes = |value: Option<u64>| value.map_or_else(|| figures::NONE.to_owned(), |v| figures::bytes(v as f64));
    Ok(Some(Chart {
        id: "memory",
        title,
        wide: draw(Width::Wide)?,
        narrow: draw(Width::Narrow)?,
        takeaway: takeaway.clone(),
        legend,
        table: table(data, &["resident memory", "memory group"], |b| vec![bytes(b.rss), bytes(b.group)]),
    }))
}

/// Hands the ballast's outline (seconds, bytes) to `draw`, if there was any ballast.
fn ballast<E>(marks: &[PressureMark], secs: f64, draw: impl FnOnce(&[(f64, f64)]) -> Result<(), E>) -> Result<(), E> {
    let Some(first) = marks.first() else { return Ok(()) };
    let mut outline = vec![(first.at.as_secs_f64(), 0.0)];
    // A slow ramp has many marks; a few hundred draw the same line.
    let every = marks.len() / 200 + 1;
    let last = marks.len() - 1;
    for (i, mark) in marks.iter().enumerate().filter(|(i, mark)| i % every == 0 || *i == last || mark.held == 0) {
        let before = i.checked_sub(1).map_or(0.0, |i| marks[i].held as f64);
        outline.extend([(mark.at.as_secs_f64(), before), (mark.at.as_secs_f64(), mark.held as f64)]);
    }
    outline.extend([(secs, marks[last].held as f64), (secs, 0.0)]);
    draw(&outline)
}
