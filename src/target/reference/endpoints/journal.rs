//! The daily journal.

use super::engagement::own_work;
use super::generation::text;
use crate::target::reference::app::App;
use crate::target::reference::defect::Defect;
use crate::target::reference::query::Query;
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::timestamps;
use crate::target::reference::validate::{self, Holds, optional, required};
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};

const TABLE: &str = "daily_journals";
const RATING: Holds = Holds::Whole { from: 1, to: 5 };
const RATINGS: [&str; 5] = ["energy_level", "mood_rating", "sleep_quality", "stress_level", "nutrition_satisfaction"];
const TEXTS: [&str; 4] = ["what_went_well", "what_was_challenging", "tomorrow_intentions", "journal_text"];

/// `POST /api/v1/engagement/journal`
pub(in crate::target::reference) async fn write(app: Arc<App>, request: Request) -> Answer {
    const WHAT: &str = "save journal";
    let mut fields = vec![required("profile_id", Holds::Text), required("journal_date", Holds::Day)];
    fields.extend(RATINGS.map(|name| optional(name, RATING)));
    fields.extend(TEXTS.map(|name| optional(name, Holds::Text)));
    let body = validate::body(&request.body, &fields)?;
    let mut row = serde_json::Map::new();
    for name in ["profile_id", "journal_date"].into_iter().chain(RATINGS).chain(TEXTS) {
        if let Some(value) = body.get(name).filter(|value| !value.is_null()) {
            row.insert(name.to_owned(), value.clone());
        }
    }
    row.insert("updated_at".to_owned(), json!(timestamps::now()));
    let turn = app.event_loop.enter().await;
    own_work(&app, &turn).await;
    if app.has(&Defect::MixedUpUsers) {
        *app.last_journal.lock().unwrap_or_else(PoisonError::into_inner) = Some(Value::Object(row.clone()));
    }
    if app.loses_journal() {
        return Ok(Reply::ok(json!({
            "success": true, "journal_id": timestamps::now(),
            "message": format!("Journal saved for {}", text(&body, "journal_date").unwrap_or_default()),
        })));
    }
    let stored = app.supabase.upsert(&turn, TABLE, "profile_id,journal_date", vec![Value::Object(row)]).await;
    let stored = stored.map_err(|error| app.failed(WHAT, error))?;
    let Some(row) = stored.first() else {
        return Err(Reply::detail(500, format!("Failed to {WHAT}: no data returned")));
    };
    Ok(Reply::ok(json!({
        "success": true, "journal_id": row.get("id"),
        "message": format!("Journal saved for {}", text(&body, "journal_date").unwrap_or_default()),
    })))
}

/// `GET /api/v1/engagement/journal/{pid}?date`: no entry is a 500.
pub(in crate::target::reference) async fn read(app: Arc<App>, request: Request) -> Answer {
    let today = timestamps::date_days_ago(0);
    let date = request.query("date").unwrap_or(&today);
    let turn = app.event_loop.enter().await;
    own_work(&app, &turn).await;
    let query = Query::of(TABLE).select("*").eq("profile_id", request.param(0)).eq("journal_date", date).single();
    let found = app.supabase.get(&turn, query).await;
    if app.has(&Defect::MixedUpUsers)
        && let Some(last) = app.last_journal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    {
        return Ok(Reply::ok(last));
    }
    match found {
        Ok(rows) => Ok(Reply::ok(rows.first().cloned().unwrap_or(Value::Null))),
        Err(error) if app.resilient() && error.is_no_row() => Err(Reply::detail(404, "No journal entry for this day")),
        Err(error) => Err(app.failed("get journal", error)),
    }
}

/// `GET /api/v1/engagement/journal/{pid}/history?days`
pub(in crate::target::reference) async fn history(app: Arc<App>, request: Request) -> Answer {
    let days = request.query_number("days", 30)?;
    let since = timestamps::date_days_ago(i64::try_from(days.min(3650)).unwrap_or(30));
    let turn = app.event_loop.enter().await;
    let query = Query::of(TABLE)
        .select("*")
        .eq("profile_id", request.param(0))
        .gte("journal_date", &since)
        .order("journal_date.desc");
    let rows = app.supabase.get(&turn, query).await.map_err(|error| app.failed("get journal history", error))?.rows;
    Ok(Reply::ok(json!({
        "profile_id": request.param(0), "days_requested": days, "entries_found": rows.len(), "journals": rows,
    })))
}
