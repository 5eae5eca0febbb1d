//! What Supabase's clients make of failures, seen with these clients against a recording server.

use crate::retries::{
    Condition, Expected, Wait, after, body, close, cut, error, error_without_retry_after, expect, reset, silence,
    status, status_with,
};
use firedrill::model::fault::Injection;

/// postgrest-py and postgrest-js both wait so long between four tries.
const BACKOFF: Wait = Wait::Of(&[1.0, 2.0, 4.0]);

/// Columns: Python, Node newest, Node 2.109.
fn condition(name: &'static str, ask: &'static str, fault: Injection, python: Expected, node: Expected) -> Condition {
    Condition { name, ask, faults: Some(vec![fault]), timeout: None, expected: vec![python, node, node] }
}

/// A 503 that does not say when to come back.
fn bare_503() -> Injection {
    error_without_retry_after("PGRST000")
}

/// The conditions.
pub fn conditions() -> Vec<Condition> {
    let both = |expected: Expected| (expected, expected);
    let same = |name, ask, fault, expected| {
        let (python, node) = both(expected);
        condition(name, ask, fault, python, node)
    };
    vec![
        condition(
            "GET, 503 with `Retry-After: 1`",
            "get",
            error("PGRST000", &[("retry-after", "1")]),
            after("APIError PGRST000", 4, BACKOFF),
            after("error PGRST000", 4, Wait::Of(&[1.0, 1.0, 1.0])),
        ),
        condition(
            "GET, 503 without it",
            "get",
            bare_503(),
            after("APIError PGRST000", 4, BACKOFF),
            after("error PGRST000", 4, BACKOFF),
        ),
        condition(
            "HEAD, 503 without it",
            "head",
            bare_503(),
            after("APIError PGRST000", 4, BACKOFF),
            after("error ``", 4, BACKOFF),
        ),
        condition(
            "GET, 520",
            "get",
            error("gateway_520", &[]),
            after("APIError 520", 4, BACKOFF),
            after("error of HTML", 4, BACKOFF),
        ),
        condition(
            "GET, 500 (57014)",
            "get",
            error("57014", &[]),
            expect("APIError 57014", 1),
            expect("error 57014", 1),
        ),
        condition("GET, 502", "get", status(502), expect("APIError None", 1), expect("error `Bad Gateway`", 1)),
        condition(
            "GET, 504 (PGRST003)",
            "get",
            error("PGRST003", &[]),
            expect("APIError PGRST003", 1),
            expect("error PGRST003", 1),
        ),
        condition("GET, 521", "get", status(521), expect("APIError 521", 1), expect("error of HTML", 1)),
        condition("GET, 522", "get", error("gateway_522", &[]), expect("APIError 522", 1), expect("error of HTML", 1)),
        condition("GET, 524", "get", status(524), expect("APIError 524", 1), expect("error of HTML", 1)),
        condition(
            "GET, 429",
            "get",
            status_with(429, &[("retry-after", "1")]),
            expect("APIError None", 1),
            expect("error `Too Many Requests`", 1),
        ),
        condition(
            "POST, 503",
            "post",
            error("PGRST000", &[]),
            expect("APIError PGRST000", 1),
            expect("error PGRST000", 1),
        ),
        condition(
            "PATCH, 503",
            "patch",
            error("PGRST000", &[]),
            expect("APIError PGRST000", 1),
            expect("error PGRST000", 1),
        ),
        condition(
            "DELETE, 503",
            "delete",
            error("PGRST000", &[]),
            expect("APIError PGRST000", 1),
            expect("error PGRST000", 1),
        ),
        condition(
            "POST, 520",
            "post",
            error("gateway_520", &[]),
            expect("APIError 520", 1),
            expect("error of HTML", 1),
        ),
        condition("POST, reset", "post", reset(), expect("ReadError", 1), expect("error `TypeError: fetch failed`", 1)),
        condition(
            "GET, reset before headers",
            "get",
            reset(),
            after("ReadError", 4, BACKOFF),
            after("error `TypeError: fetch failed`", 4, BACKOFF),
        ),
        condition(
            "GET, close before headers",
            "get",
            close(),
            after("RemoteProtocolError", 4, BACKOFF),
            after("error `TypeError: fetch failed`", 4, BACKOFF),
        ),
        Condition {
            name: "GET, connection refused",
            ask: "get",
            faults: None,
            timeout: None,
            expected: vec![
                after("ConnectError", 4, BACKOFF),
                after("error `TypeError: fetch failed`", 4, BACKOFF),
                after("error `TypeError: fetch failed`", 4, BACKOFF),
            ],
        },
        condition(
            "GET, body cut short of its length",
            "get",
            cut(60),
            after("RemoteProtocolError", 4, BACKOFF),
            expect("error `TypeError: terminated`", 1),
        ),
        Condition {
            name: "GET, no answer within 1 s",
            ask: "get",
            faults: Some(vec![silence()]),
            timeout: Some(1.0),
            expected: vec![
                expect("ReadTimeout", 1),
                expect("error `TimeoutError: The operation was aborted `", 1),
                expect("error `TimeoutError: The operation was aborted `", 1),
            ],
        },
        condition(
            "GET, 200, body is not JSON",
            "get",
            body("application/json", "[{\"id\": 1"),
            expect("text", 1),
            expect("error with status 200", 1),
        ),
        condition(
            "sign-in, 503",
            "sign_in",
            status(503),
            expect("AuthRetryableError", 1),
            expect("AuthRetryableFetchError", 1),
        ),
        condition(
            "sign-in, 504",
            "sign_in",
            status(504),
            expect("AuthRetryableError", 1),
            expect("AuthRetryableFetchError", 1),
        ),
        condition(
            "sign-in, 500",
            "sign_in",
            status(500),
            expect("AuthApiError unexpected_failure", 1),
            expect("AuthRetryableFetchError", 1),
        ),
        same("sign-in, 429", "sign_in", status(429), expect("AuthApiError over_request_rate_limit", 1)),
        same(
            "sign-in, 400 `invalid_credentials`",
            "sign_in",
            error("invalid_credentials", &[]),
            expect("AuthApiError invalid_credentials", 1),
        ),
        same("refresh, 429", "refresh", status(429), expect("AuthApiError over_request_rate_limit", 1)),
        condition(
            "refresh, 503",
            "refresh",
            status(503),
            expect("AuthRetryableError", 1),
            after("AuthRetryableFetchError", 8, Wait::Of(&[0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8])),
        ),
    ]
}
