//! [`Chart`]: what a family of charts hands to the page.

use super::canvas::Ink;

/// A chart with its words and its data.
#[derive(Debug)]
pub struct Chart {
    /// Its id in the page.
    pub id: &'static str,
    /// What it shows, with the unit.
    pub title: &'static str,
    /// What to see in it, in a sentence.
    pub takeaway: String,
    /// The drawing for wide screens and print.
    pub wide: String,
    /// The drawing for phones.
    pub narrow: String,
    /// The meaning of its inks.
    pub legend: Vec<Key>,
    /// The data behind it.
    pub table: DataTable,
}

/// One entry of a legend.
#[derive(Clone, Debug)]
pub struct Key {
    /// The class of the ink.
    pub class: &'static str,
    /// Whether the ink draws a line (or fills an area).
    pub line: bool,
    /// What it means.
    pub label: String,
}

impl Key {
    /// An entry for a line.
    pub fn line(ink: Ink, label: impl Into<String>) -> Self {
        Self { class: ink.class(), line: true, label: label.into() }
    }

    /// An entry for an area.
    pub fn area(ink: Ink, label: impl Into<String>) -> Self {
        Self { class: ink.class(), line: false, label: label.into() }
    }
}

/// The data behind a chart.
#[derive(Debug, Default)]
pub struct DataTable {
    /// What a row is.
    pub step: String,
    /// The columns' names.
    pub head: Vec<String>,
    /// The rows' cells.
    pub rows: Vec<Vec<String>>,
}
