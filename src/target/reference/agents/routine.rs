//! The routine agent: behaviour and circadian analysis side by side, then the plan.

use super::analysis::{self, Analysis, Outcome};
use super::context;
use super::extract;
use super::fallback;
use super::health_data;
use super::prompts;
use super::store::{self, RESULTS};
use super::subject::Subject;
use crate::target::reference::app::{App, Unavailable};
use crate::target::reference::defect::AgentName;
use crate::target::reference::openai::OpenAiError;
use crate::target::reference::query::Query;
use crate::target::reference::timestamps;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const KIND: &str = "routine_plan";
/// Preparing prompts and logs beside the Supabase calls.
const OWN_WORK: Duration = Duration::from_millis(120);

/// A plan as answered.
pub(in crate::target::reference) struct Planned {
    pub(in crate::target::reference) plan: Value,
    pub(in crate::target::reference) behavior_used: bool,
    pub(in crate::target::reference) circadian_used: bool,
    /// Whether the plan was stored.
    pub(in crate::target::reference) stored: bool,
    /// Why the plan is only a stand-in.
    pub(in crate::target::reference) failure: Option<OpenAiError>,
}

/// Why OpenAI is to be left alone for the rest of a request of the resilient app: it failed for another part of
/// it. An agent that is broken by itself says nothing about OpenAI.
pub(super) fn openai_failure(outcome: &Outcome) -> Option<OpenAiError> {
    match outcome {
        Outcome::Made(Analysis { failure: Some(failure), .. }) if !matches!(failure, OpenAiError::BrokenAgent(_)) => {
            Some(failure.clone())
        }
        _ => None,
    }
}

/// Whether there is an analysis to build on.
pub(super) fn usable(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Made(_) | Outcome::Recalled(_))
}

/// Generates a routine plan.
pub(in crate::target::reference) async fn generate(
    app: &Arc<App>,
    subject: &Subject,
    zone: Option<&str>,
) -> Result<Planned, Unavailable> {
    let (behavior, circadian) =
        tokio::join!(analysis::shared_behavior(app, subject), analysis::circadian(app, subject, false));
    let (behavior, circadian) = (behavior?, circadian?);
    let mut failure = openai_failure(&behavior).or_else(|| openai_failure(&circadian));
    if !app.resilient() {
        failure = None;
        health_data::fetch(app, &subject.user).await?;
    }
    let context = context::gather(app, subject).await?;
    if app.resilient() {
        failure = failure.or_else(|| context.failure.clone());
    }
    let data = health_data::fetch(app, &subject.user).await?;

    let turn = app.event_loop.enter().await;
    let mut queries = context::engagement(&subject.user, 30);
    queries.extend([subject.results(3), subject.results(1), store::of_kind(subject, KIND)]);
    for answer in app.supabase.get_all(&turn, queries).await {
        app.tolerate(answer)?;
    }
    if !app.resilient() {
        turn.work(OWN_WORK).await;
    }
    drop(turn);

    let asked = match failure {
        Some(failure) => Err(failure),
        None => {
            let call = prompts::routine(subject, Some((&context, &data)), None);
            app.ask(Some(AgentName::Routine), &call).await.map(|completion| completion.content)
        }
    };
    let date = timestamps::today_in(zone);
    let (mut plan, failure) = plan_of(app, subject, &date, asked);
    let id = save(app, subject, &plan).await?;
    if id.is_some() {
        extract::extract(app, subject, &date).await?;
    }
    plan["analysis_id"] = id.clone().unwrap_or(Value::Null);
    let (behavior_used, circadian_used) = (usable(&behavior), usable(&circadian));
    Ok(Planned { plan, behavior_used, circadian_used, stored: id.is_some(), failure })
}

/// The plan for what OpenAI answered, or did not.
fn plan_of(
    app: &App,
    subject: &Subject,
    date: &str,
    asked: Result<String, OpenAiError>,
) -> (Value, Option<OpenAiError>) {
    let (content, failure) = match asked {
        Ok(text) => match serde_json::from_str::<Value>(&text) {
            Ok(_) => (text, None),
            // Taken all the same: the text is wrapped, and nobody finds a time block in it.
            Err(_) if !app.resilient() => (json!({"content": text}).to_string(), None),
            Err(_) => {
                (fallback::routine().to_string(), Some(OpenAiError::Shape("Expecting value: line 1 column 1 (char 0)")))
            }
        },
        Err(failure) if app.resilient() => (fallback::routine().to_string(), Some(failure)),
        Err(failure) => {
            let plan = json!({
                "error": failure.to_string(), "model_used": "gpt-4o - fallback", "archetype": subject.archetype,
                "date": date, "memory_enhanced": true, "analysis_mode": "initial", "days_fetched": 7,
                "memory_focus_areas": [],
            });
            return (plan, Some(failure));
        }
    };
    let model = if failure.is_some() { "template" } else { "gpt-4o" };
    let plan = json!({
        "date": date, "archetype": subject.archetype, "content": content, "model_used": model,
        "plan_type": "comprehensive_routine", "system": "HolisticOS", "readiness_mode": "Medium",
        "structured_format": true, "memory_enhanced": true, "analysis_mode": "initial", "days_fetched": 7,
        "memory_focus_areas": [],
    });
    (plan, failure)
}

/// Stores today's plan: a second one of a day replaces the first. The row's id.
async fn save(app: &App, subject: &Subject, plan: &Value) -> Result<Option<Value>, Unavailable> {
    let turn = app.event_loop.enter().await;
    let today = store::of_kind(subject, KIND).eq("analysis_date", &timestamps::date_days_ago(0));
    let known = app.tolerate(app.supabase.get(&turn, today).await)?.unwrap_or_default();
    let row = store::result_row(subject, KIND, plan);
    let stored = match known.first().and_then(|row| row.get("id")) {
        Some(id) => {
            let this = Query::of(RESULTS).eq("id", &extract::text_of(id));
            app.supabase.update(&turn, this, row).await
        }
        None => app.supabase.insert(&turn, RESULTS, vec![row]).await,
    };
    let stored = app.tolerate(stored)?.unwrap_or_default();
    Ok(stored.first().and_then(|row| row.get("id")).cloned())
}

/// Reads an edited plan back into a stored one; `None` if the user has no result at all.
pub(in crate::target::reference) async fn regenerate(
    app: &Arc<App>,
    subject: &Subject,
    markdown: &str,
) -> Result<Option<(Value, Result<(), OpenAiError>)>, Unavailable> {
    let turn = app.event_loop.enter().await;
    let newest = Query::of(RESULTS).select("*").eq("user_id", &subject.user).newest_first().limit(1);
    let newest = app.supabase.get(&turn, newest).await.map_err(Unavailable)?;
    drop(turn);
    let Some(id) = newest.first().and_then(|row| row.get("id")).cloned() else { return Ok(None) };
    let call = prompts::routine(subject, None, Some(markdown));
    let content = match app.ask(Some(AgentName::Routine), &call).await {
        Ok(completion) => completion.content,
        Err(failure) => return Ok(Some((id, Err(failure)))),
    };
    let (plan, _) = plan_of(app, subject, &timestamps::today_in(None), Ok(content));
    let turn = app.event_loop.enter().await;
    let this = Query::of(RESULTS).eq("id", &extract::text_of(&id));
    app.tolerate(app.supabase.update(&turn, this, json!({"analysis_result": plan})).await)?;
    drop(turn);
    extract::from_result(app, &subject.user, &extract::text_of(&id), &timestamps::date_days_ago(0)).await?;
    Ok(Some((id, Ok(()))))
}
