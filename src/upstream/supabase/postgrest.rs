//! [`Postgrest`]: PostgREST (`/rest/v1/`) over the database, from a path to who answers it, and the ledger of what
//! was written.

use super::changes::{ChangeKind, Changes, Readers, RowChange};
use super::clock::WallClock;
use super::database::row::Row;
use super::database::schema::TableName;
use super::database::seed::{self, SeedError};
use super::database::store::{self, Store};
use super::database::table::Table;
use super::database::transaction::Change;
use super::errors::PgError;
use super::identity::{Identity, Role};
use super::ledger::{self, Ledger};
use super::rest::front::{Front, Route};
use super::rest::read::{Request, Settings};
use super::rest::work::Work;
use super::rest::write::Writing;
use super::suffered::{History, Suffered};
use crate::model::fault::DataFault;
use crate::model::upstream::{SeedFile, SeedFormat, SupabasePlan};
use crate::units::{Offset, Seed};
use crate::upstream::answer::{Answer, AnswerBody, Call, DataHit, Write};
use crate::upstream::heavy::making_way;
use http::header::CONTENT_RANGE;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// What comes before every path here.
const PREFIX: &str = "/rest/v1/";
/// The most rows of an answer in a fresh project.
const MOST_ROWS: usize = 1_000;
/// Entries of the ledger that its page shows.
const SHOWN: usize = 1_000;
/// Writing a body of more bytes takes long enough to hold up others.
const HEAVY_BODY: usize = 256 << 10;
/// So does looking for the rows to change among more than these.
const HEAVY_ROWS: usize = 20_000;

/// The database behind its REST interface.
pub struct Postgrest {
    store: RwLock<Store>,
    ledger: Mutex<Ledger>,
    front: Front,
    clock: WallClock,
    /// Where committed changes are published.
    changes: Changes,
    /// What stale reads are answered from. Taken only by who holds the store.
    history: Mutex<History>,
}

