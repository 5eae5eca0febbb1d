//! The OpenAI mock: models, chat completions (plain and streamed) and embeddings, as the official clients call them.
//!
//! `mock` routes; `chat` reads and answers completions, `stream` their events; `embeddings` and `models` the rest;
//! `content` writes what the model says; `errors` holds the envelope and the provider's catalogue; `limits` keeps
//! the rate-limit headers consistent; `tokens` counts.

mod chat;
mod content;
mod embeddings;
mod errors;
mod limits;
mod mock;
mod models;
mod stream;
mod tokens;

pub use errors::ERROR_NAMES;
pub use mock::OpenAi;
