//! [`Request`]: what an endpoint is given, and the checks that need nothing else: keys and query numbers.

use super::reply::Reply;
use super::validate;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::json;

/// A request whose body has arrived.
pub(super) struct Request {
    /// From the path, in order.
    pub(super) params: Vec<String>,
    /// From the query string.
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Request {
    /// The `n`th path parameter.
    pub(super) fn param(&self, n: usize) -> &str {
        self.params.get(n).map_or("", String::as_str)
    }

    /// A query parameter.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter that must be there.
    pub(super) fn required_query(&self, name: &str) -> Result<&str, Reply> {
        self.query(name).ok_or_else(|| {
            let missing = validate::problem("missing", json!(["query", name]), "Field required", json!(null));
            validate::unprocessable(vec![missing])
        })
    }

    /// A whole number in the query, or the default.
    pub(super) fn query_number(&self, name: &str, default: u64) -> Result<u64, Reply> {
        let Some(text) = self.query(name) else { return Ok(default) };
        text.trim().parse().map_err(|_| {
            let message = "Input should be a valid integer, unable to parse string as an integer";
            validate::unprocessable(vec![validate::problem(
                "int_parsing",
                json!(["query", name]),
                message,
                json!(text),
            )])
        })
    }

    /// The `X-API-Key` as sent.
    pub(super) fn api_key(&self) -> Option<&[u8]> {
        self.headers.get("x-api-key").map(http::HeaderValue::as_bytes)
    }
}
