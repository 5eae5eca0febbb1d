//! Faults in PostgreSQL's own words, before a real server: frontend/backend protocol 3.0 (its documentation, chapter
//! "Frontend/Backend Protocol"; WIRE-supabase §9).
//!
//! `proxy` accepts, and `faults` knows what strikes; `session` takes one connection through its start, where errors can be answered without a server,
//! and then lets `upward` read what the client asks and `downward` what the server answers, which share a `ledger` of
//! what is under way; `wire` reads and writes messages, `raising` makes the statement by which the server itself fails.
//! It stands before a server only if the plan has such faults, behind the proxy for faults on bytes.

mod downward;
mod faults;
mod ledger;
mod proxy;
mod raising;
mod session;
mod upward;
mod wire;

pub use proxy::PostgresProxy;
