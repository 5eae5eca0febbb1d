//! Column defaults: what the database fills in on insert.

use super::value::{now_text, today_text};
use crate::units::Seed;
use serde_json::{Map, Value};

/// Adds what a row does not bring: `id` and `created_at` everywhere, and the day of an analysis (observed on
/// HolisticOS, whose results table defaults `analysis_date` to the present day in UTC).
pub fn fill(table: &str, row: &mut Map<String, Value>, seed: Seed, number: u64) {
    row.entry("id").or_insert_with(|| uuid(seed, number).into());
    row.entry("created_at").or_insert_with(|| now_text().into());
    if table == "holistic_analysis_results" {
        row.entry("analysis_date").or_insert_with(|| today_text().into());
    }
}

/// A version-4 uuid that is the same for the same row of a run with the same seed.
fn uuid(seed: Seed, number: u64) -> String {
    let bytes = (u128::from(seed.draw(&[number, 0])) << 64) | u128::from(seed.draw(&[number, 1]));
    uuid::Builder::from_random_bytes(bytes.to_be_bytes()).into_uuid().to_string()
}
