//! [`PostgresFault`]: what goes wrong in PostgreSQL's own words (frontend/backend protocol 3.0; WIRE-supabase §9).

use crate::units::Span;
use serde::{Deserialize, Serialize};

/// A fault of a PostgreSQL server or of the pooler before it. It touches a share of the connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostgresFault {
    /// FATAL as soon as the connection starts (answering the startup message), then the end. Sees: every client, as
    /// the error of its connect. Imitates: no slots left, starting up, wrong password, a pooler's refusals.
    Startup(PostgresError),
    /// FATAL in place of a statement's answer, then the end. Imitates: `pg_terminate_backend`, a restart, a fail-over.
    Terminate(PostgresError),
    /// A statement fails with this error. The real server raises it, so the state of the transaction is true: inside
    /// one, everything fails until it is rolled back.
    Error(PostgresError),
    /// A statement reaches the server late. Imitates: slow queries, lock waits.
    Slow {
        /// How late.
        delay: Span,
    },
    /// The rows of an answer break off in the middle of a DataRow with a reset. Imitates: a crash while it streams.
    CutRows {
        /// Rows that get through whole.
        after: u64,
    },
    /// `N` to SSLRequest, whatever the server could do: a client that insists on TLS gives up, others go on without.
    RefuseSsl {},
    /// No word after SSLRequest. Imitates: a middlebox that does not know the protocol.
    StallSsl {},
    /// No word after authentication has begun: the server's first challenge is the last that comes. Where it asks for
    /// nothing (`trust`), no word after the startup message.
    StallAuth {},
}

impl PostgresFault {
    /// The fault's name in files and reports.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Startup(_) => "postgres.startup",
            Self::Terminate(_) => "postgres.terminate",
            Self::Error(_) => "postgres.error",
            Self::Slow { .. } => "postgres.slow",
            Self::CutRows { .. } => "postgres.cut_rows",
            Self::RefuseSsl {} => "postgres.refuse_ssl",
            Self::StallSsl {} => "postgres.stall_ssl",
            Self::StallAuth {} => "postgres.stall_auth",
        }
    }
}

/// An error as PostgreSQL reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostgresError {
    /// The SQLSTATE: five digits or capitals.
    pub code: String,
    /// The words.
    pub message: String,
}

/// Errors by name: PostgreSQL's condition names (its documentation, appendix A), and those of Supabase's poolers with
/// what they send (WIRE-supabase §9). Where one condition has several texts, the others have names of ours.
pub const POSTGRES_ERRORS: [(&str, &str, &str); 21] = [
    ("too_many_connections", "53300", "sorry, too many clients already"),
    ("reserved_slots", "53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute"),
    ("starting_up", "57P03", "the database system is starting up"),
    ("shutting_down", "57P03", "the database system is shutting down"),
    ("in_recovery", "57P03", "the database system is in recovery mode"),
    ("invalid_password", "28P01", "password authentication failed for user \"postgres\""),
    ("invalid_catalog_name", "3D000", "database \"postgres\" does not exist"),
    ("admin_shutdown", "57P01", "terminating connection due to administrator command"),
    ("crash_shutdown", "57P02", "terminating connection because of crash of another server process"),
    ("idle_in_transaction_session_timeout", "25P03", "terminating connection due to idle-in-transaction timeout"),
    ("query_canceled", "57014", "canceling statement due to statement timeout"),
    ("serialization_failure", "40001", "could not serialize access due to concurrent update"),
    ("deadlock_detected", "40P01", "deadlock detected"),
    ("lock_not_available", "55P03", "canceling statement due to lock timeout"),
    ("read_only_sql_transaction", "25006", "cannot execute INSERT in a read-only transaction"),
    ("disk_full", "53100", "could not extend file: No space left on device"),
    ("out_of_memory", "53200", "out of memory"),
    (
        "pool_full",
        "XX000",
        "(EMAXCONNSESSION) max clients reached in session mode - max clients are limited to pool_size: 15",
    ),
    ("max_client_connections", "XX000", "Max client connections reached"),
    ("tenant_not_found", "XX000", "Tenant or user not found"),
    ("internal_error", "XX000", "cache lookup failed for relation 16384"),
];

impl PostgresError {
    /// The error of this name, or of this SQLSTATE with the words that go with it first.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let (_, code, message) = POSTGRES_ERRORS.iter().find(|(own, code, _)| *own == name || *code == name)?;
        Some(Self { code: (*code).to_owned(), message: (*message).to_owned() })
    }

    /// Whether a text can be a SQLSTATE.
    #[must_use]
    pub fn is_code(text: &str) -> bool {
        text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names_of_their_own_and_true_codes() {
        let mut names: Vec<&str> = POSTGRES_ERRORS.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), POSTGRES_ERRORS.len());
        assert!(POSTGRES_ERRORS.iter().all(|(_, code, _)| PostgresError::is_code(code)));
        assert_eq!(PostgresError::named("57014"), PostgresError::named("query_canceled"));
        assert_eq!(PostgresError::named("nonsense"), None);
    }
}
