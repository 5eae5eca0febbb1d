//! [`Supabase`]: the gateway's key check, and which service a path belongs to.

use super::defaults;
use super::errors::{self, CATALOGUE, PgError};
use super::ledger::Ledger;
use super::query::{Preferences, Query};
use super::read;
use super::store::Store;
use super::value::Cell;
use super::write::Writing;
use crate::fault::draw_delay;
use crate::model::fault::Delay;
use crate::model::upstream::{Services, SupabasePlan};
use crate::units::Seed;
use crate::upstream::answer::{Answer, Call, Mock, Write};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError, RwLock};

const REST: &str = "/rest/v1";
/// Schemas that are exposed, as a fresh project exposes them.
const SCHEMAS: [&str; 2] = ["public", "graphql_public"];

/// The Supabase mock.
pub struct Supabase {
    latency: Delay,
    store: RwLock<Store>,
    ledger: Mutex<Ledger>,
    seed: Seed,
    /// Rows made so far, for their ids.
    made: Mutex<u64>,
}

impl Supabase {
    /// A mock that behaves as planned.
    pub fn new(plan: &SupabasePlan, seed: Seed) -> Self {
        let SupabasePlan { seed: rows, latency } = plan;
        let seed = seed.derive("supabase");
        let (mut store, mut made) = (Store::default(), 0);
        for (name, rows) in rows {
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
        Self {
            latency: latency.clone(),
            store: RwLock::new(store),
            ledger: Mutex::default(),
            seed,
            made: Mutex::new(made),
        }
    }

    fn route(&self, call: &Call<'_>) -> Answer {
        match call.path {
            "/rest-admin/v1/live" | "/rest-admin/v1/ready" => return Answer::empty(StatusCode::OK),
            path if path.starts_with("/rest/v1") || path.starts_with("/auth/v1/") => {}
            _ => return errors::no_route(),
        }
        if !has_key(call) {
            return errors::missing_key();
        }
        match call.path {
            "/auth/v1/health" => {
                let description = "GoTrue is a user registration and authentication API";
                Answer::json(
                    StatusCode::OK,
                    &json!({"version": "v2.180.0", "name": "GoTrue", "description": description}),
                )
            }
            "/auth/v1/settings" => Answer::json(
                StatusCode::OK,
                &json!({"external": {"email": true, "phone": false, "anonymous_users": false},
                        "disable_signup": false, "mailer_autoconfirm": true, "phone_autoconfirm": false}),
            ),
            "/rest/v1" | "/rest/v1/" => self.root(),
            path => match path.strip_prefix("/rest/v1/") {
                Some(table) => self.rest(table, call).unwrap_or_else(|error| error.answer()),
                None => errors::no_route(),
            },
        }
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

/// Whether the gateway finds a key, in the header or the query.
fn has_key(call: &Call<'_>) -> bool {
    call.header("apikey").is_some_and(|key| !key.trim().is_empty())
        || url::form_urlencoded::parse(call.query.as_bytes()).any(|(name, value)| name == "apikey" && !value.is_empty())
}

/// Whether the caller is somebody: its token's role is not the anonymous one.
fn is_signed_in(call: &Call<'_>) -> bool {
    #[derive(Deserialize)]
    struct Claims {
        role: String,
    }
    let claims = call.bearer().and_then(|token| token.split('.').nth(1)).and_then(|part| {
        serde_json::from_slice::<Claims>(&URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?).ok()
    });
    claims.is_some_and(|claims| claims.role != "anon")
}

impl Mock for Supabase {
    fn service(&self, path: &str) -> Option<&'static str> {
        Services::SUPABASE.of(path)
    }

    fn answer(&self, call: &Call<'_>) -> Answer {
        let delay = draw_delay(&self.latency, self.seed.derive("latency"), &[call.number]);
        self.route(call).delayed(delay)
    }

    fn named_error(&self, name: &str, call: &Call<'_>) -> Option<Answer> {
        let error = CATALOGUE.iter().find(|error| error.name == name)?;
        let table = call.path.strip_prefix(REST).map_or("", |path| path.trim_start_matches('/'));
        let table: String = table.chars().take(63).collect();
        let mut answer = error.answer(&[("table", &table)]);
        if name == "42501" && !is_signed_in(call) {
            answer.status = StatusCode::UNAUTHORIZED;
        }
        Some(answer)
    }

    fn error_of_status(&self, status: StatusCode, call: &Call<'_>) -> Answer {
        let listed = CATALOGUE.iter().find(|error| error.status == status.as_u16());
        listed
            .and_then(|error| self.named_error(error.name, call))
            .unwrap_or_else(|| Answer::json(status, &json!({"message": status.canonical_reason().unwrap_or("error")})))
    }

    fn too_large(&self) -> Answer {
        Answer::json(StatusCode::PAYLOAD_TOO_LARGE, &json!({"message": "Request size limit exceeded"}))
    }

    fn acknowledge(&self, writes: Vec<Write>) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).note(writes);
    }

    fn state(&self) -> Value {
        let store = self.store.read().unwrap_or_else(PoisonError::into_inner);
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let rows: BTreeMap<&str, usize> = store.tables().map(|(name, table)| (name, table.len())).collect();
        let latest = ledger.latest().map(|write| json!({"table": write.table, "id": write.row}));
        json!({
            "rows": rows, "bytes": store.bytes(), "evicted": store.evicted(),
            "writes": {"acknowledged": ledger.acknowledged(), "left_out": ledger.left_out(), "latest": latest},
        })
    }
}
