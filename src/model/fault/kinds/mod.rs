//! The catalogue: a file for each kind of fault, whose head says what happens on the wire, what it imitates and what
//! clients see of it. `docs/faults.md` is made from these heads.
//!
//! Files without a type describe kinds whose settings are none, or stand elsewhere in `fault`.

mod abort;
mod accept_hang;
mod bandwidth;
mod blackhole;
mod certificate;
mod connection_cap;
mod drip;
mod duplicate_chunk;
mod duplicate_write;
mod empty_choices;
mod empty_object;
mod finish_reason;
mod garbage;
mod half_close;
mod headers;
mod html_page;
mod huge_body;
mod invalid_output;
mod latency;
mod limit_data;
mod lost_write;
mod malformed_json;
mod missing_usage;
mod partial_batch;
mod partition;
mod postgres;
mod refuse;
mod reordered_rows;
mod reset_peer;
mod slicer;
mod slow_close;
mod slow_tokens;
mod stale_read;
mod stall;
mod stream_error;
mod timeout;
mod tls_handshake_failure;
mod truncate;
mod wrong_content_length;
mod wrong_content_type;

pub use drip::Drip;
pub use duplicate_chunk::DuplicateChunk;
pub use finish_reason::FinishReason;
pub use garbage::Garbage;
pub use headers::Headers;
pub use huge_body::HugeBody;
pub use invalid_output::InvalidOutput;
pub use malformed_json::MalformedJson;
pub use partial_batch::PartialBatch;
pub use slow_tokens::SlowTokens;
pub use stale_read::StaleRead;
pub use wrong_content_length::WrongContentLength;
pub use wrong_content_type::WrongContentType;
