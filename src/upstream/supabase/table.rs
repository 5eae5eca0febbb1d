//! [`Table`]: the rows of one table, with hash indexes made where requests need them.

use super::filter::Node;
use super::value::{Cell, Literal, SortKey};
use std::collections::{BTreeMap, HashMap};

/// Columns that a table may grow.
const MOST_COLUMNS: usize = 256;
/// Indexes that a table may grow.
const MOST_INDEXES: usize = 12;
/// Below so many rows to look at, an index is not worth having.
const FEW: usize = 256;

static NULL: Cell = Cell::Null;

/// A row. Cells that it lacks at the end are null.
#[derive(Clone, Debug)]
pub struct Row {
    cells: Vec<Cell>,
}

impl Row {
    fn size(&self) -> u64 {
        // The tree's and the vector's own share, roughly.
        64 + self.cells.iter().map(Cell::size).sum::<u64>()
    }

    fn cell(&self, place: usize) -> &Cell {
        self.cells.get(place).unwrap_or(&NULL)
    }
}

/// The number of a row in its table: its place in order of insertion.
pub type RowNumber = u64;

/// One table.
#[derive(Debug)]
pub struct Table {
    columns: Vec<String>,
    places: HashMap<String, usize>,
    rows: BTreeMap<RowNumber, Row>,
    next: RowNumber,
    /// Column → key of a value → rows that have it, ascending.
    indexes: BTreeMap<usize, HashMap<u64, Vec<RowNumber>>>,
    bytes: u64,
}

