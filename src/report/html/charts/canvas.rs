//! [`Canvas`]: drawing on plotters' SVG backend in page pixels and themed inks.
//!
//! plotters writes fixed colours and whole coordinates. So each ink is drawn in a colour of its own that stands for
//! a class of the style sheet and is replaced by it, and everything is drawn at twice its size in a view box.

use crate::report::error::ReportError;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Drawing units per page pixel.
const SCALE: f64 = 2.0;
/// plotters' text size that comes out as 23 units.
const TEXT: f64 = 23.0 * 1.24;

/// What something is drawn as; the style sheet says how that looks in each theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// Grid lines.
    Grid,
    /// The base line.
    Axis,
    /// Labels.
    Label,
    /// Labels inside a strong bar.
    LabelInside,
    /// Labels of limits.
    LabelLimit,
    /// Limits.
    Limit,
    /// The area of a fault.
    Fault,
    /// The edge of a fault.
    FaultEdge,
    /// The area of memory pressure.
    Pressure,
    /// Virtual users.
    Users,
    /// The main line.
    Main,
    /// A second, lighter line.
    Second,
    /// A third, dotted line.
    Third,
    /// A fourth, dash-dotted line.
    Fourth,
    /// Ok.
    Ok,
    /// Degraded.
    Degraded,
    /// Masked.
    Masked,
    /// Failed.
    Failed,
    /// The ballast.
    Ballast,
    /// Calls hit by a fault.
    Faulted,
    /// A breach that the gate counts.
    Breach,
    /// A breach that is tolerated.
    Tolerated,
    /// A phase of the load.
    Phase,
}

/// Every ink with its class, in the order of the enum.
const CLASSES: [(Ink, &str); 23] = [
    (Ink::Grid, "grid"),
    (Ink::Axis, "axis"),
    (Ink::Label, "lb"),
    (Ink::LabelInside, "lbi"),
    (Ink::LabelLimit, "lbl"),
    (Ink::Limit, "limit"),
    (Ink::Fault, "flt"),
    (Ink::FaultEdge, "flte"),
    (Ink::Pressure, "prs"),
    (Ink::Users, "usr"),
    (Ink::Main, "l1"),
    (Ink::Second, "l2"),
    (Ink::Third, "l3"),
    (Ink::Fourth, "l4"),
    (Ink::Ok, "ok"),
    (Ink::Degraded, "deg"),
    (Ink::Masked, "msk"),
    (Ink::Failed, "fld"),
    (Ink::Ballast, "bal"),
    (Ink::Faulted, "hit"),
    (Ink::Breach, "brc"),
    (Ink::Tolerated, "tol"),
    (Ink::Phase, "phs"),
];

impl Ink {
    /// Its class in the style sheet.
    pub fn class(self) -> &'static str {
        CLASSES[self as usize].1
    }

    fn colour(self) -> RGBColor {
        RGBColor(1, 0, self as u8)
    }
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy, Debug)]
pub enum Anchor {
    /// The text begins at the point.
    Start,
    /// The text is centred on the point.
    Middle,
    /// The text ends at the point.
    End,
}

/// A drawing in page pixels.
pub struct Canvas<'a, 'b> {
    area: &'a DrawingArea<SVGBackend<'b>, Shift>,
}

fn units(pixels: f64) -> i32 {
    // `as` saturates; nothing drawn is anywhere near the bounds.
    (pixels * SCALE).round() as i32
}

fn units_of((x, y): (f64, f64)) -> (i32, i32) {
    (units(x), units(y))
}

/// plotters' error, whatever it is: drawing into a string cannot fail for a reason that a user could mend.
fn failed(error: impl std::fmt::Display) -> ReportError {
    ReportError::Chart(error.to_string())
}

impl Canvas<'_, '_> {
    /// A line through points.
    pub fn line(&self, points: &[(f64, f64)], ink: Ink) -> Result<(), ReportError> {
        let points: Vec<_> = points.iter().copied().map(units_of).collect();
        self.area.draw(&PathElement::new(points, ink.colour().stroke_width(1))).map_err(failed)
    }

    /// A filled shape.
    pub fn shape(&self, points: &[(f64, f64)], ink: Ink) -> Result<(), ReportError> {
        let points: Vec<_> = points.iter().copied().map(units_of).collect();
        self.area.draw(&Polygon::new(points, ink.colour().filled())).map_err(failed)
    }

