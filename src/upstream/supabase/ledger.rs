//! [`Ledger`]: every write that was acknowledged to the app, and whether the database still holds what it said.

use super::database::expression::Expr;
use super::database::row::Row;
use super::database::schema::TableName;
use super::database::store::Store;
use super::database::table::{RowNumber, Table};
use super::database::transaction::Change;
use super::database::value::Value;
use crate::model::fault::Cause;
use crate::units::Offset;
use crate::upstream::answer::Write;
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use xxhash_rust::xxh3::Xxh3Default;

/// How many acknowledged writes are kept; older ones are counted and forgotten.
const KEPT: usize = 100_000;
/// How many rows of each kind a verification names; the rest is counted.
const NAMED: usize = 100;

/// The acknowledged writes of one mock.
#[derive(Debug, Default)]
pub struct Ledger {
    entries: VecDeque<Entry>,
    left_out: u64,
    /// The numbers below which rows were there before the first request.
    seeded: HashMap<TableName, RowNumber>,
    /// Rows that a fault wrote.
    extra: HashMap<(TableName, RowNumber), Cause>,
}

/// One acknowledged write of one row.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Its place among all writes, from 0.
    sequence: u64,
    /// When its answer was out, in seconds of the run; none before the run began.
    at: Option<Offset>,
    /// What was written.
    #[serde(flatten)]
    write: Write,
}

/// What a verification found. Each row is named by its table and its primary key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Rows that were compared.
    pub checked: u64,
    /// Rows that were acknowledged and are not there.
    pub lost: Rows,
    /// Rows that are there otherwise than acknowledged.
    pub altered: Rows,
    /// Rows whose removal was acknowledged and that are there.
    pub returned: Rows,
    /// Rows that are there and were never acknowledged: the app does not know of them, or believes that they failed.
    pub unacknowledged: Rows,
    /// Of those, rows that say the same as an acknowledged one but for their key: written twice.
    pub duplicated: Rows,
    /// Acknowledged writes that are no longer kept and could not be compared.
    pub left_out: u64,
    /// What faults of ours did to acknowledged writes. None of it is counted above: the app cannot help it.
    pub by_fault: ByFault,
}

/// What is not as acknowledged because a fault made it so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ByFault {
    /// Acknowledged writes that a fault did not keep, also where a later write of the row did hold.
    pub lost_writes: u64,
    /// Rows that were acknowledged and are not there.
    pub lost: Rows,
    /// Rows that are there otherwise than acknowledged.
    pub altered: Rows,
    /// Rows whose removal was acknowledged and that are there.
    pub returned: Rows,
    /// Rows that are there twice.
    pub duplicated: Rows,
}

/// Some rows: how many, and the names of the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub named: Vec<String>,
}

impl Rows {
    fn add(&mut self, table: &str, row: &str) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(format!("{table} {row}"));
        }
    }
}

impl Ledger {
    /// A ledger of a database that already has these rows.
    pub fn new(store: &Store) -> Self {
        let seeded = store.tables().map(|table| (table.definition().name.clone(), table.next_number())).collect();
        Self { seeded, ..Self::default() }
    }

    /// Notes rows as acknowledged.
    pub fn note(&mut self, writes: Vec<Write>, at: Option<Offset>) {
        for write in writes {
            if self.entries.len() == KEPT {
                self.entries.pop_front();
                self.left_out += 1;
            }
            self.entries.push_back(Entry { sequence: self.acknowledged(), at, write });
        }
    }

    /// Notes rows that a fault wrote.
    pub fn note_extra(&mut self, extra: Vec<(Change, Cause)>) {
        let room = KEPT.saturating_sub(self.extra.len());
        self.extra.extend(extra.into_iter().take(room).map(|(change, cause)| ((change.table, change.number), cause)));
    }

    /// Writes acknowledged in all.
    pub fn acknowledged(&self) -> u64 {
        self.entries.len() as u64 + self.left_out
    }

    /// Of those, the ones no longer kept.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The latest entries, newest first.
    pub fn latest(&self, most: usize) -> impl Iterator<Item = &Entry> {
        self.entries.iter().rev().take(most)
    }

