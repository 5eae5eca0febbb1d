//! [`Table`]: the rows of one table, with hash indexes for its keys and where requests need more.

use super::expression::{Expr, Function};
use super::policy::Command;
use super::row::{Row, combine};
use super::schema::{Column, TableDef, TableName, UniqueKey};
use super::types::ColumnType;
use super::value::Value;
use crate::upstream::supabase::identity::Identity;
use std::collections::{BTreeMap, HashMap};

/// Columns that a table without a schema may grow.
const MOST_COLUMNS: usize = 256;
/// Indexes that a table may grow beside those of its keys.
const MOST_INDEXES: usize = 12;
/// Below so many rows to look at, an index is not worth having.
pub const FEW: usize = 256;

/// The number of a row in its table: its place in order of insertion.
pub type RowNumber = u64;

/// The rows of one key: nearly always one.
#[derive(Clone, Debug)]
enum Numbers {
    One(RowNumber),
    Many(Vec<RowNumber>),
}

impl Numbers {
    fn as_slice(&self) -> &[RowNumber] {
        match self {
            Self::One(number) => std::slice::from_ref(number),
            Self::Many(numbers) => numbers,
        }
    }
}

/// A hash index: key of the values at its places → rows that have it, ascending. Rows with a null there are not in it.
#[derive(Clone, Debug)]
struct Index {
    places: Vec<usize>,
    rows: HashMap<u64, Numbers>,
}

impl Index {
    fn add(&mut self, key: u64, number: RowNumber) {
        let numbers = match self.rows.get_mut(&key) {
            None => {
                self.rows.insert(key, Numbers::One(number));
                return;
            }
            Some(numbers) => numbers,
        };
        match numbers {
            Numbers::One(other) => {
                let other = *other;
                *numbers = Numbers::Many(if other < number { vec![other, number] } else { vec![number, other] });
            }
            Numbers::Many(all) => {
                if let Err(at) = all.binary_search(&number) {
                    all.insert(at, number);
                }
            }
        }
    }

    fn forget(&mut self, key: u64, number: RowNumber) {
        let Some(numbers) = self.rows.get_mut(&key) else { return };
        match numbers {
            Numbers::One(_) => {
                self.rows.remove(&key);
            }
            Numbers::Many(all) => {
                if let Ok(at) = all.binary_search(&number) {
                    all.remove(at);
                }
                if let [last] = all.as_slice() {
                    *numbers = Numbers::One(*last);
                }
            }
        }
    }
}

/// One table.
#[derive(Debug)]
pub struct Table {
    definition: TableDef,
    rows: BTreeMap<RowNumber, Row>,
    next: RowNumber,
    indexes: Vec<Index>,
    /// How many of the indexes belong to keys.
    fixed: usize,
    /// Rows with lower numbers may have gone for want of room.
    evicted_below: RowNumber,
    bytes: u64,
}

impl Table {
    /// An empty table, with an index for every key and every foreign key.
    pub fn new(definition: TableDef) -> Self {
        let mut table = Self {
            definition,
            rows: BTreeMap::new(),
            next: 0,
            indexes: Vec::new(),
            fixed: 0,
            evicted_below: 0,
            bytes: 0,
        };
        let keys = table.definition.keys.iter().map(|key| key.columns.clone());
        let foreign = table.definition.foreign_keys.iter().map(|key| key.columns.clone());
        for places in keys.chain(foreign).collect::<Vec<_>>() {
            table.add_index(places);
        }
        table.fixed = table.indexes.len();
        table
    }

    /// A table that nobody declared: it has a primary key `id`, and columns as they are written.
    pub fn undeclared(name: TableName) -> Self {
        let mut definition = TableDef::new(name, false);
        let uuid = Expr::Cast(Box::new(Expr::Call(Function::GenRandomUuid, Vec::new())), ColumnType::Text);
        let id = Column { not_null: true, default: Some(uuid), ..Column::new("id", ColumnType::Any) };
        let id = definition.add_column(id);
        let name = format!("{}_pkey", definition.name.table);
        let key = UniqueKey { name, columns: vec![id], primary: true, nulls_same: false, only_where: None };
        definition.keys.push(key);
        let now = Some(Expr::Call(Function::Now, Vec::new()));
        definition.add_column(Column { default: now, ..Column::new("created_at", ColumnType::Any) });
        if definition.name.table == "holistic_analysis_results" {
            // Its default in HolisticOS's project; rows that lack it are not found again the same day.
            let today = Expr::Cast(Box::new(Expr::Call(Function::CurrentDate, Vec::new())), ColumnType::Text);
            definition.add_column(Column { default: Some(today), ..Column::new("analysis_date", ColumnType::Any) });
        }
        Self::new(definition)
    }

