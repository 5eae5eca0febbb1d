//! `stream_error`: sends an error as the next event of a stream that began well, and ends it there.
//!
//! Keys: `error`: the provider's, by name; `events` that get through first (1 if absent); `form`: `flat`, `nested` or
//! `failed`, for the Responses API.
//!
//! On the wire: status 200, some events, then `data: {"error": …}` (chat, completions), or for responses an `error`
//! event (`flat`, as in the API's description; `nested`, as reported) or `response.failed`; then the end in good
//! order. Only streams of OpenAI's API are hit.
//!
//! Imitates: rate limits and overload that arrive inside a 200 stream (openai-python#2699, vercel/ai#12329).
//!
//! Clients see: chat: APIError without a status; responses: `flat` and `failed` are events like any other, no
//! exception; `nested` is an APIError. Never retried (WIRE-openai §4).
