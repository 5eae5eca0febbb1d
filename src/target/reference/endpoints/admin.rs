//! Administration: limits that are configured and not enforced, costs that are not tracked (without Redis), users.

use crate::target::reference::app::App;
use crate::target::reference::query::Query;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::timestamps;
use serde_json::{Value, json};
use std::sync::Arc;

/// Requests per hour: free, premium, admin.
const LIMITS: [(&str, [u32; 3]); 5] = [
    ("behavior_analysis", [3, 15, 500]),
    ("routine_generation", [8, 30, 500]),
    ("nutrition_generation", [8, 30, 500]),
    ("insights_generation", [15, 75, 500]),
    ("general_api", [30, 150, 500]),
];
/// USD per day and month: free, premium, admin.
const COSTS: [[f64; 2]; 3] = [[0.5, 5.0], [5.0, 50.0], [25.0, 250.0]];
const TIERS: [&str; 3] = ["free", "premium", "admin"];

fn tier(n: usize) -> Value {
    let limits: serde_json::Map<String, Value> =
        LIMITS.iter().map(|(kind, limits)| ((*kind).to_owned(), json!(format!("{}/hour", limits[n])))).collect();
    json!({"rate_limits": limits, "daily_cost_limit": COSTS[n][0], "monthly_cost_limit": COSTS[n][1]})
}

/// `GET /api/admin/rate-limits`
pub(in crate::target::reference) async fn rate_limits(_app: Arc<App>, _request: Request) -> Answer {
    let tiers: serde_json::Map<String, Value> = (0..3).map(|n| (TIERS[n].to_owned(), tier(n))).collect();
    Ok(Reply::ok(json!({
        "status": "success",
        "rate_limiting": {"enabled": true, "redis_available": false, "system_stats": {"error": "Redis unavailable"}},
        "cost_tracking": {"total_cost_today": 0.0, "total_users_with_usage": 0, "top_users": []},
        "tier_configuration": tiers,
        "endpoint_costs": {
            "behavior_analysis": 0.03, "routine_generation": 0.02, "nutrition_generation": 0.02,
            "insights_generation": 0.01, "general_api": 0.005,
        },
        "timestamp": timestamps::now_naive(),
    })))
}

/// `GET /api/admin/rate-limits/user/{id}`
pub(in crate::target::reference) async fn user_limits(_app: Arc<App>, request: Request) -> Answer {
    let user = request.param(0);
    let n = if user.starts_with("admin_") { 2 } else { usize::from(user.starts_with("premium_")) };
    Ok(Reply::ok(json!({
        "status": "success", "user_id": user, "tier": TIERS[n], "limits": tier(n),
        "usage": {"error": "Redis unavailable"}, "cost": {"daily": 0.0, "monthly": 0.0},
        "timestamp": timestamps::now_naive(),
    })))
}

/// `GET /api/admin/users`: a count (the one HEAD request of the app) and a page.
pub(in crate::target::reference) async fn users(app: Arc<App>, request: Request) -> Answer {
    const WHAT: &str = "list users";
    let limit = request.query_number("limit", 50)?.min(200);
    let turn = app.event_loop.enter().await;
    let count = app.supabase.get(&turn, Query::of("profiles").select("id").head()).await;
    let count = count.map_err(|error| app.failed(WHAT, error))?.total.unwrap_or(0);
    let page = Query::of("profiles").select("*").limit(u32::try_from(limit).unwrap_or(50));
    let rows = app.supabase.get(&turn, page).await.map_err(|error| app.failed(WHAT, error))?.rows;
    Ok(Reply::ok(json!({"users": rows, "total_count": count, "limit": limit})))
}

/// `GET /api/admin/cost-tracking`: documented, and there with the resilient app only.
pub(in crate::target::reference) async fn cost_tracking(app: Arc<App>, _request: Request) -> Answer {
    Ok(Reply::ok(json!({
        "total_cost_today": app.spent_usd(), "daily_limit": 100.0, "currency": "USD",
        "timestamp": timestamps::now_naive(),
    })))
}

/// `POST /api/admin/cleanup`: documented, and there with the resilient app only, which has nothing to clean up
/// unless a defect makes it hoard.
pub(in crate::target::reference) async fn cleanup(app: Arc<App>, _request: Request) -> Answer {
    Ok(Reply::ok(
        json!({"status": "success", "freed_mb": app.memory.clean_up() >> 20, "timestamp": timestamps::now_naive()}),
    ))
}
