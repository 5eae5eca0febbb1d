//! `bandwidth`: lets no more through than a rate (Toxiproxy's `bandwidth`).
//!
//! Keys: `rate`, such as `"20KB/s"`; `stream`: `upstream` (from the app), `downstream` (if absent) or `both`.
//!
//! On the wire: bytes come no faster than that, evenly; nothing is lost.
//!
//! Imitates: a thin or crowded line, a throttled egress quota.
//!
//! Clients see: the whole answer, late; timeouts per read rarely fire.
