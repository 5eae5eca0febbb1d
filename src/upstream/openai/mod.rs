//! The OpenAI mock: models, chat completions (plain and streamed) and embeddings, as the official clients call them.
//!
//! `mock` routes; `chat` reads requests for a `completion` and answers them, `stream` makes its events; `embeddings`
//! and `models` do the rest; `content` writes what the model says; `errors` holds the envelope and the provider's
//! catalogue; `limits` keeps the rate-limit headers consistent; `tokens` counts.

mod chat;
mod completion;
mod content;
mod embeddings;
mod errors;
mod limits;
mod mock;
mod models;
mod stream;
mod stream_errors;
mod tokens;

pub use errors::ERROR_NAMES;
pub use mock::OpenAi;
