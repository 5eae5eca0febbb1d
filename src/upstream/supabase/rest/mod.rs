//! PostgREST: what a request asks for, and the bytes that answer it (WIRE-supabase §3, §4).
//!
//! `grammar` reads the query string. `plan` finds every name in it, with `expression`, `cast`, `relations` and
//! `predicate`, which makes conditions ready with `pattern`, `containment` and `search`; `fetch` finds the rows and
//! `render` writes them, with `aggregate` for groups; `viewer` is who looks. `read` answers requests, with `range`,
//! `media` and `preferences` for their headers; `write` answers writes, whose bodies `payload` reads. `scan` looks into JSON, `refusals` are the errors.

mod aggregate;
mod cast;
mod containment;
mod expression;
mod fetch;
pub mod front;
pub mod grammar;
pub mod media;
mod openapi;
mod operator;
mod pattern;
mod payload;
mod plan;
mod predicate;
pub mod preferences;
mod range;
pub mod read;
pub mod refusals;
mod relations;
mod render;
pub mod rpc;
mod scan;
mod search;
mod test;
pub mod viewer;
pub mod write;
