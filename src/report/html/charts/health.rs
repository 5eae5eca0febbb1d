//! What the app's health check said, over time.

use super::canvas::{Anchor, Ink};
use super::chart::{Chart, Key};
use super::frame::{Data, Width, between, frame, table};
use crate::report::error::ReportError;
use crate::report::view::figures;
use crate::report::view::series::Bucket;

/// The three states: the worse, the taller.
const STATES: [(Ink, &str, f64); 3] =
    [(Ink::Ok, "up", 0.34), (Ink::Degraded, "degraded", 0.67), (Ink::Failed, "down", 1.0)];

/// The worst state of a bucket's checks.
fn worst(bucket: &Bucket) -> Option<usize> {
    (0..STATES.len()).rev().find(|state| bucket.health[*state] > 0)
}

/// The worst state of the health checks in each stretch.
pub fn health(data: &Data) -> Result<Option<Chart>, ReportError> {
    let mut sums = [0_u64; 3];
    for bucket in &data.wide.buckets {
        for (sum, n) in sums.iter_mut().zip(bucket.health) {
            *sum += n;
        }
    }
    let all: u64 = sums.iter().sum();
    if all == 0 {
        return Ok(None);
    }
    let title = "What the app's health check said";
    let takeaway = format!(
        "{}: {} up, {} degraded, {} down.",
        figures::plural(all, "check", "checks"),
        figures::count(sums[0]),
        figures::count(sums[1]),
        figures::count(sums[2])
    );
    let draw = |width| {
        frame(("health", title, &takeaway), width, 92.0, data, None, |canvas, plot, series| {
            let height = plot.bottom - plot.top;
            for (_, word, tall) in STATES {
                let y = plot.bottom - height * tall + height / 6.0;
                canvas.text(word, (plot.right + 6.0, y), Anchor::Start, Ink::Label)?;
            }
            let asked = series.buckets.iter().filter(|b| worst(b).is_some()).count();
            let bridge = between(series, asked);
            let mut i = 0;
            while i < series.buckets.len() {
                // Neighbours of the same state are one bar; where nothing was asked, the last answer stands for a
                // while, because probes may be rarer than buckets.
                let state = worst(&series.buckets[i]);
                let mut end = i + 1;
                let mut empty = 0;
                let mut last = end;
                while end < series.buckets.len() {
                    match worst(&series.buckets[end]) {
                        next if next == state => (empty, last) = (0, end + 1),
                        None if state.is_some() && empty < bridge => (empty, last) = (empty + 1, end + 1),
                        _ => break,
                    }
                    end += 1;
                }
                if let Some(state) = state {
                    let (ink, _, tall) = STATES[state];
                    let (from, until) = (series.buckets[i].from, series.buckets[last - 1].until);
                    let top = plot.bottom - height * tall;
                    canvas.rect((plot.x(from), top), (plot.x(until), plot.bottom), ink)?;
                }
                i = last.max(i + 1);
            }
            Ok(())
        })
    };
    Ok(Some(Chart {
        id: "health",
        title,
        wide: draw(Width::Wide)?,
        narrow: draw(Width::Narrow)?,
        takeaway: takeaway.clone(),
        legend: STATES.iter().map(|(ink, word, _)| Key::area(*ink, *word)).collect(),
        table: table(data, &["up", "degraded", "down"], |b| b.health.iter().map(|n| figures::count(*n)).collect()),
    }))
}
