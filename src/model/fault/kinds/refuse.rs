//! `refuse`: lets nobody connect.
//!
//! Keys: `keep_open`: whether connections that are open stay open (no, if absent).
//!
//! On the wire: if it touches all connections, the address refuses (ECONNREFUSED) as long as it is on; if only some,
//! those are reset as soon as they are there. Open connections are reset, unless they stay.
//!
//! Imitates: a server that is gone: crashed, scaled to zero, not yet started (Toxiproxy's disabled proxy).
//!
//! Clients see: a connection error at once; OpenAI's clients try three times within 1.5 s, Supabase's on GET four
//! times within 7 s (docs/fidelity.md).
