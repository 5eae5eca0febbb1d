//! [`Store`]: all tables, within a stated bound.

use super::table::Table;
use std::collections::BTreeMap;

/// Tables that requests may make.
const MOST_TABLES: usize = 256;
/// Bytes of rows that are kept, roughly; beyond, the oldest rows of the largest table go.
pub const MOST_BYTES: u64 = 256 << 20;

/// The database.
#[derive(Debug, Default)]
pub struct Store {
    tables: BTreeMap<String, Table>,
    evicted: u64,
}

impl Store {
    /// A table, if it was ever written.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// A table to change, if it was ever written.
    pub fn table_mut(&mut self, name: &str) -> Option<&mut Table> {
        self.tables.get_mut(name)
    }

    /// A table to write, which is made if there is room for it.
    pub fn table_or_new(&mut self, name: &str) -> Option<&mut Table> {
        if !self.tables.contains_key(name) && self.tables.len() >= MOST_TABLES {
            return None;
        }
        Some(self.tables.entry(name.to_owned()).or_insert_with(Table::new))
    }

    /// Makes room if there are too many bytes; whether rows had to go.
    pub fn make_room(&mut self) -> bool {
        self.make_room_for(MOST_BYTES)
    }

    fn make_room_for(&mut self, most: u64) -> bool {
        let mut evicted = false;
        while self.bytes() > most {
            let Some(largest) = self.tables.values_mut().max_by_key(|table| table.bytes()) else { break };
            if !largest.remove_oldest() {
                break;
            }
            self.evicted += 1;
            evicted = true;
        }
        evicted
    }

    /// Bytes of all rows, roughly.
    pub fn bytes(&self) -> u64 {
        self.tables.values().map(Table::bytes).sum()
    }

    /// Rows that had to go.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Every table with its name.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &Table)> {
        self.tables.iter().map(|(name, table)| (name.as_str(), table))
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::Cell;
    use super::*;
    use serde_json::json;

    #[test]
    fn the_oldest_rows_of_the_largest_table_go_first() {
        let mut store = Store::default();
        for (name, rows) in [("small", 3), ("large", 50)] {
            let table = store.table_or_new(name).unwrap();
            for n in 0..rows {
                table.insert(vec![(0, Cell::from_json(&json!(format!("{n:02}"))))]);
            }
        }
        let whole = store.bytes();
        assert!(!store.make_room_for(whole));
        assert!(store.make_room_for(whole / 2));
        assert!(store.bytes() <= whole / 2);
        assert_eq!(store.table("small").unwrap().len(), 3);
        assert_eq!(store.evicted() as usize, 50 - store.table("large").unwrap().len());
        assert_eq!(store.table("large").unwrap().cell(0, "id"), &Cell::Null);
    }
}
