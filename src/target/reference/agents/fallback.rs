//! What is answered when OpenAI gives nothing: HolisticOS's neutral skeletons, and the resilient app's usable
//! templates.

use serde_json::{Value, json};

/// HolisticOS's behaviour analysis during an OpenAI outage, without its metadata.
pub(super) fn behavior() -> Value {
    json!({
        "behavioral_signature": {"signature": "Analysis unavailable", "confidence": 0.0},
        "sophistication_assessment": {"score": 50, "category": "Developing", "justification": "Default values"},
        "habit_analysis": {"established_habits": [], "emerging_patterns": [], "friction_points": []},
        "motivation_profile": {"primary_drivers": [], "engagement_style": "unknown"},
        "personalized_strategy": {"recommended_approach": "standard", "focus_areas": []},
        "integration_recommendations": [],
        "readiness_level": "Medium",
    })
}

/// HolisticOS's circadian analysis during an OpenAI outage, without its metadata.
pub(super) fn circadian() -> Value {
    json!({
        "chronotype_assessment": {"primary_type": "unknown", "confidence_score": 0.0},
        "energy_zone_analysis": {},
        "schedule_recommendations": {},
        "biomarker_insights": {},
        "integration_recommendations": {},
    })
}

/// The resilient app's routine: five blocks that do for anybody.
pub(super) fn routine() -> Value {
    let block = |name: &str, from: &str, to: &str, zone: &str, purpose: &str, task: &str| {
        json!({
            "block_name": name, "start_time": from, "end_time": to, "zone_type": zone, "purpose": purpose,
            "tasks": [{
                "start_time": from, "end_time": to, "title": task, "description": purpose, "task_type": "wellness",
                "priority": "medium",
            }],
        })
    };
    json!({"time_blocks": [
        block("Morning start", "07:00", "08:00", "recovery", "Wake up without haste", "Water and daylight"),
        block("Focused morning", "09:00", "11:30", "peak", "Use the best hours", "One demanding task"),
        block("Midday", "12:00", "13:00", "maintenance", "Eat and move", "Lunch and a walk"),
        block("Afternoon", "14:00", "17:00", "productive", "Steady work", "Routine tasks"),
        block("Evening", "20:00", "22:00", "recovery", "Wind down", "Screens off, early night"),
    ]})
}

/// The resilient app's nutrition plan.
pub(super) const NUTRITION: &str = "# A balanced day\n\n- **Breakfast (07:30)**: oats, yoghurt, fruit\n\
    - **Lunch (12:30)**: whole grains, beans or chicken, vegetables\n- **Snack (16:00)**: nuts, an apple\n\
    - **Dinner (19:00)**: fish or tofu, vegetables, potatoes\n\nWater through the day. This is a standard plan: your \
    personal one follows as soon as it can be made.";

/// The resilient app's insight.
pub(super) fn insights() -> Vec<Value> {
    vec![json!({
        "category": "general", "priority": "medium", "title": "Keep the regular hours",
        "content": "Regular hours of sleep help most people.", "recommendation": "Go to bed at the same time.",
        "confidence_score": 0.8, "actionability_score": 0.8, "relevance_score": 0.6, "data_points_used": 0,
    })]
}
