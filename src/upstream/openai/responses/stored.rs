//! `GET`, `DELETE` and `POST …/cancel` of a response, and the list of its input items.

use super::store::Stored;
use crate::upstream::answer::{Answer, Call};
use crate::upstream::openai::errors::{envelope, invalid};
use crate::upstream::openai::state::State;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// How many items a page has unless asked otherwise, and at most (OpenAI's API description).
const PAGE: (usize, usize) = (20, 100);

fn find(state: &State, id: &str) -> Result<Arc<Stored>, Box<Answer>> {
    state.responses.find(id).filter(|stored| stored.id == id).ok_or_else(|| {
        let short: String = id.chars().take(100).collect();
        let message = format!("Response with id '{short}' not found.");
        Box::new(envelope(StatusCode::NOT_FOUND, "invalid_request_error", &message, None, None))
    })
}

/// `GET /v1/responses/{id}`.
pub fn retrieve(state: &State, call: &Call<'_>, id: &str) -> Answer {
    let stored = match find(state, id) {
        Ok(stored) => stored,
        Err(refusal) => return *refusal,
    };
    if parameter(call, "stream").as_deref() == Some("true") {
        let message = "This response can not be streamed again.";
        let warning = "the OpenAI mock does not stream responses again (`stream=true` of a GET): it answered 400";
        return invalid(message, Some("stream"), None).warned(Some(warning.to_owned()));
    }
    let now = Instant::now();
    if now >= stored.done {
        return Answer::text(StatusCode::OK, "application/json", stored.answer.clone());
    }
    Answer::json(StatusCode::OK, &unfinished(&stored, if now < stored.begins { "queued" } else { "in_progress" }))
}

/// `DELETE /v1/responses/{id}`.
pub fn delete(state: &State, _call: &Call<'_>, id: &str) -> Answer {
    match find(state, id) {
        Ok(stored) => {
            state.responses.remove(&stored.id);
            Answer::json(StatusCode::OK, &json!({"id": stored.id, "object": "response", "deleted": true}))
        }
        Err(refusal) => *refusal,
    }
}

/// `POST /v1/responses/{id}/cancel`: only what is made in the background can be cancelled.
pub fn cancel(state: &State, _call: &Call<'_>, id: &str) -> Answer {
    let stored = match find(state, id) {
        Ok(stored) => stored,
        Err(refusal) => return *refusal,
    };
    if !stored.background {
        return invalid("Cannot cancel a synchronous response.", None, None);
    }
    let now = Instant::now();
    if now >= stored.done {
        return Answer::text(StatusCode::OK, "application/json", stored.answer.clone());
    }
    let answer = Answer::json(StatusCode::OK, &unfinished(&stored, "cancelled"));
    if let crate::upstream::answer::AnswerBody::Full(body) = &answer.body {
        state.responses.replace(Stored {
            id: stored.id.clone(),
            request: stored.request.clone(),
            answer: body.clone(),
            previous: stored.previous.clone(),
            background: true,
            begins: now,
            done: now,
        });
    }
    answer
}

/// The object before it is complete.
fn unfinished(stored: &Stored, status: &str) -> Value {
    let mut object: Map<String, Value> = serde_json::from_slice(&stored.answer).unwrap_or_default();
    for (key, value) in [
        ("status", Value::from(status)),
        ("output", json!([])),
        ("usage", Value::Null),
        ("completed_at", Value::Null),
        ("error", Value::Null),
        ("incomplete_details", Value::Null),
    ] {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

/// `GET /v1/responses/{id}/input_items`.
pub fn input_items(state: &State, call: &Call<'_>, id: &str) -> Answer {
    let stored = match find(state, id) {
        Ok(stored) => stored,
        Err(refusal) => return *refusal,
    };
    let mut items = items(&stored);
    let limit = match parameter(call, "limit").map(|limit| limit.parse::<usize>()) {
        None => PAGE.0,
        Some(Ok(limit)) if (1..=PAGE.1).contains(&limit) => limit,
        Some(_) => {
            let message = format!("Invalid 'limit': expected an integer from 1 to {}.", PAGE.1);
            return invalid(&message, Some("limit"), Some("invalid_value"));
        }
    };
    match parameter(call, "order").as_deref() {
        None | Some("desc") => items.reverse(),
        Some("asc") => {}
        Some(_) => {
            let message = "Invalid value for 'order': supported values are 'asc' and 'desc'.";
            return invalid(message, Some("order"), Some("invalid_value"));
        }
    }
    let id_of = |item: &Value| item["id"].as_str().unwrap_or_default().to_owned();
    let after = parameter(call, "after").and_then(|after| items.iter().position(|item| id_of(item) == after));
    let mut rest = items.into_iter().skip(after.map_or(0, |at| at + 1));
    let page: Vec<Value> = rest.by_ref().take(limit).collect();
    let (first, last) = (page.first().map(id_of), page.last().map(id_of));
    Answer::json(
        StatusCode::OK,
        &json!({"object": "list", "data": page, "first_id": first, "last_id": last, "has_more": rest.next().is_some()}),
    )
}

/// The items of a response's input, in the order in which they were sent, each with what the API adds to it.
fn items(stored: &Stored) -> Vec<Value> {
    let request: Value = serde_json::from_slice(&stored.request).unwrap_or_default();
    let sent = match &request["input"] {
        Value::Array(items) => items.clone(),
        Value::String(text) => vec![json!({"role": "user", "content": text})],
        _ => Vec::new(),
    };
    // What the identifiers of a response and its items have in common.
    let digits = stored.id.split_once('_').and_then(|(_, digits)| digits.get(..32)).unwrap_or_default();
    sent.into_iter().enumerate().map(|(index, item)| completed(item, digits, index)).collect()
}

fn completed(mut item: Value, digits: &str, index: usize) -> Value {
    let Some(object) = item.as_object_mut() else { return item };
    let kind = object.get("type").and_then(Value::as_str).unwrap_or("message").to_owned();
    let prefix = match kind.as_str() {
        "message" => "msg",
        "function_call" => "fc",
        "function_call_output" => "fco",
        "reasoning" => "rs",
        _ => "item",
    };
    if !object.get("id").is_some_and(Value::is_string) {
        object.insert("id".to_owned(), Value::from(format!("{prefix}_{digits}{:016x}", u64::MAX - index as u64)));
    }
    if kind == "message" {
        let part = if object.get("role").and_then(Value::as_str) == Some("assistant") {
            |text: &str| json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
        } else {
            |text: &str| json!({"type": "input_text", "text": text})
        };
        if let Some(text) = object.get("content").and_then(Value::as_str) {
            let content = json!([part(text)]);
            object.insert("content".to_owned(), content);
        }
    }
    object.insert("type".to_owned(), Value::from(kind.as_str()));
    if ["message", "function_call", "function_call_output"].contains(&kind.as_str()) {
        object.entry("status").or_insert_with(|| Value::from("completed"));
    }
    item
}

/// A parameter of the query.
fn parameter(call: &Call<'_>, name: &str) -> Option<String> {
    url::form_urlencoded::parse(call.query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
