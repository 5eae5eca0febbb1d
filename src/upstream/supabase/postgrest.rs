//! [`Postgrest`]: PostgREST (`/rest/v1/`) over the store, from a path to who answers it.

use super::changes::Changes;
use super::defaults;
use super::errors::PgError;
use super::identity::Identity;
use super::ledger::Ledger;
use super::query::{Preferences, Query};
use super::read;
use super::store::Store;
use super::value::Cell;
use super::write::Writing;
use crate::model::upstream::SupabasePlan;
use crate::units::Seed;
use crate::upstream::answer::{Answer, Call, Write};
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, RwLock};

/// Schemas that are exposed, as a fresh project exposes them.
const SCHEMAS: [&str; 2] = ["public", "graphql_public"];

/// The database behind its REST interface.
pub struct Postgrest {
    store: RwLock<Store>,
    ledger: Mutex<Ledger>,
    /// Where committed changes are published.
    changes: Changes,
    seed: Seed,
    /// Rows made so far, for their ids.
    made: Mutex<u64>,
}

impl Postgrest {
    /// A database with the rows of the plan.
    pub fn new(plan: &SupabasePlan, seed: Seed, changes: Changes) -> Self {
        let (mut store, mut made) = (Store::default(), 0);
        // Users belong to Auth: the database does not show them.
        for (name, rows) in plan.seed.iter().filter(|(name, _)| !name.starts_with("auth.")) {
            let Some(table) = store.table_or_new(name) else { continue };
            for row in rows.iter().filter_map(Value::as_object) {
                let mut row = row.clone();
                defaults::fill(name, &mut row, seed, made);
                made += 1;
                let values = row
                    .iter()
                    .filter_map(|(column, value)| Some((table.place_or_new(column)?, Cell::written(value, column))))
                    .collect();
                table.insert(values);
            }
        }
        Self { store: RwLock::new(store), ledger: Mutex::default(), changes, seed, made: Mutex::new(made) }
    }

    /// The answer to a request by `identity`, at `path` below `/rest/v1/`.
    pub fn answer(&self, path: &str, call: &Call<'_>, _identity: &Identity) -> Answer {
        if path.is_empty() {
            return self.root();
        }
        self.rest(path, call).unwrap_or_else(|error| error.answer())
    }

    /// Takes note of rows whose writing was acknowledged to the app.
    pub fn acknowledge(&self, writes: Vec<Write>) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).note(writes);
    }

    /// What the database holds, for people who look.
    pub fn state(&self) -> Value {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: BTreeMap<&str, usize> = store.tables().map(|(name, table)| (name, table.len())).collect();
        let latest = ledger.latest().map(|write| json!({"table": write.table, "id": write.row}));
        json!({
            "rows": rows, "bytes": store.bytes(), "evicted": store.evicted(),
            "writes": {"acknowledged": ledger.acknowledged(), "left_out": ledger.left_out(), "latest": latest},
        })
    }

    /// PostgREST's root: what it serves, in outline.
    fn root(&self) -> Answer {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let paths: BTreeMap<String, Value> = store.tables().map(|(name, _)| (format!("/{name}"), json!({}))).collect();
        let body = json!({"swagger": "2.0", "info": {"title": "standard public schema", "version": "13.0"},
                          "paths": paths});
        Answer::json(StatusCode::OK, &body).with("content-type", "application/openapi+json; charset=utf-8")
    }

    fn rest(&self, path: &str, call: &Call<'_>) -> Result<Answer, PgError> {
        if let Some(function) = path.strip_prefix("rpc/") {
            let message = format!("Could not find the function public.{function} in the schema cache");
            return Err(PgError::new(StatusCode::NOT_FOUND, "PGRST202", message));
        }
        let table = percent_decode_str(path).decode_utf8_lossy();
        if table.is_empty() || table.contains('/') || table.len() > 63 {
            return Err(PgError::new(StatusCode::NOT_FOUND, "PGRST125", "Invalid path specified in request URL"));
        }
        let head = *call.method == Method::HEAD;
        let reading = head || *call.method == Method::GET;
        let profile = if reading { "accept-profile" } else { "content-profile" };
        if let Some(schema) = call.header(profile).filter(|schema| !SCHEMAS.contains(schema)) {
            let mut error = PgError::new(StatusCode::NOT_ACCEPTABLE, "PGRST106", format!("Invalid schema: {schema}"));
            error.hint = Some(format!("Only the following schemas are exposed: {}", SCHEMAS.join(", ")));
            return Err(error);
        }
        if let Some(accept) = call.header("accept").filter(|accept| {
            ["text/csv", "application/vnd.pgrst.plan", "application/geo+json"].iter().any(|kind| accept.contains(kind))
        }) {
            let message = format!("None of these media types are available: {accept}");
            return Err(PgError::new(StatusCode::NOT_ACCEPTABLE, "PGRST107", message));
        }
        let query = Query::parse(call.query)?;
        let preferences = Preferences::read(call.headers);
        if reading {
            return read::read(&self.store, &table, &query, &preferences, head);
        }
        query.check_embedded()?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let mut store = self.store.write().unwrap_or_else(PoisonError::into_inner);
        let mut writing = Writing {
            store: &mut store,
            table: &table,
            query: &query,
            preferences: &preferences,
            seed: self.seed,
            made: &mut made,
        };
        match *call.method {
            Method::POST => writing.insert(call.body),
            Method::PATCH => writing.update(call.body),
            Method::DELETE => writing.delete(),
            _ => Err(PgError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "PGRST117",
                format!("Unsupported HTTP method: {}", call.method),
            )),
        }
    }
}
