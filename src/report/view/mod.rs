//! What a report shows, worked out of a record by pure functions and free of any markup.
//!
//! `text` and `figures` make foreign text and numbers fit for people, `series` resamples the timeline, and one file
//! per section of the page says what stands in it.

pub mod app_says;
pub mod banner;
pub mod connection_words;
pub mod criteria;
pub mod endpoints;
pub mod faults;
pub mod figures;
pub mod findings;
pub mod headline;
pub mod journeys;
pub mod mark;
pub mod plan_words;
pub mod provenance;
pub mod series;
pub mod sure;
pub mod text;
pub mod tiles;
pub mod upstreams;
