//! What the app talks to: OpenAI and Supabase mocks and stubs, with faults, on an accept loop of our own.
//!
//! `upstreams` starts and ends everything; `accept` takes connections over `link` (plain, or with a certificate of
//! `tls`; `request_line` lets through what clients ought to have encoded); `serve` takes one request from its head
//! (`inbound` reads its body) to its `reply` (which `encoding` compresses, under the words of `reason`), carrying out
//! what `fault` decided (`passage` sorts it, `alter` changes content and `head` headers, each `fire` is noted once) and
//! noting it (`notes`, `tally`). `pages` are
//! firedrill's own; `heavy` work makes way for other connections. All connections are `tasks` that end together.
//! What is answered comes from a mock: `openai/`, `supabase/` or `stub`, which only turn a `Call` into an `Answer`
//! (`answer`) and know their provider's errors (`catalogue`); or from a real service (`passthrough`), or from what was
//! recorded of one (`recording`). `environment` points an app at all this.

mod accept;
mod alter;
mod answer;
mod calls;
mod catalogue;
mod control;
mod encoding;
mod environment;
mod fire;
mod front;
mod head;
mod heavy;
mod inbound;
mod link;
mod notes;
mod openai;
mod pages;
mod passage;
mod passthrough;
mod postgres;
mod reason;
mod recording;
mod reply;
mod request_line;
mod secured;
mod serve;
mod stub;
mod supabase;
mod tally;
mod tasks;
mod tcp;
mod tls;
mod upstreams;
#[cfg(test)]
mod wire_tests;

pub use control::{Control, ControlError, ControlPlan};
pub use environment::trust;
pub use openai::check_template;
pub use supabase::check_functions;
pub use tcp::{Drawn, Hit, PlannedToxic, TcpProxy, TcpProxyError, TcpProxyPlan};
pub use upstreams::{UpstreamError, Upstreams, check, known_errors};
