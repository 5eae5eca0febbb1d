//! The calendar: which plan items a user has taken over.

use super::generation::text;
use crate::target::reference::agents::extract::text_of;
use crate::target::reference::app::App;
use crate::target::reference::query::Query;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::timestamps;
use crate::target::reference::validate::{self, Holds, optional, required};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const SELECTIONS: &str = "calendar_selections";
const MOST_ITEMS: usize = 200;

fn selections_of(user: &str, date: &str) -> Query {
    Query::of(SELECTIONS).select("*").eq("profile_id", user).eq("calendar_date", date)
}

/// `POST /api/calendar/select`
pub(in crate::target::reference) async fn select(app: Arc<App>, request: Request) -> Answer {
    const WHAT: &str = "select calendar items";
    let fields = [
        required("profile_id", Holds::Text),
        required("selected_plan_items", Holds::Texts),
        optional("date", Holds::Day),
        optional("selection_notes", Holds::Text),
    ];
    let body = validate::body(&request.body, &fields)?;
    let user = text(&body, "profile_id").unwrap_or_default();
    let today = timestamps::date_days_ago(0);
    let date = text(&body, "date").unwrap_or(&today);
    let list = body.get("selected_plan_items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut wanted: Vec<&str> = Vec::new();
    for id in list.iter().filter_map(Value::as_str).take(MOST_ITEMS) {
        if wanted.contains(&id) {
            return Err(Reply::detail(409, "Duplicate plan items in the selection"));
        }
        wanted.push(id);
    }
    if wanted.is_empty() {
        return Err(Reply::detail(400, "No plan items selected"));
    }
    let turn = app.event_loop.enter().await;
    let items = Query::of("plan_items").select("*").within("id", wanted.iter().copied());
    let items = app.supabase.get(&turn, items).await.map_err(|error| app.failed(WHAT, error))?.rows;
    if items.len() < wanted.len() {
        return Err(Reply::detail(400, "Some plan items do not exist"));
    }
    if items.iter().any(|item| item.get("profile_id").and_then(Value::as_str) != Some(user)) {
        return Err(Reply::detail(403, "Some plan items belong to another user"));
    }
    let analysis = items.first().and_then(|item| item.get("analysis_result_id"));
    if items.iter().any(|item| item.get("analysis_result_id") != analysis) {
        return Err(Reply::detail(400, "Plan items of different analyses cannot be mixed"));
    }
    let known = app.supabase.get(&turn, selections_of(user, date)).await;
    let known = known.map_err(|error| app.failed(WHAT, error))?.rows;
    let known: Vec<String> = known.iter().filter_map(|row| row.get("plan_item_id")).map(text_of).collect();
    let notes = body.get("selection_notes").cloned().unwrap_or(Value::Null);
    let rows: Vec<Value> = wanted
        .iter()
        .filter(|id| !known.iter().any(|known| known == *id))
        .map(|id| {
            json!({
                "profile_id": user, "plan_item_id": id, "calendar_date": date, "selection_notes": notes,
                "selected_for_calendar": true, "selection_timestamp": timestamps::now(),
            })
        })
        .collect();
    let skipped = wanted.len() - rows.len();
    let mut created = 0;
    if !rows.is_empty() {
        let stored = app.supabase.insert(&turn, SELECTIONS, rows).await;
        created = stored.map_err(|error| app.failed(WHAT, error))?.rows.len();
        if created == 0 {
            return Err(Reply::detail(500, format!("Failed to {WHAT}: no data returned")));
        }
    }
    Ok(Reply::ok(json!({
        "success": true, "message": format!("{created} items selected"), "date": date, "selections_created": created,
        "already_selected": skipped, "skipped_duplicates": skipped,
    })))
}

/// `GET /api/calendar/available-items/{pid}?date&archetype_filter`
pub(in crate::target::reference) async fn available(app: Arc<App>, request: Request) -> Answer {
    const WHAT: &str = "get available items";
    let user = request.param(0);
    let today = timestamps::date_days_ago(0);
    let date = request.query("date").unwrap_or(&today);
    let filter = request.query("archetype_filter").filter(|filter| !filter.is_empty());
    let turn = app.event_loop.enter().await;
    let mut results = Query::of("holistic_analysis_results")
        .select("id,archetype,analysis_type,created_at")
        .eq("user_id", user)
        .eq("analysis_type", "routine_plan");
    if let Some(archetype) = filter {
        results = results.eq("archetype", archetype);
    }
    let results = app.supabase.get(&turn, results.newest_first().limit(10)).await;
    let results = results.map_err(|error| app.failed(WHAT, error))?.rows;
    let ids: Vec<String> = results.iter().filter_map(|row| row.get("id")).map(text_of).collect();
    let mut items = Vec::new();
    if !ids.is_empty() {
        let query = Query::of("plan_items")
            .select("*,time_blocks!fk_plan_items_time_block_id(block_title,time_range,purpose)")
            .eq("profile_id", user)
            .within("analysis_result_id", ids.iter().map(String::as_str));
        items = app.supabase.get(&turn, query).await.map_err(|error| app.failed(WHAT, error))?.rows;
    }
    drop(turn);
    let mut summary: Map<String, Value> = Map::new();
    for item in &mut items {
        let analysis = item.get("analysis_result_id").map(text_of).unwrap_or_default();
        let of_analysis = results.iter().find(|row| row.get("id").map(text_of).as_ref() == Some(&analysis));
        let archetype = of_analysis.and_then(|row| row.get("archetype")?.as_str()).unwrap_or("unknown").to_owned();
        let count = summary.get(&archetype).and_then(Value::as_u64).unwrap_or(0);
        if let Some(item) = item.as_object_mut() {
            item.insert("archetype_metadata".to_owned(), json!({"analysis_id": analysis, "archetype_name": archetype}));
        }
        summary.insert(archetype, json!(count + 1));
    }
    Ok(Reply::ok(json!({
        "success": true, "date": date, "total_items": items.len(), "plan_items": items, "archetype_summary": summary,
    })))
}

/// `GET /api/calendar/selections/{pid}?date`
pub(in crate::target::reference) async fn selections(app: Arc<App>, request: Request) -> Answer {
    let today = timestamps::date_days_ago(0);
    let date = request.query("date").unwrap_or(&today);
    let turn = app.event_loop.enter().await;
    let rows = app.supabase.get(&turn, selections_of(request.param(0), date)).await;
    let rows = rows.map_err(|error| app.failed("get selections", error))?.rows;
    Ok(Reply::ok(json!({"success": true, "date": date, "total_selections": rows.len(), "selections": rows})))
}

/// `GET /api/calendar/time-blocks/{pid}`
pub(in crate::target::reference) async fn time_blocks(app: Arc<App>, request: Request) -> Answer {
    let turn = app.event_loop.enter().await;
    let query = Query::of("time_blocks").select("*").eq("profile_id", request.param(0)).newest_first().limit(100);
    let rows = app.supabase.get(&turn, query).await.map_err(|error| app.failed("get time blocks", error))?.rows;
    Ok(Reply::ok(json!({"success": true, "total_blocks": rows.len(), "time_blocks": rows})))
}

/// `GET /api/calendar/workflow-stats/{pid}?date`
pub(in crate::target::reference) async fn workflow_stats(app: Arc<App>, request: Request) -> Answer {
    let user = request.param(0);
    let today = timestamps::date_days_ago(0);
    let date = request.query("date").unwrap_or(&today);
    let turn = app.event_loop.enter().await;
    let of = |table| Query::of(table).select("id").eq("profile_id", user);
    let queries = vec![
        of("plan_items").eq("plan_date", date),
        selections_of(user, date),
        of("task_checkins").eq("planned_date", date),
    ];
    let mut counts = Vec::new();
    for answer in app.supabase.get_all(&turn, queries).await {
        counts.push(answer.map_err(|error| app.failed("get workflow stats", error))?.rows.len());
    }
    Ok(Reply::ok(json!({
        "success": true, "date": date, "available_items": counts.first(), "selected_items": counts.get(1),
        "completed_items": counts.get(2),
    })))
}

/// `DELETE /api/calendar/remove-selection?profile_id&plan_item_id`
pub(in crate::target::reference) async fn remove(app: Arc<App>, request: Request) -> Answer {
    let (user, item) = (request.required_query("profile_id")?, request.required_query("plan_item_id")?);
    let turn = app.event_loop.enter().await;
    let query = Query::of(SELECTIONS).eq("profile_id", user).eq("plan_item_id", item);
    let removed = app.supabase.delete(&turn, query).await;
    let removed = removed.map_err(|error| app.failed("remove selection", error))?;
    if removed.rows.is_empty() {
        return Err(Reply::detail(404, "Selection not found"));
    }
    Ok(Reply::ok(json!({"success": true, "message": "Selection removed"})))
}
