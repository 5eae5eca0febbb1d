//! What all charts share: size, time axis, value axis, bands of faults and pressure.

use super::axis::time_ticks;
use super::canvas::{Anchor, Canvas, Ink, svg, text_width};
use super::chart::DataTable;
use crate::report::error::ReportError;
use crate::report::view::series::{Band, BandKind, Bucket, Series};
use crate::units::Offset;

/// The series at each resolution that charts need, and the bands.
pub struct Data {
    /// For wide drawings.
    pub wide: Series,
    /// For narrow drawings.
    pub narrow: Series,
    /// For tables.
    pub table: Series,
    /// Faults and pressure.
    pub bands: Vec<Band>,
}

/// One of the two widths at which a chart is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// For screens from 720 pixels on, and print.
    Wide,
    /// For phones.
    Narrow,
}

impl Width {
    /// Its class in the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Wide => "wide",
            Self::Narrow => "narrow",
        }
    }

    /// The drawing's width, the left margin and the right margin, in pixels; the same for all charts, so that they
    /// share one time axis.
    const fn pixels(self) -> (f64, f64, f64) {
        match self {
            Self::Wide => (900.0, 58.0, 64.0),
            Self::Narrow => (350.0, 52.0, 62.0),
        }
    }
}

/// Room above the plot for the bands' marks.
const TOP: f64 = 16.0;
/// Room below the plot for the time axis.
const BOTTOM: f64 = 20.0;

/// A value axis: its ticks, from bottom to top, with their labels.
pub struct Axis {
    /// The ticks.
    pub ticks: Vec<f64>,
    /// A tick's label, with its unit.
    pub label: fn(f64) -> String,
    /// Whether it is logarithmic.
    pub log: bool,
}

impl Axis {
    /// A linear axis.
    pub fn linear(ticks: Vec<f64>, label: fn(f64) -> String) -> Self {
        Self { ticks, label, log: false }
    }

    /// Where `value` lies between the lowest tick (0) and the highest (1).
    fn place(&self, value: f64) -> f64 {
        let (low, high) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        let place =
            if self.log { (value.max(low) / low).ln() / (high / low).ln() } else { (value - low) / (high - low) };
        place.clamp(0.0, 1.0)
    }
}

/// The plot inside a drawing: turns seconds and values into pixels.
pub struct Plot {
    /// Left edge.
    pub left: f64,
    /// Right edge.
    pub right: f64,
    /// Upper edge.
    pub top: f64,
    /// Lower edge.
    pub bottom: f64,
    secs: f64,
}

impl Plot {
    /// The pixel of a second.
    pub fn x(&self, secs: f64) -> f64 {
        self.left + (self.right - self.left) * (secs / self.secs).clamp(0.0, 1.0)
    }

    /// The pixel of a value.
    pub fn y(&self, axis: &Axis, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * axis.place(value)
    }
}

/// Draws a chart at one width: bands and axes, then what `draw` adds, on top of them.
pub fn frame(
    names: (&str, &str, &str),
    width: Width,
    height: f64,
    data: &Data,
    axis: Option<&Axis>,
    draw: impl FnOnce(&Canvas, &Plot, &Series) -> Result<(), ReportError>,
) -> Result<String, ReportError> {
    let (w, left, right) = width.pixels();
    let series = if width == Width::Wide { &data.wide } else { &data.narrow };
    svg(names, width.class(), (w, height), |canvas| {
        let plot = Plot { left, right: w - right, top: TOP, bottom: height - BOTTOM, secs: series.secs };
        bands(canvas, &plot, &data.bands)?;
        if let Some(axis) = axis {
            value_axis(canvas, &plot, axis)?;
        }
        draw(canvas, &plot, series)?;
        // Over what was drawn, so that a fault's beginning and end stay visible on areas.
        edges(canvas, &plot, &data.bands)?;
        time_axis(canvas, &plot)
    })
}

fn value_axis(canvas: &Canvas, plot: &Plot, axis: &Axis) -> Result<(), ReportError> {
    for tick in &axis.ticks {
        let y = plot.y(axis, *tick);
        canvas.line(&[(plot.left, y), (plot.right, y)], Ink::Grid)?;
        canvas.text(&(axis.label)(*tick), (plot.left - 6.0, y), Anchor::End, Ink::Label)?;
    }
    Ok(())
}

/// A second value axis, at the right; `ticks` are shares of the height with their labels.
pub fn right_axis(canvas: &Canvas, plot: &Plot, axis: &Axis) -> Result<(), ReportError> {
    for tick in &axis.ticks {
        canvas.text(&(axis.label)(*tick), (plot.right + 6.0, plot.y(axis, *tick)), Anchor::Start, Ink::Label)?;
    }
    Ok(())
}

