//! Answering a write: `POST` (insert, upsert), `PUT`, `PATCH` and `DELETE` on a table (PostgREST's `Response.hs`).

use super::super::database::error::SqlError;
use super::super::database::policy::Command;
use super::super::database::schema::TableName;
use super::super::database::store::{MOST_BYTES, Store};
use super::super::database::table::{RowNumber, Table};
use super::super::database::transaction::{Assignments, Change, ForeignKeys, OnConflict, Transaction};
use super::super::database::types::ColumnType;
use super::super::database::value::Value;
use super::super::errors::PgError;
use super::super::identity::{Identity, Role};
use super::grammar::ast::{Condition, Operation, QuantOperator, Query};
use super::grammar::{self, Parameters};
use super::media::Media;
use super::payload::{Payload, Raw};
use super::plan;
use super::preferences::{Preferences, Representation, Resolution};
use super::range;
use super::read::{Request, Settings, Telling};
use super::work::Work;
use crate::upstream::answer::Answer;
use http::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is in `Location`.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A request that writes.
pub struct Writing<'a> {
    /// How PostgREST is set.
    pub settings: &'a Settings,
    /// Who asks.
    pub identity: &'a Identity,
    /// The request.
    pub request: Request<'a>,
    /// Its body.
    pub body: &'a [u8],
    /// When it came, in microseconds since 1970.
    pub now: i64,
    /// How much may still be done for it.
    pub work: Work,
}

/// What came of a write: its answer and what it changed.
pub type Written = (Answer, Vec<Change>);

