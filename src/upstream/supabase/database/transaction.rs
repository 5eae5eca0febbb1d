//! [`Transaction`]: one writing statement, whole or not at all, with every constraint of the tables that it touches.

use super::error::SqlError;
use super::expression::Scope;
use super::policy::Command;
use super::row::Row;
use super::schema::{Action, ForeignKey, TableDef, TableName, UniqueKey};
use super::store::Store;
use super::table::{RowNumber, Table};
use super::value::Value;
use crate::upstream::supabase::identity::Identity;
use std::collections::HashSet;

/// What happened to a row.
#[derive(Clone, Debug)]
pub struct Change {
    /// Its table.
    pub table: TableName,
    /// Its number there.
    pub number: RowNumber,
    /// As it was; `None` if it is new.
    pub before: Option<Row>,
    /// As it is now; `None` if it is gone.
    pub after: Option<Row>,
}

/// What an insert does about a row that is there already.
#[derive(Clone, Debug)]
pub struct OnConflict {
    /// The columns that tell that it is the same row.
    pub columns: Vec<usize>,
    /// Whether it gets the new values; otherwise it stays.
    pub update: bool,
}

/// The values that a row is written with: places and what goes there, `None` being the column's default.
pub type Assignments = Vec<(usize, Option<Value>)>;

/// Whether rows may leave foreign keys open until later: while a dump is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignKeys {
    /// They are checked at the end of the statement.
    Checked,
    /// They are not.
    Open,
}

/// One writing statement. Dropped without [`Transaction::commit`], it takes everything back.
#[derive(Debug)]
pub struct Transaction<'a> {
    store: &'a mut Store,
    identity: &'a Identity,
    now: i64,
    changes: Vec<Change>,
    open: bool,
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            self.undo();
        }
    }
}

impl<'a> Transaction<'a> {
    /// A statement of `identity` that begins at `now` (microseconds since 1970).
    pub fn begin(store: &'a mut Store, identity: &'a Identity, now: i64) -> Self {
        Self { store, identity, now, changes: Vec::new(), open: true }
    }

    /// The database as it is within the statement.
    pub fn store(&self) -> &Store {
        self.store
    }

    /// Ends the statement for good and gives what it changed, in order.
    pub fn commit(mut self) -> Vec<Change> {
        self.open = false;
        std::mem::take(&mut self.changes)
    }

    fn undo(&mut self) {
        while let Some(change) = self.changes.pop() {
            let TableName { schema, table } = &change.table;
            let Some(table) = self.store.table_mut(schema, table) else { continue };
            match (change.before, change.after) {
                (None, _) => drop(table.remove(change.number)),
                (Some(before), Some(_)) => drop(table.replace(change.number, before)),
                (Some(before), None) => table.put(change.number, before),
            }
        }
    }

    fn table(&self, name: &TableName) -> Result<&Table, SqlError> {
        self.store.named(name).ok_or_else(|| SqlError::new("42P01", format!("relation \"{name}\" does not exist")))
    }

