//! Behaviour and circadian analysis, and the legacy analysis that never works.

use super::generation::{check_broken, check_key, flag, subject_of, text};
use crate::target::reference::agents::analysis::{self as agent, Analysis, Outcome};
use crate::target::reference::agents::subject::Subject;
use crate::target::reference::app::App;
use crate::target::reference::defect::AgentName;
use crate::target::reference::envelopes::analyses::{self, BehaviorFigures};
use crate::target::reference::reply::{Answer, Reply};
use crate::target::reference::request::Request;
use crate::target::reference::validate::{self, Field, Holds, optional, required};
use serde_json::{Value, json};
use std::sync::Arc;

const BODY: [Field; 2] = [optional("archetype", Holds::Text), optional("force_refresh", Holds::Flag)];

/// `POST /api/user/{id}/behavior/analyze`
pub(in crate::target::reference) async fn behavior(app: Arc<App>, request: Request) -> Answer {
    let body = validate::body(&request.body, &BODY)?;
    let subject = subject_of(&request, &body);
    check_broken(&app, AgentName::Behavior)?;
    let force = flag(&body, "force_refresh");
    let _scratch = app.memory.scratch();
    let done = agent::behavior(&app, &subject, force).await;
    app.memory.handled(0.3);
    let (decision, outcome) = done?;
    let analysed = decision.fresh || force;
    let figures = BehaviorFigures {
        new_data: decision.new_data,
        threshold: decision.threshold,
        quality: decision.quality,
        reason: decision.reason,
        force,
    };
    Ok(Reply::ok(match outcome {
        Outcome::Made(Analysis { result, failure }) => {
            degrade(analyses::behavior(&subject, "fresh", &result, &figures), failure.is_some())
        }
        // A really fresh analysis has no `status` of its own, which is taken for a failure to make one.
        Outcome::Recalled(result) => {
            let analysis_type = if analysed && !app.resilient() { "cached_fallback" } else { "cached" };
            analyses::behavior(&subject, analysis_type, &result, &figures)
        }
        Outcome::Nothing | Outcome::Skipped => analyses::behavior_error(&subject, &figures),
    }))
}

/// `POST /api/user/{id}/circadian/analyze`
pub(in crate::target::reference) async fn circadian(app: Arc<App>, request: Request) -> Answer {
    let body = validate::body(&request.body, &BODY)?;
    check_key(&app, &request)?;
    let subject = subject_of(&request, &body);
    check_broken(&app, AgentName::Circadian)?;
    let force = flag(&body, "force_refresh");
    let _scratch = app.memory.scratch();
    let done = agent::circadian(&app, &subject, force).await;
    app.memory.handled(0.3);
    Ok(Reply::ok(match done? {
        Outcome::Made(Analysis { result, failure }) => {
            let degraded = app.resilient() && failure.is_some();
            degrade(analyses::circadian(&subject, &result, force), degraded)
        }
        Outcome::Recalled(result) => analyses::circadian(&subject, &result, force),
        Outcome::Nothing | Outcome::Skipped => analyses::circadian_skipped(&subject),
    }))
}

/// Says in an answer that it is a stand-in, as only the resilient app does.
fn degrade(mut answer: Value, degraded: bool) -> Value {
    if degraded {
        answer["status"] = json!("degraded");
        answer["fallback"] = json!(true);
    }
    answer
}

/// `POST /api/analyze`: a missing module, reported with 200.
pub(in crate::target::reference) async fn legacy(_app: Arc<App>, request: Request) -> Answer {
    let fields = [required("user_id", Holds::Text), optional("archetype", Holds::Text)];
    let body = validate::body(&request.body, &fields)?;
    let subject = Subject::new(text(&body, "user_id").unwrap_or_default(), text(&body, "archetype"));
    Ok(Reply::ok(json!({
        "status": "error", "user_id": subject.user, "archetype": subject.archetype,
        "message": "Analysis failed: No module named 'services.agents.orchestrator'", "analysis": null,
    })))
}
