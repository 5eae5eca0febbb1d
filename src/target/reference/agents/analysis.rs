//! Behaviour and circadian analysis: one chain of building blocks, two ways around it.

use super::context;
use super::decide::{Decision, decide};
use super::fallback;
use super::health_data;
use super::prompts;
use super::store;
use super::subject::Subject;
use crate::target::reference::app::{App, Unavailable};
use crate::target::reference::coordination::Begin;
use crate::target::reference::defect::AgentName;
use crate::target::reference::openai::OpenAiError;
use crate::target::reference::timestamps;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long a second caller waits for the first one's analysis.
const WAIT: Duration = Duration::from_secs(30);

/// Which analysis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::target::reference) enum Kind {
    Behavior,
    Circadian,
}

impl Kind {
    /// Its name in the tables.
    pub(in crate::target::reference) const fn table_name(self) -> &'static str {
        match self {
            Self::Behavior => "behavior_analysis",
            Self::Circadian => "circadian_analysis",
        }
    }

    const fn agent(self) -> AgentName {
        match self {
            Self::Behavior => AgentName::Behavior,
            Self::Circadian => AgentName::Circadian,
        }
    }
}

/// An analysis, or what stands in for one.
#[derive(Clone, Debug)]
pub(in crate::target::reference) struct Analysis {
    pub(in crate::target::reference) result: Arc<Value>,
    /// Why it is only a stand-in.
    pub(in crate::target::reference) failure: Option<OpenAiError>,
}

/// What an endpoint's analysis came to.
pub(in crate::target::reference) enum Outcome {
    /// Made now.
    Made(Analysis),
    /// Made earlier.
    Recalled(Arc<Value>),
    /// HolisticOS's way of answering a second circadian call, and any that finds too little new data.
    Skipped,
    /// Nothing could be read back.
    Nothing,
}

/// The chain: context → data → synchronisation → OpenAI → store.
async fn run(app: &Arc<App>, subject: &Subject, kind: Kind) -> Result<Analysis, Unavailable> {
    let context = context::gather(app, subject).await?;
    let data = health_data::fetch(app, &subject.user).await?;
    health_data::synchronise(app, subject, kind.table_name()).await?;
    let asked = match context.failure {
        // One failure per request is enough for an app that minds its users' time.
        Some(failure) if app.resilient() => Err(failure),
        _ => {
            let call = match kind {
                Kind::Behavior => prompts::behavior(subject, &context, &data),
                Kind::Circadian => prompts::circadian(subject, &context, &data),
            };
            app.ask(Some(kind.agent()), &call).await
        }
    };
    let quality = match data.scores.len() + data.biomarkers.len() {
        0 => "insufficient",
        1..=10 => "limited",
        11..=50 => "good",
        _ => "excellent",
    };
    let read = asked.and_then(|completion| match serde_json::from_str(&completion.content) {
        Ok(Value::Object(object)) => Ok((Value::Object(object), completion.total_tokens)),
        _ => Err(OpenAiError::Shape("Expecting value: line 1 column 1 (char 0)")),
    });
    let analysis = match read {
        Ok((mut result, tokens)) => {
            let analysis_type = if kind == Kind::Behavior { "ai_powered_behavior" } else { "ai_powered_circadian" };
            result["analysis_metadata"] = json!({
                "model_used": "gpt-4o", "analysis_type": analysis_type, "token_usage": tokens,
                "analysis_timestamp": timestamps::now_naive(), "data_quality": quality,
            });
            Analysis { result: Arc::new(result), failure: None }
        }
        Err(failure) => {
            let mut result = if kind == Kind::Behavior { fallback::behavior() } else { fallback::circadian() };
            result["analysis_metadata"] = json!({
                "analysis_type": "error", "error": failure.to_string(), "timestamp": timestamps::now_naive(),
            });
            Analysis { result: Arc::new(result), failure: Some(failure) }
        }
    };
    // HolisticOS stores a stand-in like the real thing, and so keeps serving it after the outage.
    if analysis.failure.is_none() || !app.resilient() {
        store::store(app, subject, kind.table_name(), &analysis.result).await?;
        if kind == Kind::Circadian {
            store::count_again(app, subject, kind.table_name()).await?;
        }
    }
    Ok(analysis)
}

