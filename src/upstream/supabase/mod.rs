//! The Supabase mock: PostgREST over an in-memory store, behind the gateway's key check.
//!
//! `mock` is the gateway and routes; `gatekeeper` tells by `keys` and `clock` with which `identity` a request comes;
//! `postgrest` is PostgREST: `read` and `write` carry out requests that `query` has read, with `filter` and
//! `select` for the two small grammars in it; `store` holds `table`s of `value`s within a stated bound; `relations`
//! and `defaults` are the little that is known of HolisticOS's schema; `ledger` remembers acknowledged writes;
//! `errors` holds PostgREST's envelope, `failures` the catalogue of all services. `auth`, `storage`, `functions` and
//! `realtime` are the other services; `changes` leads from the database to the last.
//!
//! No schema is declared yet, so the store takes tables as they come: the first write makes a table, a table that
//! was never written reads as empty, and a column that no row has reads as null. The real thing would answer
//! PGRST205 and 42703; saying so without knowing the schema would break apps that are right.

mod auth;
mod changes;
mod clock;
#[expect(dead_code, reason = "the requests move over to it next")]
mod database;
mod defaults;
mod errors;
mod failures;
mod filter;
mod functions;
mod gatekeeper;
mod gateway;
mod identity;
mod keys;
mod ledger;
mod mock;
mod moment;
mod postgrest;
mod query;
mod read;
mod realtime;
mod relations;
mod rest;
mod select;
mod storage;
mod store;
mod table;
mod value;
mod write;

pub use failures::ERROR_NAMES;
pub use keys::ProjectKeys;
pub use mock::Supabase;
