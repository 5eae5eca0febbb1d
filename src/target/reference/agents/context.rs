//! The user's context: read from Supabase, or summarised by OpenAI and stored if there is none younger than ten
//! minutes.

use super::knowledge::Context;
use super::prompts;
use super::subject::Subject;
use crate::target::reference::app::{App, Unavailable};
use crate::target::reference::query::Query;
use crate::target::reference::supabase::row_age;
use crate::target::reference::timestamps;
use serde_json::{Value, json};

const TABLE: &str = "holistic_memory_analysis_context";
const REUSED_FOR_SECS: i64 = 600;

/// Gathers the context.
pub(in crate::target::reference) async fn gather(app: &App, subject: &Subject) -> Result<Context, Unavailable> {
    let latest = || Query::of(TABLE).select("*").eq("user_id", &subject.user).newest_first().limit(1);
    let turn = app.event_loop.enter().await;
    let known = app.tolerate(app.supabase.get(&turn, latest()).await)?.unwrap_or_default();
    let young =
        known.first().filter(|row| row_age(row, "created_at").is_some_and(|age| age.as_secs() < REUSED_FOR_SECS));
    if let Some(row) = young {
        let text = row.get("context_summary").and_then(Value::as_str).unwrap_or_default().to_owned();
        drop(turn);
        read_results(app, subject).await?;
        return Ok(Context { text, failure: None });
    }
    drop(turn);

    let turn = app.event_loop.enter().await;
    let mut queries = engagement(&subject.user, 3);
    queries.push(latest());
    queries.push(subject.results(3));
    let mut rows = Vec::new();
    for answer in app.supabase.get_all(&turn, queries).await {
        rows.extend(app.tolerate(answer)?.unwrap_or_default().rows);
    }
    drop(turn);

    let (text, failure) = match app.ask(None, &prompts::context(subject, &rows)).await {
        Ok(completion) => (completion.content, None),
        Err(error) => (format!("AI context generation failed: {error}"), Some(error)),
    };
    // The resilient app does not keep an error's text as if it were knowledge.
    if failure.is_none() || !app.resilient() {
        let row = json!({
            "user_id": subject.user, "context_summary": text, "source_data": {"rows": rows.len()},
            "archetype": subject.archetype, "engagement_data_included": true, "data_period_days": 30,
            "generation_method": "ai_generated",
        });
        let turn = app.event_loop.enter().await;
        app.tolerate(app.supabase.insert(&turn, TABLE, vec![row]).await)?;
    }
    read_results(app, subject).await?;
    Ok(Context { text, failure })
}

/// The two reads that follow every context.
async fn read_results(app: &App, subject: &Subject) -> Result<(), Unavailable> {
    let turn = app.event_loop.enter().await;
    if app.resilient() {
        for answer in app.supabase.get_all(&turn, vec![subject.results(2)]).await {
            app.tolerate(answer)?;
        }
        return Ok(());
    }
    // Both stand in one `try`: if the first fails, the second is not made.
    if app.supabase.get(&turn, subject.results(2)).await.is_ok() {
        let _second = app.supabase.get(&turn, subject.results(2)).await;
    }
    Ok(())
}

/// The user's engagement of the last days: four reads.
pub(super) fn engagement(user: &str, days: i64) -> Vec<Query> {
    let since = timestamps::date_days_ago(days);
    let of = |table, column| Query::of(table).select("*").eq("profile_id", user).gte(column, &since);
    vec![
        of("plan_items", "plan_date"),
        of("calendar_selections", "calendar_date"),
        of("task_checkins", "planned_date"),
        of("daily_journals", "journal_date"),
    ]
}
