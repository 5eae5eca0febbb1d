//! A TCP proxy in front of a real server (Postgres, Redis, anything), with toxics on its connections.
//!
//! `proxy` accepts and counts; `connection` ties a client to the server and lets a `pump` run each way; a pump keeps
//! the `course` of its direction, which is what the `toxics` of the moment make of it, and `shaper` says when which
//! bytes are due.

mod connection;
mod course;
mod proxy;
mod pump;
mod shaper;
mod toxics;

pub use proxy::{TcpProxy, TcpProxyError, TcpProxyPlan, Watcher};
pub use toxics::{Drawn, Hit, PlannedToxic};
