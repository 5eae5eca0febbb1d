//! `abort`: answers with an error instead of passing the request on (Envoy's `abort`).
//!
//! Keys: `error`: the provider's own, by name; `status`; `headers`; `body`; `omit`: headers left out.
//!
//! On the wire: the provider's status, headers and body, at once; the request is not carried out: no row is written,
//! no service is asked.
//!
//! Imitates: every error that a provider gives: its names are in the catalogue of errors below (WIRE-openai §3,
//! WIRE-supabase §4 to §7).
//!
//! Clients see: the exception of the status; 408, 409, 429 and 5xx are retried twice by OpenAI's clients, 503 and 520
//! on GET three times by Supabase's (WIRE-openai §4, WIRE-supabase §5).
