//! `POST /v1/chat/completions`, plain and streamed.
//!
//! `create` reads a `request`, has it checked (`checks`), and frames what inference says to it: as a `body` or as the
//! events of a `stream`, with `logprobs` if they are asked for.

mod body;
mod checks;
mod create;
mod logprobs;
mod request;
mod stream;

pub use create::create;
