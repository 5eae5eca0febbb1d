//! `accept_hang`: takes connections and never says a word.
//!
//! Keys: none.
//!
//! On the wire: the TCP handshake is done, then nothing: no byte either way, no end while it is on.
//!
//! Imitates: a server whose accept queue outlives it; a process stopped by a debugger or a full disk.
//!
//! Clients see: no connect timeout, since the connection is there: the read timeout, which is 600 s in OpenAI's
//! clients and none in supabase-js (WIRE-openai §4, WIRE-supabase §5).