/// The time axis: labels as far apart as the longest of them needs.
pub fn time_axis(canvas: &Canvas, plot: &Plot) -> Result<(), ReportError> {
    canvas.line(&[(plot.left, plot.bottom), (plot.right, plot.bottom)], Ink::Axis)?;
    let longest = text_width(&Offset::from_secs_f64(plot.secs).to_string()) + 14.0;
    for tick in time_ticks(plot.secs, ((plot.right - plot.left) / longest).floor()) {
        let x = plot.x(tick);
        canvas.line(&[(x, plot.bottom), (x, plot.bottom + 4.0)], Ink::Axis)?;
        let label = Offset::from_secs_f64(tick).to_string();
        canvas.text(&label, (x, plot.bottom + 12.0), Anchor::Middle, Ink::Label)?;
    }
    Ok(())
}

/// Shades the bands and writes their marks above the plot, where they fit without touching.
fn bands(canvas: &Canvas, plot: &Plot, bands: &[Band]) -> Result<(), ReportError> {
    let mut free_from = f64::MIN;
    for band in bands {
        let (from, until) = (plot.x(band.from), plot.x(band.until));
        let ink = match band.kind {
            BandKind::Fault => Ink::Fault,
            BandKind::Pressure => Ink::Pressure,
        };
        canvas.rect((from, plot.top), (until, plot.bottom), ink)?;
    }
    let mut marks: Vec<(f64, &str)> =
        bands.iter().map(|b| (plot.x(f64::midpoint(b.from, b.until)), b.mark.as_str())).collect();
    marks.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (x, mark) in marks {
        let half = text_width(mark) / 2.0 + 2.0;
        if x - half >= free_from {
            canvas.text(mark, (x, plot.top - 8.0), Anchor::Middle, Ink::Label)?;
            free_from = x + half;
        }
    }
    Ok(())
}

/// Marks the beginnings and ends of the faults.
fn edges(canvas: &Canvas, plot: &Plot, bands: &[Band]) -> Result<(), ReportError> {
    for band in bands.iter().filter(|band| band.kind == BandKind::Fault) {
        for secs in [band.from, band.until] {
            canvas.line(&[(plot.x(secs), plot.top), (plot.x(secs), plot.bottom)], Ink::FaultEdge)?;
        }
    }
    Ok(())
}

/// Draws a line over the buckets; where `value` has none for more than `bridge` buckets, the line has a gap.
pub fn line(
    canvas: &Canvas,
    plot: &Plot,
    axis: &Axis,
    buckets: &[Bucket],
    (ink, bridge): (Ink, usize),
    value: impl Fn(&Bucket) -> Option<f64>,
) -> Result<(), ReportError> {
    let mut runs: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    let mut missing = 0;
    for bucket in buckets {
        let Some(value) = value(bucket) else {
            missing += 1;
            continue;
        };
        if missing > bridge {
            runs.push(Vec::new());
        }
        missing = 0;
        if let Some(run) = runs.last_mut() {
            run.push((plot.x(bucket.mid()), plot.y(axis, value)));
        }
    }
    for run in runs {
        match run.as_slice() {
            [] => {}
            [one] => canvas.dot(*one, ink)?,
            many => canvas.line(many, ink)?,
        }
    }
    Ok(())
}

/// How many empty buckets lie between `n` readings taken evenly over the series, and a few more: probes may be rarer
/// than buckets, and a late one is no gap.
pub fn between(series: &Series, n: usize) -> usize {
    (series.buckets.len() / n.max(1) + 1) * 2
}

/// A horizontal limit with its label at the right.
pub fn limit(canvas: &Canvas, plot: &Plot, axis: &Axis, value: f64, label: &str) -> Result<(), ReportError> {
    let y = plot.y(axis, value);
    canvas.line(&[(plot.left, y), (plot.right, y)], Ink::Limit)?;
    canvas.text(label, (plot.right + 6.0, y), Anchor::Start, Ink::LabelLimit)
}

/// A data table over the table's buckets.
pub fn table(data: &Data, head: &[&str], cells: impl Fn(&Bucket) -> Vec<String>) -> DataTable {
    let mut columns = vec!["from".to_owned()];
    columns.extend(head.iter().map(|name| (*name).to_owned()));
    let rows = data
        .table
        .buckets
        .iter()
        .map(|bucket| {
            let mut row = vec![Offset::from_secs_f64(bucket.from).to_string()];
            row.extend(cells(bucket));
            row
        })
        .collect();
    DataTable { step: step_words(data.table.step), head: columns, rows }
}

/// A step in words: `5 s`, `2 min`.
pub fn step_words(step: u64) -> String {
    crate::report::view::figures::exact(crate::report::view::figures::seconds(step as f64))
}
