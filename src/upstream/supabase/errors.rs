//! PostgREST's error envelope, the gateway's, and PostgREST's part of the catalogue of errors that a fault can ask for.

use crate::upstream::answer::Answer;
use crate::upstream::catalogue::ProviderError;
use http::StatusCode;
use serde_json::{Value, json};
use std::borrow::Cow;

const JSON: &str = "application/json; charset=utf-8";
/// PostgREST tells with every 503 when it will try the database again; clients obey it.
const RETRY: (&str, &str) = ("retry-after", "1");

/// Why the gateway itself sends a request back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no key.
    Missing,
    /// The key is none of the project's.
    Invalid,
}

/// A refused or failed request in PostgREST's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgError {
    /// The status.
    pub status: StatusCode,
    /// A `PGRST…` code or an SQLSTATE.
    pub code: Cow<'static, str>,
    /// What happened.
    pub message: String,
    /// More on it.
    pub details: Option<String>,
    /// More on it that is no text; it stands in the place of the details.
    pub structure: Option<Box<Value>>,
    /// What might help.
    pub hint: Option<String>,
}

impl PgError {
    /// An error with a message only.
    pub fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), details: None, structure: None, hint: None }
    }

    /// The same with details.
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = Some(details.into());
        self
    }

    /// More or less than the one row that was asked for.
    pub fn not_single(rows: usize) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "PGRST116", "Cannot coerce the result to a single JSON object")
            .details(format!("The result contains {rows} rows"))
    }

    /// The answer.
    pub fn answer(&self) -> Answer {
        let body = match &self.structure {
            None => json!({
                "code": self.code, "details": self.details, "hint": self.hint, "message": self.message,
            }),
            Some(details) => json!({
                "code": self.code, "details": details, "hint": self.hint, "message": self.message,
            }),
        };
        let mut answer =
            Answer::json(self.status, &body).with("proxy-status", &format!("PostgREST; error={}", self.code));
        answer = answer.with("content-type", JSON);
        if self.status == StatusCode::SERVICE_UNAVAILABLE { answer.with(RETRY.0, RETRY.1) } else { answer }
    }
}

/// The gateway's answer to a request without a key; it has no `code`.
fn missing_key() -> Answer {
    let body = json!({
        "message": "No API key found in request",
        "hint": "No `apikey` request header or url param was found.",
    });
    Answer::json(StatusCode::UNAUTHORIZED, &body)
}

/// The gateway's answer to a key that it does not take.
pub fn refused(refused: Refused) -> Answer {
    match refused {
        Refused::Missing => missing_key(),
        Refused::Invalid => Answer::json(
            StatusCode::UNAUTHORIZED,
            &json!({
                "message": "Invalid API key",
                "hint": "Double check your Supabase `anon` or `service_role` API key.",
            }),
        ),
    }
}

/// The answer to GraphQL, as of a project whose extension for it is off.
pub fn no_graphql() -> Answer {
    let message = "Could not find the function graphql_public.graphql in the schema cache";
    let warning = "the Supabase mock has no GraphQL".to_owned();
    PgError::new(StatusCode::NOT_FOUND, "PGRST202", message).answer().warned(Some(warning))
}

/// The gateway's answer to a path that no service has.
pub fn no_route() -> Answer {
    Answer::json(StatusCode::NOT_FOUND, &json!({"message": "no Route matched with those values"}))
}

macro_rules! postgrest {
    ($name:literal, $status:literal, [$($header:expr),*], $message:literal) => {
        postgrest!($name, $status, [$($header),*], $message, "null")
    };
    ($name:literal, $status:literal, [$($header:expr),*], $message:literal, $details:literal) => {
        ProviderError {
            name: $name,
            status: $status,
            content_type: JSON,
            headers: &[("proxy-status", concat!("PostgREST; error=", $name)), $($header),*],
            body: concat!(
                r#"{"code":""#, $name, r#"","details":"#, $details, r#","hint":null,"message":""#, $message, r#""}"#
            ),
        }
    };
}

/// PostgREST's part of the catalogue: its codes and SQLSTATEs with the statuses that its source maps them to. Of several
/// errors with one status, the first stands for it.
pub const CATALOGUE: [ProviderError; 14] = [
    postgrest!("PGRST000", 503, [RETRY], "Database connection error. Retrying the connection."),
    postgrest!("PGRST001", 503, [RETRY], "Database client error. Retrying the connection."),
    postgrest!("PGRST002", 503, [RETRY], "Could not query the database for the schema cache. Retrying."),
    postgrest!("PGRST003", 504, [], "Timed out acquiring connection from connection pool."),
    postgrest!(
        "PGRST301",
        401,
        [(
            "www-authenticate",
            "Bearer error=\"invalid_token\", error_description=\"No suitable key or wrong key type\""
        )],
        "No suitable key or wrong key type",
        "\"None of the keys was able to decode the JWT\""
    ),
    postgrest!(
        "PGRST303",
        401,
        [("www-authenticate", "Bearer error=\"invalid_token\", error_description=\"JWT expired\"")],
        "JWT expired"
    ),
    postgrest!("57014", 500, [], "canceling statement due to statement timeout"),
    postgrest!("53300", 503, [RETRY], "sorry, too many clients already"),
    // The database is restarted under a request's feet.
    postgrest!("57P01", 503, [RETRY], "terminating connection due to administrator command"),
    postgrest!("40P01", 500, [], "deadlock detected"),
    // A full disk makes a project read-only, and a promoted replica is for a while.
    postgrest!("25006", 405, [], "cannot execute INSERT in a read-only transaction"),
    postgrest!("42501", 403, [], "permission denied for table {table}"),
    ProviderError {
        name: "42501_rls",
        status: 403,
        content_type: JSON,
        headers: &[("proxy-status", "PostgREST; error=42501")],
        body: concat!(
            r#"{"code":"42501","details":null,"hint":null,"#,
            r#""message":"new row violates row-level security policy for table \"{table}\""}"#
        ),
    },
    postgrest!(
        "23505",
        409,
        [],
        "duplicate key value violates unique constraint \\\"{table}_pkey\\\"",
        "\"Key (id)=(1) already exists.\""
    ),
];