impl Postgrest {
    /// A database with the schema and rows of the plan, and what the reader of the run should know about them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(
        plan: &SupabasePlan,
        seed: Seed,
        clock: WallClock,
        changes: Changes,
    ) -> Result<(Self, Vec<String>), SeedError> {
        let mut files = plan.seed_files.clone();
        // Users belong to Auth: the database does not show them.
        let rows: BTreeMap<_, _> = plan.seed.iter().filter(|(name, _)| !name.starts_with("auth.")).collect();
        if !rows.is_empty() {
            let text = serde_json::to_string(&rows).unwrap_or_default();
            files.push(SeedFile { name: "seed".to_owned(), format: SeedFormat::Json, text });
        }
        let loaded = seed::load(&files, seed, micros(clock))?;
        let store = loaded.store;
        let mut schemas = vec!["public".to_owned()];
        for table in store.tables() {
            let schema = &table.definition().name.schema;
            if !schemas.contains(schema) {
                schemas.push(schema.clone());
            }
        }
        schemas.push("graphql_public".to_owned());
        let max_rows = Some(plan.max_rows.unwrap_or(MOST_ROWS));
        let settings = Settings { schemas, max_rows, aggregates: plan.aggregates };
        let front = Front::new(settings, &plan.functions, &store).map_err(|message| SeedError {
            file: "functions".to_owned(),
            line: None,
            message,
        })?;
        let ledger = Mutex::new(Ledger::new(&store));
        Ok((
            Self { store: RwLock::new(store), ledger, front, clock, changes, history: Mutex::default() },
            loaded.warnings,
        ))
    }

    /// The answer to a request by `identity`, at `path` below `/rest/v1/`, while the database fails so.
    pub fn answer(&self, path: &str, call: &Call<'_>, identity: &Identity, mut hits: Vec<DataHit>) -> Answer {
        let reads = matches!(*call.method, Method::GET | Method::HEAD);
        let answered = match hits.iter().position(|hit| matches!(hit.fault, DataFault::StaleRead(_))) {
            Some(stale) if reads => self.stale(path, call, identity, hits.swap_remove(stale)),
            _ => self.rest(path, call, identity, hits),
        };
        answered.unwrap_or_else(|error| {
            let full = self.full(&error.code);
            error.answer().warned(full)
        })
    }

    /// What a refusal says about the mock rather than the app: tables that come as they are used have an end.
    fn full(&self, code: &str) -> Option<String> {
        let end = match code {
            "PGRST205" if store::reading(&self.store).is_full() => "so many tables",
            "PGRST204" if !store::reading(&self.store).is_strict() => "so many columns",
            _ => return None,
        };
        Some(format!("the Supabase mock makes no more than {end} as they are used (256); declare them in a seed"))
    }

    /// From now on knows what was true until so long ago.
    pub fn remember(&self, age: Duration) {
        let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
        self.history.lock().unwrap_or_else(PoisonError::into_inner).remember(age);
    }

    /// The answer to a read, as it would have been some time ago if that is another one.
    fn stale(&self, path: &str, call: &Call<'_>, identity: &Identity, hit: DataHit) -> Result<Answer, PgError> {
        let DataHit { fault, mut fire, .. } = hit;
        let age = match &fault {
            DataFault::StaleRead(stale) => i64::try_from(stale.age.get().as_micros()).unwrap_or(i64::MAX),
            _ => 0,
        };
        let then = micros(self.clock).saturating_sub(age);
        let read = |store: &RwLock<Store>| self.routed(store, path, call, identity);
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let own = std::mem::replace(&mut *store, Store::new(Seed(0)));
        // Whoever reads wants a lock of its own; the store is back before anybody else is let in.
        let own = RwLock::new(own);
        let now = read(&own);
        let mut own = own.into_inner().unwrap_or_else(PoisonError::into_inner);
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        let before = history.as_of(&mut own, then, |own| {
            let lock = RwLock::new(std::mem::replace(own, Store::new(Seed(0))));
            let told = read(&lock);
            *own = lock.into_inner().unwrap_or_else(PoisonError::into_inner);
            told
        });
        *store = own;
        match before {
            Some(before) if said(&before) != said(&now) => {
                fire.now();
                before
            }
            _ => now,
        }
    }

    /// The answer to a request that does not write.
    fn routed(
        &self,
        store: &RwLock<Store>,
        path: &str,
        call: &Call<'_>,
        identity: &Identity,
    ) -> Result<Answer, PgError> {
        match self.front.route(store, identity, path, call)? {
            Route::Answered(answer) => Ok(*answer),
            Route::Write { table, .. } => Err(PgError::new(StatusCode::NOT_FOUND, "PGRST205", table)),
        }
    }

    /// Takes note of rows whose writing was acknowledged to the app.
    pub fn acknowledge(&self, writes: Vec<Write>, at: Option<Offset>) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).note(writes, at);
    }

    /// What the database holds, for people who look.
    pub fn state(&self) -> Value {
        let store = store::reading(&self.store);
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: BTreeMap<String, usize> = store.tables().map(|table| (shown(table), table.len())).collect();
        let latest = ledger.latest(1).next();
        json!({
            "rows": rows, "bytes": store.bytes(), "evicted": store.evicted(), "declared": store.is_strict(),
            "writes": {"acknowledged": ledger.acknowledged(), "left_out": ledger.left_out(), "latest": latest},
        })
    }

    /// The ledger: its latest entries, newest first, and whether the database still holds what it says.
    pub fn ledger(&self) -> Value {
        let store = store::reading(&self.store);
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        json!({
            "acknowledged": ledger.acknowledged(), "left_out": ledger.left_out(),
            "latest": ledger.latest(SHOWN).collect::<Vec<_>>(), "findings": ledger.verify(&store),
        })
    }

    fn rest(&self, path: &str, call: &Call<'_>, identity: &Identity, hits: Vec<DataHit>) -> Result<Answer, PgError> {
        let (schema, table) = match self.front.route(&self.store, identity, path, call)? {
            Route::Answered(answer) => return Ok(*answer),
            Route::Write { schema, table } => (schema, table),
        };
        let request = Request { schema: &schema, table: &table, query: call.query, headers: call.headers, head: false };
        let now = micros(self.clock);
        let writing = Writing {
            settings: &self.front.settings,
            identity,
            request,
            body: call.body,
            now,
            work: Work::statement(),
        };
        let mut store = store::writing(&self.store);
        let rows = store.table(&schema, &table).map_or(0, Table::len);
        let heavy = call.body.len() > HEAVY_BODY || (rows > HEAVY_ROWS && *call.method != Method::POST);
        let (answer, changes) = making_way(heavy, || writing.answer(&mut store, call.method))?;
        let suffered = if hits.is_empty() {
            None
        } else {
            let inserts = *call.method == Method::POST;
            Some(Suffered::of(&mut store, &changes, hits, |store| {
                let again = inserts.then(|| writing.answer(store, call.method))?;
                again.ok().map(|(_, changes)| changes)
            }))
        };
        let kept = suffered.as_ref().map_or(&changes, |suffered| &suffered.kept);
        if self.changes.are_watched() {
            self.publish(&store, kept, now);
        }
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.note(now, kept.iter());
        let request = match call.query {
            "" => format!("{} {PREFIX}{path}", call.method),
            query => format!("{} {PREFIX}{path}?{query}", call.method),
        };
        let mut writes = ledger::writes(&store, &changes, call.number, &request, identity.role.name());
        if let Some(Suffered { lost, extra, .. }) = suffered {
            history.note(now, extra.iter().map(|(change, _)| change));
            for write in &mut writes {
                write.lost_by = lost.get(&(TableName::new(&write.schema, &write.table), write.number)).copied();
            }
            self.ledger.lock().unwrap_or_else(PoisonError::into_inner).note_extra(extra);
        }
        Ok(Answer { writes, ..answer })
    }

    /// Tells listeners of row changes.
    fn publish(&self, store: &Store, changes: &[Change], now: i64) {
        let mut columns = BTreeMap::<&TableName, Arc<[_]>>::new();
        for change in changes {
            let Some(table) = store.named(&change.table) else { continue };
            let columns = columns.entry(&change.table).or_insert_with(|| {
                let named = table.definition().columns().iter();
                named.map(|column| (column.name.as_str().into(), (&*column.kind.catalogue_name()).into())).collect()
            });
            let kind = match (&change.before, &change.after) {
                (None, _) => ChangeKind::Insert,
                (Some(_), Some(_)) => ChangeKind::Update,
                (Some(_), None) => ChangeKind::Delete,
            };
            let everything = |_: usize| true;
            let key = table.definition().primary_key();
            let in_key = |place: usize| key.is_some_and(|key| key.columns.contains(&place));
            let Some(row) = change.after.as_ref().or(change.before.as_ref()) else { continue };
            self.changes.publish(RowChange {
                schema: change.table.schema.as_str().into(),
                table: change.table.table.as_str().into(),
                kind,
                columns: Arc::clone(columns),
                record: change.after.as_ref().map(|row| record(table, row, &everything)).unwrap_or_default(),
                old_key: change.before.as_ref().map(|row| record(table, row, &in_key)).unwrap_or_default(),
                committed: u64::try_from(now).unwrap_or_default(),
                readers: readers(table, row),
            });
        }
    }
}

