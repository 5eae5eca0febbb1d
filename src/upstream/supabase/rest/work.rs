//! [`Work`]: how much one request may make the database do.
//!
//! Hosted Supabase ends a statement after a time of its role's (8 s for `authenticated`). Here work is counted instead
//! of time, so that a request has the same end on every machine and in every run.

use super::refusals;
use crate::upstream::supabase::database::error::SqlError;
use crate::upstream::supabase::errors::PgError;
use std::cell::Cell;

/// What may be done where other connections wait meanwhile: a few milliseconds. One row looked at is one; so are eight
/// bytes written.
const LIGHT: u64 = 100_000;
/// What a statement may do before its time is out.
const STATEMENT: u64 = 20_000_000;

/// The work that a request has left.
#[derive(Debug)]
pub struct Work {
    left: Cell<u64>,
}

impl Work {
    /// As much as needs no care for others.
    pub fn light() -> Self {
        Self { left: Cell::new(LIGHT) }
    }

    /// As much as any statement may do.
    pub fn statement() -> Self {
        Self { left: Cell::new(STATEMENT) }
    }

    /// Uses some of it up.
    ///
    /// # Errors
    /// 57014, as PostgreSQL cancels a statement whose time is out.
    pub fn spend(&self, amount: u64) -> Result<(), PgError> {
        match self.left.get().checked_sub(amount) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => {
                self.left.set(0);
                Err(refusals::sql(SqlError::new("57014", "canceling statement due to statement timeout")))
            }
        }
    }

    /// [`Work::spend`] for bytes that were written.
    ///
    /// # Errors
    /// As [`Work::spend`].
    pub fn spend_bytes(&self, bytes: usize) -> Result<(), PgError> {
        self.spend(bytes as u64 / 8)
    }

    /// Whether it did not suffice.
    pub fn is_spent(&self) -> bool {
        self.left.get() == 0
    }
}
