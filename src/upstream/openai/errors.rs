//! OpenAI's error envelope, and the catalogue of errors that a fault can ask for.

use crate::upstream::answer::Answer;
use crate::upstream::catalogue::{ProviderError, names};
use http::StatusCode;
use serde_json::json;

const JSON: &str = "application/json";
const INVALID_REQUEST: &str = "invalid_request_error";

macro_rules! cloudflare {
    ($name:literal, $status:literal, $title:literal) => {
        ProviderError {
            name: $name,
            status: $status,
            content_type: "text/html; charset=UTF-8",
            headers: &[("server", "cloudflare"), ("cache-control", "private, max-age=0, no-store")],
            body: concat!(
                "<!DOCTYPE html>\n<html lang=\"en-US\">\n<head>\n<title>api.openai.com | ",
                $status,
                ": ",
                $title,
                "</title>\n<meta charset=\"UTF-8\" />\n</head>\n<body>\n<h1>\n<span>",
                $title,
                "</span>\n<span>Error code ",
                $status,
                "</span>\n</h1>\n</body>\n</html>\n"
            ),
        }
    };
}

/// The catalogue. Of several errors with one status, the first stands for the status.
///
/// Envelopes and statuses as observed publicly and in OpenAI's API description; where a rate limit names a time,
/// `retry-after` says the same in whole seconds, as the description requires. Quota errors carry none: waiting
/// does not cure them.
pub const CATALOGUE: [ProviderError; 19] = [
    ProviderError {
        name: "rate_limit",
        status: 429,
        content_type: JSON,
        headers: &[
            ("retry-after", "1"),
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1s"),
        ],
        body: r#"{"error":{"message":"Rate limit reached for {model} in organization org-firedrill on requests per min (RPM): Limit 10000, Used 10000, Requested 1. Please try again in 1s. Visit https://platform.openai.com/account/rate-limits to learn more.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#,
    },
    ProviderError {
        name: "rate_limit_tokens",
        status: 429,
        content_type: JSON,
        headers: &[
            ("retry-after", "1"),
            ("x-ratelimit-limit-tokens", "30000000"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "1s"),
        ],
        body: r#"{"error":{"message":"Rate limit reached for {model} in organization org-firedrill on tokens per min (TPM): Limit 30000000, Used 30000000, Requested {tokens}. Please try again in 1s. Visit https://platform.openai.com/account/rate-limits to learn more.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
    },
    ProviderError {
        name: "insufficient_quota",
        status: 429,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details. For more information on this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
    },
    ProviderError {
        name: "invalid_api_key",
        status: 401,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"Incorrect API key provided: {key}. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
    },
    ProviderError {
        name: "overloaded",
        status: 503,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"That model is currently overloaded with other requests. You can retry your request, or contact us through our help center at help.openai.com if the error persists. (Please include the request ID {request} in your message.)","type":"server_error","param":null,"code":null}}"#,
    },
    ProviderError {
        name: "server_error",
        status: 500,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"The server had an error while processing your request. Sorry about that! You can retry your request, or contact us through our help center at help.openai.com if the error persists. (Please include the request ID {request} in your message.)","type":"server_error","param":null,"code":null}}"#,
    },
    ProviderError {
        name: "context_length_exceeded",
        status: 400,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"This model's maximum context length is {context} tokens. However, your messages resulted in {tokens} tokens. Please reduce the length of the messages.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
    },
    ProviderError {
        name: "content_filter",
        status: 400,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed by our safety system.","type":"invalid_request_error","param":"prompt","code":"content_filter"}}"#,
    },
    // Overload was also reported with a status that no client retries (WIRE-openai §3).
    ProviderError {
        name: "overloaded_400",
        status: 400,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"Our servers are currently overloaded. Please try again later.","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}"#,
    },
    // A model that is retired, or taken from a project.
    ProviderError {
        name: "model_not_found",
        status: 404,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"The model `{model}` does not exist or you do not have access to it.","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#,
    },
    ProviderError {
        name: "unsupported_country",
        status: 403,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"Country, region, or territory not supported","type":"request_forbidden","param":null,"code":"unsupported_country_region_territory"}}"#,
    },
    ProviderError {
        name: "insufficient_permissions",
        status: 403,
        content_type: JSON,
        headers: &[],
        body: r#"{"error":{"message":"You have insufficient permissions for this operation.","type":"insufficient_permissions","param":null,"code":null}}"#,
    },
    cloudflare!("gateway_504", 504, "Gateway time-out"),
    cloudflare!("gateway_520", 520, "Web server is returning an unknown error"),
    cloudflare!("gateway_521", 521, "Web server is down"),
    cloudflare!("gateway_522", 522, "Connection timed out"),
    cloudflare!("gateway_523", 523, "Origin is unreachable"),
    cloudflare!("gateway_524", 524, "A timeout occurred"),
    ProviderError {
        name: "bad_gateway_html",
        status: 502,
        content_type: "text/html",
        headers: &[("server", "cloudflare")],
        body: "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad \
               Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n",
    },
];

