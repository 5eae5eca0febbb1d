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

/// What is done with a row; tells whether more are wanted.
type Each<'e> = dyn FnMut(RowNumber, &Row) -> Result<bool, PgError> + 'e;

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
        let cost = self.cost(node);
        let mut look = |number: RowNumber, row: &Row| {
            self.work.spend(cost)?;
            if self.passes(node, row)? {
                numbers.push(number);
            }
            Ok::<_, PgError>(numbers.len() < enough)
        };
        if enough > 0 {
            each_candidate(node.table, &node.predicates, &mut look)?;
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
        let cost = self.cost(node);
        for number in numbers {
            self.work.spend(cost)?;
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
        let cost = looking(table, predicates.len() + 1);
        each_candidate(table, predicates, &mut |number, row| {
            self.work.spend(cost)?;
            if holds(row)? {
                chosen.push(number);
            }
            Ok(true)
        })?;
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
        self.first_related(child, row, usize::MAX)
    }

    /// The first of [`Context::related`], no more than `most` of them.
    ///
    /// # Errors
    /// As [`Context::page`].
    pub fn first_related(&self, child: &Child<'_>, row: &Row, most: usize) -> Result<Vec<RowNumber>, PgError> {
        let (Some(relation), node) = (&child.relation, &child.node) else { return Ok(Vec::new()) };
        let most = node.limit.map_or(most, |limit| limit.min(most));
        // Without an order nothing is to be learnt from the rows behind the last one.
        let enough = if node.grouped || !node.order.is_empty() { usize::MAX } else { most.saturating_add(node.offset) };
        let mut numbers = Vec::new();
        if enough > 0 {
            let cost = self.cost(node);
            self.each_joined(relation, row, &mut |number, related| {
                self.work.spend(cost)?;
                if self.passes(node, related)? {
                    numbers.push(number);
                }
                Ok(numbers.len() < enough)
            })?;
        }
        if node.grouped {
            return Ok(numbers);
        }
        let mut numbers = self.cut(node, self.sorted(node, numbers)?);
        numbers.truncate(most);
        Ok(numbers)
    }

    /// Calls `each` with the rows of the other table whose key is that of a row, through the table between them if
    /// there is one, until it has enough.
    fn each_joined(&self, relation: &Relation<'_>, row: &Row, each: &mut Each<'_>) -> Result<(), PgError> {
        let own: Vec<&Value> = relation.own.iter().map(|place| row.get(*place)).collect();
        let Some(junction) = &relation.junction else {
            return self.each_equal(relation.target, &relation.other, &own, each).map(drop);
        };
        let cost = looking(junction.table, 1);
        let through = &mut |_: RowNumber, between: &Row| {
            self.work.spend(cost)?;
            if !self.viewer.sees(junction.table, between) {
                return Ok(true);
            }
            let key: Vec<&Value> = junction.target_places().iter().map(|place| between.get(*place)).collect();
            self.each_equal(relation.target, &relation.other, &key, each)
        };
        self.each_equal(junction.table, junction.own_places(), &own, through).map(drop)
    }

    /// Calls `each` with the rows that have these values at these places. Tells whether it wants more.
    fn each_equal(
        &self,
        table: &Table,
        places: &[usize],
        values: &[&Value],
        each: &mut Each<'_>,
    ) -> Result<bool, PgError> {
        if values.iter().any(|value| value.is_null()) {
            return Ok(true);
        }
        let same = |row: &Row| places.iter().zip(values).all(|(place, value)| row.get(*place).is_same(value));
        let key = match values {
            [value] => value.key(),
            values => values.iter().try_fold(0_u64, |all, value| Some(combine(all, value.key()?))),
        };
        match key.and_then(|key| table.lookup(places, key)) {
            Some(listed) => {
                for number in listed {
                    if let Some(row) = table.row(*number)
                        && same(row)
                        && !each(*number, row)?
                    {
                        return Ok(false);
                    }
                }
            }
            None => {
                self.work.spend(table.len() as u64)?;
                for (number, row) in table.rows() {
                    if same(row) && !each(number, row)? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// The work of looking at one row.
    fn cost(&self, node: &Node<'_>) -> u64 {
        looking(node.table, node.predicates.len() + usize::from(!self.viewer.sees_all(node.table)))
    }

    /// The only row of a to-one relation.
    ///
    /// # Errors
    /// As [`Context::page`].
    pub fn related_row<'s>(&self, child: &Child<'s>, row: &Row) -> Result<Option<&'s Row>, PgError> {
        let number = self.first_related(child, row, 1)?.first().copied();
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
        // Each is held against as many others as the number of all has bits.
        let each = u64::from(numbers.len().ilog2()) * node.order.len() as u64;
        self.work.spend(numbers.len() as u64 * each)?;
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

/// Calls `each` with the rows that may fulfil what is asked, until it has enough.
fn each_candidate(table: &Table, predicates: &[Predicate], each: &mut Each<'_>) -> Result<(), PgError> {
    match candidates(table, predicates) {
        Some(listed) => {
            for number in listed {
                if let Some(row) = table.row(number)
                    && !each(number, row)?
                {
                    break;
                }
            }
        }
        None => {
            for (number, row) in table.rows() {
                if !each(number, row)? {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// The work of looking at one row of a table in so many ways: more for large rows, of which more is read.
fn looking(table: &Table, ways: usize) -> u64 {
    1 + ways as u64 * (1 + table.bytes_of_one() / 256)
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
