//! Turns a stored routine's time blocks into rows of `time_blocks` and `plan_items`.

use super::store::RESULTS;
use super::subject::Subject;
use crate::target::reference::app::{App, Unavailable};
use crate::target::reference::query::Query;
use serde_json::{Value, json};

const MOST_BLOCKS: usize = 24;
const MOST_TASKS: usize = 24;

/// Reads the stored plan back and extracts its items: up to five calls. The number of items that were stored.
pub(super) async fn extract(app: &App, subject: &Subject, date: &str) -> Result<usize, Unavailable> {
    let turn = app.event_loop.enter().await;
    let newest = Query::of(RESULTS).select("id").eq("user_id", &subject.user).newest_first().limit(1);
    let newest = app.tolerate(app.supabase.get(&turn, newest).await)?.unwrap_or_default();
    let Some(id) = newest.first().and_then(|row| row.get("id")).map(text_of) else { return Ok(0) };
    drop(turn);
    from_result(app, &subject.user, &id, date).await
}

/// Extracts the items of a stored result.
pub(in crate::target::reference) async fn from_result(
    app: &App,
    user: &str,
    id: &str,
    date: &str,
) -> Result<usize, Unavailable> {
    let turn = app.event_loop.enter().await;
    let by_id = |columns| Query::of(RESULTS).select(columns).eq("id", id);
    let stored = app.tolerate(app.supabase.get(&turn, by_id("*").single()).await)?.unwrap_or_default();
    let Some(row) = stored.first() else { return Ok(0) };
    let archetype = row.get("archetype").cloned().unwrap_or(Value::Null);
    let blocks = super::store::result_of(row).map(|plan| time_blocks(&plan)).unwrap_or_default();
    if blocks.is_empty() {
        return Ok(0);
    }
    let rows = blocks.iter().enumerate().map(|(n, block)| {
        json!({
            "analysis_result_id": id, "profile_id": user, "block_title": title(block, n),
            "time_range": format!("{}-{}", field(block, "start_time"), field(block, "end_time")),
            "purpose": field(block, "purpose"), "why_it_matters": field(block, "purpose"),
            "connection_to_insights": Value::Null, "health_data_integration": Value::Null, "block_order": n + 1,
            "archetype": archetype, "plan_type": "routine",
        })
    });
    let stored = app
        .tolerate(app.supabase.upsert(&turn, "time_blocks", "analysis_result_id,block_title", rows.collect()).await)?
        .unwrap_or_default();
    if stored.rows.is_empty() {
        return Ok(0);
    }
    app.tolerate(app.supabase.get(&turn, by_id("analysis_date")).await)?;
    let items = items(&blocks, &stored.rows, user, id, date);
    if items.is_empty() {
        return Ok(0);
    }
    let stored = app.supabase.upsert(&turn, "plan_items", "analysis_result_id,item_id", items).await;
    Ok(app.tolerate(stored)?.unwrap_or_default().rows.len())
}

fn items(blocks: &[Value], stored: &[Value], user: &str, id: &str, date: &str) -> Vec<Value> {
    let mut items = Vec::new();
    for (n, block) in blocks.iter().enumerate() {
        let name = title(block, n);
        let stored = stored.iter().find(|row| row.get("block_title").and_then(Value::as_str) == Some(&name));
        let block_id = stored.and_then(|row| row.get("id")).cloned().unwrap_or(Value::Null);
        let tasks = block.get("tasks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for (m, task) in tasks.iter().take(MOST_TASKS).enumerate() {
            items.push(json!({
                "analysis_result_id": id, "profile_id": user, "item_id": format!("block_{}_task_{}", n + 1, m + 1),
                "time_block": name, "time_block_id": block_id, "title": field(task, "title"),
                "description": field(task, "description"), "scheduled_time": field(task, "start_time"),
                "scheduled_end_time": field(task, "end_time"), "estimated_duration_minutes": 30,
                "task_type": field(task, "task_type"), "time_block_order": n + 1, "task_order_in_block": m + 1,
                "is_trackable": true, "priority_level": field(task, "priority"), "plan_date": date,
            }));
        }
    }
    items
}

/// The blocks of a plan's `content`, each title once: two rows of one upsert must not conflict with each other.
fn time_blocks(plan: &Value) -> Vec<Value> {
    let content: Option<Value> =
        plan.get("content").and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
    let mut blocks: Vec<Value> = Vec::new();
    let mut titles: Vec<String> = Vec::new();
    let found = content.as_ref().and_then(|content| content.get("time_blocks")?.as_array());
    for block in found.into_iter().flatten().take(MOST_BLOCKS) {
        let title = title(block, blocks.len());
        if !titles.contains(&title) {
            titles.push(title);
            blocks.push(block.clone());
        }
    }
    blocks
}

fn title(block: &Value, n: usize) -> String {
    let name = field(block, "block_name");
    if name.is_empty() { format!("Block {}", n + 1) } else { name.to_owned() }
}

fn field<'a>(object: &'a Value, name: &str) -> &'a str {
    object.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// An id, whether the table counts or names.
pub(in crate::target::reference) fn text_of(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_becomes_an_item_of_its_block() {
        let plan = json!({"content": super::super::fallback::routine().to_string()});
        let blocks = time_blocks(&plan);
        let stored = vec![json!({"id": "b1", "block_title": "Morning start"})];
        let items = items(&blocks, &stored, "u", "r", "2026-11-23");
        assert_eq!((blocks.len(), items.len()), (5, 5));
        assert_eq!(items[0]["time_block_id"], "b1");
        assert_eq!(items[4]["item_id"], "block_5_task_1");
        assert!(time_blocks(&json!({"content": "no json"})).is_empty());
    }
}
