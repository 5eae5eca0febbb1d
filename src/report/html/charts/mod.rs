//! The page's charts: SVG by plotters on one shared time axis, each with a data table. One file per family.
//!
//! `canvas` wraps the drawing, `frame` is what all charts share (axes, bands), `chart` what a family hands out.

mod answers;
mod axis;
mod canvas;
mod chart;
mod frame;
mod health;
mod latency;
mod load;
mod memory;
mod set;
mod strip;
mod upstreams;

pub use chart::Chart;
pub use set::charts;
