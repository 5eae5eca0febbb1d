//! The Responses API: `/v1/responses` and what hangs on it.
//!
//! `request` is the body as sent; `item` reads its input, and `earlier` the responses that it goes on from; `ask` makes a
//! prompt of all that. `create` has it answered and makes a `body` (with the request's `echo`) or `events` of it. `store`
//! holds what can be asked for again, which `stored` answers.

mod ask;
mod body;
mod create;
mod earlier;
mod echo;
mod events;
mod item;
mod request;
mod store;
mod stored;

pub use create::{create, failed_event, input_tokens};
pub use events::frame;
pub use store::Store;
pub use stored::{cancel, delete, input_items, retrieve};
