//! [`AuthError`]: a refusal in the words of Auth, in the shape that the client's API version asks for.

use crate::upstream::answer::{Answer, Call};
use http::StatusCode;
use serde::Serialize;
use std::borrow::Cow;

/// The header by which a client says which version of the API it speaks.
pub const API_VERSION: &str = "x-supabase-api-version";
/// The version from which on errors have their newer shape.
const NEWER: &str = "2024-01-01";

/// A refused or failed request (WIRE-supabase §6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthError {
    status: StatusCode,
    code: &'static str,
    message: Cow<'static, str>,
    reasons: Option<&'static [&'static str]>,
}

/// What one of Auth's handlers answers.
pub type Result<T> = std::result::Result<T, AuthError>;

impl AuthError {
    /// An error of this status and code.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, message: message.into(), reasons: None }
    }

    /// 400.
    pub fn bad_request(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400 `validation_failed`.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::bad_request("validation_failed", message)
    }

    /// 403.
    pub fn forbidden(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// 404.
    pub fn not_found(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 422.
    pub fn unprocessable(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// A password that is not strong enough, and why.
    pub fn weak_password(message: String, reasons: &'static [&'static str]) -> Self {
        Self { reasons: Some(reasons), ..Self::unprocessable("weak_password", message) }
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// What happened.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The answer to `call`.
    pub fn answer(&self, call: &Call<'_>) -> Answer {
        #[derive(Serialize)]
        struct Newer<'a> {
            code: &'a str,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            weak_password: Option<Weak>,
        }
        #[derive(Serialize)]
        struct Older<'a> {
            code: u16,
            error_code: &'a str,
            msg: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            error_id: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            weak_password: Option<Weak>,
        }
        #[derive(Serialize)]
        struct Weak {
            reasons: &'static [&'static str],
        }
        let (code, message) = (self.code, &*self.message);
        let weak_password = self.reasons.map(|reasons| Weak { reasons });
        let answer = if speaks_newer(call) {
            Answer::json(self.status, &Newer { code, message, weak_password }).with(API_VERSION, NEWER)
        } else {
            let error_id = self.status.is_server_error().then(|| format!("{:032x}", call.number));
            let body = Older { code: self.status.as_u16(), error_code: code, msg: message, error_id, weak_password };
            Answer::json(self.status, &body)
        };
        answer.with("x-sb-error-code", code)
    }
}

/// Whether the request's version is 2024-01-01 or later. A version that is no date counts as the oldest.
fn speaks_newer(call: &Call<'_>) -> bool {
    let version = call.header(API_VERSION).unwrap_or_default().trim();
    version.parse::<jiff::civil::Date>().is_ok() && version >= NEWER
}
