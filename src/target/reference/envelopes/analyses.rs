//! The answers of behaviour and circadian analysis.

use crate::target::reference::agents::subject::Subject;
use crate::target::reference::timestamps;
use serde_json::{Value, json};

/// The figures of a behaviour answer's metadata.
pub(in crate::target::reference) struct BehaviorFigures {
    pub(in crate::target::reference) new_data: u64,
    pub(in crate::target::reference) threshold: u64,
    pub(in crate::target::reference) quality: &'static str,
    pub(in crate::target::reference) reason: String,
    pub(in crate::target::reference) force: bool,
}

/// A behaviour analysis: `analysis_type` is `fresh`, `cached` or `cached_fallback`.
pub(in crate::target::reference) fn behavior(
    subject: &Subject,
    analysis_type: &str,
    analysis: &Value,
    figures: &BehaviorFigures,
) -> Value {
    json!({
        "status": "success", "user_id": subject.user, "analysis_type": analysis_type, "behavior_analysis": analysis,
        "metadata": {
            "new_data_points": figures.new_data, "threshold": figures.threshold, "cache_age_hours": 0,
            "memory_quality": figures.quality, "decision_reason": figures.reason,
            "force_refresh_used": figures.force, "next_analysis_info": null, "archetype_used": subject.archetype,
        },
    })
}

/// HolisticOS's 200 for a behaviour analysis that it cannot read back.
pub(in crate::target::reference) fn behavior_error(subject: &Subject, figures: &BehaviorFigures) -> Value {
    json!({
        "status": "error", "user_id": subject.user, "analysis_type": "none", "behavior_analysis": {},
        "metadata": {
            "error": "No behavior analysis available", "suggestion": "Try again with force_refresh=true",
            "decision_metadata": {
                "new_data_points": figures.new_data, "threshold": figures.threshold, "reason": figures.reason,
            },
        },
    })
}

/// A circadian analysis; fresh ones call themselves `cached` too.
pub(in crate::target::reference) fn circadian(subject: &Subject, analysis: &Value, force: bool) -> Value {
    let mut analysis = analysis.clone();
    if !analysis.is_object() {
        analysis = json!({});
    }
    analysis["energy_timeline"] = timeline();
    analysis["summary"] = json!({"peak_hours": 4, "productive_hours": 5, "maintenance_hours": 5, "recovery_hours": 10});
    analysis["timeline_metadata"] = json!({"total_slots": 96, "slot_minutes": 15});
    json!({
        "status": "success", "user_id": subject.user, "analysis_type": "cached", "circadian_analysis": analysis,
        "metadata": {
            "analysis_decision": "fresh_analysis", "data_quality": "threshold_validated",
            "personalization_level": "high", "archetype_used": subject.archetype, "force_refresh": force,
            "model_used": "gpt-4o", "analysis_timestamp": timestamps::now_naive(),
        },
    })
}

/// The answer to a circadian call that was not worth an analysis (or stalled on an earlier one).
pub(in crate::target::reference) fn circadian_skipped(subject: &Subject) -> Value {
    json!({
        "status": "success", "user_id": subject.user, "analysis_type": "skipped", "circadian_analysis": {},
        "metadata": {
            "reason": "threshold_not_met", "message": "Not enough new data for a circadian analysis",
            "suggestion": "Use force_refresh=true to analyse anyway",
            "analysis_timestamp": timestamps::now_naive(),
        },
    })
}

/// A day in 96 quarters of an hour.
fn timeline() -> Value {
    let slots = (0..96).map(|slot| {
        let (zone, level) = match slot / 4 {
            9..=11 | 16 => ("peak", 90),
            8 | 14 | 15 | 17 | 18 => ("productive", 70),
            7 | 12 | 13 | 19 | 20 => ("maintenance", 50),
            _ => ("recovery", 25),
        };
        json!({
            "time": format!("{:02}:{:02}", slot / 4, slot % 4 * 15), "zone": zone, "slot_index": slot,
            "energy_level": level,
        })
    });
    Value::Array(slots.collect())
}
