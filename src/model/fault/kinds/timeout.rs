//! `timeout`: takes the request and never answers (Toxiproxy's `timeout`).
//!
//! Keys: `after`: when the connection is closed in good order; never, if absent.
//!
//! On the wire: nothing, for ever or until FIN. The request is not carried out.
//!
//! Imitates: a blackholed route, a provider whose queue is full and that has not noticed; the connections of the app
//! pile up.
//!
//! Clients see: their own read timeout: 600 s for OpenAI's by default, 120 s for supabase-py's, none at all for
//! supabase-js's (WIRE-supabase §5).
