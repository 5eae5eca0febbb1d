//! The answers of routine and nutrition generation.

use crate::target::reference::agents::routine::Planned;
use crate::target::reference::agents::subject::Subject;
use crate::target::reference::timestamps;
use serde_json::{Value, json};

/// Which plan an answer carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::target::reference) enum PlanKind {
    Routine,
    Nutrition,
}

/// The answer to a generated plan. With HolisticOS it is a success whatever became of OpenAI; the resilient app
/// says `degraded`.
pub(in crate::target::reference) fn plan(
    kind: PlanKind,
    subject: &Subject,
    preferences: bool,
    planned: Planned,
    resilient: bool,
) -> Value {
    let mut metadata = json!({
        "analysis_decision": "shared_behavior_analysis_service",
        "analysis_type": if kind == PlanKind::Routine { "complete_analysis" } else { "shared" },
        "data_quality": "memory_enhanced", "shared_analysis": true, "duplicate_calls_eliminated": true,
        "personalization_level": "high", "archetype_used": subject.archetype, "preferences_applied": preferences,
        "generation_time": timestamps::now_naive(),
    });
    if kind == PlanKind::Routine {
        metadata["behavior_analysis_used"] = json!(planned.behavior_used);
        metadata["circadian_analysis_used"] = json!(planned.circadian_used);
        metadata["sahha_integration"] = json!("direct_fetch");
        metadata["o3_model_used"] = json!(true);
    }
    let degraded = resilient && planned.failure.is_some();
    let mut answer = json!({
        "status": if degraded { "degraded" } else { "success" }, "user_id": subject.user, "cached": false,
        "behavior_analysis": null, "circadian_analysis": null, "generation_metadata": metadata,
    });
    answer[if kind == PlanKind::Routine { "routine_plan" } else { "nutrition_plan" }] = planned.plan;
    if degraded {
        answer["fallback"] = json!(true);
        answer["generation_metadata"]["fallback_reason"] = json!(planned.failure.map(|failure| failure.to_string()));
    }
    answer
}