    /// Compares the database with what was acknowledged. Rows that had to go for want of room are not missed.
    pub fn verify(&self, store: &Store) -> Findings {
        let mut findings = Findings { left_out: self.left_out, ..Findings::default() };
        let mut last: BTreeMap<(&str, &str, RowNumber), &Write> = BTreeMap::new();
        for Entry { write, .. } in &self.entries {
            last.insert((&write.schema, &write.table, write.number), write);
            findings.by_fault.lost_writes += u64::from(write.lost_by.is_some());
        }
        for ((schema, name, number), write) in &last {
            let Some(table) = store.table(schema, name) else { continue };
            if table.is_evicted(*number) {
                continue;
            }
            findings.checked += 1;
            let now = table.row(*number).map(digest);
            let ours = write.lost_by.is_some();
            let Findings { lost, altered, returned, by_fault, .. } = &mut findings;
            let rows = match (write.after, now) {
                (Some(_), None) => {
                    if ours {
                        &mut by_fault.lost
                    } else {
                        lost
                    }
                }
                (Some(then), Some(now)) if then != now => {
                    if ours {
                        &mut by_fault.altered
                    } else {
                        altered
                    }
                }
                (None, Some(_)) => {
                    if ours {
                        &mut by_fault.returned
                    } else {
                        returned
                    }
                }
                _ => continue,
            };
            rows.add(name, &write.row);
        }
        // With entries forgotten, nobody knows any more which rows were never acknowledged.
        if self.left_out == 0 {
            for table in store.tables() {
                self.unacknowledged(table, &last, &mut findings);
            }
        }
        findings
    }

    fn unacknowledged(&self, table: &Table, last: &BTreeMap<(&str, &str, RowNumber), &Write>, findings: &mut Findings) {
        let name = &table.definition().name;
        let seeded = self.seeded.get(name).copied().unwrap_or(0);
        let known = |number: RowNumber| {
            number < seeded || last.contains_key(&(name.schema.as_str(), name.table.as_str(), number))
        };
        let unknown: Vec<(RowNumber, &Row)> = table.rows().filter(|(number, _)| !known(*number)).collect();
        if unknown.is_empty() {
            return;
        }
        let said: HashSet<u64> =
            table.rows().filter(|(number, _)| known(*number)).map(|(_, row)| content(table, row)).collect();
        for (number, row) in unknown {
            let key = key_text(table, number, row);
            if self.extra.contains_key(&(name.clone(), number)) {
                findings.by_fault.duplicated.add(&name.table, &key);
                continue;
            }
            findings.unacknowledged.add(&name.table, &key);
            if said.contains(&content(table, row)) {
                findings.duplicated.add(&name.table, &key);
            }
        }
    }
}

/// The writes of a statement's changes, one for each.
pub fn writes(store: &Store, changes: &[Change], call: u64, request: &str, role: &'static str) -> Vec<Write> {
    let request: Arc<str> = request.into();
    changes
        .iter()
        .filter_map(|change| {
            let table = store.named(&change.table)?;
            let row = change.after.as_ref().or(change.before.as_ref())?;
            Some(Write {
                schema: change.table.schema.clone(),
                table: change.table.table.clone(),
                number: change.number,
                row: key_text(table, change.number, row),
                before: change.before.as_ref().map(digest),
                after: change.after.as_ref().map(digest),
                call,
                request: Arc::clone(&request),
                role,
                lost_by: None,
            })
        })
        .collect()
}

/// A row's primary key as text; without one, its number.
fn key_text(table: &Table, number: RowNumber, row: &Row) -> String {
    let key = table.definition().primary_key();
    let texts: Vec<String> = key
        .into_iter()
        .flat_map(|key| &key.columns)
        .map(|place| row.get(*place).to_text().unwrap_or_default())
        .collect();
    if texts.is_empty() { format!("#{number}") } else { texts.join(",") }
}

/// A hash of a row. Columns that it lacks at the end are as those that are null.
fn digest(row: &Row) -> u64 {
    hash(row.values().iter().enumerate())
}

/// A hash of what a row says: without its primary key and what the database fills in by itself.
fn content(table: &Table, row: &Row) -> u64 {
    let definition = table.definition();
    let key = definition.primary_key().map(|key| key.columns.as_slice()).unwrap_or_default();
    let filled = |place: usize| {
        let default = definition.column_at(place).and_then(|column| column.default.as_ref());
        default.is_some_and(Expr::is_volatile)
    };
    hash(row.values().iter().enumerate().filter(|(place, _)| !key.contains(place) && !filled(*place)))
}

fn hash<'a>(values: impl Iterator<Item = (usize, &'a Value)>) -> u64 {
    let mut hasher = Xxh3Default::new();
    let mut text = Vec::new();
    for (place, value) in values.filter(|(_, value)| !value.is_null()) {
        text.clear();
        value.write_json(&mut text);
        hasher.update(&place.to_le_bytes());
        hasher.update(&text);
    }
    hasher.digest()
}
