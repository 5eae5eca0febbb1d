//! Stores an analysis: its tracking row and its result.

use super::subject::Subject;
use crate::target::reference::app::{App, Unavailable};
use crate::target::reference::query::Query;
use crate::target::reference::timestamps;
use serde_json::{Value, json};

/// Where results are kept.
pub(super) const RESULTS: &str = "holistic_analysis_results";
const TRACKING: &str = "archetype_analysis_tracking";

/// Stores a fresh analysis: three calls.
pub(super) async fn store(app: &App, subject: &Subject, kind: &str, result: &Value) -> Result<(), Unavailable> {
    let turn = app.event_loop.enter().await;
    let known = app.tolerate(app.supabase.get(&turn, subject.tracking("analysis_count", kind)).await)?;
    let known = known.unwrap_or_default();
    let count = known.first().and_then(|row| row.get("analysis_count")?.as_u64()).unwrap_or(0) + 1;
    let now = timestamps::now();
    let mut row = json!({
        "user_id": subject.user, "archetype": subject.archetype, "analysis_type": kind, "analysis_timestamp": now,
        "last_analysis_at": now, "analysis_count": count, "updated_at": now,
    });
    let tracked = if known.first().is_some() {
        app.supabase.update(&turn, subject.tracking("*", kind), row).await
    } else {
        row["created_at"] = json!(now);
        app.supabase.insert(&turn, TRACKING, vec![row]).await
    };
    app.tolerate(tracked)?;
    let row = result_row(subject, kind, result);
    app.tolerate(app.supabase.insert(&turn, RESULTS, vec![row]).await)?;
    Ok(())
}

/// The circadian path counts once more after it has stored.
pub(super) async fn count_again(app: &App, subject: &Subject, kind: &str) -> Result<(), Unavailable> {
    let turn = app.event_loop.enter().await;
    let known = app.tolerate(app.supabase.get(&turn, subject.tracking("analysis_count", kind)).await)?;
    let count = known.unwrap_or_default().first().and_then(|row| row.get("analysis_count")?.as_u64()).unwrap_or(0);
    let patch = json!({"analysis_count": count, "last_analysis_at": timestamps::now()});
    app.tolerate(app.supabase.update(&turn, subject.tracking("*", kind), patch).await)?;
    Ok(())
}

/// A row of results.
pub(super) fn result_row(subject: &Subject, kind: &str, result: &Value) -> Value {
    json!({
        "user_id": subject.user, "analysis_type": kind, "archetype": subject.archetype, "analysis_result": result,
        "input_summary": json!({"archetype": subject.archetype, "days_fetched": 7}).to_string(),
        "agent_id": format!("{kind}_agent"), "created_at": timestamps::now(),
    })
}

/// The result of a row: an object, or the JSON text of one.
pub(super) fn result_of(row: &Value) -> Option<Value> {
    match row.get("analysis_result")? {
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Null => None,
        result => Some(result.clone()),
    }
}

/// The results of one kind.
pub(super) fn of_kind(subject: &Subject, kind: &str) -> Query {
    subject.results(1).eq("analysis_type", kind)
}
