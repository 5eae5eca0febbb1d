//! [`Identity`]: who a request comes from, and [`TokenError`]: why that cannot be said.

use super::errors::PgError;
use crate::upstream::answer::Answer;
use http::StatusCode;

/// The database role that a request acts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `anon`: nobody in particular.
    Anon,
    /// `authenticated`: a user who signed in.
    Authenticated,
    /// `service_role`: the project's own server, which passes row-level security.
    Service,
}

impl Role {
    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anon => "anon",
            Self::Authenticated => "authenticated",
            Self::Service => "service_role",
        }
    }

    /// The role of this name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Anon, Self::Authenticated, Self::Service].into_iter().find(|role| role.name() == name)
    }
}

/// Who a request comes from, as its key and its token say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// What it may do.
    pub role: Role,
    /// The user (`sub`), what `auth.uid()` is in a policy.
    pub user: Option<Box<str>>,
    /// The session that its token belongs to (`session_id`).
    pub session: Option<Box<str>>,
    /// When its token expires, in seconds since 1970.
    pub expires: Option<u64>,
    /// Whether the signature was checked, or there is none to check. A foreign token is taken at its word unless
    /// the project says otherwise.
    pub verified: bool,
}

impl Identity {
    /// Somebody without a user.
    pub const fn of(role: Role) -> Self {
        Self { role, user: None, session: None, expires: None, verified: true }
    }

    /// Whether row-level security is passed over.
    pub fn bypasses_rls(&self) -> bool {
        self.role == Role::Service
    }
}

/// Why a token is not taken, in the terms of PostgREST's source (`JwtError`, 2026-08).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenError {
    /// `Authorization: Bearer` and nothing behind it.
    Empty,
    /// No JWT: it has so many parts.
    Parts(usize),
    /// Its header cannot be read.
    Header,
    /// No key of the project is for such a token.
    NoKey,
    /// No key of the project signed it.
    Signature,
    /// Its claims are no JSON object.
    Claims,
    /// A claim is not of its type.
    ClaimType(&'static str),
    /// It was good until `exp`.
    Expired,
    /// It is good from `nbf` on.
    NotYetValid,
    /// It was issued in the future.
    IssuedInFuture,
    /// Its role is none of the database's.
    UnknownRole(String),
}

impl TokenError {
    /// The answer of PostgREST (WIRE-supabase §4).
    pub fn rest_answer(&self) -> Answer {
        let (code, message, details): (_, String, Option<&str>) = match self {
            Self::Empty => ("PGRST301", "Empty JWT is sent in Authorization header".into(), None),
            Self::Parts(parts) => ("PGRST301", format!("Expected 3 parts in JWT; got {parts}"), None),
            Self::Header => ("PGRST301", "JWT couldn't be decoded".into(), None),
            Self::NoKey => (
                "PGRST301",
                "No suitable key or wrong key type".into(),
                Some("No suitable key was found to decode the JWT"),
            ),
            Self::Signature => (
                "PGRST301",
                "No suitable key or wrong key type".into(),
                Some("None of the keys was able to decode the JWT"),
            ),
            Self::Claims => ("PGRST303", "Parsing claims failed".into(), None),
            Self::ClaimType(claim) => ("PGRST303", format!("The JWT '{claim}' claim must be a number"), None),
            Self::Expired => ("PGRST303", "JWT expired".into(), None),
            Self::NotYetValid => ("PGRST303", "JWT not yet valid".into(), None),
            Self::IssuedInFuture => ("PGRST303", "JWT issued at future".into(), None),
            Self::UnknownRole(role) => ("22023", format!("role \"{role}\" does not exist"), None),
        };
        let mut error = PgError::new(StatusCode::UNAUTHORIZED, code, message);
        error.details = details.map(str::to_owned);
        let answer = error.answer();
        if code == "22023" {
            return answer;
        }
        answer.with(
            "www-authenticate",
            &format!("Bearer error=\"invalid_token\", error_description=\"{}\"", error.message),
        )
    }
}
