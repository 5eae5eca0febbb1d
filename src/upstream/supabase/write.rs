//! Writing: `POST` (insert, upsert), `PATCH` and `DELETE` on a table.

use super::defaults;
use super::errors::PgError;
use super::query::{Preferences, Query};
use super::read::{content_range, render};
use super::store::{MOST_BYTES, Store};
use super::table::{RowNumber, Table};
use super::value::Cell;
use crate::units::Seed;
use crate::upstream::answer::{Answer, Write};
use http::StatusCode;
use serde_json::{Map, Value};
use std::collections::HashSet;
use xxhash_rust::xxh3::xxh3_64;

const JSON: &str = "application/json; charset=utf-8";
const OBJECT: &str = "application/vnd.pgrst.object+json; charset=utf-8";

/// A write on one table.
pub struct Writing<'a> {
    /// The database, locked.
    pub store: &'a mut Store,
    /// The table's name.
    pub table: &'a str,
    /// The query string.
    pub query: &'a Query,
    /// What the headers ask for.
    pub preferences: &'a Preferences,
    /// For the ids of new rows.
    pub seed: Seed,
    /// Rows made so far at this mock.
    pub made: &'a mut u64,
}

impl Writing<'_> {
    /// `POST`: inserts rows, or merges them into those that are there.
    pub fn insert(&mut self, body: &[u8]) -> Result<Answer, PgError> {
        let rows = self.rows(body)?;
        let Self { table: name, preferences, .. } = *self;
        let upsert = preferences.merge || preferences.ignore;
        let conflict = self.query.on_conflict.clone().unwrap_or_else(|| vec!["id".to_owned()]);
        let (seed, mut made) = (self.seed, *self.made);
        let table = self.store.table_or_new(name).ok_or_else(|| unknown_table(name))?;
        if !upsert {
            refuse_duplicates(name, table, &rows)?;
        }

        let (mut numbers, mut inserted) = (Vec::with_capacity(rows.len()), 0_usize);
        for row in rows {
            let existing = if upsert { conflicting(table, &row, &conflict) } else { None };
            match existing {
                Some(_) if preferences.ignore => {}
                Some(number) => {
                    let values = cells(name, table, &row)?;
                    table.update(number, values);
                    numbers.push(number);
                }
                None => {
                    let mut row = row;
                    defaults::fill(name, &mut row, seed, made);
                    made += 1;
                    let values = cells(name, table, &row)?;
                    numbers.push(table.insert(values));
                    inserted += 1;
                }
            }
        }
        *self.made = made;
        if preferences.single && preferences.representation && numbers.len() != 1 {
            return Err(PgError::not_single(numbers.len()));
        }
        // An upsert that only changed rows created nothing.
        let status = if upsert && inserted == 0 && !numbers.is_empty() { StatusCode::OK } else { StatusCode::CREATED };
        let writes = writes(self.store, name, &numbers);
        let answer = self.answer(status, &numbers);
        let warning = self
            .store
            .make_room()
            .then(|| format!("the Supabase mock keeps {} MiB of rows; the oldest are being dropped", MOST_BYTES >> 20));
        Ok(Answer { writes, ..answer.warned(warning) })
    }

    /// `PATCH`: changes the rows that the filters select.
    pub fn update(&mut self, body: &[u8]) -> Result<Answer, PgError> {
        let change = match self.rows(body)?.as_slice() {
            [] => Map::new(),
            [change] => change.clone(),
            _ => return Err(bad_body("A PATCH takes one object")),
        };
        let numbers = self.selected("UPDATE requires a WHERE clause")?;
        if let Some(table) = self.store.table_mut(self.table) {
            let values = cells(self.table, table, &change)?;
            for number in &numbers {
                table.update(*number, values.clone());
            }
        }
        let writes = writes(self.store, self.table, &numbers);
        Ok(Answer { writes, ..self.changed(&numbers) })
    }

    /// `DELETE`: removes the rows that the filters select.
    pub fn delete(&mut self) -> Result<Answer, PgError> {
        let numbers = self.selected("DELETE requires a WHERE clause")?;
        let mut writes = writes(self.store, self.table, &numbers);
        // Gone is what such a row is to be from now on.
        writes.iter_mut().for_each(|write| write.digest = 0);
        let answer = self.changed(&numbers);
        if let Some(table) = self.store.table_mut(self.table) {
            numbers.iter().for_each(|number| table.remove(*number));
        }
        Ok(Answer { writes, ..answer })
    }

    /// The rows of a body, with the columns that the request wants of them.
    fn rows(&self, body: &[u8]) -> Result<Vec<Map<String, Value>>, PgError> {
        let rows = match serde_json::from_slice(body) {
            Ok(Value::Object(row)) => vec![row],
            Ok(Value::Array(rows)) => rows
                .into_iter()
                .map(|row| match row {
                    Value::Object(row) => Ok(row),
                    _ => Err(bad_body("Empty or invalid json")),
                })
                .collect::<Result<_, _>>()?,
            _ => return Err(bad_body("Empty or invalid json")),
        };
        match &self.query.columns {
            Some(columns) => {
                let wanted =
                    |row: Map<String, Value>| row.into_iter().filter(|(name, _)| columns.contains(name)).collect();
                Ok(rows.into_iter().map(wanted).collect())
            }
            None if rows.iter().all(|row| row.keys().eq(rows[0].keys())) => Ok(rows),
            None => Err(bad_body("All object keys must match")),
        }
    }

    fn selected(&self, without_filter: &str) -> Result<Vec<RowNumber>, PgError> {
        // Supabase loads pg_safeupdate for its API roles.
        if self.query.rows.conditions.is_empty() {
            return Err(PgError::new(StatusCode::BAD_REQUEST, "21000", without_filter));
        }
        let numbers =
            self.store.table(self.table).map_or_else(Vec::new, |table| table.select(&self.query.rows.conditions));
        if self.preferences.single && self.preferences.representation && numbers.len() != 1 {
            return Err(PgError::not_single(numbers.len()));
        }
        Ok(numbers)
    }

    fn changed(&self, numbers: &[RowNumber]) -> Answer {
        let status = if self.preferences.representation { StatusCode::OK } else { StatusCode::NO_CONTENT };
        let total = self.preferences.count.then_some(numbers.len());
        self.answer(status, numbers).with("content-range", &content_range(0, numbers.len(), total))
    }

    fn answer(&self, status: StatusCode, numbers: &[RowNumber]) -> Answer {
        let Preferences { representation, single, applied, .. } = self.preferences;
        let answer = if *representation {
            let body = render(self.store, self.table, numbers, self.query, *single);
            Answer::text(status, if *single { OBJECT } else { JSON }, body)
        } else {
            Answer::empty(status)
        };
        let total = self.preferences.count.then_some(numbers.len());
        let answer = answer.with("content-range", &content_range(0, 0, total));
        if applied.is_empty() { answer } else { answer.with("preference-applied", &applied.join(", ")) }
    }
}