    /// What it looks like.
    pub fn definition(&self) -> &TableDef {
        &self.definition
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The number that the next new row gets.
    pub fn next_number(&self) -> RowNumber {
        self.next
    }

    /// Whether a row of this number is not there because it had to go for want of room.
    pub fn is_evicted(&self, number: RowNumber) -> bool {
        number < self.evicted_below && !self.rows.contains_key(&number)
    }

    /// Bytes of its rows, roughly.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of one row on average, roughly.
    pub fn bytes_of_one(&self) -> u64 {
        self.bytes / (self.rows.len() as u64).max(1)
    }

    /// Its rows, in order of insertion.
    pub fn rows(&self) -> impl DoubleEndedIterator<Item = (RowNumber, &Row)> {
        self.rows.iter().map(|(number, row)| (*number, row))
    }

    /// A row.
    pub fn row(&self, number: RowNumber) -> Option<&Row> {
        self.rows.get(&number)
    }

    /// A value of a row; null where the row is not there.
    pub fn value(&self, number: RowNumber, place: usize) -> &Value {
        self.rows.get(&number).map_or(&Value::Null, |row| row.get(place))
    }

    /// The place of a column. A table without a schema gets the column if it has room for it.
    pub fn place_or_new(&mut self, column: &str) -> Option<usize> {
        if let Some(place) = self.definition.place(column) {
            return Some(place);
        }
        if self.definition.strict || self.definition.columns().len() >= MOST_COLUMNS {
            return None;
        }
        Some(self.definition.add_column(Column::new(column, ColumnType::Any)))
    }

    /// Whether a request of `identity` sees a row.
    pub fn visible_to(&self, identity: &Identity, row: &Row) -> bool {
        match &self.definition.row_security {
            Some(security) if !identity.bypasses_rls() => security.permits(Command::Select, identity, row),
            _ => true,
        }
    }

    /// Adds a row as it is; whether it may be there is the caller's business.
    pub fn insert(&mut self, row: Row) -> RowNumber {
        let number = self.next;
        self.next += 1;
        self.put(number, row);
        number
    }

    /// Puts a row where it was before.
    pub fn put(&mut self, number: RowNumber, row: Row) {
        for index in &mut self.indexes {
            if let Some(key) = row.key(&index.places) {
                index.add(key, number);
            }
        }
        self.bytes += row.size();
        self.rows.insert(number, row);
    }

    /// Puts another row in the place of one, and gives back the old one.
    pub fn replace(&mut self, number: RowNumber, row: Row) -> Option<Row> {
        let old = self.rows.get(&number)?;
        for index in &mut self.indexes {
            let (before, after) = (old.key(&index.places), row.key(&index.places));
            if before != after {
                if let Some(key) = before {
                    index.forget(key, number);
                }
                if let Some(key) = after {
                    index.add(key, number);
                }
            }
        }
        self.bytes = self.bytes - old.size() + row.size();
        self.rows.insert(number, row)
    }

    /// Removes a row and gives it back.
    pub fn remove(&mut self, number: RowNumber) -> Option<Row> {
        let row = self.rows.remove(&number)?;
        self.bytes -= row.size();
        for index in &mut self.indexes {
            if let Some(key) = row.key(&index.places) {
                index.forget(key, number);
            }
        }
        Some(row)
    }

    /// Removes the oldest row.
    pub fn remove_oldest(&mut self) -> Option<(RowNumber, Row)> {
        let number = *self.rows.first_key_value()?.0;
        self.evicted_below = number + 1;
        Some((number, self.remove(number)?))
    }

    /// The rows whose values at these places may be equal to those with these keys, ascending: by an index that has
    /// just these places. `None` if there is no such index.
    pub fn lookup(&self, places: &[usize], key: u64) -> Option<&[RowNumber]> {
        let index = self.indexes.iter().find(|index| index.places == places)?;
        Some(index.rows.get(&key).map_or(&[][..], Numbers::as_slice))
    }

    /// The row whose values at these places are the same as the given ones; null is the same as nothing.
    pub fn find_equal(&self, places: &[usize], values: &[&Value]) -> Option<RowNumber> {
        self.find_equal_where(places, values, &|_, _| true)
    }

    /// The rows of which [`Table::find_equal`] gives the first.
    pub fn find_all_equal(&self, places: &[usize], values: &[&Value]) -> Vec<RowNumber> {
        let found = std::cell::RefCell::new(Vec::new());
        self.find_equal_where(places, values, &|number, _| {
            found.borrow_mut().push(number);
            false
        });
        found.into_inner()
    }

    /// The first such row for which something else holds too.
    pub fn find_equal_where(
        &self,
        places: &[usize],
        values: &[&Value],
        also: &dyn Fn(RowNumber, &Row) -> bool,
    ) -> Option<RowNumber> {
        if values.iter().any(|value| value.is_null()) {
            return None;
        }
        let same = |row: &Row| places.iter().zip(values).all(|(place, value)| row.get(*place).is_same(value));
        let key = match values {
            [value] => value.key(),
            values => values.iter().try_fold(0_u64, |all, value| Some(combine(all, value.key()?))),
        };
        match self.lookup(places, key?) {
            Some(numbers) => numbers
                .iter()
                .copied()
                .find(|number| self.rows.get(number).is_some_and(|row| same(row) && also(*number, row))),
            None => self.rows.iter().find(|(number, row)| same(row) && also(**number, row)).map(|(number, _)| *number),
        }
    }

    /// Makes sure that look-ups by these columns have an index, once the table is large; there may be no room for it.
    pub fn ensure_index(&mut self, places: &[usize]) {
        if self.len() > FEW && self.indexes.len() - self.fixed < MOST_INDEXES {
            self.add_index(places.to_vec());
        }
    }

    /// Whether there is an index on just this column.
    pub fn has_index(&self, place: usize) -> bool {
        self.indexes.iter().any(|index| index.places == [place])
    }

    /// Whether a look-up by this column should have an index made first: the table is large and has room for one.
    pub fn wants_index(&self, place: usize) -> bool {
        self.len() > FEW && self.indexes.len() - self.fixed < MOST_INDEXES && !self.has_index(place)
    }

    /// Makes an index on a column, if there is room for one.
    pub fn build_index(&mut self, place: usize) {
        if self.indexes.len() - self.fixed < MOST_INDEXES {
            self.add_index(vec![place]);
        }
    }

    fn add_index(&mut self, places: Vec<usize>) {
        if self.indexes.iter().any(|index| index.places == places) {
            return;
        }
        let mut index = Index { places, rows: HashMap::new() };
        for (number, row) in &self.rows {
            if let Some(key) = row.key(&index.places) {
                index.add(key, *number);
            }
        }
        self.indexes.push(index);
    }
}