/// What an answer says: status, rows and how many there are.
fn said(answer: &Result<Answer, PgError>) -> Option<(StatusCode, Option<&HeaderValue>, &[u8])> {
    let answer = answer.as_ref().ok()?;
    let AnswerBody::Full(body) = &answer.body else { return None };
    Some((answer.status, answer.headers.get(CONTENT_RANGE), body))
}

/// A row's values by their columns' names.
fn record(table: &Table, row: &Row, wanted: &dyn Fn(usize) -> bool) -> Map<String, Value> {
    let columns = table.definition().columns().iter().enumerate().filter(|(place, _)| wanted(*place));
    columns
        .map(|(place, column)| {
            let mut json = Vec::new();
            row.get(place).write_json(&mut json);
            (column.name.clone(), serde_json::from_slice(&json).unwrap_or_default())
        })
        .collect()
}

/// Who may read a row, as far as that can be said without asking for everybody.
fn readers(table: &Table, row: &Row) -> Readers {
    let Some(security) = &table.definition().row_security else { return Readers::Everybody };
    let sees = |role: Role, user: Option<&str>| {
        table.visible_to(&Identity { user: user.map(Into::into), ..Identity::of(role) }, row)
    };
    if sees(Role::Anon, None) {
        return Readers::Everybody;
    }
    let owner = security.owner(row).and_then(|value| value.to_text());
    match owner {
        Some(owner) if sees(Role::Authenticated, Some(&owner)) => Readers::Owner(owner.into()),
        _ => Readers::Service,
    }
}

/// The name of a table for people: without `public`.
fn shown(table: &Table) -> String {
    let name = &table.definition().name;
    if name.schema == "public" { name.table.clone() } else { name.to_string() }
}

fn micros(clock: WallClock) -> i64 {
    i64::try_from(clock.micros()).unwrap_or(i64::MAX)
}
