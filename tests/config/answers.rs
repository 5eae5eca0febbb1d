//! The shipped rules against every answer that HolisticOS is known to give.

use super::*;

/// What an answer is to a step, by the table of the load stage: `degraded` first, then status, then content.
fn class(plan: &Plan, endpoint: &str, status: u16, body: &Value) -> &'static str {
    let step = plan
        .journeys
        .iter()
        .flat_map(|journey| &journey.steps)
        .find(|step| step.name == endpoint)
        .expect("the scenario has this endpoint");
    let status_holds = |rule: &Condition| {
        if rule.status.is_empty() { (200..300).contains(&status) } else { rule.status.contains(&status) }
    };
    let content_holds = |rule: &Condition| {
        rule.json.iter().all(|(place, check)| {
            let found = body.pointer(place).filter(|value| !value.is_null());
            match check {
                JsonCheck::Equals(wanted) => found == Some(wanted),
                JsonCheck::Not(unwanted) => found != Some(unwanted),
                JsonCheck::Exists(wanted) => found.is_some() == *wanted,
                JsonCheck::OneOf(all) => found.is_some_and(|value| all.contains(value)),
                JsonCheck::NotEmpty(wanted) => {
                    let filled = match found {
                        Some(Value::String(text)) => !text.is_empty(),
                        Some(Value::Array(all)) => !all.is_empty(),
                        Some(Value::Object(all)) => !all.is_empty(),
                        _ => false,
                    };
                    filled == *wanted
                }
                JsonCheck::Contains(part) => found.and_then(Value::as_str).is_some_and(|text| text.contains(part)),
            }
        })
    };
    match (&step.degraded, status_holds(&step.expect), content_holds(&step.expect)) {
        (Some(rule), _, _) if status_holds(rule) && content_holds(rule) => "degraded",
        (_, false, _) => "failed",
        (_, true, true) => "ok",
        (_, true, false) => "masked",
    }
}

