//! [`Row`]: the values of one row.

use super::value::Value;

static NULL: Value = Value::Null;

/// A row. Values that it lacks at the end are null.
#[derive(Clone, Debug, Default)]
pub struct Row {
    values: Vec<Value>,
}

impl Row {
    /// A row of these values, in the order of the table's columns.
    pub fn new(values: Vec<Value>) -> Self {
        Self { values }
    }

    /// The value at a column's place.
    pub fn get(&self, place: usize) -> &Value {
        self.values.get(place).unwrap_or(&NULL)
    }

    /// Its values; what it lacks at the end is null.
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Sets the value at a column's place.
    pub fn set(&mut self, place: usize, value: Value) {
        if self.values.len() <= place {
            self.values.resize(place + 1, Value::Null);
        }
        self.values[place] = value;
    }

    /// Bytes that it takes, roughly: its own, and its share of tree and indexes.
    pub fn size(&self) -> u64 {
        let heap: u64 = self.values.iter().map(Value::heap_size).sum();
        96 + (self.values.capacity() * size_of::<Value>()) as u64 + heap
    }

    /// One key of its values at these places; `None` if one of them is null.
    pub fn key(&self, places: &[usize]) -> Option<u64> {
        match places {
            [place] => self.get(*place).key(),
            places => places.iter().try_fold(0_u64, |all, place| Some(combine(all, self.get(*place).key()?))),
        }
    }
}

/// One key of several.
pub fn combine(all: u64, next: u64) -> u64 {
    (all.rotate_left(5) ^ next).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
