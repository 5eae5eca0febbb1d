//! The catalogue of errors that a fault can ask for, in the words of the service that was called, and which of them
//! stands for a status.

use super::auth::AuthError;
use super::errors::CATALOGUE;
use super::gateway::Service;
use crate::upstream::answer::{Answer, Call};
use crate::upstream::catalogue::{ProviderError, names};
use http::StatusCode;
use serde_json::json;

const JSON: &str = "application/json";

macro_rules! cloudflare {
    ($name:literal, $status:literal, $title:literal) => {
        ProviderError {
            name: $name,
            status: $status,
            content_type: "text/html; charset=UTF-8",
            headers: &[("server", "cloudflare"), ("cache-control", "private, max-age=0, no-store")],
            body: concat!(
                "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head>\n<title>supabase.co | ",
                $status,
                ": ",
                $title,
                "</title>\n<meta charset=\"UTF-8\" />\n</head>\n<body>\n<div id=\"cf-wrapper\">\n<h1>\n<span>",
                $title,
                "</span>\n<span>Error code ",
                $status,
                "</span>\n</h1>\n</div>\n</body>\n</html>\n"
            ),
        }
    };
}

macro_rules! function {
    ($name:literal, $status:literal, $code:literal, $message:literal) => {
        ProviderError {
            name: $name,
            status: $status,
            content_type: JSON,
            headers: &[("sb-error-code", $code)],
            body: concat!(r#"{"code":""#, $code, r#"","message":""#, $message, r#""}"#),
        }
    };
}

/// What the gateway and the network before it answer, for any service (public reports, status pages). The one status
/// that PostgREST's errors share with them is 503.
const GATEWAY: [ProviderError; 9] = [
    cloudflare!("gateway_520", 520, "Web server is returning an unknown error"),
    cloudflare!("gateway_521", 521, "Web server is down"),
    cloudflare!("gateway_522", 522, "Connection timed out"),
    cloudflare!("gateway_523", 523, "Origin is unreachable"),
    cloudflare!("gateway_524", 524, "A timeout occurred"),
    ProviderError {
        name: "upstream_connect_error",
        status: 503,
        content_type: "text/plain",
        // The proxy that says so names no time: Retry-After is PostgREST's alone.
        headers: &[],
        body: "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
    },
    ProviderError {
        name: "project_paused",
        status: 540,
        content_type: JSON,
        headers: &[],
        body: r#"{"message":"Project paused"}"#,
    },
    ProviderError {
        name: "service_restricted",
        status: 402,
        content_type: JSON,
        headers: &[],
        body: concat!(
            r#"{"message":"Service for this project is restricted due to the following violations: "#,
            r#"exceed_egress_quota. The project owner must upgrade their plan or remove spend caps to restore service."}"#
        ),
    },
    ProviderError {
        name: "invalid_api_key",
        status: 401,
        content_type: JSON,
        headers: &[],
        body: r#"{"message":"Invalid API key","hint":"Double check your Supabase `anon` or `service_role` API key."}"#,
    },
];

/// Storage's (`codes.ts` of its source).
const STORAGE: [ProviderError; 2] = [
    ProviderError {
        name: "storage_timeout",
        status: 544,
        content_type: "application/json; charset=utf-8",
        headers: &[],
        body: concat!(
            r#"{"statusCode":"544","code":"DatabaseTimeout","error":"DatabaseTimeout","#,
            r#""message":"The connection to the database timed out"}"#
        ),
    },
    ProviderError {
        name: "storage_error",
        status: 500,
        content_type: "application/json; charset=utf-8",
        headers: &[],
        body: concat!(
            r#"{"statusCode":"500","code":"InternalError","error":"InternalError","#,
            r#""message":"Internal server error"}"#
        ),
    },
];

/// Edge functions' (documentation of their status and error codes).
const FUNCTIONS: [ProviderError; 5] = [
    function!(
        "function_resource_limit",
        546,
        "WORKER_RESOURCE_LIMIT",
        "Function failed due to not having enough compute resources (please check logs)"
    ),
    function!("function_boot_error", 503, "BOOT_ERROR", "Function failed to start (please check logs)"),
    function!("function_error", 500, "WORKER_ERROR", "Function exited due to an error (please check logs)"),
    function!("function_timeout", 504, "IDLE_TIMEOUT", "Request idle timeout limit (150s) reached"),
    ProviderError {
        name: "function_relay_error",
        status: 500,
        content_type: "text/plain",
        // What makes clients raise FunctionsRelayError.
        headers: &[("x-relay-error", "true")],
        body: "Internal Server Error",
    },
];

/// Auth's: the code, which is the name, the status and the words (`errorcode.go` and what raises them in its source). Of
/// several with one status, the first stands for it.
const AUTH: [(&str, u16, &str); 14] = [
    ("unexpected_failure", 500, "Database error querying schema"),
    ("request_timeout", 504, "Processing this request timed out, please retry after a moment."),
    ("over_request_rate_limit", 429, "Request rate limit reached"),
    ("over_email_send_rate_limit", 429, "email rate limit exceeded"),
    ("conflict", 409, "Too many concurrent token refresh requests on the same session or refresh token"),
    ("no_authorization", 401, "This endpoint requires a valid Bearer token"),
    ("bad_jwt", 403, "invalid JWT: unable to parse or verify signature, token has invalid claims: token is expired"),
    ("session_not_found", 403, "Session from session_id claim in JWT does not exist"),
    ("user_not_found", 404, "User not found"),
    ("invalid_credentials", 400, "Invalid login credentials"),
    ("refresh_token_not_found", 400, "Invalid Refresh Token: Refresh Token Not Found"),
    ("refresh_token_already_used", 400, "Invalid Refresh Token: Already Used"),
    ("email_not_confirmed", 400, "Email not confirmed"),
    ("user_banned", 400, "User is banned"),
];

const fn auth_names() -> [&'static str; AUTH.len()] {
    let mut names = [""; AUTH.len()];
    let mut index = 0;
    while index < AUTH.len() {
        names[index] = AUTH[index].0;
        index += 1;
    }
    names
}

const COUNT: usize = CATALOGUE.len() + GATEWAY.len() + STORAGE.len() + FUNCTIONS.len() + AUTH.len();

const fn all_names() -> [&'static str; COUNT] {
    let parts: [&[&str]; 5] =
        [&names(&CATALOGUE), &names(&GATEWAY), &names(&STORAGE), &names(&FUNCTIONS), &auth_names()];
    let mut all = [""; COUNT];
    let (mut part, mut at) = (0, 0);
    while part < parts.len() {
        let mut index = 0;
        while index < parts[part].len() {
            all[at] = parts[part][index];
            at += 1;
            index += 1;
        }
        part += 1;
    }
    all
}

const NAMES: [&str; COUNT] = all_names();

/// The names of the catalogue.
pub static ERROR_NAMES: &[&str] = &NAMES;

/// The error of this name, as an answer to `call` about `table`.
pub fn named(name: &str, call: &Call<'_>, table: &str) -> Option<Answer> {
    let mut listed = CATALOGUE.iter().chain(&GATEWAY).chain(&STORAGE).chain(&FUNCTIONS);
    if let Some(error) = listed.find(|error| error.name == name) {
        return Some(error.answer(&[("table", table)]));
    }
    let (code, status, message) = AUTH.iter().find(|(code, ..)| *code == name)?;
    Some(auth(*status, code, message, call))
}

/// The name of the error that stands for this status at a service; a service without one of its own has the gateway's.
fn standing_for(status: u16, service: Option<Service>) -> Option<&'static str> {
    let of = |list: &[ProviderError]| list.iter().find(|error| error.status == status).map(|error| error.name);
    let own = match service {
        Some(Service::Auth) => AUTH.iter().find(|(_, of, _)| *of == status).map(|(code, ..)| *code),
        Some(Service::Storage) => of(&STORAGE),
        Some(Service::Functions) => of(&FUNCTIONS),
        Some(Service::Realtime) => None,
        _ => of(&CATALOGUE),
    };
    own.or_else(|| of(&GATEWAY))
}

