//! `blackhole`: lets so many bytes through, and nothing after.
//!
//! Keys: `bytes` that get through (none if absent); `stream`: `upstream` (from the app), `downstream` or `both` (if
//! absent).
//!
//! On the wire: behind those bytes nothing arrives on that way, and nobody is told: no FIN, no RST.
//!
//! Imitates: a middlebox that forgot the connection (idle timeouts of NAT and load balancers).
//!
//! Clients see: their read timeout; a pooled connection that fails only when it is used again.
