//! The OpenAI mock: every call that the official clients make of models, chat completions, responses, embeddings,
//! completions and moderations (WIRE-openai §1).
//!
//! `mock` routes every call by its table; `state` is what calls share. `chat`, `responses` and `completions` read what
//! is asked (`request` says what is wrong with it) into a `prompt`, `inference` turns that into what is `said`, and they
//! frame it. Inference asks `content` what to say, makes values for a `schema` (each read once, `schemas`), decides which
//! `tools` are called, counts by `tokens`, and knows which `prefixes` of prompts the provider has cached. `embeddings`,
//! `moderations` and `model_list` do the rest. `errors` holds the envelope and the provider's catalogue; `limits` says
//! how much may be used, `pace` how long answers take, `stream_errors` what fails inside a stream.

mod chat;
mod completion;
mod completions;
mod content;
mod embeddings;
mod errors;
mod events;
mod generations;
mod inference;
mod limits;
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
mod stream_errors;
mod tokens;
mod tools;

pub use content::check_template;
pub use errors::ERROR_NAMES;
pub use mock::OpenAi;