    /// A filled rectangle, never too thin to be seen.
    pub fn rect(&self, (x, y): (f64, f64), (right, bottom): (f64, f64), ink: Ink) -> Result<(), ReportError> {
        let corners = [units_of((x, y)), units_of((right.max(x + 1.5), bottom))];
        self.area.draw(&Rectangle::new(corners, ink.colour().filled())).map_err(failed)
    }

    /// A dot.
    pub fn dot(&self, point: (f64, f64), ink: Ink) -> Result<(), ReportError> {
        self.area.draw(&Circle::new(units_of(point), 4, ink.colour().filled())).map_err(failed)
    }

    /// A text, vertically centred on its point.
    pub fn text(&self, text: &str, point: (f64, f64), anchor: Anchor, ink: Ink) -> Result<(), ReportError> {
        let horizontal = match anchor {
            Anchor::Start => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::End => HPos::Right,
        };
        let style = ("sans-serif", TEXT).into_font().color(&ink.colour()).pos(Pos::new(horizontal, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), units_of(point), style)).map_err(failed)
    }
}

/// About how wide a text is on a chart, in pixels; a bit more than most fonts need.
pub fn text_width(text: &str) -> f64 {
    text.chars().count() as f64 * 6.3
}

/// A text no wider than `pixels`.
pub fn fit(text: &str, pixels: f64) -> String {
    if text_width(text) <= pixels {
        return text.to_owned();
    }
    let keep = (pixels / 6.3) as usize;
    if keep < 3 {
        return String::new();
    }
    text.chars().take(keep - 1).chain(['…']).collect()
}

/// Draws an SVG of `width` × `height` pixels: `class` beside `chart`, and `id` with the title and description that
/// a screen reader speaks.
pub fn svg(
    (id, title, desc): (&str, &str, &str),
    class: &str,
    (width, height): (f64, f64),
    draw: impl FnOnce(&Canvas) -> Result<(), ReportError>,
) -> Result<String, ReportError> {
    let (w, h) = (units(width), units(height));
    let mut drawn = String::new();
    {
        let root = SVGBackend::with_string(&mut drawn, (w.unsigned_abs(), h.unsigned_abs())).into_drawing_area();
        draw(&Canvas { area: &root })?;
        root.present().map_err(failed)?;
    }
    let body = drawn.split_once('>').map_or("", |(_, body)| body).trim_end().trim_end_matches("</svg>");
    let (title, desc) = (escape(title), escape(desc));
    Ok(format!(
        "<svg class=\"chart {class}\" viewBox=\"0 0 {w} {h}\" role=\"img\" aria-labelledby=\"{id}-{class}-t \
         {id}-{class}-d\"><title id=\"{id}-{class}-t\">{title}</title><desc id=\"{id}-{class}-d\">{desc}</desc>{}</svg>",
        themed(body)
    ))
}

/// Replaces the colours that stand for inks by their classes and drops what the style sheet says better.
/// Texts cannot be hit: plotters escapes the quotes in them.
fn themed(body: &str) -> String {
    let mut body = body.to_owned();
    for (i, (_, class)) in CLASSES.iter().enumerate() {
        for attribute in ["fill", "stroke"] {
            body = body.replace(&format!(" {attribute}=\"#0100{i:02X}\""), &format!(" class=\"{class}\""));
        }
    }
    for noise in [
        " opacity=\"1\"",
        " stroke=\"none\"",
        " fill=\"none\"",
        " stroke-width=\"1\"",
        " font-family=\"sans-serif\"",
        " font-size=\"23\"",
        " text-anchor=\"start\"",
        "\n",
    ] {
        body = body.replace(noise, "");
    }
    body.replace(" \"", "\"").replace("dy=\"0.5ex\"", "dy=\".35em\"")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ink_has_its_class() {
        for (i, (ink, _)) in CLASSES.iter().enumerate() {
            assert_eq!(*ink as usize, i);
        }
    }

    #[test]
    fn inks_become_classes_and_texts_stay_texts() {
        let hostile = "</text><script>\" fill=\"#010000\"";
        let svg = svg(("x", "a<b", "c"), "wide", (100.0, 50.0), |canvas| {
            canvas.line(&[(0.0, 0.0), (1.0, 1.5)], Ink::Main)?;
            canvas.text(hostile, (5.0, 5.0), Anchor::Start, Ink::Label)
        })
        .unwrap();
        assert!(svg.contains("<polyline class=\"l1\" points=\"0,0 2,3\"/>"), "{svg}");
        assert!(!svg.contains("<script"), "{svg}");
        assert!(svg.contains("fill=&quot;#010000&quot;"), "{svg}");
        assert!(svg.contains("a&lt;b"), "{svg}");
    }
}
