//! `report.html`: one self-contained page. `charts` draws, `page` fills the templates beside it.

mod charts;
mod page;

pub use page::render;
