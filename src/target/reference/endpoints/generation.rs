//! Routine and nutrition generation, and the way back from an edited plan.

use crate::target::reference::agents::routine::Planned;
use crate::target::reference::agents::subject::Subject;
use crate::target::reference::agents::{nutrition as nutrition_agent, routine as routine_agent};
use crate::target::reference::app::App;
use crate::target::reference::defect::{AgentName, Defect};
use crate::target::reference::envelopes::plans::{self, PlanKind};
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::validate::{self, Field, Holds, optional, required};
use serde_json::{Map, Value, json};
use std::sync::Arc;

const BODY: [Field; 3] =
    [optional("archetype", Holds::Text), optional("preferences", Holds::Object), optional("timezone", Holds::Text)];

/// `POST /api/user/{id}/routine/generate`
pub(in crate::target::reference) async fn routine(app: Arc<App>, request: Request) -> Answer {
    let body = validate::body(&request.body, &BODY)?;
    check_key(&app, &request)?;
    let subject = subject_of(&request, &body);
    check_broken(&app, AgentName::Routine)?;
    let _claim = app.coordination.claim(&subject.key(), "routine").ok_or_else(|| duplicate(&app, "routine"))?;
    let _scratch = app.memory.scratch();
    let planned = routine_agent::generate(&app, &subject, text(&body, "timezone")).await;
    app.memory.handled(1.0);
    answer(&app, PlanKind::Routine, &subject, &body, planned?)
}

/// `POST /api/user/{id}/nutrition/generate`
pub(in crate::target::reference) async fn nutrition(app: Arc<App>, request: Request) -> Answer {
    let body = validate::body(&request.body, &BODY)?;
    let subject = subject_of(&request, &body);
    check_broken(&app, AgentName::Nutrition)?;
    let _claim = app.coordination.claim(&subject.key(), "nutrition").ok_or_else(|| duplicate(&app, "nutrition"))?;
    let _scratch = app.memory.scratch();
    let planned = nutrition_agent::generate(&app, &subject, text(&body, "timezone")).await;
    // By its share of a routine's Supabase clients, which are what is never released.
    app.memory.handled(0.5);
    answer(&app, PlanKind::Nutrition, &subject, &body, planned?)
}

fn answer(app: &App, kind: PlanKind, subject: &Subject, body: &Map<String, Value>, planned: Planned) -> Answer {
    if app.resilient() && !planned.stored {
        return Err(Reply::detail(503, "the plan could not be stored").retry_after(5));
    }
    let preferences = body.get("preferences").is_some_and(Value::is_object);
    Ok(Reply::ok(plans::plan(kind, subject, preferences, planned, app.resilient())))
}

/// `POST /api/user/{id}/routine/regenerate-from-markdown`
pub(in crate::target::reference) async fn regenerate(app: Arc<App>, request: Request) -> Answer {
    let fields = [required("updated_plan_markdown", Holds::Text), optional("source", Holds::Text)];
    let body = validate::body(&request.body, &fields)?;
    check_key(&app, &request)?;
    let subject = Subject::new(request.param(0), None);
    let _scratch = app.memory.scratch();
    let markdown = text(&body, "updated_plan_markdown").unwrap_or_default();
    let done = match routine_agent::regenerate(&app, &subject, markdown).await {
        Ok(done) => done,
        Err(unavailable) if app.resilient() => return Err(unavailable.into()),
        Err(_) => {
            let body = json!({
                "error": "InternalServerError", "message": "An unexpected error occurred. Please try again later.",
                "error_code": "internal_error",
            });
            return Err(Reply::json(500, body));
        }
    };
    let outcome = |id: Value, success: bool, message: &str, error: Value| {
        Ok(Reply::ok(json!({
            "success": success, "analysis_id": id, "extraction_triggered": success, "message": message, "error": error,
        })))
    };
    match done {
        None => outcome(Value::Null, false, "No analysis found for this user", json!("No analysis found")),
        Some((id, Ok(()))) => outcome(id, true, "Plan regenerated from markdown", Value::Null),
        Some((id, Err(failure))) => outcome(id, false, "Plan could not be regenerated", json!(failure.to_string())),
    }
}

/// 401 unless the key is the one literal.
pub(super) fn check_key(app: &App, request: &Request) -> Result<(), Reply> {
    if request.api_key() == Some(app.config.api_key.as_bytes()) || app.has(&Defect::OpenDoor) {
        return Ok(());
    }
    Err(Reply::detail(401, "User not authenticated"))
}

/// The resilient app says so when an agent is broken; HolisticOS answers as if OpenAI had failed.
pub(super) fn check_broken(app: &App, agent: AgentName) -> Result<(), Reply> {
    if app.resilient() && app.broken(agent) {
        return Err(Reply::detail(500, format!("the {} agent is broken", agent.as_str())));
    }
    Ok(())
}

/// For whom a request asks.
pub(super) fn subject_of(request: &Request, body: &Map<String, Value>) -> Subject {
    Subject::new(request.param(0), text(body, "archetype"))
}

/// A text of a body.
pub(super) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

/// A flag of a body, as leniently as it was validated.
pub(super) fn flag(body: &Map<String, Value>, name: &str) -> bool {
    match body.get(name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::Number(number)) => number.as_f64() == Some(1.0),
        Some(Value::String(text)) => matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "yes" | "on"),
        _ => false,
    }
}

fn duplicate(app: &App, kind: &str) -> Reply {
    let text = format!("Duplicate {kind} request detected. Please wait 60 seconds before retrying.");
    let reply = Reply::detail(429, text);
    if app.resilient() { reply.retry_after(5) } else { reply }
}
