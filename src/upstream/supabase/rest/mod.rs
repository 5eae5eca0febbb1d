//! PostgREST: what a request asks for, and the bytes that answer it (WIRE-supabase §3, §4).
//!
//! `front` tells requests apart: `read` answers reads, `write` answers writes, whose bodies `payload` reads, `rpc` calls
//! functions, and `openapi` describes all of it. `range`, `media` and `preferences` are what their headers say.
//!
//! `grammar` reads the query string. `plan` finds every name in it, with `expression`, `cast`, `relations`, and
//! `predicate`, whose `test`s `operator` makes ready with `pattern`, `containment` and `search`. `fetch` finds the rows,
//! as far as the `viewer` may see them, and `render` writes them, with `aggregate` for groups, as far as the
//! `work` of a request may go. `scan` looks into JSON, `refusals` are the errors.

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
pub mod work;
pub mod write;
