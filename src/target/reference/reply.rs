//! [`Reply`]: what an endpoint answers, before it is HTTP.

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

/// What an endpoint gives: the error is a reply too.
pub(super) type Answer = Result<Reply, Reply>;

/// An answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    content_type: &'static str,
    body: String,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// 200 with a JSON body.
    pub(super) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    /// A JSON body with a status.
    pub(super) fn json(status: u16, body: Value) -> Self {
        Self { status, content_type: "application/json", body: body.to_string(), header: None }
    }

    /// FastAPI's form of an error.
    pub(super) fn detail(status: u16, detail: impl Into<String>) -> Self {
        Self::json(status, json!({"detail": detail.into()}))
    }

    /// 200 with a text of some type.
    pub(super) fn text(content_type: &'static str, body: String) -> Self {
        Self { status: 200, content_type, body, header: None }
    }

    /// The same with `Retry-After`; only the resilient app sends one.
    pub(super) fn retry_after(mut self, secs: u32) -> Self {
        self.header = Some((header::RETRY_AFTER, HeaderValue::from(secs)));
        self
    }

    /// The same with a header that should not be there.
    pub(super) fn debug(mut self, value: &str) -> Self {
        self.header = HeaderValue::from_str(value).ok().map(|value| (HeaderName::from_static("x-debug"), value));
        self
    }

    /// The same with the methods that would be allowed.
    pub(super) fn allow(mut self, methods: &'static str) -> Self {
        self.header = Some((header::ALLOW, HeaderValue::from_static(methods)));
        self
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, [(header::CONTENT_TYPE, self.content_type)], self.body).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}
