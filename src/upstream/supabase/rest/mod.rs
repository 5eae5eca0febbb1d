//! PostgREST's reading side: what a request asks for, and the bytes that answer it (WIRE-supabase §3, §4).
//!
//! `grammar` reads the query string. `expression`, `pattern`, `containment` and `search` are what `predicate` makes
//! conditions ready with; `scan` looks into JSON; `refusals` are the errors.

mod containment;
mod expression;
pub mod grammar;
mod pattern;
mod predicate;
mod refusals;
mod scan;
mod search;
