//! Errors inside a stream that began with 200: how OpenAI says in mid-stream that it failed after all
//! (WIRE-openai §4, §6). Clients' retries never see them.

use super::responses::{failed_event, frame};
use super::state::State;
use crate::model::fault::{StreamError, StreamErrorForm};
use crate::upstream::answer::Call;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

/// An error envelope's inside, as the API answers it.
#[derive(Deserialize)]
struct Envelope {
    error: Value,
}

/// The event for a fault on a call's path; `None` where nothing is streamed. `body` is what the error's own answer
/// holds.
pub fn event(state: &State, call: &Call<'_>, body: &[u8], fault: &StreamError) -> Option<Bytes> {
    let Envelope { error } = serde_json::from_slice(body).ok()?;
    match call.path {
        "/v1/chat/completions" | "/v1/completions" => {
            Some(Bytes::from(format!("data: {}\n\n", json!({"error": error}))))
        }
        "/v1/responses" => of_responses(state, call, &error, fault),
        _ => None,
    }
}

fn of_responses(state: &State, call: &Call<'_>, error: &Value, fault: &StreamError) -> Option<Bytes> {
    let sequence = fault.events;
    // The API's code where an envelope has none is that of a server error.
    let code = error["code"].as_str().unwrap_or("server_error");
    let event = match fault.form.unwrap_or(StreamErrorForm::Flat) {
        StreamErrorForm::Flat => json!({"type": "error", "code": code, "message": error["message"],
                                        "param": error["param"], "sequence_number": sequence}),
        StreamErrorForm::Nested => json!({"type": "error", "sequence_number": sequence, "error": error}),
        StreamErrorForm::Failed => {
            return failed_event(state, call, sequence, code, error["message"].as_str().unwrap_or_default());
        }
    };
    Some(frame("error", &event))
}
