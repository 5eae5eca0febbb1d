//! What the app talks to: OpenAI and Supabase mocks and stubs, with faults, on an accept loop of our own.
//!
//! `upstreams` starts and ends everything; `accept` takes connections over `link`; `serve` takes one request from
//! its head (`inbound` reads its body) to its `reply`, carrying out what `fault` decided and noting it in `tally`.
//! What is answered comes from a mock: `openai/`, `supabase/` or `stub`, which only turn a `Call` into an `Answer`
//! (`answer`) and know their provider's errors (`catalogue`). `environment` points an app at all this.

mod accept;
mod answer;
mod catalogue;
mod control;
mod environment;
mod inbound;
mod link;
mod openai;
mod reply;
mod serve;
mod stub;
mod supabase;
mod tally;
mod tcp;
mod upstreams;

pub use control::{Control, ControlError, ControlPlan};
pub use tcp::{Hit, TcpProxy, TcpProxyError, TcpProxyPlan};
pub use upstreams::{UpstreamError, Upstreams, known_errors};
