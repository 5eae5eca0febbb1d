//! Engagement: check-ins, counts and plan items. Here a failure of Supabase is a 500.

use super::generation::text;
use crate::target::reference::agents::extract;
use crate::target::reference::app::App;
use crate::target::reference::query::Query;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::timestamps;
use crate::target::reference::validate::{self, Holds, optional, required};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What a one-call request costs beside its call.
const OWN_WORK: Duration = Duration::from_millis(20);
const CHECKIN_KEY: &str = "profile_id,plan_item_id,planned_date";
/// So many items of a batch are looked up.
const MOST_ITEMS: usize = 200;

/// `POST /api/v1/engagement/task-checkin`
pub(in crate::target::reference) async fn task_checkin(app: Arc<App>, request: Request) -> Answer {
    const WHAT: &str = "process task check-in";
    let fields = [
        required("profile_id", Holds::Text),
        required("plan_item_id", Holds::Text),
        required("completion_status", Holds::OneOf(&["completed", "partial", "skipped"])),
        required("planned_date", Holds::Day),
        optional("analysis_result_id", Holds::Text),
        optional("satisfaction_rating", Holds::Whole { from: 1, to: 5 }),
        optional("user_notes", Holds::Text),
    ];
    let body = validate::body(&request.body, &fields)?;
    let turn = app.event_loop.enter().await;
    own_work(&app, &turn).await;
    let mut row = checkin_row(&body, text(&body, "plan_item_id").unwrap_or_default());
    if row["analysis_result_id"].is_null() {
        let item = Query::of("plan_items").select("*").eq("id", text(&body, "plan_item_id").unwrap_or_default());
        let found = app.supabase.get(&turn, item).await.map_err(|error| app.failed(WHAT, error))?;
        let Some(item) = found.first() else {
            return Err(Reply::detail(500, format!("Failed to {WHAT}: 404: Plan item not found")));
        };
        row["analysis_result_id"] = item.get("analysis_result_id").cloned().unwrap_or(Value::Null);
    }
    let status = row["completion_status"].clone();
    let stored = app.supabase.upsert(&turn, "task_checkins", CHECKIN_KEY, vec![row]).await;
    let stored = stored.map_err(|error| app.failed(WHAT, error))?;
    let Some(stored) = stored.first() else {
        return Err(Reply::detail(500, format!("Failed to {WHAT}: no data returned")));
    };
    Ok(Reply::ok(json!({
        "success": true, "message": "Task check-in recorded", "task_checkin_id": stored.get("id"),
        "completion_status": status,
    })))
}

fn checkin_row(body: &Map<String, Value>, item: &str) -> Value {
    let of = |name: &str| body.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "profile_id": of("profile_id"), "plan_item_id": item, "analysis_result_id": of("analysis_result_id"),
        "completion_status": body.get("completion_status").cloned().unwrap_or(json!("completed")),
        "satisfaction_rating": of("satisfaction_rating"), "planned_date": of("planned_date"),
        "user_notes": of("user_notes"), "completed_at": timestamps::now(),
    })
}

/// `POST /api/v1/engagement/batch-checkin`: one read per item.
pub(in crate::target::reference) async fn batch_checkin(app: Arc<App>, request: Request) -> Answer {
    const WHAT: &str = "process batch check-in";
    let fields = [
        required("profile_id", Holds::Text),
        required("planned_date", Holds::Day),
        required("checkins", Holds::Objects),
    ];
    let body = validate::body(&request.body, &fields)?;
    let turn = app.event_loop.enter().await;
    let mut rows = Vec::new();
    for checkin in body.get("checkins").and_then(Value::as_array).into_iter().flatten().take(MOST_ITEMS) {
        let id = checkin.get("plan_item_id").and_then(Value::as_str).unwrap_or_default();
        let item = Query::of("plan_items").select("*").eq("id", id);
        let found = app.supabase.get(&turn, item).await.map_err(|error| app.failed(WHAT, error))?;
        if let Some(item) = found.first() {
            let mut row = checkin_row(&body, id);
            row["analysis_result_id"] = item.get("analysis_result_id").cloned().unwrap_or(Value::Null);
            rows.push(row);
        }
    }
    let processed = rows.len();
    if processed > 0 {
        let stored = app.supabase.upsert(&turn, "task_checkins", CHECKIN_KEY, rows).await;
        stored.map_err(|error| app.failed(WHAT, error))?;
    }
    Ok(Reply::ok(json!({
        "success": true, "message": format!("{processed} items processed"), "items_processed": processed,
    })))
}

/// `DELETE /api/v1/engagement/batch-checkin`
pub(in crate::target::reference) async fn batch_remove(app: Arc<App>, request: Request) -> Answer {
    let fields = [
        required("profile_id", Holds::Text),
        required("planned_date", Holds::Day),
        required("plan_item_ids", Holds::Texts),
    ];
    let body = validate::body(&request.body, &fields)?;
    let items = body.get("plan_item_ids").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let turn = app.event_loop.enter().await;
    let query = Query::of("task_checkins")
        .eq("profile_id", text(&body, "profile_id").unwrap_or_default())
        .eq("planned_date", text(&body, "planned_date").unwrap_or_default())
        .within("plan_item_id", items.iter().filter_map(Value::as_str).take(MOST_ITEMS));
    let removed = app.supabase.delete(&turn, query).await;
    let removed = removed.map_err(|error| app.failed("remove check-ins", error))?.rows.len();
    Ok(Reply::ok(json!({
        "success": true, "message": format!("{removed} items removed"), "items_removed": removed,
    })))
}

