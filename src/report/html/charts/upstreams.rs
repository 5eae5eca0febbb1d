//! Calls to the upstreams per second, and how many of them were hit by a fault.

use super::axis::whole_ticks;
use super::canvas::Ink;
use super::chart::{Chart, Key};
use super::frame::{Axis, Data, Width, frame, line, table};
use super::load::tick;
use crate::model::run_record::RunRecord;
use crate::report::error::ReportError;
use crate::report::view::series::Bucket;
use crate::report::view::{figures, text};

/// The lines' inks; upstreams beyond them share the last.
const INKS: [Ink; 4] = [Ink::Main, Ink::Second, Ink::Third, Ink::Fourth];

/// Calls per second by upstream.
pub fn upstreams(record: &RunRecord, data: &Data) -> Result<Option<Chart>, ReportError> {
    let buckets = &data.wide.buckets;
    let total = |i: usize| -> u64 { buckets.iter().filter_map(|b| b.upstreams.get(i)).map(|(calls, _)| calls).sum() };
    // The busiest get a line of their own; the rest are one line together.
    let mut order: Vec<usize> = (0..record.header.plan.upstreams.len()).filter(|i| total(*i) > 0).collect();
    if order.is_empty() {
        return Ok(None);
    }
    order.sort_by_key(|i| std::cmp::Reverse(total(*i)));
    let name = |i: usize| text::line(&record.header.plan.upstreams[i].name, 30);
    let mut lines: Vec<(String, Vec<usize>)> = order.iter().map(|i| (name(*i), vec![*i])).collect();
    if lines.len() > INKS.len() {
        let rest = lines.split_off(INKS.len() - 1);
        lines.push((format!("{} others", rest.len()), rest.into_iter().flat_map(|(_, of)| of).collect()));
    }
    let calls = |b: &Bucket, of: &[usize]| -> u64 {
        of.iter().filter_map(|i| b.upstreams.get(*i)).map(|(calls, _)| calls).sum()
    };
    let faulted = |b: &Bucket| -> u64 { b.upstreams.iter().map(|(_, faulted)| faulted).sum() };
    let top = buckets
        .iter()
        .flat_map(|b| lines.iter().map(|(_, of)| b.rate(calls(b, of))).chain([b.rate(faulted(b))]))
        .fold(0.0, f64::max);
    let axis = Axis::linear(whole_ticks(top, 4.0), |v| format!("{}/s", tick(v)));
    let title = "Calls to upstreams per second";
    let all: u64 = order.iter().map(|i| total(*i)).sum();
    let hit: u64 = buckets.iter().map(faulted).sum();
    let takeaway = format!(
        "{} in all, {} of them hit by a fault.",
        figures::plural(all, "call", "calls"),
        if hit == 0 { "none".to_owned() } else { format!("{} ({})", figures::count(hit), figures::share_of(hit, all)) }
    );
    let draw = |width| {
        frame(("upstreams", title, &takeaway), width, 150.0, data, Some(&axis), |canvas, plot, series| {
            let mut outline = vec![(plot.left, plot.bottom)];
            for bucket in &series.buckets {
                let y = plot.y(&axis, bucket.rate(faulted(bucket)));
                outline.extend([(plot.x(bucket.from), y), (plot.x(bucket.until), y)]);
            }
            outline.push((plot.right, plot.bottom));
            if hit > 0 {
                canvas.shape(&outline, Ink::Faulted)?;
            }
            for ((_, of), ink) in lines.iter().zip(INKS).rev() {
                line(canvas, plot, &axis, &series.buckets, (ink, 0), |b| Some(b.rate(calls(b, of))))?;
            }
            Ok(())
        })
    };
    let mut legend: Vec<Key> = lines.iter().zip(INKS).map(|((name, _), ink)| Key::line(ink, name.clone())).collect();
    if hit > 0 {
        legend.push(Key::area(Ink::Faulted, "hit by a fault"));
    }
    let mut head: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
    head.push("hit by a fault");
    Ok(Some(Chart {
        id: "upstreams",
        title,
        wide: draw(Width::Wide)?,
        narrow: draw(Width::Narrow)?,
        takeaway: takeaway.clone(),
        legend,
        table: table(data, &head, |b| {
            let mut row: Vec<String> = lines.iter().map(|(_, of)| figures::count(calls(b, of))).collect();
            row.push(figures::count(faulted(b)));
            row
        }),
    }))
}
