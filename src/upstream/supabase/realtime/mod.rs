//! Realtime (`/realtime/v1/`): Phoenix channels over a websocket, with row changes, broadcasts and presence.
//!
//! `service` shakes hands; `connection` serves one websocket; `channel` is a topic that it joined, with `filter`s on
//! the row changes it asked for; `hub` is between the connections; `frame` reads and writes messages.
//!
//! Left out: private channels' policies (everybody with a token may join), replay, and payloads of bytes.

mod channel;
mod connection;
mod filter;
mod frame;
mod hub;
mod service;

pub use service::Realtime;