impl Writing<'_> {
    /// Carries the write out and answers it.
    ///
    /// # Errors
    /// What PostgREST and PostgreSQL refuse it with; nothing is written then.
    pub fn answer(&self, store: &mut Store, method: &Method) -> Result<Written, PgError> {
        let query = grammar::parse(self.request.query, Parameters::Filters)?;
        let preferences = Preferences::read(self.request.headers);
        preferences.check()?;
        let media = Media::negotiate(self.request.headers)?;
        let asked = Asked { query, preferences, media };
        let (answer, changes) = match *method {
            Method::POST => self.insert(store, &asked),
            Method::PUT => self.put(store, &asked),
            Method::PATCH => self.update(store, &asked),
            Method::DELETE => self.delete(store, &asked),
            _ => {
                let message = format!("Unsupported HTTP method: {method}");
                Err(PgError::new(StatusCode::METHOD_NOT_ALLOWED, "PGRST117", message))
            }
        }?;
        let evicted = store
            .make_room()
            .then(|| format!("the Supabase mock keeps {} MiB of rows; the oldest are being dropped", MOST_BYTES >> 20));
        Ok((answer.warned(evicted.or_else(|| asked.preferences.warning())), changes))
    }

    fn payload<'b>(&'b self, query: &Query) -> Result<Payload<'b>, PgError> {
        let content_type = self.request.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        Payload::read(self.body, content_type, query.columns.as_deref())
    }

    fn name(&self) -> TableName {
        TableName::new(self.request.schema, self.request.table)
    }

    fn telling<'b>(&'b self, store: &'b Store) -> Telling<'b> {
        Telling { store, settings: self.settings, viewer: self.identity, schema: self.request.schema, work: &self.work }
    }

    /// PostgreSQL's refusal: 42501 is another status for who is signed in.
    fn sql(&self, error: SqlError) -> PgError {
        let status = error.status(self.identity.role != Role::Anon);
        let mut refusal = PgError::new(status, error.code, error.message);
        refusal.details = error.details;
        refusal.hint = error.hint;
        refusal
    }

    /// The table, which is made if no schema says which there are.
    fn table<'b>(&self, store: &'b mut Store) -> Result<&'b mut Table, PgError> {
        let Request { schema, table, .. } = self.request;
        if store.table(schema, table).is_none() && store.table_or_new(schema, table).is_none() {
            return Err(self.telling(store).no_table(table));
        }
        store.table_mut(schema, table).ok_or_else(|| PgError::new(StatusCode::NOT_FOUND, "PGRST205", table))
    }

    /// The rows of a payload in the types of their columns.
    fn rows(
        &self,
        table: &mut Table,
        payload: &Payload<'_>,
        missing_default: bool,
    ) -> Result<Vec<Assignments>, PgError> {
        let mut columns: Vec<(usize, ColumnType)> = Vec::with_capacity(payload.columns.len());
        for name in &payload.columns {
            let place = table.place_or_new(name).ok_or_else(|| {
                let message =
                    format!("Could not find the '{name}' column of '{}' in the schema cache", self.request.table);
                PgError::new(StatusCode::BAD_REQUEST, "PGRST204", message)
            })?;
            let kind = table.definition().column_at(place).map_or(ColumnType::Any, |column| column.kind.clone());
            columns.push((place, kind));
        }
        let value = |raw: &Option<Raw<'_>>, kind: &ColumnType, name: &str| {
            Ok(match raw {
                Some(Raw::Json(json)) => Some(kind.parse_json(json, name)?),
                Some(Raw::Text(text)) if *kind == ColumnType::Any => Some(any_text(text, name)?),
                Some(Raw::Text(text)) => Some(kind.parse_text(text)?),
                None if missing_default => None,
                Some(Raw::Null) | None => Some(Value::Null),
            })
        };
        payload
            .rows
            .iter()
            .map(|row| {
                let values = row.iter().zip(&columns).zip(&payload.columns);
                values.map(|((raw, (place, kind)), name)| Ok((*place, value(raw, kind, name)?))).collect()
            })
            .collect::<Result<_, SqlError>>()
            .map_err(|error| self.sql(error))
    }

    fn insert(&self, store: &mut Store, asked: &Asked) -> Result<Written, PgError> {
        let Asked { query, preferences, .. } = asked;
        let payload = self.payload(query)?;
        let table = self.table(store)?;
        let rows = self.rows(table, &payload, preferences.missing_default == Some(true))?;
        let conflict = self.conflict(table, query, preferences)?;
        let has_key = conflict.is_some() || table.definition().primary_key().is_some();
        self.check_representation(store, asked)?;
        let name = self.name();
        let mut transaction = Transaction::begin(store, self.identity, self.now);
        let (numbers, inserted) = transaction
            .insert(&name, rows, conflict.as_ref(), ForeignKeys::Checked)
            .map_err(|error| self.sql(error))?;
        asked.check_single(numbers.len())?;
        let body = self.representation(&transaction, &numbers, asked)?;
        let location = match preferences.representation {
            Some(Representation::HeadersOnly) => location(transaction.store(), &name, &numbers),
            _ => None,
        };

        let merged = preferences.resolution == Some(Resolution::Merge) && inserted == 0;
        let status = if merged { StatusCode::OK } else { StatusCode::CREATED };
        let mut answer = self.answered(status, body, asked);
        answer = answer.with("content-range", &range::content_range(0, 0, asked.total(numbers.len())));
        if let Some(location) = location {
            answer = answer.with("location", &location);
        }
        let resolution = preferences.resolution.filter(|_| has_key);
        let mut applied = preferences.clone();
        applied.resolution = resolution;
        applied.max_affected = None;

        Ok((applied_to(answer, &applied), transaction.commit()))
    }

    /// By which columns an upsert finds the row that is there already; `None` for a plain insert.
    fn conflict(
        &self,
        table: &mut Table,
        query: &Query,
        preferences: &Preferences,
    ) -> Result<Option<OnConflict>, PgError> {
        let Some(resolution) = preferences.resolution else { return Ok(None) };
        let columns = match &query.on_conflict {
            Some(names) => {
                let place = |name: &String| {
                    let unknown = || self.sql(SqlError::new("42703", format!("column \"{name}\" does not exist")));
                    table.place_or_new(name).ok_or_else(unknown)
                };
                names.iter().map(place).collect::<Result<Vec<_>, _>>()?
            }
            None => table.definition().primary_key().map(|key| key.columns.clone()).unwrap_or_default(),
        };
        if columns.is_empty() {
            return Ok(None);
        }
        table.ensure_index(&columns);
        Ok(Some(OnConflict { columns, update: resolution == Resolution::Merge }))
    }

    /// `PUT`: the one row that the filters name by its primary key.
    fn put(&self, store: &mut Store, asked: &Asked) -> Result<Written, PgError> {
        let Asked { query, preferences, .. } = asked;
        if query.rows.limit.is_some() || query.rows.offset > 0 {
            let message = "limit/offset querystring parameters are not allowed for PUT";
            return Err(PgError::new(StatusCode::BAD_REQUEST, "PGRST114", message));
        }
        let payload = self.payload(query)?;
        let table = self.table(store)?;
        let mut wanted: Vec<(&str, &str)> = Vec::new();
        for condition in &query.rows.conditions {
            match condition {
                Condition::Filter(filter) if !filter.negated && filter.field.path.is_empty() => {
                    if let Operation::Quant(QuantOperator::Equal, None, value) = &filter.operation {
                        wanted.push((&filter.field.name, value));
                        continue;
                    }
                }
                _ => {}
            }
            return Err(wrong_filters());
        }
        let key = table.definition().primary_key().map(|key| key.columns.clone()).unwrap_or_default();
        let is_key = |name: &str| table.definition().place(name).is_some_and(|place| key.contains(&place));
        if wanted.len() != key.len() || !wanted.iter().all(|(name, _)| is_key(name)) {
            return Err(wrong_filters());
        }
        let rows = self.rows(table, &payload, preferences.missing_default == Some(true))?;
        let definition = table.definition();
        let mut matching = Vec::new();
        for row in rows {
            let mut all = true;
            for (name, text) in &wanted {
                let place = definition.place(name).unwrap_or_default();
                let kind = definition.column_at(place).map_or(ColumnType::Any, |column| column.kind.clone());
                let operand = super::super::database::operand::Operand::new(&kind, text);
                let operand = operand.map_err(|error| self.sql(error))?;
                let given = row.iter().find(|(own, _)| *own == place).and_then(|(_, value)| value.as_ref());
                all &= given.is_some_and(|value| operand.compare(value) == Some(std::cmp::Ordering::Equal));
            }
            if all {
                matching.push(row);
            }
        }
        if matching.len() != 1 {
            let message = "Payload values do not match URL in primary key column(s)";
            return Err(PgError::new(StatusCode::BAD_REQUEST, "PGRST115", message));
        }
        self.check_representation(store, asked)?;
        let mut transaction = Transaction::begin(store, self.identity, self.now);
        let conflict = OnConflict { columns: key, update: true };
        let (numbers, inserted) = transaction
            .insert(&self.name(), matching, Some(&conflict), ForeignKeys::Checked)
            .map_err(|error| self.sql(error))?;
        let body = self.representation(&transaction, &numbers, asked)?;
        let status = match (&body, inserted) {
            (None, _) => StatusCode::NO_CONTENT,
            (Some(_), 0) => StatusCode::OK,
            (Some(_), _) => StatusCode::CREATED,
        };
        let answer = self.answered(status, body, asked);
        let mut applied = preferences.clone();
        applied.resolution = None;
        applied.missing_default = None;
        applied.max_affected = None;

        Ok((applied_to(answer, &applied), transaction.commit()))
    }

    fn update(&self, store: &mut Store, asked: &Asked) -> Result<Written, PgError> {
        let Asked { query, preferences, .. } = asked;
        let payload = self.payload(query)?;
        let rows = self.rows(self.table(store)?, &payload, preferences.missing_default == Some(true));
        self.check_representation(store, asked)?;
        // Nothing to set changes nothing, whatever the filters say.
        let numbers = if payload.columns.is_empty() || payload.rows.is_empty() {
            Vec::new()
        } else {
            self.chosen(store, query, "UPDATE requires a WHERE clause")?
        };
        let assignments = match rows {
            Ok(rows) => rows.into_iter().next(),
            // What no row is changed to is never looked at, but for the names of its columns.
            Err(error) if numbers.is_empty() && error.code != "PGRST204" => None,
            Err(error) => return Err(error),
        };
        let mut transaction = Transaction::begin(store, self.identity, self.now);
        let numbers = transaction
            .update(&self.name(), &numbers, &assignments.unwrap_or_default())
            .map_err(|error| self.sql(error))?;
        asked.check_affected(numbers.len())?;
        asked.check_single(numbers.len())?;
        let body = self.representation(&transaction, &numbers, asked)?;
        let status = if body.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
        let content_range = range::content_range(0, numbers.len(), asked.total(numbers.len()));
        let answer = self.answered(status, body, asked).with("content-range", &content_range);
        let mut applied = preferences.clone();
        applied.resolution = None;

        Ok((applied_to(answer, &applied), transaction.commit()))
    }

    fn delete(&self, store: &mut Store, asked: &Asked) -> Result<Written, PgError> {
        let Asked { query, preferences, .. } = asked;
        let name = self.name();
        if store.named(&name).is_none() {
            self.table(store)?;
        }
        self.check_representation(store, asked)?;
        let numbers = self.chosen(store, query, "DELETE requires a WHERE clause")?;
        let mut transaction = Transaction::begin(store, self.identity, self.now);
        let mut may = Vec::with_capacity(numbers.len());
        for number in numbers {
            if transaction.may(&name, number, Command::Delete).map_err(|error| self.sql(error))? {
                may.push(number);
            }
        }
        asked.check_affected(may.len())?;
        asked.check_single(may.len())?;
        // Rows that are gone, with what belonged to them: as they were when the statement began.
        let body = self.representation(&transaction, &may, asked)?;
        let removed = transaction.delete(&name, &may).map_err(|error| self.sql(error))?;
        let status = if body.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
        let content_range = range::content_range(0, 0, asked.total(removed.len()));
        let answer = self.answered(status, body, asked).with("content-range", &content_range);
        let mut applied = preferences.clone();
        applied.resolution = None;
        applied.missing_default = None;

        Ok((applied_to(answer, &applied), transaction.commit()))
    }

    /// The rows that the filters choose.
    fn chosen(
        &self,
        store: &mut Store,
        query: &Query,
        without_filter: &'static str,
    ) -> Result<Vec<RowNumber>, PgError> {
        // Supabase loads pg_safeupdate for its API's role.
        if query.rows.conditions.is_empty() {
            return Err(self.sql(SqlError::new("21000", without_filter)));
        }
        let Request { schema, table, .. } = self.request;
        let Some(own) = store.table_mut(schema, table) else { return Ok(Vec::new()) };
        let predicates = plan::predicates(own.definition(), &query.rows.conditions)?;
        let places: Vec<usize> = predicates.iter().filter_map(|predicate| predicate.equality()).collect();
        if !places.iter().any(|place| own.has_index(*place))
            && let Some(place) = places.first()
            && own.wants_index(*place)
        {
            own.build_index(*place);
        }
        match store.table(schema, table) {
            Some(own) => self.telling(store).chosen(own, query),
            None => Ok(Vec::new()),
        }
    }

    /// Refuses a `select` that cannot be told, before anything is written.
    fn check_representation(&self, store: &Store, asked: &Asked) -> Result<(), PgError> {
        match store.table(self.request.schema, self.request.table) {
            Some(table) if asked.wants_rows() => self.telling(store).check(table, &asked.query),
            _ => Ok(()),
        }
    }

    /// The rows that the request wants back, told; `None` if it wants none.
    fn representation(
        &self,
        transaction: &Transaction<'_>,
        numbers: &[RowNumber],
        asked: &Asked,
    ) -> Result<Option<Vec<u8>>, PgError> {
        if asked.preferences.representation == Some(Representation::Minimal) || !asked.wants_any() {
            return Ok(None);
        }
        let name = self.name();
        transaction.check_returned(&name, numbers).map_err(|error| self.sql(error))?;
        if !asked.wants_rows() {
            return Ok(None);
        }
        let store = transaction.store();
        match store.named(&name) {
            Some(table) => self.telling(store).represent(table, &asked.query, numbers, asked.media).map(Some),
            None => Ok(Some(b"[]".to_vec())),
        }
    }

    fn answered(&self, status: StatusCode, body: Option<Vec<u8>>, asked: &Asked) -> Answer {
        match body {
            Some(body) => {
                Answer::text(status, asked.media.content_type(), body).with("content-profile", self.request.schema)
            }
            None => Answer::empty(status),
        }
    }
}

