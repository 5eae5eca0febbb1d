//! Insights, both versions, and energy zones.

use super::generation::{check_broken, text};
use crate::target::reference::agents::subject::Subject;
use crate::target::reference::agents::{energy_zones_prompt, health_data, insights as agent};
use crate::target::reference::app::App;
use crate::target::reference::defect::AgentName;
use crate::target::reference::envelopes::insights as envelope;
use crate::target::reference::query::Query;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::timestamps;
use crate::target::reference::validate::{self, Holds, optional, required};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// What a version 1 request costs beside its one call.
const OWN_WORK: Duration = Duration::from_millis(40);

/// `POST /api/v1/insights/generate`: reads, never generates.
pub(in crate::target::reference) async fn generate_v1(app: Arc<App>, request: Request) -> Answer {
    let fields =
        [required("user_id", Holds::Text), optional("archetype", Holds::Text), optional("force_refresh", Holds::Flag)];
    let body = validate::body(&request.body, &fields)?;
    read(&app, text(&body, "user_id").unwrap_or_default(), "fresh").await
}

/// `GET /api/v1/insights/{user_id}`
pub(in crate::target::reference) async fn list_v1(app: Arc<App>, request: Request) -> Answer {
    read(&app, request.param(0), "cached").await
}

async fn read(app: &App, user: &str, source: &str) -> Answer {
    let turn = app.event_loop.enter().await;
    let query =
        Query::of("holistic_insights").select("*").eq("user_id", user).eq("is_active", "true").newest_first().limit(50);
    // Success with an empty list, also when Supabase fails.
    let rows = app.tolerate(app.supabase.get(&turn, query).await)?.unwrap_or_default();
    if !app.resilient() {
        turn.work(OWN_WORK).await;
    }
    Ok(Reply::ok(envelope::insights(rows.rows.iter().map(envelope::stored).collect(), source)))
}

/// `POST /api/v2/insights/{id}/generate`
pub(in crate::target::reference) async fn generate_v2(app: Arc<App>, request: Request) -> Answer {
    check_security(&app, &request)?;
    let fields = [
        optional("archetype", Holds::Text),
        optional("timeframe_days", Holds::Whole { from: 1, to: 14 }),
        optional("force_refresh", Holds::Flag),
    ];
    let body = validate::body(&request.body, &fields)?;
    let subject = Subject::new(request.param(0), text(&body, "archetype"));
    check_broken(&app, AgentName::Insights)?;
    let days = body.get("timeframe_days").and_then(Value::as_i64).unwrap_or(3);
    let made = agent::generate(&app, &subject, days).await;
    app.memory.handled(0.05);
    let (insights, failure) = made?;
    let insights = insights.iter().map(envelope::generated).collect();
    match failure {
        None => Ok(Reply::ok(envelope::insights(insights, "generated"))),
        Some(_) if app.resilient() => {
            let mut answer = envelope::insights(insights, "fallback");
            answer["status"] = json!("degraded");
            answer["fallback"] = json!(true);
            Ok(Reply::ok(answer))
        }
        Some(failure) => Err(Reply::detail(500, format!("Failed to generate insights: {failure}"))),
    }
}

/// `GET /api/v2/insights/{id}/latest`
pub(in crate::target::reference) async fn latest_v2(app: Arc<App>, request: Request) -> Answer {
    check_security(&app, &request)?;
    Ok(Reply::ok(json!({
        "status": "not_implemented", "message": "Retrieval of stored insights is not implemented yet",
        "user_id": request.param(0),
    })))
}

/// Version 2 tells a missing key from a wrong one.
fn check_security(app: &App, request: &Request) -> Result<(), Reply> {
    match request.api_key() {
        None => Err(Reply::detail(401, "Not authenticated")),
        Some(key) if key == app.config.api_key.as_bytes() => Ok(()),
        Some(_) => Err(Reply::detail(401, "Invalid or missing API key")),
    }
}

/// `GET /api/v1/energy-zones/{id}`: default zones whenever anything is missing.
pub(in crate::target::reference) async fn energy_zones(app: Arc<App>, request: Request) -> Answer {
    let user = request.param(0);
    let data = health_data::fetch(&app, user).await?;
    let computed =
        !data.scores.is_empty() && app.ask(None, &energy_zones_prompt(user, data.scores.len())).await.is_ok();
    let zone = |name: &str, from: &str, to: &str, level: u32| json!({"name": name, "start_time": from, "end_time": to, "energy_level": level, "confidence": 0.5});
    Ok(Reply::ok(json!({
        "success": true,
        "data": {
            "user_id": user, "calculation_date": timestamps::date_days_ago(0), "detected_mode": "medium",
            "sleep_schedule": {"estimated_wake_time": "07:00", "estimated_bedtime": "22:30", "confidence": 0.5},
            "energy_zones": [
                zone("foundation", "07:00", "09:00", 60), zone("peak", "09:00", "12:00", 90),
                zone("maintenance", "12:00", "16:00", 50), zone("recovery", "20:00", "22:30", 25),
            ],
            "confidence_score": if computed { 0.8 } else { 0.5 }, "biomarker_snapshot": {},
            "generated_at": timestamps::now_naive(), "expires_at": timestamps::now_naive(),
        },
        "debug_info": {"scores": data.scores.len(), "default_zones": !computed},
    })))
}
