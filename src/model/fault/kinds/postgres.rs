//! `postgres`: goes wrong in PostgreSQL's own words, on an upstream with `protocol = "postgres"`.
//!
//! Keys: one of `startup`, `terminate`, `error` (each with `error`, a name or an SQLSTATE, and `message`), `slow`
//! (`delay`), `cut_rows` (`after` so many rows), `refuse_ssl`, `stall_ssl`, `stall_auth`.
//!
//! On the wire: FATAL to the startup message; FATAL in the place of a statement's answer; an error that the server
//! itself raises, so that its transaction is truly aborted; a statement that reaches it late; a reset inside a
//! DataRow; `N` to SSLRequest; silence behind SSLRequest or inside the authentication (protocol 3.0, WIRE-supabase
//! §9).
//!
//! Imitates: no slots left, restarts and fail-overs, statement timeouts, deadlocks, a read-only replica, a pooler at
//! its limit (jikig-ai/soleur#5558, supabase#21166).
//!
//! Clients see: the driver's error with that SQLSTATE, or a broken connection.
