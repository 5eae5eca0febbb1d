//! The health check: status *and* body, since an app may answer 200 whatever its state.

use super::beat::Beat;
use super::client::{body, innermost, url};
use super::context::ProbeContext;
use crate::model::event::RunEvent;
use crate::model::plan::HealthProbe;
use crate::model::reading::{HealthState, Reading};
use crate::units::{Offset, Span};
use reqwest::Client;
use serde_json::Value;
use std::sync::Arc;
use tokio::time::{Instant, timeout};

/// How much of a health answer is read.
const BODY: usize = 256 << 10;
/// How much of what it says is kept.
const SAYS: usize = 40;
/// When the first check is made: the load has begun, and the app's first requests are not disturbed.
const FIRST: Offset = Offset::from_secs(1);

/// Checks the app's health until stopped. Checks never overlap: HolisticOS was seen to stand still for 2 s per check.
pub(super) async fn run(ctx: Arc<ProbeContext>, client: Client, probe: HealthProbe) {
    let mut beat = Beat::new(ctx.clock, FIRST, probe.every.get());
    let url = url(&ctx.base_url, &probe.path);
    let mut doubted = false;
    while let Some(at) = beat.wait(&ctx.stop).await {
        let asked = Instant::now();
        let answer = tokio::select! {
            biased;
            answer = check(&client, &url, &probe) => answer,
            // Half a check says nothing about the app.
            () = ctx.stop.cancelled() => return,
        };
        let took = Span(asked.elapsed());
        if let HealthState::Unclear(why) = &answer.state
            && !doubted
        {
            doubted = true;
            ctx.warn(format!("the health check {} says nothing ({why}): are its path and headers right?", probe.path));
        }
        ctx.events.emit(RunEvent::Reading(Reading::Health {
            at,
            took,
            status: answer.status,
            says: answer.says,
            state: answer.state,
        }));
    }
}

struct Answer {
    status: Option<u16>,
    says: Option<String>,
    state: HealthState,
}

async fn check(client: &Client, url: &str, probe: &HealthProbe) -> Answer {
    let mut status = None;
    let asking = async {
        let mut answer = client.get(url).send().await?;
        status = Some(answer.status().as_u16());
        body(&mut answer, BODY).await
    };
    let outcome = timeout(probe.deadline.get(), asking).await;
    match outcome {
        Ok(Ok(body)) => {
            let says = says(&body, probe.status_at.as_deref());
            let state = state(status.unwrap_or(0), says.as_deref(), probe);
            Answer { status, says: says.map(|text| text.chars().take(SAYS).collect()), state }
        }
        Ok(Err(error)) => Answer { status, says: None, state: HealthState::Down(innermost(&error)) },
        Err(_) => {
            let what = if status.is_some() { "no complete answer" } else { "no answer" };
            Answer { status, says: None, state: HealthState::Down(format!("{what} within {}", probe.deadline)) }
        }
    }
}

/// What the body calls the overall state.
fn says(body: &[u8], pointer: Option<&str>) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    match body.pointer(pointer?)? {
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
        plain => Some(plain.to_string()),
    }
}

/// The meaning of a complete answer.
fn state(status: u16, says: Option<&str>, probe: &HealthProbe) -> HealthState {
    let is_one_of =
        |words: &[String]| says.is_some_and(|says| words.iter().any(|w| w.eq_ignore_ascii_case(says.trim())));
    if status >= 500 {
        HealthState::Down(format!("status {status}"))
    } else if is_one_of(&probe.down) {
        let says: String = says.unwrap_or_default().chars().take(SAYS).collect();
        HealthState::Down(format!("says `{says}`"))
    } else if is_one_of(&probe.degraded) {
        HealthState::Degraded
    } else if !(200..300).contains(&status) {
        HealthState::Unclear(format!("status {status}"))
    } else if let Some(place) = probe.status_at.as_deref().filter(|_| says.is_none()) {
        HealthState::Unclear(format!("no state at `{place}` in the body"))
    } else {
        HealthState::Up
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn probe() -> HealthProbe {
        HealthProbe {
            path: "/api/health".into(),
            every: Span::from_secs(30),
            deadline: Span::from_secs(10),
            status_at: Some("/overall_status".into()),
            down: vec!["critical".into()],
            degraded: vec!["degraded".into(), "unhealthy".into()],
            blocks_app: Span::from_secs(2),
        }
    }

    #[rstest]
    #[case(200, r#"{"overall_status":"healthy"}"#, HealthState::Up)]
    #[case(200, r#"{"overall_status":"degraded"}"#, HealthState::Degraded)]
    #[case(200, r#"{"overall_status":"Unhealthy"}"#, HealthState::Degraded)]
    #[case(200, r#"{"overall_status":"critical"}"#, HealthState::Down("says `critical`".into()))]
    #[case(200, r#"{"overall_status":7}"#, HealthState::Up)]
    #[case(200, r#"{"other":"critical"}"#, HealthState::Unclear("no state at `/overall_status` in the body".into()))]
    #[case(200, "<html>maintenance</html>", HealthState::Unclear("no state at `/overall_status` in the body".into()))]
    #[case(404, "", HealthState::Unclear("status 404".into()))]
    #[case(401, r#"{"overall_status":"healthy"}"#, HealthState::Unclear("status 401".into()))]
    #[case(500, r#"{"overall_status":"healthy"}"#, HealthState::Down("status 500".into()))]
    #[case(503, "", HealthState::Down("status 503".into()))]
    fn an_answer_means(#[case] status: u16, #[case] body: &str, #[case] expected: HealthState) {
        let says = says(body.as_bytes(), Some("/overall_status"));
        assert_eq!(state(status, says.as_deref(), &probe()), expected);
    }

    #[test]
    fn without_a_place_in_the_body_the_status_is_the_answer() {
        let probe = HealthProbe { status_at: None, ..probe() };
        assert_eq!(state(200, None, &probe), HealthState::Up);
        assert_eq!(state(302, None, &probe), HealthState::Unclear("status 302".into()));
    }
}
