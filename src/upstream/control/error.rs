//! [`ApiError`]: Toxiproxy's errors, by its words and statuses (`api.go` of version 2.12).

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

/// Why a call of the control API failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// The body is no JSON of the right form.
    #[error("bad request body: {0}")]
    BadRequestBody(String),
    /// A field that must be there is not.
    #[error("missing required field: {0}")]
    MissingField(String),
    /// No proxy has this name.
    #[error("proxy not found")]
    ProxyNotFound,
    /// A proxy has this name already.
    #[error("proxy already exists")]
    ProxyAlreadyExists,
    /// The stream is neither of the two.
    #[error("stream was invalid, can be either upstream or downstream")]
    InvalidStream,
    /// No toxic is of this type.
    #[error("invalid toxic type")]
    InvalidToxicType,
    /// A toxic of this proxy has this name already.
    #[error("toxic already exists")]
    ToxicAlreadyExists,
    /// No toxic of this proxy has this name.
    #[error("toxic not found")]
    ToxicNotFound,
    /// Ours: an address that other machines could reach.
    #[error(
        "{0} is no loopback address: firedrill listens on loopback only, unless it was started with --allow-remote"
    )]
    NotLoopback(String),
    /// Ours: the caller did not show the token.
    #[error("this control API needs its token: Authorization: Bearer …")]
    Unauthorized,
    /// A proxy could not listen, or its address could not be understood.
    #[error("{0}")]
    Listen(String),
    /// A proxy is listed twice in one `populate`.
    #[error("duplicate proxy name {0:?}")]
    DuplicateName(String),
    /// Ours: the proxy of an upstream cannot be moved or taken away.
    #[error("proxy {0:?} is that of an upstream: toxics and enabled can be changed, its addresses cannot")]
    Fixed(String),
    /// Ours: no such page.
    #[error("404 page not found")]
    NoSuchPage,
}

impl ApiError {
    /// The status that goes with it.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequestBody(_)
            | Self::MissingField(_)
            | Self::InvalidStream
            | Self::InvalidToxicType
            | Self::NotLoopback(_) => StatusCode::BAD_REQUEST,
            Self::ProxyNotFound | Self::ToxicNotFound | Self::NoSuchPage => StatusCode::NOT_FOUND,
            Self::ProxyAlreadyExists | Self::ToxicAlreadyExists | Self::Fixed(_) => StatusCode::CONFLICT,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Listen(_) | Self::DuplicateName(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = serde_json::json!({"error": self.to_string(), "status": self.status().as_u16()});
        // Go's `http.Error` says text, and ends with a line break; clients read it as JSON all the same.
        let headers = [(CONTENT_TYPE, "text/plain; charset=utf-8")];
        (self.status(), headers, format!("{body}\n")).into_response()
    }
}
