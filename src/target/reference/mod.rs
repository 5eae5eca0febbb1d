//! The built-in reference app: a stand-in for HolisticOS, the first app that firedrill is used on.
//!
//! Its surface, its upstream calls, its retries and above all its ways of failing are those that were observed
//! on HolisticOS: one event loop that every Supabase call stops, answers that say 200 "success" while OpenAI is
//! down, a health check that never looks at Supabase. A harness that cannot tell what is wrong with this app
//! cannot be trusted with the real one. `resilient` turns it into the app that HolisticOS should be: the same
//! surface, with honest failure.

mod agents;
mod alerts;
mod app;
mod breaker;
mod config;
mod coordination;
mod defect;
mod endpoints;
mod envelopes;
mod error;
mod event_loop;
mod exchange;
mod figures;
mod memory;
mod openai;
mod pace;
mod query;
mod reply;
mod request;
mod router;
mod serve;
mod side_services;
mod supabase;
mod timestamps;
mod validate;

pub use config::ReferenceConfig;
pub use defect::{AgentName, DEFECTS, Defect, DefectInfo, ENDPOINTS, ParseDefectError};
pub use error::ReferenceError;
pub use serve::serve;