#[rstest::rstest]
// A real plan.
#[case("routine", 200, json!({"status": "success", "routine_plan": {"content": "{}", "model_used": "gpt-4o", "analysis_id": "a"}}), "ok")]
// OpenAI down, as observed on HolisticOS: an error and no content.
#[case("routine", 200, json!({"status": "success", "routine_plan": {"error": "503", "model_used": "gpt-4o - fallback", "analysis_id": "a"}}), "masked")]
// The behaviour step raised.
#[case("routine", 200, json!({"status": "error", "routine_plan": {}, "generation_metadata": {"error": "x"}}), "masked")]
// A well-behaved app with OpenAI down.
#[case("routine", 200, json!({"status": "degraded", "fallback": true, "routine_plan": {"content": "{}", "model_used": "template", "analysis_id": "a"}}), "degraded")]
#[case("routine", 200, json!({"status": "degraded", "fallback": true, "routine_plan": {}}), "masked")]
#[case("routine", 429, json!({"detail": "Duplicate routine request detected."}), "failed")]
#[case("routine", 401, json!({"detail": "User not authenticated"}), "failed")]
#[case("routine", 503, json!({"status": "degraded"}), "failed")]
#[case("nutrition", 200, json!({"status": "success", "nutrition_plan": {"content": "# Day", "model_used": "gpt-4o", "plan_type": "comprehensive_nutrition"}}), "ok")]
#[case("nutrition", 200, json!({"status": "success", "nutrition_plan": {"content": "Temporarily unavailable.", "model_used": "fallback", "plan_type": "fallback_nutrition", "error": "503"}}), "degraded")]
#[case("nutrition", 200, json!({"status": "degraded", "fallback": true, "nutrition_plan": {"content": "# Standard", "model_used": "template", "plan_type": "comprehensive_nutrition"}}), "degraded")]
#[case("nutrition", 200, json!({"status": "success", "nutrition_plan": {"model_used": "fallback"}}), "masked")]
#[case("nutrition", 200, json!({"status": "error", "nutrition_plan": {}}), "masked")]
#[case("behavior", 200, json!({"status": "success", "analysis_type": "cached_fallback", "behavior_analysis": {"habit_analysis": {}, "analysis_metadata": {"analysis_type": "ai_powered_behavior"}}}), "ok")]
// The neutral skeleton: it looks like an analysis and is none.
#[case("behavior", 200, json!({"status": "success", "analysis_type": "cached_fallback", "behavior_analysis": {"habit_analysis": {}, "analysis_metadata": {"analysis_type": "error", "error": "503"}}}), "masked")]
// Supabase failing, or behaviour asked after a plan.
#[case("behavior", 200, json!({"status": "error", "analysis_type": "none", "behavior_analysis": {}, "metadata": {"error": "x"}}), "masked")]
#[case("behavior", 200, json!({"status": "degraded", "fallback": true, "behavior_analysis": {"analysis_metadata": {"analysis_type": "error"}}}), "degraded")]
#[case("circadian", 200, json!({"status": "success", "analysis_type": "cached", "circadian_analysis": {"energy_timeline": [1], "analysis_metadata": {"analysis_type": "ai_powered_circadian"}}}), "ok")]
#[case("circadian", 200, json!({"status": "success", "analysis_type": "cached", "circadian_analysis": {"energy_timeline": [1], "analysis_metadata": {"analysis_type": "error"}}}), "masked")]
#[case("circadian", 200, json!({"status": "success", "analysis_type": "skipped", "circadian_analysis": {}}), "masked")]
#[case("circadian", 200, json!({"status": "degraded", "fallback": true, "circadian_analysis": {"energy_timeline": [1]}}), "degraded")]
#[case("journal-write", 200, json!({"success": true, "message": "saved", "journal_id": "j"}), "ok")]
#[case("journal", 200, json!({"id": "j", "profile_id": "u", "journal_date": "2026-11-23"}), "ok")]
#[case("journal", 200, json!(null), "masked")]
#[case("journal", 500, json!({"detail": "Failed to get journal: …"}), "failed")]
#[case("tasks", 200, json!({"date": "2026-11-23", "plan_info": {}, "time_blocks": []}), "ok")]
#[case("calendar", 200, json!({"success": true, "plan_items": [{"id": "i"}]}), "ok")]
#[case("calendar", 500, json!({"detail": "x"}), "failed")]
fn answers_of_holisticos_are_classed_by_what_they_are_worth(
    #[case] endpoint: &str,
    #[case] status: u16,
    #[case] body: Value,
    #[case] expected: &str,
) {
    for name in builtin_scenarios() {
        let plan = built_in(name, Overrides::default()).unwrap().plan;
        assert_eq!(class(&plan, endpoint, status, &body), expected, "{name}: {body}");
    }
}

#[rstest::rstest]
// The one generator of HolisticOS that says so when OpenAI fails.
#[case("insights", 500, json!({"detail": "Failed to generate insights: 503"}), "failed")]
#[case("insights", 200, json!({"success": true, "insights": [], "source": "generated", "count": 0}), "ok")]
#[case("insights", 200, json!({"success": true, "insights": [{}], "source": "fallback", "status": "degraded", "fallback": true}), "degraded")]
// Supabase refused to store the plan, and HolisticOS says "success".
#[case("routine", 200, json!({"status": "success", "routine_plan": {"content": "{}", "analysis_id": null}}), "masked")]
// No plan items where a routine has just been made.
#[case("calendar", 200, json!({"success": true, "plan_items": [], "total_items": 0}), "masked")]
#[case("task-checkin", 500, json!({"detail": "Failed to process task check-in: 404: Plan item not found"}), "failed")]
#[case("task-checkin", 200, json!({"success": true, "task_checkin_id": "t"}), "ok")]
fn the_larger_scenarios_look_closer(
    #[case] endpoint: &str,
    #[case] status: u16,
    #[case] body: Value,
    #[case] expected: &str,
) {
    for name in ["weekly-load", "smoke"] {
        let plan = built_in(name, Overrides::default()).unwrap().plan;
        assert_eq!(class(&plan, endpoint, status, &body), expected, "{name}: {body}");
    }
}
