//! Plan to samples: virtual users walk journeys over HTTP, and every answer is classed by its content.
//!
//! `closed` starts and stops virtual users (goose owns them); `user` walks journeys; `client` sends; `classify`
//! judges an answer; `program` is the plan, compiled once so that nothing is parsed per request.

mod canary;
pub mod checks;
mod classify;
mod client;
mod closed;
mod draw;
mod error;
mod evidence;
mod json_body;
mod program;
pub mod template;
mod user;
mod values;

pub use canary::Canaries;
pub use classify::{Answer, Judgement, classify};
pub use closed::{LoadContext, LoadSummary, run};
pub use error::LoadError;
