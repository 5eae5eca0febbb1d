//! [`Store`]: all tables, within a stated bound.

use super::schema::{ForeignKey, TableDef, TableName};
use super::table::Table;
use super::volatile::Volatile;
use crate::units::Seed;
use crate::upstream::heavy::making_way;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};

/// Tables that requests may make.
const MOST_TABLES: usize = 256;
/// Bytes of rows that are kept, roughly; beyond, the oldest rows of the largest table go.
pub const MOST_BYTES: u64 = 256 << 20;

/// The database.
#[derive(Debug)]
pub struct Store {
    tables: BTreeMap<String, BTreeMap<String, Table>>,
    /// Stands in for every table that nobody declared and nobody wrote to.
    nothing: Table,
    volatile: Volatile,
    strict: bool,
    evicted: u64,
}

impl Store {
    /// A database without tables. Generated ids are drawn from the seed.
    pub fn new(seed: Seed) -> Self {
        let nothing = Table::undeclared(TableName::new("", ""));
        Self { tables: BTreeMap::new(), nothing, volatile: Volatile::new(seed), strict: false, evicted: 0 }
    }

    /// An empty table of which nothing is known.
    pub fn nothing(&self) -> &Table {
        &self.nothing
    }

    /// Its random numbers and sequences.
    pub fn volatile(&self) -> &Volatile {
        &self.volatile
    }

    /// Its random numbers and sequences, to add to them.
    pub fn volatile_mut(&mut self) -> &mut Volatile {
        &mut self.volatile
    }

    /// From now on only declared tables exist.
    pub fn make_strict(&mut self) {
        self.strict = true;
    }

    /// Whether a schema declares the tables: no others exist then.
    pub fn is_strict(&self) -> bool {
        self.strict
    }

    /// Adds a declared table; from then on only declared tables exist.
    pub fn declare(&mut self, definition: TableDef) {
        self.strict = true;
        let TableName { schema, table } = definition.name.clone();
        self.tables.entry(schema).or_default().insert(table, Table::new(definition));
    }

    /// A table.
    pub fn table(&self, schema: &str, name: &str) -> Option<&Table> {
        self.tables.get(schema)?.get(name)
    }

    /// A table by its name.
    pub fn named(&self, name: &TableName) -> Option<&Table> {
        self.table(&name.schema, &name.table)
    }

    /// A table to change.
    pub fn table_mut(&mut self, schema: &str, name: &str) -> Option<&mut Table> {
        self.tables.get_mut(schema)?.get_mut(name)
    }

    /// A table to write, which is made if no schema is declared and there is room for it.
    pub fn table_or_new(&mut self, schema: &str, name: &str) -> Option<&mut Table> {
        let known = self.table(schema, name).is_some();
        if !known && (self.strict || self.tables().count() >= MOST_TABLES) {
            return None;
        }
        let tables = self.tables.entry(schema.to_owned()).or_default();
        let new = || Table::undeclared(TableName::new(schema, name));
        Some(tables.entry(name.to_owned()).or_insert_with(new))
    }

    /// Whether nobody declared the tables, and no more of them can come.
    pub fn is_full(&self) -> bool {
        !self.strict && self.tables().count() >= MOST_TABLES
    }

    /// Every table, by schema and name.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values().flat_map(BTreeMap::values)
    }

    /// The tables of a schema with their names.
    pub fn tables_of(&self, schema: &str) -> impl Iterator<Item = (&str, &Table)> {
        self.tables.get(schema).into_iter().flatten().map(|(name, table)| (name.as_str(), table))
    }

    /// The foreign keys that point at a table, each with the table that has it.
    pub fn referencing<'a>(&'a self, name: &'a TableName) -> impl Iterator<Item = (&'a Table, &'a ForeignKey)> {
        self.tables().flat_map(move |table| {
            let keys = table.definition().foreign_keys.iter().filter(move |key| key.target == *name);
            keys.map(move |key| (table, key))
        })
    }

    /// Bytes of all rows, roughly.
    pub fn bytes(&self) -> u64 {
        self.tables().map(Table::bytes).sum()
    }

    /// Rows that had to go.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Makes room if there are too many bytes; whether rows had to go.
    pub fn make_room(&mut self) -> bool {
        self.make_room_for(MOST_BYTES)
    }

    fn make_room_for(&mut self, most: u64) -> bool {
        let before = self.evicted;
        while self.bytes() > most {
            let tables = self.tables.values_mut().flat_map(BTreeMap::values_mut);
            let Some(largest) = tables.max_by_key(|table| table.bytes()) else { break };
            if largest.remove_oldest().is_none() {
                break;
            }
            self.evicted += 1;
        }
        self.evicted > before
    }
}

/// The database to read. Whoever has to wait for it lets the thread's other connections go on meanwhile.
pub fn reading(store: &RwLock<Store>) -> RwLockReadGuard<'_, Store> {
    match store.try_read() {
        Ok(store) => store,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => making_way(true, || store.read().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// The database to write, as [`reading`].
pub fn writing(store: &RwLock<Store>) -> RwLockWriteGuard<'_, Store> {
    match store.try_write() {
        Ok(store) => store,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        Err(TryLockError::WouldBlock) => making_way(true, || store.write().unwrap_or_else(PoisonError::into_inner)),
    }
}
