//! [`Viewer`]: who looks, for row-level security.

use crate::upstream::supabase::database::table::{Row, Table};

/// Whoever a request comes from.
pub trait Viewer {
    /// Whether all rows of a table are to be seen, so that nothing need be asked of each.
    fn sees_all(&self, table: &Table) -> bool;

    /// Whether a row is to be seen.
    fn sees(&self, table: &Table, row: &Row) -> bool;
}

/// Somebody who sees everything.
#[derive(Clone, Copy, Debug)]
pub struct Everybody;

impl Viewer for Everybody {
    fn sees_all(&self, _table: &Table) -> bool {
        true
    }

    fn sees(&self, _table: &Table, _row: &Row) -> bool {
        true
    }
}
