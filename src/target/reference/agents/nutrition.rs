//! The nutrition agent: behaviour analysis, then the plan.

use super::analysis;
use super::context;
use super::fallback;
use super::health_data;
use super::prompts;
use super::routine::{Planned, openai_failure, usable};
use super::store::{self, RESULTS};
use super::subject::Subject;
use crate::target::reference::app::{App, Unavailable};
use crate::target::reference::defect::AgentName;
use crate::target::reference::timestamps;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const KIND: &str = "nutrition_plan";
/// Preparing prompts and logs beside the Supabase calls.
const OWN_WORK: Duration = Duration::from_millis(180);

/// Generates a nutrition plan.
pub(in crate::target::reference) async fn generate(
    app: &Arc<App>,
    subject: &Subject,
    zone: Option<&str>,
) -> Result<Planned, Unavailable> {
    let behavior = analysis::shared_behavior(app, subject).await?;
    let mut failure = None;
    if app.resilient() {
        failure = openai_failure(&behavior);
    } else {
        health_data::fetch(app, &subject.user).await?;
    }
    let context = context::gather(app, subject).await?;
    if app.resilient() {
        failure = failure.or_else(|| context.failure.clone());
    }
    let data = health_data::fetch(app, &subject.user).await?;
    if !app.resilient() {
        app.event_loop.enter().await.work(OWN_WORK).await;
    }
    let asked = match failure {
        Some(failure) => Err(failure),
        None => {
            let call = prompts::nutrition(subject, &context, &data);
            app.ask(Some(AgentName::Nutrition), &call).await.map(|completion| completion.content)
        }
    };
    let date = timestamps::today_in(zone);
    let mut plan = json!({
        "date": date, "archetype": subject.archetype, "system": "HolisticOS", "readiness_mode": "Medium",
        "memory_enhanced": true, "analysis_mode": "initial", "days_fetched": 7, "memory_focus_areas": [],
    });
    let failure = match asked {
        Ok(content) => {
            plan["content"] = json!(content);
            plan["model_used"] = json!("gpt-4o");
            plan["plan_type"] = json!("comprehensive_nutrition");
            None
        }
        Err(failure) if app.resilient() => {
            plan["content"] = json!(fallback::NUTRITION);
            plan["model_used"] = json!("template");
            plan["plan_type"] = json!("comprehensive_nutrition");
            Some(failure)
        }
        Err(failure) => {
            plan["content"] = json!("Nutrition plan generation is temporarily unavailable.");
            plan["model_used"] = json!("fallback");
            plan["plan_type"] = json!("fallback_nutrition");
            plan["error"] = json!(failure.to_string());
            Some(failure)
        }
    };
    let turn = app.event_loop.enter().await;
    let row = store::result_row(subject, KIND, &plan);
    let stored = app.tolerate(app.supabase.insert(&turn, RESULTS, vec![row]).await)?.unwrap_or_default();
    drop(turn);
    let stored = stored.first().is_some();
    plan["insights_stored"] = json!(stored);
    Ok(Planned { plan, behavior_used: usable(&behavior), circadian_used: false, stored, failure })
}
