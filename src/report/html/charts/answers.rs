//! Answers per second by class, stacked.

use super::axis::whole_ticks;
use super::canvas::Ink;
use super::chart::{Chart, Key};
use super::frame::{Axis, Data, Width, frame, table};
use super::load::tick;
use crate::report::error::ReportError;
use crate::report::view::figures;
use crate::units::Offset;

/// The classes from the bottom up: what is broken stands on the base line, where its height can be read.
const STACK: [(usize, Ink, &str); 4] =
    [(3, Ink::Failed, "failed"), (2, Ink::Masked, "masked"), (1, Ink::Degraded, "degraded"), (0, Ink::Ok, "ok")];

/// Steps that ended per second, by what they meant for the user.
pub fn answers(data: &Data) -> Result<Chart, ReportError> {
    let buckets = &data.wide.buckets;
    let top = buckets.iter().map(|b| b.rate(b.ended())).fold(0.0, f64::max);
    let axis = Axis::linear(whole_ticks(top, 4.0), |v| format!("{}/s", tick(v)));
    let title = "Answers per second by what they were worth";
    let worst = buckets
        .iter()
        .filter(|b| b.ended() > 0)
        .map(|b| (b.from, b.classes[0] as f64 / b.ended() as f64))
        .min_by(|a, b| a.1.total_cmp(&b.1));
    let takeaway = match worst {
        None => "No step ended.".to_owned(),
        Some((_, share)) if share >= 1.0 => "Every answer was what was asked for.".to_owned(),
        Some((at, share)) => {
            format!("Fewest right answers at {}: {}.", Offset::from_secs_f64(at), figures::share(share))
        }
    };
    let draw = |width| {
        frame(("answers", title, &takeaway), width, 160.0, data, Some(&axis), |canvas, plot, series| {
            let mut floor: Vec<f64> = vec![0.0; series.buckets.len()];
            for (class, ink, _) in STACK {
                if series.buckets.iter().all(|b| b.classes[class] == 0) {
                    continue;
                }
                let (mut upper, mut lower) = (Vec::new(), Vec::new());
                for (bucket, floor) in series.buckets.iter().zip(&mut floor) {
                    let ceiling = *floor + bucket.rate(bucket.classes[class]);
                    let (from, until) = (plot.x(bucket.from), plot.x(bucket.until));
                    let (above, below) = (plot.y(&axis, ceiling), plot.y(&axis, *floor));
                    upper.extend([(from, above), (until, above)]);
                    lower.extend([(from, below), (until, below)]);
                    *floor = ceiling;
                }
                upper.extend(lower.into_iter().rev());
                upper.dedup();
                canvas.shape(&upper, ink)?;
            }
            Ok(())
        })
    };
    Ok(Chart {
        id: "answers",
        title,
        wide: draw(Width::Wide)?,
        narrow: draw(Width::Narrow)?,
        takeaway: takeaway.clone(),
        legend: STACK.iter().rev().map(|(_, ink, word)| Key::area(*ink, *word)).collect(),
        table: table(data, &["ok", "degraded", "masked", "failed", "ok share"], |b| {
            let mut row: Vec<String> = b.classes.iter().map(|n| figures::count(*n)).collect();
            row.push(figures::share_of(b.classes[0], b.ended()));
            row
        }),
    })
}
