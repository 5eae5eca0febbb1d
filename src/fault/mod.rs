//! Who is hit, when and with what: pure decisions from the seed.
//!
//! `decide` draws for one request, `delay` draws times, `matching` and `users` say which requests a rule may hit,
//! `counting` numbers them and knows when a rule is over, `engine` composes the rules, `edges` says when faults go on
//! and off, `asked` reads what requests ask for themselves. `connections` decides for connections what the engine
//! does for requests. Nothing here does any I/O.

mod asked;
mod connections;
mod counting;
mod decide;
mod delay;
mod edges;
mod engine;
mod matching;
mod users;

pub use connections::{ConnectionRules, share_at};
pub use decide::{decision, decision_at};
pub use delay::{Draw, draw_delay};
pub use edges::{Edge, edges};
pub use engine::Engine;
pub use matching::{FaultQuery, is_retry};
pub use users::users_of;
