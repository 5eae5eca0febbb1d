//! `slow_close`: closes connections late (Toxiproxy's `slow_close`).
//!
//! Keys: `delay`: how late; `stream`: `upstream` (from the app), `downstream` (if absent) or `both`.
//!
//! On the wire: when one side ends the connection, the other side gets to know of it that much later.
//!
//! Imitates: a peer that is slow to let go: sockets pile up in CLOSE_WAIT and FIN_WAIT.
//!
//! Clients see: nothing in the answer; pools and file descriptors that fill up.
