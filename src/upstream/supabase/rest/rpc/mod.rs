//! Functions (`/rest/v1/rpc/…`), given as rules: `function` is one made ready, `choice` finds the one that a call
//! means, `call` carries it out and answers.

mod call;
mod choice;
mod function;

pub use call::{Invocation, invoke};
pub use function::{Functions, check};
