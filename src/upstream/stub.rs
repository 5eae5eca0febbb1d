//! [`Stub`]: a side service that always answers the same.

use super::answer::{Answer, Call, Mock};
use http::StatusCode;

/// Answers every request with one status.
#[derive(Debug)]
pub struct Stub {
    name: String,
    status: StatusCode,
}

impl Stub {
    /// A stub with this name and status; a number that is no final status becomes 500.
    pub fn new(name: &str, status: u16) -> Self {
        let status = StatusCode::from_u16(status).ok().filter(|status| !status.is_informational());
        Self { name: name.to_owned(), status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR) }
    }

    fn body(&self, status: StatusCode) -> Answer {
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Answer::empty(status);
        }
        Answer::json(status, &serde_json::json!({"stub": self.name, "status": status.as_u16()}))
    }
}

impl Mock for Stub {
    fn answer(&self, _call: &Call<'_>) -> Answer {
        self.body(self.status)
    }

    fn named_error(&self, _name: &str, _call: &Call<'_>) -> Option<Answer> {
        None
    }

    fn error_of_status(&self, status: StatusCode, _call: &Call<'_>) -> Answer {
        self.body(status)
    }

    fn too_large(&self, _call: &Call<'_>) -> Answer {
        self.body(StatusCode::PAYLOAD_TOO_LARGE)
    }
}
