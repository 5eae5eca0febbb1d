//! The OpenAI mock: models, chat completions (plain and streamed) and embeddings, as the official clients call them.
//!
//! `mock` routes every call by its table; `state` is what calls share. `chat` reads requests into a `prompt`,
//! `inference` turns it into what is `said` (asking `content`, counting by `tokens`), and `chat` and `stream` frame
//! that. `embeddings` and `model_list` do the rest; `errors` holds the envelope and the provider's catalogue; `limits`
//! keeps the rate-limit headers consistent; `pace` draws how long answers take.

mod chat;
mod chat_body;
mod chat_checks;
mod chat_request;
mod completion;
mod completions;
mod content;
mod embeddings;
mod errors;
mod generations;
mod inference;
mod limits;
mod logprobs;
mod mock;
mod model_list;
mod models;
mod moderations;
mod pace;
mod prefixes;
mod prompt;
mod request;
mod responses;
mod said;
mod schema;
mod schemas;
mod state;
mod stream;
mod stream_errors;
mod tokens;
mod tools;

pub use content::check_template;
pub use errors::ERROR_NAMES;
pub use mock::OpenAi;
