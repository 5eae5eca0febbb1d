//! [`Viewer`]: who looks, for row-level security.

use crate::upstream::supabase::database::row::Row;
use crate::upstream::supabase::database::table::Table;
use crate::upstream::supabase::identity::Identity;

/// Whoever a request comes from.
pub trait Viewer {
    /// Whether all rows of a table are to be seen, so that nothing need be asked of each.
    fn sees_all(&self, table: &Table) -> bool;

    /// Whether a row is to be seen.
    fn sees(&self, table: &Table, row: &Row) -> bool;
}

impl Viewer for Identity {
    fn sees_all(&self, table: &Table) -> bool {
        self.bypasses_rls() || table.definition().row_security.is_none()
    }

    fn sees(&self, table: &Table, row: &Row) -> bool {
        table.visible_to(self, row)
    }
}

/// Somebody who sees everything: what a function does that runs with its owner's rights.
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
