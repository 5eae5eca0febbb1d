//! `empty_choices`: answers without any choice.
//!
//! Keys: none.
//!
//! On the wire: a 2xx answer whose `choices` (chat, completions), `output` (responses) or `data` (embeddings) is
//! `[]`; in a chat stream every chunk's is; in a Responses stream every delta is missing and the last event's output
//! is empty. An answer that has none of them, or has it empty, is not hit.
//!
//! Imitates: content filters that leave nothing, Azure's first chunk, whose `choices` is empty, and compatible
//! gateways under overload.
//!
//! Clients see: no error; `choices[0]` is an IndexError or `undefined` in the app.
