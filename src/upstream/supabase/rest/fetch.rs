//! Carrying out a plan: which rows of a table, which related rows of each, in which order.

use super::plan::{Child, Context, Key, Node};
use super::predicate::Predicate;
use super::relations::Relation;
use crate::upstream::supabase::database::row::{Row, combine};
use crate::upstream::supabase::database::table::{RowNumber, Table};
use crate::upstream::supabase::database::value::Value;
use crate::upstream::supabase::errors::PgError;
use std::borrow::Cow;
use std::cmp::Ordering;

static NULL: Value = Value::Null;

/// Rows of a table, and how many there are beyond what was asked for.
#[derive(Debug)]
pub struct Page {
    /// Their numbers, in order.
    pub numbers: Vec<RowNumber>,
    /// How many there are without limit and offset; only what was looked at if nobody wanted to know.
    pub total: usize,
}

impl Context<'_> {
    /// The rows of the table that a request is about. `counting` is whether the total is wanted.
    ///
    /// # Errors
    /// What PostgreSQL only finds while it runs.
    pub fn page(&self, node: &Node<'_>, counting: bool) -> Result<Page, PgError> {
        // Without an order and a total there is nothing to learn from the rows behind the last one.
        let enough = if counting || node.grouped || !node.order.is_empty() {
            usize::MAX
        } else {
            node.limit.map_or(usize::MAX, |limit| limit.saturating_add(node.offset))
        };
        let mut numbers = Vec::new();
        match candidates(node.table, &node.predicates) {
            Some(listed) => {
                for number in listed {
                    if numbers.len() >= enough {
                        break;
                    }
                    if let Some(row) = node.table.row(number)
                        && self.passes(node, row)?
                    {
                        numbers.push(number);
                    }
                }
            }
            None => {
                for (number, row) in node.table.rows() {
                    if numbers.len() >= enough {
                        break;
                    }
                    if self.passes(node, row)? {
                        numbers.push(number);
                    }
                }
            }
        }
        let total = numbers.len();
        if node.grouped {
            // Groups are what is ordered and limited.
            return Ok(Page { numbers, total });
        }
        Ok(Page { numbers: self.cut(node, self.sorted(node, numbers)?), total })
    }

    /// Of rows that a function gave, those that are wanted.
    ///
    /// # Errors
    /// As [`Context::page`].
    pub fn page_of(&self, node: &Node<'_>, numbers: Vec<RowNumber>) -> Result<Page, PgError> {
        let mut kept = Vec::with_capacity(numbers.len());
        for number in numbers {
            if let Some(row) = node.table.row(number)
                && self.fulfils(node, row)?
            {
                kept.push(number);
            }
        }
        let total = kept.len();
        if node.grouped {
            return Ok(Page { numbers: kept, total });
        }
        Ok(Page { numbers: self.cut(node, self.sorted(node, kept)?), total })
    }

    /// The rows that a write is about.
    ///
    /// # Errors
    /// As [`Context::page`].
    pub fn chosen(&self, table: &Table, predicates: &[Predicate]) -> Result<Vec<RowNumber>, PgError> {
        let nothing_embedded = |_| Ok(false);
        let holds = |row: &Row| -> Result<bool, PgError> {
            for predicate in predicates {
                if predicate.holds(row, &nothing_embedded)? != Some(true) {
                    return Ok(false);
                }
            }
            Ok(self.viewer.sees(table, row))
        };
        let mut chosen = Vec::new();
        match candidates(table, predicates) {
            Some(listed) => {
                for number in listed {
                    if let Some(row) = table.row(number)
                        && holds(row)?
                    {
                        chosen.push(number);
                    }
                }
            }
            None => {
                for (number, row) in table.rows() {
                    if holds(row)? {
                        chosen.push(number);
                    }
                }
            }
        }
        Ok(chosen)
    }

    /// Whether a row is wanted, and to be seen.
    fn passes(&self, node: &Node<'_>, row: &Row) -> Result<bool, PgError> {
        let hidden = !self.viewer.sees_all(node.table) && !self.viewer.sees(node.table, row);
        if hidden { Ok(false) } else { self.fulfils(node, row) }
    }

    fn fulfils(&self, node: &Node<'_>, row: &Row) -> Result<bool, PgError> {
        let embedded = |number: usize| self.any_related(&node.children[number], row);
        for predicate in &node.predicates {
            if predicate.holds(row, &embedded)? != Some(true) {
                return Ok(false);
            }
        }
        for (number, child) in node.children.iter().enumerate() {
            if child.inner && !embedded(number)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The rows of an embedded table that belong to a row, as far as they are wanted.
    ///
    /// # Errors
    /// As [`Context::page`].
    pub fn related(&self, child: &Child<'_>, row: &Row) -> Result<Vec<RowNumber>, PgError> {
        let Some(relation) = &child.relation else { return Ok(Vec::new()) };
        let mut numbers = Vec::new();
        for number in joined(relation, row, |table, row| self.viewer.sees(table, row)) {
            if let Some(related) = relation.target.row(number)
                && self.passes(&child.node, related)?
            {
                numbers.push(number);
            }
        }
        if child.node.grouped {
            return Ok(numbers);
        }
        Ok(self.cut(&child.node, self.sorted(&child.node, numbers)?))
    }

    /// The only row of a to-one relation.
    ///
    /// # Errors
    /// As [`Context::page`].
    pub fn related_row<'s>(&self, child: &Child<'s>, row: &Row) -> Result<Option<&'s Row>, PgError> {
        let number = self.related(child, row)?.first().copied();
        Ok(number.and_then(|number| child.node.table.row(number)))
    }

    fn cut(&self, node: &Node<'_>, mut numbers: Vec<RowNumber>) -> Vec<RowNumber> {
        if node.offset > 0 {
            numbers.drain(..node.offset.min(numbers.len()));
        }
        if let Some(limit) = node.limit {
            numbers.truncate(limit);
        }
        numbers
    }

    /// Rows in the order that is wanted; those that are equal stay in order of insertion.
    ///
    /// # Errors
    /// As [`Context::page`].
    pub fn sorted(&self, node: &Node<'_>, numbers: Vec<RowNumber>) -> Result<Vec<RowNumber>, PgError> {
        if node.order.is_empty() || numbers.len() < 2 {
            return Ok(numbers);
        }
        let mut keyed = Vec::with_capacity(numbers.len());
        for number in numbers {
            let Some(row) = node.table.row(number) else { continue };
            keyed.push((self.keys(node, row)?, number));
        }
        keyed.sort_by(|(a, _), (b, _)| compare_keys(&node.order, a, b));
        Ok(keyed.into_iter().map(|(_, number)| number).collect())
    }

    /// What a row is ordered by.
    ///
    /// # Errors
    /// As [`Context::page`].
    pub fn keys<'r>(&self, node: &Node<'r>, row: &'r Row) -> Result<Vec<Cow<'r, Value>>, PgError> {
        let key = |key: &Key| match key.child {
            None => Ok(key.value.value(row)),
            Some(number) => {
                let related = self.related_row(&node.children[number], row)?;
                Ok(related.map_or(Cow::Borrowed(&NULL), |related| key.value.value(related)))
            }
        };
        node.order.iter().map(key).collect()
    }
}