impl Table {
    /// An empty table with its primary key, `id`.
    pub fn new() -> Self {
        Self {
            columns: vec!["id".to_owned()],
            places: HashMap::from([("id".to_owned(), 0)]),
            rows: BTreeMap::new(),
            next: 0,
            indexes: BTreeMap::from([(0, HashMap::new())]),
            bytes: 0,
        }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of its rows, roughly.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its columns, in the order in which they were first written.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The place of a column.
    pub fn place(&self, column: &str) -> Option<usize> {
        self.places.get(column).copied()
    }

    /// The place of a column, which is made if there is room for it.
    pub fn place_or_new(&mut self, column: &str) -> Option<usize> {
        if let Some(place) = self.place(column) {
            return Some(place);
        }
        if self.columns.len() >= MOST_COLUMNS {
            return None;
        }
        self.columns.push(column.to_owned());
        self.places.insert(column.to_owned(), self.columns.len() - 1);
        Some(self.columns.len() - 1)
    }

    /// A value of a row; null where row or column is not there.
    pub fn cell(&self, number: RowNumber, column: &str) -> &Cell {
        match (self.rows.get(&number), self.place(column)) {
            (Some(row), Some(place)) => row.cell(place),
            _ => &NULL,
        }
    }

    /// Adds a row.
    pub fn insert(&mut self, values: Vec<(usize, Cell)>) -> RowNumber {
        let number = self.next;
        self.next += 1;
        let mut row = Row { cells: Vec::with_capacity(self.columns.len()) };
        set(&mut row, values);
        for (place, index) in &mut self.indexes {
            if let Some(key) = row.cell(*place).key() {
                index.entry(key).or_default().push(number);
            }
        }
        self.bytes += row.size();
        self.rows.insert(number, row);
        number
    }

    /// Changes values of a row.
    pub fn update(&mut self, number: RowNumber, values: Vec<(usize, Cell)>) {
        let Some(row) = self.rows.get_mut(&number) else { return };
        self.bytes -= row.size();
        let before: Vec<(usize, Option<u64>)> =
            self.indexes.keys().map(|place| (*place, row.cell(*place).key())).collect();
        set(row, values);
        self.bytes += row.size();
        for (place, old) in before {
            let new = row.cell(place).key();
            if let (true, Some(index)) = (new != old, self.indexes.get_mut(&place)) {
                forget(index, old, number);
                if let Some(numbers) = new.map(|key| index.entry(key).or_default())
                    && let Err(at) = numbers.binary_search(&number)
                {
                    numbers.insert(at, number);
                }
            }
        }
    }

    /// Removes a row.
    pub fn remove(&mut self, number: RowNumber) {
        let Some(row) = self.rows.remove(&number) else { return };
        self.bytes -= row.size();
        for (place, index) in &mut self.indexes {
            forget(index, row.cell(*place).key(), number);
        }
    }

    /// Removes the oldest row.
    pub fn remove_oldest(&mut self) -> bool {
        let oldest = self.rows.first_key_value().map(|(number, _)| *number);
        oldest.inspect(|number| self.remove(*number)).is_some()
    }

    /// The rows for which all conditions hold, in order of insertion.
    pub fn select(&self, conditions: &[Node]) -> Vec<RowNumber> {
        let holds = |row: &Row| {
            let cell = |column: &str| self.place(column).map_or(&NULL, |place| row.cell(place));
            conditions.iter().all(|condition| condition.holds(&cell) == Some(true))
        };
        match self.candidates(conditions) {
            Some(numbers) => numbers.into_iter().filter(|number| self.rows.get(number).is_some_and(&holds)).collect(),
            None => self.rows.iter().filter(|(_, row)| holds(row)).map(|(number, _)| *number).collect(),
        }
    }

    /// The row whose values in these columns are equal to the given ones; nulls are equal to nothing.
    pub fn find_equal(&mut self, values: &[(usize, &Cell)]) -> Option<RowNumber> {
        if values.iter().any(|(_, cell)| matches!(cell, Cell::Null)) {
            return None;
        }
        let wanted: Vec<(usize, Option<SortKey>)> =
            values.iter().map(|(place, cell)| (*place, cell.sort_key())).collect();
        let same = |row: &Row| wanted.iter().all(|(place, key)| row.cell(*place).sort_key() == *key);
        if self.len() > FEW && !values.iter().any(|(place, _)| self.indexes.contains_key(place)) {
            self.build_index(values.first()?.0);
        }
        let listed = values
            .iter()
            .filter_map(|(place, cell)| {
                let index = self.indexes.get(place)?;
                Some(index.get(&cell.key()?).map_or(&[][..], Vec::as_slice))
            })
            .min_by_key(|numbers| numbers.len());
        match listed {
            Some(numbers) => numbers.iter().copied().find(|number| self.rows.get(number).is_some_and(same)),
            None => self.rows.iter().find(|(_, row)| same(row)).map(|(number, _)| *number),
        }
    }

    /// The column that should get an index before these conditions are looked up, if any.
    pub fn missing_index(&self, conditions: &[Node]) -> Option<usize> {
        if self.len() <= FEW || self.indexes.len() >= MOST_INDEXES {
            return None;
        }
        if self.candidates(conditions).is_some_and(|numbers| numbers.len() <= FEW) {
            return None;
        }
        conditions
            .iter()
            .filter_map(Node::equalities)
            .filter_map(|(column, _)| self.place(column))
            .find(|place| !self.indexes.contains_key(place))
    }

    /// Makes an index on a column.
    pub fn build_index(&mut self, place: usize) {
        if self.indexes.len() >= MOST_INDEXES || self.indexes.contains_key(&place) {
            return;
        }
        let mut index: HashMap<u64, Vec<RowNumber>> = HashMap::new();
        for (number, row) in &self.rows {
            if let Some(key) = row.cell(place).key() {
                index.entry(key).or_default().push(*number);
            }
        }
        self.indexes.insert(place, index);
    }

    /// The fewest rows that an index leaves to look at, ascending; `None` if no index helps.
    fn candidates(&self, conditions: &[Node]) -> Option<Vec<RowNumber>> {
        let listed = |column: &str, literals: &[Literal]| {
            let index = self.indexes.get(&self.place(column)?)?;
            Some(literals.iter().flat_map(Literal::keys).filter_map(|key| index.get(&key)).collect::<Vec<_>>())
        };
        let best = conditions
            .iter()
            .filter_map(Node::equalities)
            .filter_map(|(column, literals)| listed(column, literals))
            .min_by_key(|lists| lists.iter().map(|list| list.len()).sum::<usize>())?;
        let mut numbers: Vec<RowNumber> = best.into_iter().flatten().copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        Some(numbers)
    }
}

fn set(row: &mut Row, values: Vec<(usize, Cell)>) {
    for (place, cell) in values {
        if row.cells.len() <= place {
            row.cells.resize(place + 1, Cell::Null);
        }
        row.cells[place] = cell;
    }
}

fn forget(index: &mut HashMap<u64, Vec<RowNumber>>, key: Option<u64>, number: RowNumber) {
    let Some(key) = key else { return };
    if let Some(numbers) = index.get_mut(&key) {
        if let Ok(at) = numbers.binary_search(&number) {
            numbers.remove(at);
        }
        if numbers.is_empty() {
            index.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// Conditions as a request would give them.
    fn conditions(user: u8, kind: u8) -> Vec<Node> {
        vec![
            Node::parse("user_id", &format!("eq.{user}")).unwrap(),
            Node::parse("kind", &format!("in.({kind},{})", kind + 1)).unwrap(),
        ]
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, u8),
        Update(usize, u8),
        Remove(usize),
        Evict,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..6_u8, 0..6_u8).prop_map(|(user, kind)| Step::Insert(user, kind)),
            1 => (0..400_usize, 0..6_u8).prop_map(|(row, user)| Step::Update(row, user)),
            1 => (0..400_usize).prop_map(Step::Remove),
            1 => Just(Step::Evict),
        ];
        proptest::collection::vec(step, 300..700)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn an_index_changes_the_speed_and_nothing_else(steps in steps(), user in 0..6_u8, kind in 0..6_u8) {
            let (mut plain, mut indexed) = (Table::new(), Table::new());
            for table in [&mut plain, &mut indexed] {
                table.place_or_new("user_id").unwrap();
                table.place_or_new("kind").unwrap();
            }
            indexed.build_index(1);
            indexed.build_index(2);
            for step in steps {
                for table in [&mut plain, &mut indexed] {
                    let cell = |value: u8| Cell::from_json(&json!(value));
                    match &step {
                        Step::Insert(user, kind) => {
                            table.insert(vec![(1, cell(*user)), (2, Cell::from_json(&json!(kind.to_string())))]);
                        }
                        Step::Update(row, user) => table.update(*row as u64, vec![(1, cell(*user))]),
                        Step::Remove(row) => table.remove(*row as u64),
                        Step::Evict => { table.remove_oldest(); }
                    }
                }
            }
            prop_assert_eq!(plain.select(&conditions(user, kind)), indexed.select(&conditions(user, kind)));
            prop_assert_eq!(plain.bytes(), indexed.bytes());
        }
    }

    #[test]
    fn a_large_table_is_read_by_index_not_row_by_row() {
        let mut table = Table::new();
        let user = table.place_or_new("user_id").unwrap();
        for n in 0..10_000 {
            table.insert(vec![(user, Cell::from_json(&json!(format!("user_{}", n % 1_000))))]);
        }
        let conditions = vec![Node::parse("user_id", "eq.user_7").unwrap()];
        table.build_index(table.missing_index(&conditions).expect("ten thousand rows want an index"));
        assert_eq!(table.candidates(&conditions).unwrap().len(), 10);
        assert_eq!(table.missing_index(&conditions), None);
        assert_eq!(table.select(&conditions).len(), 10);
    }
}
