//! Whole runs through the command line: the shipped scenarios against the reference app, broken in known ways.
//!
//! What is asserted are verdicts, exit codes and what is left behind; never how fast anything was, apart from bounds
//! that the product promises.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod endings;
mod left_behind;
mod matrix;
mod mistakes;
mod support;
mod targets;
mod verdicts;
