//! What OpenAI's clients make of failures.
//!
//! Seen with these clients against a recording server; where versions differ, by their sources too: since 7 the Node
//! client waits for `retry-after` up to 60 s only, as Python's 1.x does, and Python's 3.x up to 120 s; and its timeout
//! covers the body of an answer that is not streamed, and it raises what comes as an event called `error`.

use crate::retries::{
    BACKOFF, Condition, Expected, Wait, after, body, close, cut, error, expect, reset, silence, stall, status,
    status_with, stream_error, without_last_event,
};
use firedrill::model::fault::{Injection, StreamErrorForm as Form};

const CHAT: &str = "chat";
const STREAM: &str = "chat.stream";
const RESPONSES: &str = "responses.stream";

/// Columns: Python 3, Python 1, Node 7, Node 6.
fn condition(name: &'static str, ask: &'static str, fault: Injection, expected: [Expected; 4]) -> Condition {
    Condition { name, ask, faults: Some(vec![fault]), timeout: None, expected: expected.to_vec() }
}

fn timed(
    name: &'static str,
    ask: &'static str,
    timeout: f64,
    faults: Vec<Injection>,
    expected: [Expected; 4],
) -> Condition {
    Condition { name, ask, faults: Some(faults), timeout: Some(timeout), expected: expected.to_vec() }
}

