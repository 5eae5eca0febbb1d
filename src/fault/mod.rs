//! Who is hit, when and with what: pure decisions from the seed.
//!
//! `decide` draws for one request, `delay` draws times, `matching` says which requests a rule may hit, `engine`
//! counts and composes, `edges` says when windows open and close. Nothing here does any I/O.

mod decide;
mod delay;
mod edges;
mod engine;
mod matching;

pub use decide::decision;
pub use delay::{Draw, draw_delay};
pub use edges::{Edge, edges};
pub use engine::Engine;
pub use matching::FaultQuery;
