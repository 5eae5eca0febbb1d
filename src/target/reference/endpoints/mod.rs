//! The endpoints, a file per family. Each takes the app and a request and gives a reply; errors are replies too.

pub(super) mod admin;
pub(super) mod analysis;
pub(super) mod calendar;
pub(super) mod engagement;
pub(super) mod generation;
pub(super) mod insights;
pub(super) mod journal;
pub(super) mod latest;
pub(super) mod monitoring;
pub(super) mod results;
pub(super) mod root;
pub(super) mod tasks;
