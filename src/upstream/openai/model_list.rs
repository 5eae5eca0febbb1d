//! `GET /v1/models` and `GET /v1/models/{id}`.

use super::errors::unknown_model;
use super::models::{Model, all, find};
use super::state::State;
use crate::upstream::answer::{Answer, Call};
use http::StatusCode;
use serde_json::{Value, json};

/// `GET /v1/models`.
pub fn list(_state: &State, _call: &Call<'_>, _: &str) -> Answer {
    let data: Vec<Value> = all().iter().map(|model| object(model.id, model)).collect();
    Answer::json(StatusCode::OK, &json!({"object": "list", "data": data}))
}

/// `GET /v1/models/{id}`.
pub fn retrieve(_state: &State, _call: &Call<'_>, asked: &str) -> Answer {
    match find(asked) {
        Some(named) => Answer::json(StatusCode::OK, &object(asked, named.model)),
        None => unknown_model(asked),
    }
}

fn object(id: &str, model: &Model) -> Value {
    json!({"id": id, "object": "model", "created": model.created, "owned_by": "system"})
}