    /// Inserts rows. Gives the numbers of those that are new or changed, and how many are new.
    ///
    /// # Errors
    /// Those of constraints and policies; nothing is written then.
    pub fn insert(
        &mut self,
        name: &TableName,
        rows: Vec<Assignments>,
        conflict: Option<&OnConflict>,
        foreign_keys: ForeignKeys,
    ) -> Result<(Vec<RowNumber>, usize), SqlError> {
        let begun = self.changes.len();
        let (mut numbers, mut inserted) = (Vec::with_capacity(rows.len()), 0);
        if let Some(conflict) = conflict {
            self.check_arbiter(name, conflict)?;
        }
        let mut touched = HashSet::new();
        for assignments in rows {
            let row = self.new_row(name, &assignments, foreign_keys == ForeignKeys::Open)?;
            self.check_row(name, &row, Some(Command::Insert))?;
            let table = self.table(name)?;
            if let Some(conflict) = conflict {
                let values: Vec<&Value> = conflict.columns.iter().map(|place| row.get(*place)).collect();
                if let Some(number) = table.find_equal(&conflict.columns, &values) {
                    if !conflict.update {
                        continue;
                    }
                    if !touched.insert(number) {
                        let message = "ON CONFLICT DO UPDATE command cannot affect row a second time";
                        return Err(SqlError::new("21000", message).hint(
                            "Ensure that no rows proposed for insertion within the same command have duplicate \
                             constrained values.",
                        ));
                    }
                    let existing = table.row(number).cloned().unwrap_or_default();
                    self.check_visible(name, &existing)?;
                    // What the new row would have been is what the old one becomes, in the columns that were given.
                    let given = assignments.iter().map(|(place, _)| (*place, Some(row.get(*place).clone()))).collect();
                    self.change(name, number, &given)?;
                    numbers.push(number);
                    continue;
                }
            }
            check_keys(self.table(name)?, &row, None, &self.scope(&row), self.hides_details(name))?;
            let table = self.store.table_mut(&name.schema, &name.table).ok_or_else(|| missing(name))?;
            let number = table.insert(row.clone());
            touched.insert(number);
            self.changes.push(Change { table: name.clone(), number, before: None, after: Some(row) });
            numbers.push(number);
            inserted += 1;
        }
        if foreign_keys == ForeignKeys::Checked {
            self.follow(begun)?;
            self.check_foreign_keys(begun)?;
        }
        Ok((numbers, inserted))
    }

    /// Changes rows. Gives the numbers of those that the caller may change.
    ///
    /// # Errors
    /// As [`Transaction::insert`].
    pub fn update(
        &mut self,
        name: &TableName,
        numbers: &[RowNumber],
        assignments: &Assignments,
    ) -> Result<Vec<RowNumber>, SqlError> {
        let begun = self.changes.len();
        let mut changed = Vec::with_capacity(numbers.len());
        for number in numbers {
            if self.may(name, *number, Command::Update)? {
                self.change(name, *number, assignments)?;
                changed.push(*number);
            }
        }
        self.follow(begun)?;
        self.check_foreign_keys(begun)?;
        Ok(changed)
    }

    /// Whether the caller may change or remove a row; what it may not, it does not find.
    ///
    /// # Errors
    /// 42P01 if there is no such table.
    pub fn may(&self, name: &TableName, number: RowNumber, command: Command) -> Result<bool, SqlError> {
        let table = self.table(name)?;
        let Some(row) = table.row(number) else { return Ok(false) };
        Ok(match &table.definition().row_security {
            Some(security) if !self.identity.bypasses_rls() => {
                security.permits(Command::Select, self.identity, row) && security.permits(command, self.identity, row)
            }
            _ => true,
        })
    }

    /// Removes rows, and what their removal takes along.
    ///
    /// # Errors
    /// 23503 where other rows point at them.
    pub fn delete(&mut self, name: &TableName, numbers: &[RowNumber]) -> Result<Vec<RowNumber>, SqlError> {
        let begun = self.changes.len();
        let mut removed = Vec::with_capacity(numbers.len());
        for number in numbers {
            if self.may(name, *number, Command::Delete)? {
                self.remove(name, *number)?;
                removed.push(*number);
            }
        }
        self.follow(begun)?;
        self.check_foreign_keys(begun)?;
        Ok(removed)
    }

    fn scope<'b>(&'b self, row: &'b Row) -> Scope<'b> {
        Scope { row, identity: self.identity, now: self.now, volatile: self.store.volatile() }
    }