/// Runs the behaviour chain once per key at a time, with its ten-minute memory.
async fn coordinated(app: &Arc<App>, subject: &Subject) -> Result<Outcome, Unavailable> {
    match app.coordination.begin(&subject.key()) {
        Begin::Remembered(result) => Ok(Outcome::Recalled(result)),
        Begin::Wait(mut running) => {
            // Ends with an error when the other request has finished or given up: both mean "look again".
            let _closed = tokio::time::timeout(app.pace.scale(WAIT), running.changed()).await;
            Ok(app.coordination.remembered(&subject.key()).map_or(Outcome::Nothing, Outcome::Recalled))
        }
        Begin::Run(permit) => {
            let analysis = run(app, subject, Kind::Behavior).await?;
            let worth_keeping = analysis.failure.is_none() || !app.resilient();
            permit.finish(worth_keeping.then(|| Arc::clone(&analysis.result)));
            Ok(Outcome::Made(analysis))
        }
    }
}

/// Reads the newest stored result back. HolisticOS takes whatever is newest and refuses plans, so that behaviour
/// after routine always fails.
async fn read_back(app: &App, subject: &Subject, kind: Kind) -> Result<Outcome, Unavailable> {
    let query = if app.resilient() { store::of_kind(subject, kind.table_name()) } else { subject.results(1) };
    let turn = app.event_loop.enter().await;
    let rows = app.tolerate(app.supabase.get(&turn, query).await)?.unwrap_or_default();
    drop(turn);
    let stored = rows.first().filter(|row| {
        !matches!(row.get("analysis_type").and_then(Value::as_str), Some("routine_plan" | "nutrition_plan"))
    });
    Ok(stored.and_then(store::result_of).map_or(Outcome::Nothing, |result| Outcome::Recalled(Arc::new(result))))
}

/// Behaviour analysis for its own endpoint.
pub(in crate::target::reference) async fn behavior(
    app: &Arc<App>,
    subject: &Subject,
    force: bool,
) -> Result<(Decision, Outcome), Unavailable> {
    let decision = decide(app, subject, Kind::Behavior.table_name()).await?;
    if decision.fresh || force {
        let outcome = coordinated(app, subject).await?;
        // HolisticOS answers with what it can read back, whatever it has just made.
        if app.resilient() && !matches!(outcome, Outcome::Nothing) {
            return Ok((decision, outcome));
        }
    }
    let recalled = read_back(app, subject, Kind::Behavior).await?;
    if app.resilient() && matches!(recalled, Outcome::Nothing) {
        let outcome = coordinated(app, subject).await?;
        return Ok((decision, outcome));
    }
    Ok((decision, recalled))
}

/// Behaviour analysis as plans use it: from memory, or by the chain without reading back.
pub(super) async fn shared_behavior(app: &Arc<App>, subject: &Subject) -> Result<Outcome, Unavailable> {
    if let Some(result) = app.coordination.remembered(&subject.key()) {
        return Ok(Outcome::Recalled(result));
    }
    let decision = decide(app, subject, Kind::Behavior.table_name()).await?;
    if decision.fresh {
        return coordinated(app, subject).await;
    }
    read_back(app, subject, Kind::Behavior).await
}

/// Circadian analysis, for its own endpoint and for routines.
pub(in crate::target::reference) async fn circadian(
    app: &Arc<App>,
    subject: &Subject,
    force: bool,
) -> Result<Outcome, Unavailable> {
    let decision = decide(app, subject, Kind::Circadian.table_name()).await?;
    if app.resilient() {
        return match decision.fresh || force {
            true => run(app, subject, Kind::Circadian).await.map(Outcome::Made),
            false => read_back(app, subject, Kind::Circadian).await,
        };
    }
    if !app.coordination.first_circadian(&subject.key()) {
        // The first call never signals that it is done, so every later one waits in vain.
        app.pace.sleep(WAIT).await;
        return Ok(Outcome::Skipped);
    }
    if decision.fresh || force {
        run(app, subject, Kind::Circadian).await.map(Outcome::Made)
    } else {
        Ok(Outcome::Skipped)
    }
}
