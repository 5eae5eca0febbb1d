//! Reads of stored analyses, archetypes and health data.

use crate::target::reference::agents::{extract, health_data};
use crate::target::reference::app::App;
use crate::target::reference::query::Query;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::supabase::SupabaseError;
use crate::target::reference::timestamps;
use serde_json::{Value, json};
use std::sync::Arc;

const TABLE: &str = "holistic_analysis_results";

async fn newest(app: &App, user: &str, limit: u32) -> Result<Vec<Value>, SupabaseError> {
    let turn = app.event_loop.enter().await;
    let query = Query::of(TABLE).select("*").eq("user_id", user).newest_first().limit(limit);
    app.supabase.get(&turn, query).await.map(|rows| rows.rows)
}

/// `GET /api/v1/analysis/user/{id}/results`
pub(in crate::target::reference) async fn list(app: Arc<App>, request: Request) -> Answer {
    let limit = request.query_number("limit", 20)?.min(100);
    let rows = newest(&app, request.param(0), u32::try_from(limit).unwrap_or(20)).await;
    let rows = rows.map_err(|error| app.failed("get analysis results", error))?;
    Ok(Reply::ok(json!({"user_id": request.param(0), "results": rows, "total_count": rows.len()})))
}

/// `GET /api/v1/analysis/user/{id}/latest-with-data`
pub(in crate::target::reference) async fn latest(app: Arc<App>, request: Request) -> Answer {
    let rows = newest(&app, request.param(0), 1).await.map_err(|error| app.failed("get latest analysis", error))?;
    match rows.into_iter().next() {
        Some(row) => Ok(Reply::ok(row)),
        None => Err(Reply::detail(404, "No analysis results found for user")),
    }
}

/// `GET /api/v1/analysis/result/{id}/status`
pub(in crate::target::reference) async fn status(app: Arc<App>, request: Request) -> Answer {
    let id = request.param(0);
    let turn = app.event_loop.enter().await;
    let queries = vec![
        Query::of(TABLE).select("id,analysis_type,created_at").eq("id", id),
        Query::of("plan_items").select("id").eq("analysis_result_id", id),
    ];
    let mut found = Vec::new();
    for answer in app.supabase.get_all(&turn, queries).await {
        found.push(answer.map_err(|error| app.failed("get analysis status", error))?.rows);
    }
    let items = found.get(1).map_or(0, Vec::len);
    match found.first().and_then(|rows| rows.first()) {
        Some(row) => Ok(Reply::ok(json!({
            "analysis_id": id, "analysis_type": row.get("analysis_type"), "extracted": items > 0,
            "items_extracted": items, "created_at": row.get("created_at"),
        }))),
        None => Err(Reply::detail(404, "Analysis result not found")),
    }
}

/// `POST /api/v1/analysis/user/{id}/extract-latest`
pub(in crate::target::reference) async fn extract_latest(app: Arc<App>, request: Request) -> Answer {
    let user = request.param(0);
    let rows = newest(&app, user, 1).await.map_err(|error| app.failed("extract the latest plan", error))?;
    let Some(id) = rows.first().and_then(|row| row.get("id")).map(extract::text_of) else {
        return Err(Reply::detail(404, "No analysis results found for user"));
    };
    let items = extract::from_result(&app, user, &id, &timestamps::date_days_ago(0)).await?;
    Ok(Reply::ok(json!({"success": true, "analysis_result_id": id, "items_extracted": items})))
}

/// `GET /api/user/{id}/available-archetypes`
pub(in crate::target::reference) async fn archetypes(app: Arc<App>, request: Request) -> Answer {
    let user = request.param(0);
    let rows = newest(&app, user, 100).await.map_err(|error| app.failed("get available archetypes", error))?;
    let mut known: Vec<Value> = Vec::new();
    for row in &rows {
        let archetype = row.get("archetype").cloned().unwrap_or(Value::Null);
        if !known.iter().any(|entry| entry["archetype"] == archetype) {
            known.push(json!({
                "archetype": archetype, "analysis_id": row.get("id"), "created_at": row.get("created_at"),
            }));
        }
    }
    Ok(Reply::ok(json!({"user_id": user, "available_archetypes": known, "total_count": known.len()})))
}

/// `GET /api/v1/health-data/users/{id}/…`
pub(in crate::target::reference) async fn health_data(app: Arc<App>, request: Request) -> Answer {
    let data = health_data::fetch(&app, request.param(0)).await?;
    Ok(Reply::ok(json!({
        "success": true, "user_id": request.param(0), "scores": data.scores, "biomarkers": data.biomarkers,
        "archetypes": data.archetypes,
    })))
}

/// `GET /api/v1/context/user/{id}/chat-context`
pub(in crate::target::reference) async fn chat_context(app: Arc<App>, request: Request) -> Answer {
    let rows = newest(&app, request.param(0), 3).await.map_err(|error| app.failed("get chat context", error))?;
    Ok(Reply::ok(json!({"user_id": request.param(0), "analyses": rows, "generated_at": timestamps::now_naive()})))
}
