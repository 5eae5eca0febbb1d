//! The Supabase mock: PostgREST over an in-memory store, behind the gateway's key check.
//!
//! `mock` is the gateway and routes; `gatekeeper` tells by `keys` and `clock` with which `identity` a request comes;
//! `postgrest` is PostgREST: it hands requests to `rest`, which reads them and carries them out on the `database`, and
//! keeps the `ledger` of acknowledged writes, with what they `suffered` by faults. `auth`, `storage`, `functions` and `realtime` are the other services;
//! `changes` leads from the database to the last. `errors` holds PostgREST's envelope, `failures` the catalogue of all
//! services.
//!
//! Where no schema is declared, the database takes tables as they come: the first write makes a table, a table that
//! was never written reads as empty, and a column that no row has reads as null. The real thing would answer PGRST205
//! and 42703; saying so without knowing the schema would break apps that are right.

mod auth;
mod changes;
mod clock;
mod database;
mod errors;
mod failures;
mod functions;
mod gatekeeper;
mod gateway;
mod identity;
mod keys;
mod ledger;
mod mock;
mod moment;
mod postgrest;
mod realtime;
mod rest;
mod storage;
mod suffered;

pub use database::seed::SeedError;
pub use failures::ERROR_NAMES;
pub use keys::ProjectKeys;
pub use mock::Supabase;
pub use rest::rpc::check as check_functions;
