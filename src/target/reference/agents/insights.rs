//! The insights agent (version 2): the only one that tells its caller when OpenAI fails.

use super::context;
use super::fallback;
use super::prompts;
use super::subject::Subject;
use crate::target::reference::app::{App, Unavailable};
use crate::target::reference::defect::AgentName;
use crate::target::reference::openai::OpenAiError;
use serde_json::Value;

/// Below these an insight is dropped.
const LEAST_CONFIDENCE: f64 = 0.75;
const LEAST_ACTIONABILITY: f64 = 0.70;

/// Generates insights; in the resilient app a failure of OpenAI comes with a stand-in.
pub(in crate::target::reference) async fn generate(
    app: &App,
    subject: &Subject,
    days: i64,
) -> Result<(Vec<Value>, Option<OpenAiError>), Unavailable> {
    app.side.sahha(&subject.user).await;
    let turn = app.event_loop.enter().await;
    let mut queries = context::engagement(&subject.user, days);
    // Calendar selections are of no use to it.
    queries.retain(|query| query.table != "calendar_selections");
    queries.push(subject.results(3));
    let mut rows = 0;
    for answer in app.supabase.get_all(&turn, queries).await {
        rows += app.tolerate(answer)?.unwrap_or_default().rows.len();
    }
    drop(turn);
    let asked = app.ask(Some(AgentName::Insights), &prompts::insights(subject, rows)).await;
    let read = asked.and_then(|completion| {
        let body: Value = serde_json::from_str(&completion.content)
            .map_err(|_| OpenAiError::Shape("Expecting value: line 1 column 1 (char 0)"))?;
        Ok(body.get("insights").and_then(Value::as_array).cloned().unwrap_or_default())
    });
    Ok(match read {
        Ok(insights) => (insights.into_iter().filter(is_good).collect(), None),
        Err(failure) if app.resilient() => (fallback::insights(), Some(failure)),
        Err(failure) => (Vec::new(), Some(failure)),
    })
}

fn is_good(insight: &Value) -> bool {
    let score = |name: &str| insight.get(name).and_then(Value::as_f64).unwrap_or(0.0);
    score("confidence_score") >= LEAST_CONFIDENCE && score("actionability_score") >= LEAST_ACTIONABILITY
}
