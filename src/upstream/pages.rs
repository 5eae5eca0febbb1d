//! firedrill's own pages: what an upstream answers under `/__firedrill/`, uncounted and unhit.

use super::answer::{Answer, AnswerBody, Mock};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

/// Paths under this prefix are firedrill's own and never collide with a provider's.
const PREFIX: &str = "/__firedrill";

/// The page that a path names: "" for the index; `None` if it is a provider's path.
pub fn page(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(PREFIX)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// The status, headers and body of a page.
pub fn answer(upstream: &str, mock: &dyn Mock, method: &Method, page: &str) -> (StatusCode, HeaderMap, Bytes) {
    let answer = match page {
        _ if *method != Method::GET && *method != Method::HEAD => {
            Answer::json(StatusCode::METHOD_NOT_ALLOWED, &json!({"error": "firedrill's pages are only read"}))
                .with("allow", "GET, HEAD")
        }
        "" => {
            let names = ["healthz", "state"].into_iter().chain(mock.pages().iter().copied());
            let pages: Vec<String> = names.map(|name| format!("{PREFIX}/{name}")).collect();
            Answer::json(StatusCode::OK, &json!({"upstream": upstream, "pages": pages}))
        }
        "healthz" => Answer::json(StatusCode::OK, &json!({"status": "ok", "upstream": upstream})),
        "state" => Answer::json(StatusCode::OK, &mock.state()),
        name => mock.page(name).unwrap_or_else(|| {
            let error = format!("no such page of firedrill; {PREFIX}/ lists them");
            Answer::json(StatusCode::NOT_FOUND, &json!({"error": error}))
        }),
    };
    let body = match answer.body {
        AnswerBody::Full(body) => body,
        AnswerBody::Stream(_) | AnswerBody::Upgrade(_) => Bytes::new(),
    };
    (answer.status, answer.headers, body)
}