/// The order of two rows by their keys.
pub fn compare_keys(order: &[Key], a: &[Cow<'_, Value>], b: &[Cow<'_, Value>]) -> Ordering {
    let compared = a.iter().zip(b).zip(order).map(|((a, b), by)| match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) if by.nulls_first => Ordering::Less,
        (true, false) => Ordering::Greater,
        (false, true) if by.nulls_first => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if by.descending => b.compare(a),
        (false, false) => a.compare(b),
    });
    compared.fold(Ordering::Equal, Ordering::then)
}

/// The fewest rows that an index leaves to look at, ascending; `None` if no index helps.
fn candidates(table: &Table, predicates: &[Predicate]) -> Option<Vec<RowNumber>> {
    let listed = |predicate: &Predicate| {
        let (place, keys) = predicate.equalities()?;
        keys.into_iter().map(|key| table.lookup(&[place], key)).collect::<Option<Vec<_>>>()
    };
    let best =
        predicates.iter().filter_map(listed).min_by_key(|lists| lists.iter().map(|list| list.len()).sum::<usize>())?;
    let mut numbers: Vec<RowNumber> = best.iter().flat_map(|list| list.iter().copied()).collect();
    if best.len() > 1 {
        numbers.sort_unstable();
        numbers.dedup();
    }
    Some(numbers)
}

/// The rows of the other table whose key is that of a row, through the table between them if there is one.
fn joined(relation: &Relation<'_>, row: &Row, sees: impl Fn(&Table, &Row) -> bool) -> Vec<RowNumber> {
    let own: Vec<&Value> = relation.own.iter().map(|place| row.get(*place)).collect();
    let Some(junction) = &relation.junction else { return equal(relation.target, &relation.other, &own) };
    let mut numbers = Vec::new();
    for number in equal(junction.table, junction.own_places(), &own) {
        let Some(between) = junction.table.row(number) else { continue };
        if sees(junction.table, between) {
            let key: Vec<&Value> = junction.target_places().iter().map(|place| between.get(*place)).collect();
            numbers.extend(equal(relation.target, &relation.other, &key));
        }
    }
    numbers
}

/// The rows with these values at these places.
fn equal(table: &Table, places: &[usize], values: &[&Value]) -> Vec<RowNumber> {
    if values.iter().any(|value| value.is_null()) {
        return Vec::new();
    }
    let same = |row: &Row| places.iter().zip(values).all(|(place, value)| row.get(*place).is_same(value));
    let key = match values {
        [value] => value.key(),
        values => values.iter().try_fold(0_u64, |all, value| Some(combine(all, value.key()?))),
    };
    match key.and_then(|key| table.lookup(places, key)) {
        Some(listed) => listed.iter().copied().filter(|number| table.row(*number).is_some_and(same)).collect(),
        None => table.rows().filter(|(_, row)| same(row)).map(|(number, _)| number).collect(),
    }
}