const NAMES: [&str; CATALOGUE.len()] = names(&CATALOGUE);

/// The names of the catalogue.
pub static ERROR_NAMES: &[&str] = &NAMES;

/// An error in the envelope, all four keys present as OpenAI's API description demands.
pub fn envelope(status: StatusCode, kind: &str, message: &str, param: Option<&str>, code: Option<&str>) -> Answer {
    Answer::json(status, &json!({"error": {"message": message, "type": kind, "param": param, "code": code}}))
}

/// A 400 in the envelope.
pub fn invalid(message: &str, param: Option<&str>, code: Option<&str>) -> Answer {
    envelope(StatusCode::BAD_REQUEST, INVALID_REQUEST, message, param, code)
}

/// No key at all.
pub fn missing_key() -> Answer {
    let message = "You didn't provide an API key. You need to provide your API key in an Authorization header using \
                   Bearer auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from \
                   https://platform.openai.com/account/api-keys.";
    envelope(StatusCode::UNAUTHORIZED, INVALID_REQUEST, message, None, None)
}

/// A key that is not taken.
pub fn wrong_key(key: &str) -> Answer {
    let message = format!(
        "Incorrect API key provided: {}. You can find your API key at https://platform.openai.com/account/api-keys.",
        masked(key)
    );
    envelope(StatusCode::UNAUTHORIZED, INVALID_REQUEST, &message, None, Some("invalid_api_key"))
}

/// A body that is no JSON.
pub fn not_json() -> Answer {
    let message = "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your \
                   HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid \
                   JSON.)";
    invalid(message, None, None)
}

/// A model that does not exist.
pub fn unknown_model(model: &str) -> Answer {
    let message = format!("The model `{model}` does not exist or you do not have access to it.");
    envelope(StatusCode::NOT_FOUND, INVALID_REQUEST, &message, None, Some("model_not_found"))
}

/// A path that does not exist.
pub fn unknown_url(method: &str, path: &str) -> Answer {
    let message = format!("Invalid URL ({method} {path})");
    envelope(StatusCode::NOT_FOUND, INVALID_REQUEST, &message, None, None)
}

/// A path that exists, asked with another method.
pub fn wrong_method(method: &str, path: &str) -> Answer {
    let message =
        format!("Not allowed to {method} on {path}. (HINT: Perhaps you meant to use a different HTTP method?)");
    envelope(StatusCode::METHOD_NOT_ALLOWED, INVALID_REQUEST, &message, None, Some("method_not_supported"))
}

/// A key as OpenAI repeats it in messages: its ends, the rest starred.
pub fn masked(key: &str) -> String {
    let chars: Vec<char> = key.chars().take(200).collect();
    if chars.len() < 12 {
        return "*".repeat(chars.len());
    }
    let (head, tail) = (&chars[..8], &chars[chars.len() - 4..]);
    head.iter().chain(&vec!['*'; chars.len() - 12]).chain(tail).collect()
}
