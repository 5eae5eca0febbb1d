//! `reset_peer`: resets the connection, before any answer or within one.
//!
//! Keys: `after` so many bytes of the body, or so many `events`; before any answer, if neither is given. `after =
//! "0B"` is right behind the headers.
//!
//! On the wire: a TCP RST instead of an answer; with a place, status, headers and that much of the body, then the
//! RST. All streams of an HTTP/2 connection end with it. An answer without a body is not hit once its headers are
//! out.
//!
//! Imitates: a load balancer or a process that dies with requests under way (Toxiproxy's `reset_peer`, WireMock's
//! CONNECTION_RESET_BY_PEER).
//!
//! Clients see: before the answer: a connection error, retried by OpenAI's clients and by Supabase's on GET. Within
//! it: Python's retry (OpenAI's a whole body, Supabase's a GET), Node's do not (`TypeError: terminated`); no stream
//! is ever retried (docs/fidelity.md).