/// The conditions.
pub fn conditions() -> Vec<Condition> {
    let retried = |class| [after(class, 3, BACKOFF); 4];
    let once = |class| [expect(class, 1); 4];
    let limit = |headers: &[(&str, &str)]| status_with(429, headers);
    const LIMITED: &str = "RateLimitError";
    const LOST: &str = "APIConnectionError";
    vec![
        condition("status 400", CHAT, status(400), once("BadRequestError")),
        condition("status 401", CHAT, status(401), once("AuthenticationError")),
        condition("status 403", CHAT, status(403), once("PermissionDeniedError")),
        condition("status 404", CHAT, status(404), once("NotFoundError")),
        condition(
            "status 408",
            CHAT,
            status(408),
            [
                after("APIStatusError", 3, BACKOFF),
                after("APIStatusError", 3, BACKOFF),
                after("APIError", 3, BACKOFF),
                after("APIError", 3, BACKOFF),
            ],
        ),
        condition("status 409", CHAT, status(409), retried("ConflictError")),
        condition(
            "status 413",
            CHAT,
            status(413),
            [expect("APIStatusError", 1), expect("APIStatusError", 1), expect("APIError", 1), expect("APIError", 1)],
        ),
        condition("status 422", CHAT, status(422), once("UnprocessableEntityError")),
        condition("status 429", CHAT, limit(&[]), retried(LIMITED)),
        condition("status 500", CHAT, status(500), retried("InternalServerError")),
        condition("status 502", CHAT, status(502), retried("InternalServerError")),
        condition("status 503", CHAT, status(503), retried("InternalServerError")),
        condition("status 504", CHAT, status(504), retried("InternalServerError")),
        condition("status 520", CHAT, status(520), retried("InternalServerError")),
        condition("status 529", CHAT, status(529), retried("InternalServerError")),
        condition("429 `insufficient_quota`", CHAT, error("insufficient_quota", &[]), retried(LIMITED)),
        condition("429, `x-should-retry: false`", CHAT, limit(&[("x-should-retry", "false")]), once(LIMITED)),
        condition(
            "400, `x-should-retry: true`",
            CHAT,
            status_with(400, &[("x-should-retry", "true")]),
            retried("BadRequestError"),
        ),
        condition(
            "429, `retry-after: 1`",
            CHAT,
            limit(&[("retry-after", "1")]),
            [after(LIMITED, 3, Wait::Of(&[1.0, 1.0])); 4],
        ),
        condition(
            "429, `retry-after-ms: 250`, `retry-after: 3`",
            CHAT,
            limit(&[("retry-after-ms", "250"), ("retry-after", "3")]),
            [after(LIMITED, 3, Wait::Of(&[0.25, 0.25])); 4],
        ),
        condition(
            "429, `retry-after: 0`",
            CHAT,
            limit(&[("retry-after", "0")]),
            [
                after(LIMITED, 3, BACKOFF),
                after(LIMITED, 3, BACKOFF),
                after(LIMITED, 3, Wait::Nothing),
                after(LIMITED, 3, Wait::Nothing),
            ],
        ),
        condition(
            "429, `retry-after: 61`",
            CHAT,
            limit(&[("retry-after", "61")]),
            [
                after(LIMITED, 3, Wait::Skipped(61.0)),
                after(LIMITED, 3, BACKOFF),
                after(LIMITED, 3, BACKOFF),
                after(LIMITED, 3, Wait::Skipped(61.0)),
            ],
        ),
        condition(
            "429, `retry-after: 120`",
            CHAT,
            limit(&[("retry-after", "120")]),
            [
                after(LIMITED, 3, Wait::Skipped(120.0)),
                after(LIMITED, 3, BACKOFF),
                after(LIMITED, 3, BACKOFF),
                after(LIMITED, 3, Wait::Skipped(120.0)),
            ],
        ),
        condition(
            "429, `retry-after: 121`",
            CHAT,
            limit(&[("retry-after", "121")]),
            [
                expect(LIMITED, 1),
                after(LIMITED, 3, BACKOFF),
                after(LIMITED, 3, BACKOFF),
                after(LIMITED, 3, Wait::Skipped(121.0)),
            ],
        ),
        condition("reset before headers", CHAT, reset(), retried(LOST)),
        condition("close before headers", CHAT, close(), retried(LOST)),
        Condition {
            name: "connection refused",
            ask: CHAT,
            faults: None,
            timeout: None,
            expected: retried(LOST).to_vec(),
        },
        condition(
            "body cut short of its length",
            CHAT,
            cut(60),
            [
                after(LOST, 3, BACKOFF),
                after(LOST, 3, BACKOFF),
                expect("TypeError: terminated", 1),
                expect("TypeError: terminated", 1),
            ],
        ),
        condition(
            "200, body is not JSON",
            CHAT,
            body("application/json", r#"{"id": "chatcmpl-1", "object""#),
            [
                expect("JSONDecodeError", 1),
                expect("JSONDecodeError", 1),
                expect("SyntaxError", 1),
                expect("SyntaxError", 1),
            ],
        ),
        condition("200, `text/html`", CHAT, body("text/html", "<html>busy</html>"), once("text")),
        condition("200, `{}`", CHAT, body("application/json", "{}"), once("empty object")),
        timed(
            "no answer within the timeout of 1 s",
            CHAT,
            1.0,
            vec![silence()],
            [
                expect("APITimeoutError", 3),
                expect("APITimeoutError", 3),
                expect("APIConnectionTimeoutError", 3),
                expect("APIConnectionTimeoutError", 3),
            ],
        ),
        timed(
            "headers, then a body 5 s late; timeout 2 s",
            CHAT,
            2.0,
            vec![stall(0, 5.0)],
            [
                expect("APITimeoutError", 3),
                expect("APITimeoutError", 3),
                expect("APIConnectionTimeoutError", 3),
                expect("answer", 1),
            ],
        ),
        timed(
            "stream, a pause of 0.8 s four times; timeout 2 s",
            STREAM,
            2.0,
            (1..=4).map(|n| stall(n * 400, 0.8)).collect(),
            once("stream"),
        ),
        timed(
            "stream, a pause of 5 s; timeout 2 s",
            STREAM,
            2.0,
            vec![stall(400, 5.0)],
            [expect("APITimeoutError", 1), expect("ReadTimeout", 1), expect("stream", 1), expect("stream", 1)],
        ),
        condition(
            "stream cut",
            STREAM,
            cut(600),
            [
                expect(LOST, 1),
                expect("RemoteProtocolError", 1),
                expect("TypeError: terminated", 1),
                expect("TypeError: terminated", 1),
            ],
        ),
        condition("stream ends without `[DONE]`", STREAM, without_last_event(), once("stream")),
        condition(
            "stream, `data:` with an `error` object",
            STREAM,
            stream_error(3, "rate_limit", None),
            once("APIError"),
        ),
        condition(
            "Responses stream, `error` event, flat",
            RESPONSES,
            stream_error(2, "server_error", Some(Form::Flat)),
            [
                expect("stream to error", 1),
                expect("stream to error", 1),
                expect("APIError", 1),
                expect("stream to error", 1),
            ],
        ),
        condition(
            "Responses stream, `error` event, nested",
            RESPONSES,
            stream_error(2, "server_error", Some(Form::Nested)),
            once("APIError"),
        ),
        condition("Responses stream, `response.failed`", RESPONSES, failed(), once("stream to response.failed")),
    ]
}

/// A response that fails inside its stream.
pub fn failed() -> Injection {
    stream_error(2, "server_error", Some(Form::Failed))
}
