//! Errors inside a stream that began with 200: how OpenAI says in mid-stream that it failed after all
//! (WIRE-openai §4, §6). Clients' retries never see them.

use super::completion::identifier;
use crate::model::fault::{StreamError, StreamErrorForm};
use crate::units::Seed;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

/// An error envelope's inside, as the API answers it.
#[derive(Deserialize)]
struct Envelope {
    error: Value,
}

/// The event for a fault on this path; `None` where nothing is streamed. `body` is what the error's own answer holds.
pub fn event(path: &str, body: &[u8], fault: &StreamError, seed: Seed, number: u64) -> Option<Bytes> {
    let Envelope { error } = serde_json::from_slice(body).ok()?;
    match path {
        "/v1/chat/completions" | "/v1/completions" => Some(data(&json!({"error": error}))),
        "/v1/responses" => Some(of_responses(&error, fault, seed, number)),
        _ => None,
    }
}

fn of_responses(error: &Value, fault: &StreamError, seed: Seed, number: u64) -> Bytes {
    let sequence = fault.events;
    // The API's code where an envelope has none is that of a server error.
    let code = error["code"].as_str().unwrap_or("server_error");
    let (name, event) = match fault.form.unwrap_or(StreamErrorForm::Flat) {
        StreamErrorForm::Flat => (
            "error",
            json!({"type": "error", "code": code, "message": error["message"], "param": error["param"],
                   "sequence_number": sequence}),
        ),
        StreamErrorForm::Nested => ("error", json!({"type": "error", "sequence_number": sequence, "error": error})),
        StreamErrorForm::Failed => (
            "response.failed",
            json!({
                "type": "response.failed", "sequence_number": sequence,
                "response": {
                    "id": identifier("resp_", seed, number), "object": "response", "status": "failed",
                    "created_at": jiff::Timestamp::now().as_second(), "output": [], "usage": null,
                    "error": {"code": code, "message": error["message"]},
                },
            }),
        ),
    };
    let data = data(&event);
    Bytes::from([b"event: ", name.as_bytes(), b"\n", &data].concat())
}

fn data(json: &Value) -> Bytes {
    Bytes::from(format!("data: {json}\n\n"))
}