fn bad_body(message: &str) -> PgError {
    PgError::new(StatusCode::BAD_REQUEST, "PGRST102", message)
}

fn unknown_table(name: &str) -> PgError {
    let message = format!("Could not find the table 'public.{name}' in the schema cache");
    PgError::new(StatusCode::NOT_FOUND, "PGRST205", message)
}

/// A row's values at their places; columns that are new are made.
fn cells(name: &str, table: &mut Table, row: &Map<String, Value>) -> Result<Vec<(usize, Cell)>, PgError> {
    row.iter()
        .map(|(column, value)| {
            if column == "id" && value.is_null() {
                let message =
                    format!("null value in column \"id\" of relation \"{name}\" violates not-null constraint");
                return Err(PgError::new(StatusCode::BAD_REQUEST, "23502", message));
            }
            let place = table.place_or_new(column).ok_or_else(|| {
                let message = format!("Could not find the '{column}' column of '{name}' in the schema cache");
                PgError::new(StatusCode::BAD_REQUEST, "PGRST204", message)
            })?;
            Ok((place, Cell::written(value, column)))
        })
        .collect()
}

/// Refuses a batch that would give an `id` twice, before anything of it is written.
fn refuse_duplicates(name: &str, table: &mut Table, rows: &[Map<String, Value>]) -> Result<(), PgError> {
    let mut seen = HashSet::new();
    for id in rows.iter().filter_map(|row| row.get("id")).filter(|id| !id.is_null()) {
        let cell = Cell::written(id, "id");
        if !seen.insert(cell.key()) || table.find_equal(&[(0, &cell)]).is_some() {
            let message = format!("duplicate key value violates unique constraint \"{name}_pkey\"");
            let shown = cell.as_text().unwrap_or_default().chars().take(200).collect::<String>();
            return Err(PgError::new(StatusCode::CONFLICT, "23505", message)
                .details(format!("Key (id)=({shown}) already exists.")));
        }
    }
    Ok(())
}

/// The row that an upsert means.
fn conflicting(table: &mut Table, row: &Map<String, Value>, conflict: &[String]) -> Option<RowNumber> {
    let values: Vec<(usize, Cell)> = conflict
        .iter()
        .map(|column| Some((table.place(column)?, Cell::written(row.get(column)?, column))))
        .collect::<Option<_>>()?;
    let values: Vec<(usize, &Cell)> = values.iter().map(|(place, cell)| (*place, cell)).collect();
    table.find_equal(&values)
}

fn writes(store: &Store, name: &str, numbers: &[RowNumber]) -> Vec<Write> {
    let Some(table) = store.table(name) else { return Vec::new() };
    numbers
        .iter()
        .map(|number| {
            let mut row = Vec::new();
            for column in table.columns() {
                table.cell(*number, column).write_json(&mut row);
                row.push(b',');
            }
            let id = table.cell(*number, "id").as_text().unwrap_or_default().into_owned();
            Write { table: name.to_owned(), row: id, digest: xxh3_64(&row) }
        })
        .collect()
}
