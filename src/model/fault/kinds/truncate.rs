//! `truncate`: ends the body too early and in good order.
//!
//! Keys: `after` so many bytes, or so many `events`; before the last event (`[DONE]`, `response.completed`), if
//! neither is given.
//!
//! On the wire: the body ends where it should not, and nothing on the transport says so: the declared length is that
//! of what is sent, the chunked coding ends properly.
//!
//! Imitates: a gateway that closes a stream it lost; streams without `[DONE]`.
//!
//! Clients see: a stream without `[DONE]` is taken as complete, silently, by both OpenAI clients (WIRE-openai §4); a
//! cut JSON body is an error of the parser, not retried.
