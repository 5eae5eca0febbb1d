//! `half_close`: closes one direction after so many bytes, and leaves the other one open.
//!
//! Keys: `bytes` that get through (none if absent); `stream`: `upstream` (from the app), `downstream` (if absent).
//!
//! On the wire: FIN in that direction behind those bytes; the other direction goes on.
//!
//! Imitates: a server that shuts its sending side down while it still reads; proxies that close the two sides one
//! after the other.
//!
//! Clients see: an answer that ends too early, or a connection that still takes requests and answers none.
