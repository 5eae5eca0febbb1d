//! Users and steps per second.

use super::axis::whole_ticks;
use super::canvas::Ink;
use super::chart::{Chart, Key};
use super::frame::{Axis, Data, Width, frame, line, right_axis, table};
use crate::report::error::ReportError;
use crate::report::view::figures;
use crate::report::view::series::Bucket;

/// Virtual users and steps begun per second.
pub fn load(data: &Data) -> Result<Chart, ReportError> {
    let buckets = &data.wide.buckets;
    let rate = |b: &Bucket| b.rate(b.started);
    let top = buckets.iter().map(rate).fold(0.0, f64::max);
    let most = buckets.iter().filter_map(|b| b.users).max().unwrap_or(0);
    let steps: u64 = buckets.iter().map(|b| b.started).sum();
    let axis = Axis::linear(whole_ticks(top, 4.0), |v| format!("{}/s", tick(v)));
    let users = Axis::linear(whole_ticks(f64::from(most), 4.0), |v| format!("{} users", tick(v)));
    let title = "Users and steps begun per second";
    let takeaway = format!(
        "At most {} at once; {} begun, {} per second at most.",
        figures::plural(u64::from(most), "virtual user", "virtual users"),
        figures::plural(steps, "step", "steps"),
        tick((top * 10.0).round() / 10.0)
    );
    let draw = |width| {
        frame(("load", title, &takeaway), width, 150.0, data, Some(&axis), |canvas, plot, series| {
            let mut outline = Vec::new();
            for bucket in &series.buckets {
                let y = plot.y(&users, f64::from(bucket.users.unwrap_or(0)));
                outline.extend([(plot.x(bucket.from), y), (plot.x(bucket.until), y)]);
            }
            outline.extend([(plot.right, plot.bottom), (plot.left, plot.bottom)]);
            canvas.shape(&outline, Ink::Users)?;
            outline.truncate(outline.len() - 2);
            canvas.line(&outline, Ink::Third)?;
            right_axis(canvas, plot, &users)?;
            line(canvas, plot, &axis, &series.buckets, (Ink::Main, 0), |b| b.users.map(|_| rate(b)))
        })
    };
    Ok(Chart {
        id: "load",
        title,
        wide: draw(Width::Wide)?,
        narrow: draw(Width::Narrow)?,
        takeaway: takeaway.clone(),
        legend: vec![
            Key::line(Ink::Main, "steps begun per second (left)"),
            Key::area(Ink::Users, "virtual users (right)"),
        ],
        table: table(data, &["virtual users", "steps begun", "steps begun per second"], |b| {
            vec![
                b.users.map_or_else(|| figures::NONE.to_owned(), |n| figures::count(u64::from(n))),
                figures::count(b.started),
                format!("{:.1}", rate(b)),
            ]
        }),
    })
}

/// A number on an axis: no needless decimals.
pub fn tick(value: f64) -> String {
    if value >= 1000.0 {
        return figures::count(value.round() as u64);
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
