//! [`SqlError`]: what PostgreSQL says when it refuses something.

use http::StatusCode;

/// An error with its SQLSTATE, in PostgreSQL's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlError {
    /// The SQLSTATE, such as `23505`.
    pub code: &'static str,
    /// What happened.
    pub message: String,
    /// `DETAIL`.
    pub details: Option<String>,
    /// `HINT`.
    pub hint: Option<String>,
}

impl SqlError {
    /// An error with a message only.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: None, hint: None }
    }

    /// The same with details.
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A text that is no value of a type (22P02).
    pub fn invalid_text(type_name: &str, text: &str) -> Self {
        Self::new("22P02", format!("invalid input syntax for type {type_name}: \"{text}\""))
    }

    /// A number that a type cannot hold (22003).
    pub fn out_of_range(type_name: &str, text: &str) -> Self {
        Self::new("22003", format!("value \"{text}\" is out of range for type {type_name}"))
    }

    /// The status that PostgREST gives it (WIRE-supabase §4). `signed_in` is whether the caller has a role other
    /// than the anonymous one: only 42501 depends on it.
    pub fn status(&self, signed_in: bool) -> StatusCode {
        let status = match self.code {
            "42501" if signed_in => 403,
            "42501" => 401,
            "23503" | "23505" => 409,
            "25006" => 405,
            "42883" | "42P01" => 404,
            "42P17" | "53400" => 500,
            "57P01" => 503,
            "P0001" => 400,
            code => match code.get(..2).unwrap_or_default() {
                "08" | "53" => 503,
                "28" | "0L" | "0P" => 403,
                "57" | "25" | "40" | "54" | "55" | "58" | "XX" | "P0" => 500,
                _ => 400,
            },
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
    }
}