/// The error that a service gives with such a status.
pub fn of_status(status: StatusCode, service: Option<Service>, call: &Call<'_>, table: &str) -> Answer {
    if let Some(answer) = standing_for(status.as_u16(), service).and_then(|name| named(name, call, table)) {
        return answer;
    }
    let words = status.canonical_reason().unwrap_or("Unknown error");
    match service {
        Some(Service::Auth) if status.is_server_error() => auth(status.as_u16(), "unexpected_failure", words, call),
        Some(Service::Auth) => auth(status.as_u16(), "validation_failed", words, call),
        Some(Service::Storage) => {
            let code = status.as_u16().to_string();
            Answer::json(
                status,
                &json!({"statusCode": code, "code": "InternalError", "error": words, "message": words}),
            )
        }
        _ => Answer::json(status, &json!({ "message": words })),
    }
}

fn auth(status: u16, code: &'static str, message: &'static str, call: &Call<'_>) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    AuthError::new(status, code, message).answer(call)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};
    use rstest::rstest;
    use std::collections::BTreeSet;

    fn call<'a>(headers: &'a HeaderMap, path: &'a str) -> Call<'a> {
        Call { number: 7, method: &Method::GET, path, query: "", headers, body: b"", in_flight: 1 }
    }

    #[test]
    fn every_name_is_one_errors_and_has_an_answer() {
        assert_eq!(ERROR_NAMES.iter().collect::<BTreeSet<_>>().len(), ERROR_NAMES.len());
        let headers = HeaderMap::new();
        for name in ERROR_NAMES {
            let answer = named(name, &call(&headers, "/rest/v1/items"), "items").unwrap();
            assert!(answer.status.as_u16() >= 400, "{name}");
        }
        assert!(named("nothing", &call(&headers, "/"), "").is_none());
    }

    #[rstest]
    #[case(503, "/rest/v1/items", "PGRST000")]
    #[case(503, "/auth/v1/token", "upstream connect error")]
    #[case(503, "/functions/v1/f", "BOOT_ERROR")]
    #[case(500, "/rest/v1/items", "57014")]
    #[case(500, "/auth/v1/token", "unexpected_failure")]
    #[case(500, "/storage/v1/bucket", "InternalError")]
    #[case(502, "/auth/v1/token", "unexpected_failure")]
    #[case(502, "/storage/v1/bucket", "\"statusCode\":\"502\"")]
    #[case(504, "/rest/v1/items", "PGRST003")]
    #[case(504, "/auth/v1/token", "request_timeout")]
    #[case(544, "/storage/v1/bucket", "DatabaseTimeout")]
    #[case(546, "/functions/v1/f", "WORKER_RESOURCE_LIMIT")]
    #[case(522, "/auth/v1/token", "Error code 522")]
    #[case(429, "/auth/v1/token", "over_request_rate_limit")]
    #[case(418, "/rest/v1/items", "{\"message\":\"I'm a teapot\"}")]
    fn a_status_has_the_words_of_the_service_that_was_called(
        #[case] status: u16,
        #[case] path: &str,
        #[case] words: &str,
    ) {
        let headers = HeaderMap::new();
        let status = StatusCode::from_u16(status).unwrap();
        let service = Service::of(path).map(|(service, _)| service);
        let answer = of_status(status, service, &call(&headers, path), "items");
        assert_eq!(answer.status, status);
        let crate::upstream::answer::AnswerBody::Full(body) = answer.body else { panic!("no whole body") };
        assert!(String::from_utf8_lossy(&body).contains(words), "{body:?}");
        assert_eq!(answer.headers.contains_key("retry-after"), status == 503 && path.starts_with("/rest"));
    }
}
