//! Response time percentiles over time.

use super::axis::{linear_ticks, log_ticks};
use super::canvas::Ink;
use super::chart::{Chart, Key};
use super::frame::{Axis, Data, Width, frame, limit, line, step_words, table};
use crate::report::error::ReportError;
use crate::report::view::figures;
use crate::report::view::series::Bucket;
use crate::units::Offset;

/// Answers that a bucket needs before its 95th percentile is drawn: with fewer, it is the maximum by another name.
const P95: u64 = 20;
/// Answers that a bucket needs before its median is drawn.
const P50: u64 = 3;
/// From this ratio of the highest to the lowest median on, a linear axis would flatten everything but the peak.
const LOG_FROM: f64 = 25.0;

fn quantile(bucket: &Bucket, q: f64, least: u64) -> Option<f64> {
    if bucket.response.count() < least {
        return None;
    }
    bucket.response.quantile(q).map(|micros| micros as f64 / 1e6)
}

/// A duration on an axis.
fn tick(secs: f64) -> String {
    figures::exact(figures::seconds(secs))
}

fn max(bucket: &Bucket) -> Option<f64> {
    bucket.response.0.last().map(|(micros, _)| *micros as f64 / 1e6)
}

/// Median, 95th percentile and maximum of the response times; `slow` is the playbook's line.
pub fn latency(data: &Data, slow: Option<f64>) -> Result<Chart, ReportError> {
    let buckets = &data.wide.buckets;
    let (p50, p95) = (|b: &Bucket| quantile(b, 0.5, P50), |b: &Bucket| quantile(b, 0.95, P95));
    let top = buckets.iter().filter_map(max).fold(0.0, f64::max);
    let low = buckets.iter().filter_map(p50).fold(f64::MAX, f64::min).clamp(0.001, 60.0);
    let shown = top.max(slow.filter(|slow| *slow <= top * 1.6).unwrap_or(0.0));
    let log = top / low >= LOG_FROM;
    let axis = if log {
        let mut ticks = log_ticks(low, shown);
        ticks.retain(|tick| *tick >= low / 5.0 && *tick <= shown * 5.0);
        trim(&mut ticks, low, shown);
        Axis { ticks, label: tick, log }
    } else {
        Axis::linear(linear_ticks(shown, 4.0), tick)
    };
    let title = if log {
        "Response time, failed steps included (logarithmic scale)"
    } else {
        "Response time, failed steps included"
    };
    let peak = buckets.iter().filter_map(|b| p95(b).map(|v| (b.from, v))).max_by(|a, b| a.1.total_cmp(&b.1));
    let takeaway = match (peak, top > 0.0) {
        (Some((at, secs)), _) => format!(
            "p95 at most {} in the {} from {}; slowest step {}.",
            figures::seconds(secs),
            step_words(data.wide.step),
            Offset::from_secs_f64(at),
            figures::seconds(top)
        ),
        (None, true) => format!("Slowest step {}; too few steps for a p95.", figures::seconds(top)),
        (None, false) => "No step was answered.".to_owned(),
    };
    let draw = |width| {
        frame(("latency", title, &takeaway), width, 190.0, data, Some(&axis), |canvas, plot, series| {
            if let Some(slow) = slow.filter(|slow| *slow <= shown) {
                limit(canvas, plot, &axis, slow, &tick(slow))?;
            }
            line(canvas, plot, &axis, &series.buckets, (Ink::Third, 0), max)?;
            line(canvas, plot, &axis, &series.buckets, (Ink::Second, 0), p50)?;
            line(canvas, plot, &axis, &series.buckets, (Ink::Main, 0), p95)
        })
    };
    let mut legend = vec![
        Key::line(Ink::Main, format!("p95 (per {}, from {P95} steps on)", step_words(data.wide.step))),
        Key::line(Ink::Second, "median"),
        Key::line(Ink::Third, "slowest"),
    ];
    if let Some(slow) = slow.filter(|slow| *slow <= shown) {
        legend.push(Key::line(Ink::Limit, format!("slow from {}", tick(slow))));
    }
    let cell = |value: Option<f64>| value.map_or_else(|| figures::NONE.to_owned(), figures::seconds);
    Ok(Chart {
        id: "latency",
        title,
        wide: draw(Width::Wide)?,
        narrow: draw(Width::Narrow)?,
        takeaway: takeaway.clone(),
        legend,
        table: table(data, &["steps", "median", "p95", "slowest"], |b| {
            vec![figures::count(b.response.count()), cell(p50(b)), cell(p95(b)), cell(max(b))]
        }),
    })
}

/// Keeps one tick below `low` and one above `high`, so that the axis has no empty decades.
fn trim(ticks: &mut Vec<f64>, low: f64, high: f64) {
    while ticks.len() > 2 && ticks[1] <= low {
        ticks.remove(0);
    }
    while ticks.len() > 2 && ticks[ticks.len() - 2] >= high {
        ticks.pop();
    }
}
