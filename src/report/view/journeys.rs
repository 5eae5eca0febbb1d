//! How the journeys ended.

use super::figures;
use super::text;
use crate::model::run_record::RunRecord;

/// One journey.
#[derive(Debug)]
pub struct JourneyRow {
    /// Its name.
    pub name: String,
    /// Its steps' names in order.
    pub steps: String,
    /// How often it is chosen.
    pub weight: u32,
    /// All endings.
    pub all: String,
    /// Endings: completed, degraded, failed.
    pub endings: [String; 3],
    /// The share that was completed without a fallback.
    pub completed: String,
}

/// One row per journey of the plan.
pub fn journeys(record: &RunRecord) -> Vec<JourneyRow> {
    let mut endings = vec![[0_u64; 3]; record.header.plan.journeys.len()];
    for interval in &record.timeline.journeys {
        if let Some([completed, degraded, failed]) = endings.get_mut(usize::from(interval.journey)) {
            *completed += interval.completed;
            *degraded += interval.degraded;
            *failed += interval.failed;
        }
    }
    record
        .header
        .plan
        .journeys
        .iter()
        .zip(endings)
        .map(|(journey, ends)| {
            let all = ends.iter().sum();
            let steps: Vec<&str> = journey.steps.iter().map(|step| step.name.as_str()).collect();
            JourneyRow {
                name: text::line(&journey.name, 80),
                steps: text::line(&steps.join(" → "), 200),
                weight: journey.weight,
                all: figures::count(all),
                endings: ends.map(figures::count),
                completed: figures::share_of(ends[0], all),
            }
        })
        .collect()
}
