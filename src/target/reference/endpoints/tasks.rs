//! A user's tasks and current plan, read from many places, one call at a time.

use crate::target::reference::agents::extract::text_of;
use crate::target::reference::app::App;
use crate::target::reference::query::Query;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::supabase::Rows;
use crate::target::reference::timestamps;
use serde_json::{Value, json};
use std::sync::Arc;

/// So many results are searched for a plan with items, and so many items are looked at one by one.
const MOST_RESULTS: u32 = 10;
const MOST_ITEMS: usize = 200;

fn plans_of(user: &str) -> Query {
    Query::of("holistic_analysis_results")
        .select("*")
        .eq("user_id", user)
        .within("analysis_type", ["routine_plan", "nutrition_plan"])
        .newest_first()
        .limit(MOST_RESULTS)
}

fn blocks_of(id: &str) -> Query {
    Query::of("time_blocks").select("*").eq("analysis_result_id", id).order("block_order.asc")
}

fn items_of(id: &str) -> Query {
    Query::of("plan_items")
        .select("*")
        .eq("analysis_result_id", id)
        .order("time_block_order.asc,task_order_in_block.asc")
}

fn is_kind(row: &Value, kind: &str) -> bool {
    row.get("analysis_type").and_then(Value::as_str) == Some(kind)
}

/// `GET /api/v1/engagement/tasks/{pid}?date`
pub(in crate::target::reference) async fn tasks(app: Arc<App>, request: Request) -> Answer {
    const WHAT: &str = "get tasks";
    let user = request.param(0);
    let today = timestamps::date_days_ago(0);
    let date = request.query("date").unwrap_or(&today);
    let failed = |error| app.failed(WHAT, error);
    let turn = app.event_loop.enter().await;
    let results = app.supabase.get(&turn, plans_of(user)).await.map_err(failed)?;
    let mut chosen = None;
    for row in &results.rows {
        let Some(id) = row.get("id").map(text_of) else { continue };
        let mut found = app.supabase.get_all(&turn, vec![blocks_of(&id), items_of(&id)]).await.into_iter();
        let (blocks, items) = (next(&mut found).map_err(failed)?, next(&mut found).map_err(failed)?);
        if !blocks.rows.is_empty() && !items.rows.is_empty() {
            chosen = Some(id);
            break;
        }
    }
    let (mut items, mut blocks) = (Vec::new(), Vec::new());
    if let Some(id) = &chosen {
        // All of it once more, as the real app does.
        let mut found = app.supabase.get_all(&turn, vec![items_of(id), blocks_of(id)]).await.into_iter();
        items = next(&mut found).map_err(failed)?.rows;
        blocks = next(&mut found).map_err(failed)?.rows;
    }
    let checkins = Query::of("task_checkins").select("*").eq("profile_id", user).eq("planned_date", date);
    let checkins = app.supabase.get(&turn, checkins).await.map_err(failed)?.rows;
    drop(turn);
    let status_of = |item: &Value| {
        let checkin = checkins.iter().find(|checkin| checkin.get("plan_item_id") == item.get("id"));
        checkin.and_then(|checkin| checkin.get("completion_status")).cloned().unwrap_or(json!("pending"))
    };
    let blocks: Vec<Value> = blocks
        .iter()
        .map(|block| {
            let of_block = |item: &&Value| item.get("time_block") == block.get("block_title");
            let tasks: Vec<Value> = items.iter().filter(of_block).map(|item| task(item, status_of(item))).collect();
            json!({
                "name": block.get("block_title"), "time_range": block.get("time_range"),
                "purpose": block.get("purpose"), "tasks": tasks,
            })
        })
        .collect();
    let newest = |kind: &str| results.rows.iter().find(|row| is_kind(row, kind)).and_then(|row| row.get("id")).cloned();
    Ok(Reply::ok(json!({
        "date": date,
        "plan_info": {"routine_plan": newest("routine_plan"), "nutrition_plan": newest("nutrition_plan")},
        "time_blocks": blocks,
    })))
}

fn next<E>(answers: &mut impl Iterator<Item = Result<Rows, E>>) -> Result<Rows, E> {
    answers.next().unwrap_or_else(|| Ok(Rows::default()))
}

fn task(item: &Value, status: Value) -> Value {
    let of = |name: &str| item.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "id": of("id"), "title": of("title"), "description": of("description"),
        "scheduled_time": of("scheduled_time"), "scheduled_end_time": of("scheduled_end_time"),
        "task_type": of("task_type"), "priority_level": of("priority_level"), "completion_status": status,
        "analysis_result_id": of("analysis_result_id"),
    })
}

/// `GET /api/v1/engagement/plans/{pid}/current?date&analysis_result_id`: one call per item.
pub(in crate::target::reference) async fn current_plan(app: Arc<App>, request: Request) -> Answer {
    const WHAT: &str = "get current plan";
    let user = request.param(0);
    let today = timestamps::date_days_ago(0);
    let date = request.query("date").unwrap_or(&today);
    let failed = |error| app.failed(WHAT, error);
    let turn = app.event_loop.enter().await;
    let results = app.supabase.get(&turn, plans_of(user)).await.map_err(failed)?;
    let plan = |kind: &str| results.rows.iter().find(|row| is_kind(row, kind));
    let wanted = match request.query("analysis_result_id") {
        Some(id) => Some(id.to_owned()),
        None => plan("routine_plan").and_then(|row| row.get("id")).map(text_of),
    };
    let mut items = Vec::new();
    if let Some(id) = wanted {
        items = app.supabase.get(&turn, items_of(&id)).await.map_err(failed)?.rows;
        items.truncate(MOST_ITEMS);
        let checkin = |item: &Value| {
            Query::of("task_checkins").select("*").eq("plan_item_id", &item.get("id").map(text_of).unwrap_or_default())
        };
        let found = app.supabase.get_all(&turn, items.iter().map(checkin).collect()).await;
        for (item, found) in items.iter_mut().zip(found) {
            let status = found.map_err(failed)?.first().and_then(|row| row.get("completion_status")).cloned();
            if let Some(item) = item.as_object_mut() {
                item.insert("completion_status".to_owned(), status.unwrap_or(Value::Null));
            }
        }
    }
    let body = |kind: &str| plan(kind).and_then(|row| row.get("analysis_result")).cloned();
    Ok(Reply::ok(json!({
        "routine_plan": body("routine_plan"), "nutrition_plan": body("nutrition_plan"), "items": items, "date": date,
    })))
}
