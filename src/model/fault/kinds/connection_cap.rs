//! `connection_cap`: holds no more than so many connections at a time.
//!
//! Keys: `connections` at a time.
//!
//! On the wire: further connections are taken and get no answer until one of the others ends.
//!
//! Imitates: an exhausted pool: PgBouncer or Supavisor at its limit, a server at its worker limit.
//!
//! Clients see: requests that wait for their turn, and read timeouts once the wait is too long.
