//! "latest" and dated reads: stubs and broken code with HolisticOS, real reads with the resilient app.

use crate::target::reference::app::App;
use crate::target::reference::query::Query;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use serde_json::{Value, json};
use std::sync::Arc;

/// `GET /api/user/{id}/routine/latest`: never finds anything, with 200.
pub(in crate::target::reference) async fn routine(app: Arc<App>, request: Request) -> Answer {
    if app.resilient() {
        return read(&app, request.param(0), "routine_plan", None).await;
    }
    Ok(Reply::ok(not_found(request.param(0), "routine_plan")))
}

/// `GET /api/user/{id}/nutrition/latest`
pub(in crate::target::reference) async fn nutrition(app: Arc<App>, request: Request) -> Answer {
    if app.resilient() {
        return read(&app, request.param(0), "nutrition_plan", None).await;
    }
    Err(missing_name("get latest nutrition plan"))
}

/// `GET /api/user/{id}/insights/latest`
pub(in crate::target::reference) async fn insights(app: Arc<App>, request: Request) -> Answer {
    if app.resilient() {
        return Ok(Reply::ok(json!({"status": "not_found", "user_id": request.param(0), "insights": []})));
    }
    Err(missing_name("get latest insights"))
}

/// `POST /api/user/{id}/insights/generate` and `…/insights/{iid}/feedback`: broken with HolisticOS, gone with the
/// resilient app.
pub(in crate::target::reference) async fn legacy_insights(app: Arc<App>, _request: Request) -> Answer {
    if app.resilient() {
        return Err(Reply::detail(404, "Not Found"));
    }
    Err(missing_name("generate insights"))
}

/// `GET /api/user/{id}/routine/{date}` and `…/plans/{date}`
pub(in crate::target::reference) async fn dated(app: Arc<App>, request: Request) -> Answer {
    if app.resilient() {
        return read(&app, request.param(0), "routine_plan", Some(request.param(1))).await;
    }
    Err(Reply::detail(500, "Failed to get plan: No module named 'services.plan_storage'"))
}

fn not_found(user: &str, kind: &str) -> Value {
    json!({"status": "not_found", "user_id": user, kind: {}, "cached": false, "generation_metadata": {}})
}

fn missing_name(what: &str) -> Reply {
    Reply::detail(500, format!("Failed to {what}: name 'HolisticMemoryService' is not defined"))
}

async fn read(app: &App, user: &str, kind: &str, date: Option<&str>) -> Answer {
    let turn = app.event_loop.enter().await;
    let mut query = Query::of("holistic_analysis_results").select("*").eq("user_id", user).eq("analysis_type", kind);
    if let Some(date) = date {
        query = query.eq("analysis_date", date);
    }
    let rows = app.supabase.get(&turn, query.newest_first().limit(1)).await;
    let rows = rows.map_err(|error| app.failed("read the plan", error))?;
    Ok(Reply::ok(match rows.first() {
        Some(row) => json!({
            "status": "success", "user_id": user, kind: row.get("analysis_result"), "cached": true,
        }),
        None => not_found(user, kind),
    }))
}
