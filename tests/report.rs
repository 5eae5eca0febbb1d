//! The report, from records of runs to the files that people open.

#[path = "report/fixtures.rs"]
mod fixtures;

use firedrill::model::run_record::RunRecord;
use firedrill::report;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Writes the sample pages to `target/report-samples/`, to be looked at:
/// `cargo test --test report -- --ignored samples`.
#[test]
#[ignore = "writes pages to look at"]
fn samples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/report-samples");
    for (name, record) in fixtures::all() {
        report::write_run(&root.join(name), &record).unwrap();
    }
}
