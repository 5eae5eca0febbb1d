//! `missing_usage`: leaves out how many tokens were used.
//!
//! Keys: none.
//!
//! On the wire: a 2xx JSON answer without its `usage`; in a chat stream, the chunk that holds it never comes; in the
//! Responses API, `usage` is null in the last event. An answer that has no usage is not hit.
//!
//! Imitates: streams that end before their usage chunk (the API's own words: an interrupted stream may never send
//! it), compatible servers that never count.
//!
//! Clients see: `usage` is `None`: cost accounting that reads `usage.total_tokens` fails, or counts nothing.
