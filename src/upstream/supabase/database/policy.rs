//! [`RowSecurity`]: who may see and write which rows of a table.

use super::expression::{Expr, Function, Scope};
use super::row::Row;
use super::value::Value;
use super::volatile::Volatile;
use crate::units::Seed;
use crate::upstream::supabase::identity::{Identity, Role};

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Reading a row.
    Select,
    /// Adding one.
    Insert,
    /// Changing one.
    Update,
    /// Removing one.
    Delete,
}

/// A policy (`CREATE POLICY`).
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Whether one such policy is enough; otherwise all of them must hold as well.
    pub permissive: bool,
    /// What it is for; `None` is everything.
    pub command: Option<Command>,
    /// Whom it is for; none is everybody.
    pub roles: Vec<Role>,
    /// Which rows that are there.
    pub using: Option<Expr>,
    /// Which rows that are written.
    pub with_check: Option<Expr>,
}

/// The policies of a table whose row-level security is on. Without any, only the service sees it.
#[derive(Clone, Debug, Default)]
pub struct RowSecurity {
    /// Its policies.
    pub policies: Vec<Policy>,
}

impl RowSecurity {
    /// Whether `identity` may do that with a row that is there.
    pub fn permits(&self, command: Command, identity: &Identity, row: &Row) -> bool {
        self.decide(command, identity, row, |policy| policy.using.as_ref())
    }

    /// Whether `identity` may write such a row.
    pub fn permits_new(&self, command: Command, identity: &Identity, row: &Row) -> bool {
        self.decide(command, identity, row, |policy| policy.with_check.as_ref().or(policy.using.as_ref()))
    }

    fn decide<'a>(
        &'a self,
        command: Command,
        identity: &Identity,
        row: &Row,
        condition: impl Fn(&'a Policy) -> Option<&'a Expr>,
    ) -> bool {
        let volatile = Volatile::new(Seed(0));
        let scope = Scope { row, identity, now: super::datetime::now(), volatile: &volatile };
        // An error in a policy would fail the whole request; a row that nobody can read is the safe side.
        let holds = |expr: Option<&Expr>| expr.is_none_or(|expr| matches!(expr.holds(&scope), Ok(Some(true))));
        let mut permitted = false;
        for policy in &self.policies {
            let meant = policy.command.is_none_or(|own| own == command)
                && (policy.roles.is_empty() || policy.roles.contains(&identity.role));
            if meant {
                match (policy.permissive, holds(condition(policy))) {
                    (true, true) => permitted = true,
                    (false, false) => return false,
                    _ => {}
                }
            }
        }
        permitted
    }

    /// The user that a row belongs to, by the first policy that compares a column with `auth.uid()`.
    pub fn owner<'a>(&self, row: &'a Row) -> Option<&'a Value> {
        self.policies.iter().filter_map(|policy| policy.using.as_ref()).find_map(owner_column).map(|at| row.get(at))
    }
}

/// The column that an expression compares with `auth.uid()`.
fn owner_column(expr: &Expr) -> Option<usize> {
    fn bare(expr: &Expr) -> &Expr {
        match expr {
            Expr::Cast(inner, _) => bare(inner),
            other => other,
        }
    }
    match expr {
        Expr::Compare(_, left, right) => match (bare(left), bare(right)) {
            (Expr::Column(place), Expr::Call(Function::AuthUid, _))
            | (Expr::Call(Function::AuthUid, _), Expr::Column(place)) => Some(*place),
            _ => None,
        },
        Expr::And(parts) | Expr::Or(parts) => parts.iter().find_map(owner_column),
        _ => None,
    }
}
