//! [`Predicate`]: a condition made ready for the rows of one table, in SQL's three-valued logic.

use super::expression::Expression;
use super::grammar::ast::{Condition, Is, Operation, Quantifier};
use super::operator::{self, Clause};
use super::test::{Comparison, Test};
use crate::upstream::supabase::database::operand::Operand;
use crate::upstream::supabase::database::row::Row;
use crate::upstream::supabase::database::schema::TableDef;
use crate::upstream::supabase::errors::PgError;
use std::cell::RefCell;

/// A condition on a row.
#[derive(Debug)]
pub enum Predicate {
    /// All of them.
    And(Vec<Predicate>),
    /// Any of them.
    Or(Vec<Predicate>),
    /// Not this.
    Not(Box<Predicate>),
    /// One test of one value.
    Test(Box<Expression>, Test),
    /// Whether an embedded relation has rows: `rel=not.is.null`. The number is that of the relation.
    Embedded(usize),
}

/// Where conditions are made ready: a table, what the query calls it, and the relations embedded in it.
pub struct Scope<'a> {
    /// The table.
    pub table: &'a TableDef,
    /// What the query calls it, for messages.
    pub alias: &'a str,
    /// What the embedded relations are called in the answer.
    pub embedded: &'a [String],
    /// What is wrong with the literals.
    pub unreadable: &'a RefCell<Unreadable>,
}

/// The first literal that cannot be read. PostgreSQL reads literals once it has found all names and operators; what
/// patterns and text searches are made of comes last.
#[derive(Debug, Default)]
pub struct Unreadable {
    literal: Option<PgError>,
    pattern: Option<PgError>,
}

impl Unreadable {
    /// Takes an error that is told later; gives back one that is told at once.
    fn defer(&mut self, error: PgError) -> Result<(), PgError> {
        match &*error.code {
            "2201B" | "42601" | "0A000" => drop(self.pattern.get_or_insert(error)),
            code if code.starts_with("22") => drop(self.literal.get_or_insert(error)),
            _ => return Err(error),
        }
        Ok(())
    }

    /// What is to be told, if anything is.
    ///
    /// # Errors
    /// That.
    pub fn told(self) -> Result<(), PgError> {
        self.literal.or(self.pattern).map_or(Ok(()), Err)
    }
}

impl Scope<'_> {
    /// Makes a condition ready.
    ///
    /// # Errors
    /// 42703, 42883 and what a literal is refused with.
    pub fn predicate(&self, condition: &Condition, clause: Clause) -> Result<Predicate, PgError> {
        match condition {
            Condition::Logic { negated, all, of } => {
                let clause = match (of.len(), negated, all) {
                    (1, true, _) => Clause::Not,
                    (1, false, _) => clause,
                    (_, _, true) => Clause::And,
                    (_, _, false) => Clause::Or,
                };
                let of = of.iter().map(|inner| self.predicate(inner, clause)).collect::<Result<_, _>>()?;
                Ok(negate(if *all { Predicate::And(of) } else { Predicate::Or(of) }, *negated))
            }
            Condition::Filter(filter) => {
                let embedded = self.embedded.iter().position(|name| *name == filter.field.name);
                if let (Some(relation), true, Operation::Is(Is::Null)) =
                    (embedded, filter.field.path.is_empty(), &filter.operation)
                {
                    return Ok(negate(Predicate::Embedded(relation), !filter.negated));
                }
                let expression = Expression::new(self.table, self.alias, &filter.field)?;
                let clause = if filter.negated { Clause::Not } else { clause };
                let test = match operator::test(filter, expression.kind(), clause) {
                    Ok(test) => test,
                    Err(error) => {
                        self.unreadable.borrow_mut().defer(error)?;
                        Test::Is(Is::Null)
                    }
                };
                Ok(negate(Predicate::Test(Box::new(expression), test), filter.negated))
            }
        }
    }
}

fn negate(predicate: Predicate, negated: bool) -> Predicate {
    if negated { Predicate::Not(Box::new(predicate)) } else { predicate }
}

impl Predicate {
    /// Whether it holds for a row; `None` is unknown, which does not select the row. `embedded` tells whether a
    /// relation has rows.
    ///
    /// # Errors
    /// What PostgreSQL only finds while it runs (22025).
    pub fn holds(&self, row: &Row, embedded: &dyn Fn(usize) -> Result<bool, PgError>) -> Result<Option<bool>, PgError> {
        match self {
            Self::And(all) => {
                let mut result = Some(true);
                for one in all {
                    match one.holds(row, embedded)? {
                        Some(false) => return Ok(Some(false)),
                        None => result = None,
                        Some(true) => {}
                    }
                }
                Ok(result)
            }
            Self::Or(all) => {
                let mut result = Some(false);
                for one in all {
                    match one.holds(row, embedded)? {
                        Some(true) => return Ok(Some(true)),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                Ok(result)
            }
            Self::Not(one) => Ok(one.holds(row, embedded)?.map(|holds| !holds)),
            Self::Embedded(relation) => embedded(*relation).map(Some),
            Self::Test(expression, test) => test.holds(&expression.value(row)),
        }
    }

    /// What must hold for it to hold.
    fn flattened(self, out: &mut Vec<Predicate>) {
        match self {
            Self::And(all) => all.into_iter().for_each(|one| one.flattened(out)),
            Self::Or(mut all) if all.len() == 1 => {
                if let Some(one) = all.pop() {
                    one.flattened(out);
                }
            }
            other => out.push(other),
        }
    }

    /// Conditions that must all hold, the cheapest first, as PostgreSQL asks them.
    pub fn in_order(all: Vec<Self>) -> Vec<Self> {
        let mut flat = Vec::with_capacity(all.len());
        all.into_iter().for_each(|one| one.flattened(&mut flat));
        flat.sort_by_key(Self::cost);
        flat
    }

    /// What it costs to ask, in halves of what PostgreSQL's planner counts for an operator: it asks the cheaper of
    /// several questions first, which shows where one of them fails.
    fn cost(&self) -> usize {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().map(Self::cost).sum(),
            Self::Not(one) => one.cost(),
            Self::Embedded(_) => 0,
            Self::Test(expression, test) => {
                expression.cost()
                    + match test {
                        Test::Is(_) => 0,
                        Test::Compare(..) | Test::Distinct(_) | Test::Containment(..) => 2,
                        Test::Like(_) | Test::Regex(_) => 2,
                        // Each element counts half.
                        Test::CompareEach(_, _, all) => all.len(),
                        Test::LikeEach(_, all) => all.len(),
                        Test::RegexEach(_, all) => all.len(),
                        Test::Search(_) => 202,
                    }
            }
        }
    }

    /// The column that must have one of some values, as keys of an index.
    pub fn equalities(&self) -> Option<(usize, Vec<u64>)> {
        let Self::Test(expression, test) = self else { return None };
        let place = expression.plain()?;
        match test {
            Test::Compare(comparison, operand) if *comparison == Comparison::EQUAL => Some((place, operand.keys())),
            Test::CompareEach(comparison, Quantifier::Any, operands) if *comparison == Comparison::EQUAL => {
                Some((place, operands.iter().flatten().flat_map(Operand::keys).collect()))
            }
            _ => None,
        }
    }

    /// The column that must have one of some values.
    pub fn equality(&self) -> Option<usize> {
        let Self::Test(expression, test) = self else { return None };
        match test {
            Test::Compare(comparison, _) | Test::CompareEach(comparison, Quantifier::Any, _)
                if *comparison == Comparison::EQUAL =>
            {
                expression.plain()
            }
            _ => None,
        }
    }
}