/// What a write asks for beside its body.
struct Asked {
    query: Query,
    preferences: Preferences,
    media: Media,
}

impl Asked {
    fn wants_rows(&self) -> bool {
        self.preferences.representation == Some(Representation::Full)
    }

    fn wants_any(&self) -> bool {
        matches!(self.preferences.representation, Some(Representation::Full | Representation::HeadersOnly))
    }

    fn total(&self, rows: usize) -> Option<usize> {
        self.preferences.count.map(|_| rows)
    }

    /// One row where one was wanted, whether it is given back or not.
    fn check_single(&self, rows: usize) -> Result<(), PgError> {
        if self.media.is_single() && rows != 1 { Err(PgError::not_single(rows)) } else { Ok(()) }
    }

    fn check_affected(&self, rows: usize) -> Result<(), PgError> {
        match self.preferences.max_affected {
            Some(most) if self.preferences.strict == Some(true) && rows as u64 > most => {
                let message = "Query result exceeds max-affected preference constraint";
                Err(PgError::new(StatusCode::BAD_REQUEST, "PGRST124", message)
                    .details(format!("The query affects {rows} rows")))
            }
            _ => Ok(()),
        }
    }
}

fn wrong_filters() -> PgError {
    let message = "Filters must include all and only primary key columns with 'eq' operators";
    PgError::new(StatusCode::METHOD_NOT_ALLOWED, "PGRST105", message)
}

fn applied_to(answer: Answer, applied: &Preferences) -> Answer {
    match applied.applied() {
        Some(applied) => answer.with("preference-applied", &applied),
        None => answer,
    }
}

/// `Location` of the one row that is new, by its primary key.
fn location(store: &Store, name: &TableName, numbers: &[RowNumber]) -> Option<String> {
    let [number] = numbers else { return None };
    let table = store.named(name)?;
    let key = table.definition().primary_key()?;
    let mut location = format!("/{}", name.table);
    for (at, place) in key.columns.iter().enumerate() {
        let column = table.definition().column_at(*place)?;
        location.push(if at == 0 { '?' } else { '&' });
        location.extend(utf8_percent_encode(&column.name, UNRESERVED));
        location.push_str("=eq.");
        let value = table.value(*number, *place).to_text()?;
        location.extend(utf8_percent_encode(&value, UNRESERVED));
    }
    Some(location)
}

/// A text for a column that nobody declared: forms and CSV know no other type.
fn any_text(text: &str, column: &str) -> Result<Value, SqlError> {
    ColumnType::Any.parse_json(&serde_json::Value::from(text).to_string(), column)
}