/// `GET /api/v1/engagement/engagement-context/{pid}`: zeros with 200 when Supabase fails.
pub(in crate::target::reference) async fn engagement_context(app: Arc<App>, request: Request) -> Answer {
    let user = request.param(0);
    let days = request.query_number("days", 7)?;
    let since = timestamps::date_days_ago(i64::try_from(days.min(3650)).unwrap_or(7));
    let of = |table, column| Query::of(table).select("*").eq("profile_id", user).gte(column, &since);
    let turn = app.event_loop.enter().await;
    let queries = vec![of("task_checkins", "planned_date"), of("daily_journals", "journal_date")];
    let mut rows = Vec::new();
    let mut failure = None;
    for answer in app.supabase.get_all(&turn, queries).await {
        match answer {
            Ok(answer) => rows.push(answer.rows),
            Err(error) => failure = Some(error),
        }
    }
    if let Some(error) = failure {
        if app.resilient() {
            return Err(app.failed("read the engagement context", error));
        }
        return Ok(Reply::ok(context_answer(user, days, &[], 0, &json!({"error": error.to_string()}))));
    }
    let checkins = rows.first().map(Vec::as_slice).unwrap_or_default();
    Ok(Reply::ok(context_answer(user, days, checkins, rows.get(1).map_or(0, Vec::len), &json!({}))))
}

fn context_answer(user: &str, days: u64, checkins: &[Value], journals: usize, metadata: &Value) -> Value {
    let completed = count(checkins, "completed");
    json!({
        "profile_id": user, "days": days, "total_tasks": checkins.len(), "completed_tasks": completed,
        "completion_rate": rate(completed, checkins.len()), "journal_entries": journals, "metadata": metadata,
    })
}

fn count(checkins: &[Value], status: &str) -> usize {
    checkins.iter().filter(|row| row.get("completion_status").and_then(Value::as_str) == Some(status)).count()
}

fn rate(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// `GET /api/v1/engagement/checkins/status/{pid}` and `…/analytics/{pid}/completion-summary`
pub(in crate::target::reference) async fn completion(app: Arc<App>, request: Request) -> Answer {
    let user = request.param(0);
    let turn = app.event_loop.enter().await;
    let query = Query::of("task_checkins").select("*,plan_items!inner(plan_date)").eq("profile_id", user);
    let rows = app.supabase.get(&turn, query).await.map_err(|error| app.failed("get completion summary", error))?.rows;
    let completed = count(&rows, "completed");
    Ok(Reply::ok(json!({
        "profile_id": user, "total_tasks": rows.len(), "completed": completed, "partial": count(&rows, "partial"),
        "skipped": count(&rows, "skipped"), "completion_rate": rate(completed, rows.len()),
    })))
}

/// `GET /api/v1/engagement/time-block-title?time_block=`
pub(in crate::target::reference) async fn time_block_title(_app: Arc<App>, request: Request) -> Answer {
    let name = request.required_query("time_block")?;
    Ok(Reply::ok(json!({"time_block": name, "title": name.split(':').next().unwrap_or(name).trim()})))
}

/// `POST /api/v1/engagement/extract-plan-items`
pub(in crate::target::reference) async fn extract_items(app: Arc<App>, request: Request) -> Answer {
    const WHAT: &str = "extract plan items";
    let fields = [
        required("analysis_result_id", Holds::Text),
        required("profile_id", Holds::Text),
        optional("plan_date", Holds::Day),
    ];
    let body = validate::body(&request.body, &fields)?;
    let (id, user) =
        (text(&body, "analysis_result_id").unwrap_or_default(), text(&body, "profile_id").unwrap_or_default());
    let today = timestamps::date_days_ago(0);
    let extracted = extract::from_result(&app, user, id, text(&body, "plan_date").unwrap_or(&today)).await?;
    let turn = app.event_loop.enter().await;
    let items = Query::of("plan_items").select("*").eq("analysis_result_id", id);
    let items = app.supabase.get(&turn, items).await.map_err(|error| app.failed(WHAT, error))?.rows;
    Ok(Reply::ok(json!({
        "success": true, "message": format!("{extracted} items extracted"), "analysis_result_id": id,
        "items_extracted": extracted, "items": items,
    })))
}

/// `GET /api/v1/engagement/health`: static.
pub(in crate::target::reference) async fn health(_app: Arc<App>, _request: Request) -> Answer {
    Ok(Reply::ok(json!({"status": "healthy", "service": "engagement", "timestamp": timestamps::now_naive()})))
}

/// The work beside a single call.
pub(super) async fn own_work(app: &App, turn: &crate::target::reference::event_loop::Turn<'_>) {
    if !app.resilient() {
        turn.work(OWN_WORK).await;
    }
}