    /// A new row of these values, with defaults where none is given.
    fn new_row(&self, name: &TableName, assignments: &Assignments, overriding: bool) -> Result<Row, SqlError> {
        let definition = self.table(name)?.definition();
        let mut row = Row::new(vec![Value::Null; definition.columns().len()]);
        let mut given = vec![false; definition.columns().len()];
        for (place, value) in assignments {
            if let Some(value) = value {
                if !overriding {
                    refuse_generated(definition, *place)?;
                }
                row.set(*place, value.clone());
                given[*place] = true;
            }
        }
        let empty = Row::default();
        for (place, column) in definition.columns().iter().enumerate() {
            if let (false, Some(default)) = (given[place], &column.default) {
                let value = default.evaluate(&self.scope(&empty))?;
                row.set(place, value);
            }
        }
        self.compute(definition, &mut row)?;
        Ok(row)
    }

    fn compute(&self, definition: &TableDef, row: &mut Row) -> Result<(), SqlError> {
        for (place, column) in definition.columns().iter().enumerate() {
            if let Some(computed) = &column.computed {
                let value = computed.evaluate(&self.scope(row))?;
                row.set(place, value);
            }
        }
        Ok(())
    }

    /// Gives a row other values.
    fn change(&mut self, name: &TableName, number: RowNumber, assignments: &Assignments) -> Result<(), SqlError> {
        let table = self.table(name)?;
        let definition = table.definition();
        let Some(before) = table.row(number).cloned() else { return Ok(()) };
        let mut after = before.clone();
        let empty = Row::default();
        for (place, value) in assignments {
            let column = definition.column_at(*place);
            if let Some(column) = column.filter(|column| column.computed.is_some() || column.always_identity) {
                // Only `DEFAULT` may be written there.
                if value.as_ref().is_some_and(|value| !value.is_same(before.get(*place))) {
                    let why = if column.computed.is_some() {
                        "a generated column"
                    } else {
                        "an identity column defined as GENERATED ALWAYS"
                    };
                    let message = format!("column \"{}\" can only be updated to DEFAULT", column.name);
                    return Err(
                        SqlError::new("428C9", message).details(format!("Column \"{}\" is {why}.", column.name))
                    );
                }
                continue;
            }
            let value = match (value, column.and_then(|column| column.default.as_ref())) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => default.evaluate(&self.scope(&empty))?,
                (None, None) => Value::Null,
            };
            after.set(*place, value);
        }
        self.compute(definition, &mut after)?;
        self.check_row(name, &after, Some(Command::Update))?;
        check_keys(table, &after, Some(number), &self.scope(&after), self.hides_details(name))?;
        self.replace(name, number, before, after)
    }

    fn replace(&mut self, name: &TableName, number: RowNumber, before: Row, after: Row) -> Result<(), SqlError> {
        let table = self.store.table_mut(&name.schema, &name.table).ok_or_else(|| missing(name))?;
        table.replace(number, after.clone());
        self.changes.push(Change { table: name.clone(), number, before: Some(before), after: Some(after) });
        Ok(())
    }

    fn remove(&mut self, name: &TableName, number: RowNumber) -> Result<(), SqlError> {
        let table = self.store.table_mut(&name.schema, &name.table).ok_or_else(|| missing(name))?;
        if let Some(before) = table.remove(number) {
            self.changes.push(Change { table: name.clone(), number, before: Some(before), after: None });
        }
        Ok(())
    }

    /// What a row must hold by itself: its policies, no null where none may be, its checks. In PostgreSQL's order.
    fn check_row(&self, name: &TableName, row: &Row, command: Option<Command>) -> Result<(), SqlError> {
        let definition = self.table(name)?.definition();
        if let (Some(security), Some(command)) = (&definition.row_security, command)
            && !self.identity.bypasses_rls()
            && !security.permits_new(command, self.identity, row)
        {
            return Err(violates_policy(&name.table));
        }
        let failing = |error: SqlError| {
            if self.hides_details(name) { error } else { error.details(failing_row(definition, row)) }
        };
        for (place, column) in definition.columns().iter().enumerate() {
            if column.not_null && row.get(place).is_null() {
                return Err(failing(SqlError::new(
                    "23502",
                    format!(
                        "null value in column \"{}\" of relation \"{}\" violates not-null constraint",
                        column.name, name.table
                    ),
                )));
            }
        }
        for check in &definition.checks {
            if check.condition.holds(&self.scope(row))? == Some(false) {
                let message =
                    format!("new row for relation \"{}\" violates check constraint \"{}\"", name.table, check.name);
                return Err(failing(SqlError::new("23514", message)));
            }
        }
        Ok(())
    }

    /// Whether rows of a table are not shown in messages: those of policies' tables to those who have them.
    fn hides_details(&self, name: &TableName) -> bool {
        let secured = |table: &Table| table.definition().row_security.is_some();
        !self.identity.bypasses_rls() && self.store.named(name).is_some_and(secured)
    }

    fn check_visible(&self, name: &TableName, row: &Row) -> Result<(), SqlError> {
        let hidden = match &self.table(name)?.definition().row_security {
            Some(security) if !self.identity.bypasses_rls() => {
                !security.permits(Command::Select, self.identity, row)
                    || !security.permits(Command::Update, self.identity, row)
            }
            _ => false,
        };
        if hidden {
            let message =
                format!("new row violates row-level security policy (USING expression) for table \"{}\"", name.table);
            return Err(SqlError::new("42501", message));
        }
        Ok(())
    }

    /// Refuses to give back rows that the caller may write but not read (`RETURNING`).
    ///
    /// # Errors
    /// 42501 if there is one.
    pub fn check_returned(&self, name: &TableName, numbers: &[RowNumber]) -> Result<(), SqlError> {
        let table = self.table(name)?;
        let seen = |number: &RowNumber| table.row(*number).is_none_or(|row| table.visible_to(self.identity, row));
        if numbers.iter().all(seen) { Ok(()) } else { Err(violates_policy(&name.table)) }
    }

    /// Whether an upsert's columns are those of a key. Tables without a schema take any.
    fn check_arbiter(&self, name: &TableName, conflict: &OnConflict) -> Result<(), SqlError> {
        let definition = self.table(name)?.definition();
        let wanted: HashSet<usize> = conflict.columns.iter().copied().collect();
        let fits =
            |key: &UniqueKey| key.only_where.is_none() && key.columns.iter().copied().collect::<HashSet<_>>() == wanted;
        if !definition.strict || definition.keys.iter().any(fits) {
            return Ok(());
        }
        let message = "there is no unique or exclusion constraint matching the ON CONFLICT specification";
        Err(SqlError::new("42P10", message))
    }

    /// Carries out what foreign keys say about rows that are gone or have another key, and what follows from that.
    fn follow(&mut self, begun: usize) -> Result<(), SqlError> {
        let mut at = begun;
        while at < self.changes.len() {
            at += 1;
            let Change { table: name, before: Some(before), after, .. } = &self.changes[at - 1] else { continue };
            let (name, before, after) = (name.clone(), before.clone(), after.clone());
            let referencing: Vec<(TableName, ForeignKey)> = self
                .store
                .referencing(&name)
                .map(|(table, key)| (table.definition().name.clone(), key.clone()))
                .collect();
            for (child, key) in referencing {
                let old: Vec<&Value> = key.target_columns.iter().map(|place| before.get(*place)).collect();
                if let Some(after) = &after
                    && key.target_columns.iter().zip(&old).all(|(place, old)| after.get(*place).is_same(old))
                {
                    continue;
                }
                let action = if after.is_some() { key.on_update } else { key.on_delete };
                let rows = self.table(&child)?.find_all_equal(&key.columns, &old);
                for number in rows {
                    match action {
                        Action::Wait => {}
                        Action::Restrict => return Err(self.still_referenced(&name, &before, &child, &key)),
                        Action::Cascade if after.is_none() => self.remove(&child, number)?,
                        Action::Cascade | Action::SetNull | Action::SetDefault => {
                            let values = key.columns.iter().zip(&key.target_columns).map(|(own, target)| {
                                let value = match (action, &after) {
                                    (Action::Cascade, Some(after)) => Some(after.get(*target).clone()),
                                    (Action::SetDefault, _) => None,
                                    _ => Some(Value::Null),
                                };
                                (*own, value)
                            });
                            let values = values.collect();
                            self.change_by_key(&child, number, &values)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// As [`Transaction::change`], by a foreign key: policies do not matter.
    fn change_by_key(&mut self, name: &TableName, number: RowNumber, values: &Assignments) -> Result<(), SqlError> {
        let table = self.table(name)?;
        let Some(before) = table.row(number).cloned() else { return Ok(()) };
        let mut after = before.clone();
        let empty = Row::default();
        for (place, value) in values {
            let default = table.definition().column_at(*place).and_then(|column| column.default.as_ref());
            let value = match (value, default) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => default.evaluate(&self.scope(&empty))?,
                (None, None) => Value::Null,
            };
            after.set(*place, value);
        }
        self.check_row(name, &after, None)?;
        check_keys(table, &after, Some(number), &self.scope(&after), self.hides_details(name))?;
        self.replace(name, number, before, after)
    }

    /// Whether every row that was written points at one that is there, and nothing points at one that is gone.
    fn check_foreign_keys(&self, begun: usize) -> Result<(), SqlError> {
        for Change { table: name, number, before, .. } in &self.changes[begun..] {
            let table = self.table(name)?;
            // What points here comes first, what this points at second: so PostgreSQL names its triggers.
            for (child, key) in before.iter().flat_map(|_| self.store.referencing(name)) {
                let Some(before) = before else { continue };
                let old: Vec<&Value> = key.target_columns.iter().map(|place| before.get(*place)).collect();
                let gone = table.find_equal(&key.target_columns, &old).is_none();
                if gone && child.find_equal(&key.columns, &old).is_some() {
                    return Err(self.still_referenced(name, before, &child.definition().name, key));
                }
            }
            if let Some(row) = table.row(*number) {
                self.check_references(table, row)?;
            }
        }
        Ok(())
    }

    /// Whether every row of every table points at one that is there: after a dump was loaded.
    ///
    /// # Errors
    /// 23503 for the first that does not.
    pub fn check_all_references(&self) -> Result<(), SqlError> {
        for table in self.store.tables().filter(|table| !table.definition().foreign_keys.is_empty()) {
            for (_, row) in table.rows() {
                self.check_references(table, row)?;
            }
        }
        Ok(())
    }

    fn check_references(&self, table: &Table, row: &Row) -> Result<(), SqlError> {
        let definition = table.definition();
        for key in &definition.foreign_keys {
            let values: Vec<&Value> = key.columns.iter().map(|place| row.get(*place)).collect();
            if values.iter().any(|value| value.is_null()) {
                continue;
            }
            let target = self.table(&key.target)?;
            if target.find_equal(&key.target_columns, &values).is_none() {
                let message = format!(
                    "insert or update on table \"{}\" violates foreign key constraint \"{}\"",
                    definition.name.table, key.name
                );
                let details = if self.hides_details(&definition.name) || self.hides_details(&key.target) {
                    format!("Key is not present in table \"{}\".", key.target.table)
                } else {
                    let shown = key_text(definition, &key.columns, &values);
                    format!("Key {shown} is not present in table \"{}\".", key.target.table)
                };
                return Err(SqlError::new("23503", message).details(details));
            }
        }
        Ok(())
    }

    fn still_referenced(&self, name: &TableName, row: &Row, child: &TableName, key: &ForeignKey) -> SqlError {
        let message = format!(
            "update or delete on table \"{}\" violates foreign key constraint \"{}\" on table \"{}\"",
            name.table, key.name, child.table
        );
        let values: Vec<&Value> = key.target_columns.iter().map(|place| row.get(*place)).collect();
        let shown = match self.table(name) {
            Ok(table) if !self.hides_details(name) && !self.hides_details(child) => {
                format!("{} ", key_text(table.definition(), &key.target_columns, &values))
            }
            _ => String::new(),
        };
        let details = format!("Key {shown}is still referenced from table \"{}\".", child.table);
        SqlError::new("23503", message).details(details)
    }
}

fn missing(name: &TableName) -> SqlError {
    SqlError::new("42P01", format!("relation \"{name}\" does not exist"))
}

fn violates_policy(table: &str) -> SqlError {
    SqlError::new("42501", format!("new row violates row-level security policy for table \"{table}\""))
}

/// Whether no other row has one of a row's keys.
fn check_keys(
    table: &Table,
    row: &Row,
    own: Option<RowNumber>,
    scope: &Scope<'_>,
    hides_details: bool,
) -> Result<(), SqlError> {
    let definition = table.definition();
    for key in &definition.keys {
        let covered = |row: &Row| {
            let holds = |expr: &super::expression::Expr| matches!(expr.holds(&Scope { row, ..*scope }), Ok(Some(true)));
            key.only_where.as_ref().is_none_or(holds)
        };
        if !covered(row) {
            continue;
        }
        let values: Vec<&Value> = key.columns.iter().map(|place| row.get(*place)).collect();
        let other = |number: RowNumber, row: &Row| Some(number) != own && covered(row);
        let found = if key.nulls_same && values.iter().any(|value| value.is_null()) {
            let same = |row: &Row| key.columns.iter().zip(&values).all(|(place, value)| row.get(*place).is_same(value));
            table.rows().any(|(number, row)| same(row) && other(number, row))
        } else {
            table.find_equal_where(&key.columns, &values, &other).is_some()
        };
        if found {
            let message = format!("duplicate key value violates unique constraint \"{}\"", key.name);
            let error = SqlError::new("23505", message);
            let shown = key_text(definition, &key.columns, &values);
            return Err(if hides_details { error } else { error.details(format!("Key {shown} already exists.")) });
        }
    }
    Ok(())
}

/// Refuses a value for a column that has its own.
fn refuse_generated(definition: &TableDef, place: usize) -> Result<(), SqlError> {
    let Some(column) = definition.column_at(place) else { return Ok(()) };
    let error = || SqlError::new("428C9", format!("cannot insert a non-DEFAULT value into column \"{}\"", column.name));
    if column.computed.is_some() {
        return Err(error().details(format!("Column \"{}\" is a generated column.", column.name)));
    }
    if column.always_identity {
        let details = format!("Column \"{}\" is an identity column defined as GENERATED ALWAYS.", column.name);
        return Err(error().details(details).hint("Use OVERRIDING SYSTEM VALUE to override."));
    }
    Ok(())
}

/// `(a, b)=(1, x)`.
fn key_text(definition: &TableDef, columns: &[usize], values: &[&Value]) -> String {
    let names: Vec<&str> =
        columns.iter().filter_map(|place| definition.column_at(*place)).map(|column| column.name.as_str()).collect();
    let mut shown = String::new();
    for (at, value) in values.iter().enumerate() {
        if at > 0 {
            shown.push_str(", ");
        }
        if value.is_null() { shown.push_str("null") } else { value.write_output(&mut shown) }
    }
    format!("({})=({shown})", names.join(", "))
}

/// `Failing row contains (1, null, …).`, each value cut to 64 bytes.
fn failing_row(definition: &TableDef, row: &Row) -> String {
    const LONGEST: usize = 64;
    let mut shown = String::from("Failing row contains (");
    for place in 0..definition.columns().len() {
        if place > 0 {
            shown.push_str(", ");
        }
        let value = row.get(place);
        if value.is_null() {
            shown.push_str("null");
            continue;
        }
        let start = shown.len();
        value.write_output(&mut shown);
        if shown.len() - start > LONGEST {
            let mut end = start + LONGEST;
            while !shown.is_char_boundary(end) {
                end -= 1;
            }
            shown.truncate(end);
            shown.push_str("...");
        }
    }
    shown.push_str(").");
    shown
}
