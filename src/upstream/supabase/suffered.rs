//! Faults of the database: what a write [`Suffered`] after it was carried out and before it is acknowledged, and the
//! [`History`] that stale reads are answered from.

use super::database::row::Row;
use super::database::schema::TableName;
use super::database::store::Store;
use super::database::table::RowNumber;
use super::database::transaction::Change;
use crate::model::fault::{Cause, DataFault};
use crate::upstream::answer::DataHit;
use std::collections::{HashMap, VecDeque};

/// How many changed rows the history holds at most, and how many bytes, roughly: a read cannot be staler than that.
const MOST_CHANGES: usize = 10_000;
const MOST_BYTES: u64 = 64 << 20;

/// What became of a write.
#[derive(Debug, Default)]
pub struct Suffered {
    /// What is in the database, in order.
    pub kept: Vec<Change>,
    /// What is not, though it will be acknowledged, and by which fault.
    pub lost: HashMap<(TableName, RowNumber), Cause>,
    /// What was written beside it, and by which fault.
    pub extra: Vec<(Change, Cause)>,
}

impl Suffered {
    /// Makes a write suffer. `again` carries its statement out once more: nothing if the database refuses that.
    pub fn of(
        store: &mut Store,
        changes: &[Change],
        hits: Vec<DataHit>,
        mut again: impl FnMut(&mut Store) -> Option<Vec<Change>>,
    ) -> Self {
        let mut suffered = Self { kept: changes.to_vec(), ..Self::default() };
        for DataHit { fault, cause, mut fire } in hits {
            let struck = match fault {
                DataFault::StaleRead(_) => false,
                DataFault::LostWrite {} => suffered.lose(store, 0, cause),
                DataFault::PartialBatch(batch) => {
                    let rows = suffered.kept.len();
                    let keep = (rows as f64 * batch.keep.fraction()).floor() as usize;
                    // One row is no batch, and rows that went with others are none of it.
                    let one_table = suffered.kept.windows(2).all(|two| two[0].table == two[1].table);
                    rows > 1 && one_table && suffered.lose(store, keep.min(rows - 1), cause)
                }
                DataFault::DuplicateWrite {} => match again(store) {
                    Some(second) if !second.is_empty() && second.iter().all(|change| change.before.is_none()) => {
                        suffered.extra.extend(second.into_iter().map(|change| (change, cause)));
                        true
                    }
                    // Nothing new came of it: as if it had not been.
                    Some(second) => {
                        take_back(store, &second);
                        false
                    }
                    None => false,
                },
            };
            if struck {
                fire.now();
            }
        }
        suffered
    }

    /// Takes back what is kept, from a place on; whether there was something.
    fn lose(&mut self, store: &mut Store, from: usize, cause: Cause) -> bool {
        let lost = self.kept.split_off(from.min(self.kept.len()));
        take_back(store, &lost);
        let any = !lost.is_empty();
        self.lost.extend(lost.into_iter().map(|change| ((change.table, change.number), cause)));
        any
    }
}

/// Undoes changes, the last first; gives those that had something to undo, in the order in which they were made.
fn take_back(store: &mut Store, changes: &[Change]) -> Vec<Change> {
    let mut undone = Vec::with_capacity(changes.len());
    for change in changes.iter().rev() {
        let Some(table) = store.table_mut(&change.table.schema, &change.table.table) else { continue };
        let number = change.number;
        let did = match (&change.before, &change.after) {
            (None, _) => table.remove(number).is_some(),
            (Some(before), Some(_)) => table.replace(number, before.clone()).is_some(),
            (Some(_), None) if table.row(number).is_some() || table.is_evicted(number) => false,
            (Some(before), None) => {
                table.put(number, before.clone());
                true
            }
        };
        if did {
            undone.push(change.clone());
        }
    }
    undone.reverse();
    undone
}

/// Makes changes once more that were taken back, in order.
fn make_again(store: &mut Store, changes: &[Change]) {
    for change in changes {
        let Some(table) = store.table_mut(&change.table.schema, &change.table.table) else { continue };
        match (&change.before, &change.after) {
            (None, Some(after)) => table.put(change.number, after.clone()),
            (Some(_), Some(after)) => drop(table.replace(change.number, after.clone())),
            (_, None) => drop(table.remove(change.number)),
        }
    }
}

/// What changed lately.
#[derive(Debug, Default)]
pub struct History {
    /// How far back it goes, in microseconds; zero is not at all.
    age: i64,
    /// With the time of each, in microseconds since 1970.
    changes: VecDeque<(i64, Change)>,
    /// Bytes of them, roughly.
    bytes: u64,
}

/// Bytes of the rows of a change, roughly.
fn size(change: &Change) -> u64 {
    change.before.iter().chain(&change.after).map(Row::size).sum()
}

impl History {
    /// Goes back at least so far, from now on; in microseconds.
    pub fn remember(&mut self, age: i64) {
        self.age = self.age.max(age);
    }

    /// Takes note of changes.
    pub fn note<'a>(&mut self, now: i64, changes: impl Iterator<Item = &'a Change>) {
        if self.age == 0 {
            return;
        }
        for change in changes {
            self.bytes += size(change);
            self.changes.push_back((now, change.clone()));
        }
        while let Some((at, oldest)) = self.changes.front() {
            let is_known = *at >= now.saturating_sub(self.age);
            if is_known && self.changes.len() <= MOST_CHANGES && self.bytes <= MOST_BYTES {
                break;
            }
            self.bytes -= size(oldest);
            self.changes.pop_front();
        }
    }

    /// What `read` says of the database as it was at a time; `None` if it was as it is.
    pub fn as_of<T>(&self, store: &mut Store, then: i64, read: impl FnOnce(&mut Store) -> T) -> Option<T> {
        let first = self.changes.partition_point(|(at, _)| *at <= then);
        if first == self.changes.len() {
            return None;
        }
        let since: Vec<Change> = self.changes.range(first..).map(|(_, change)| change.clone()).collect();
        let undone = take_back(store, &since);
        let told = read(store);
        make_again(store, &undone);
        Some(told)
    }
}
