//! `empty_object`: answers `{}` where there was content.
//!
//! Keys: none.
//!
//! On the wire: the status and headers of the real 2xx answer, `content-type: application/json` and the body `{}`,
//! also in the place of a stream. The request is carried out. An answer without a body is not hit.
//!
//! Imitates: an API version that renamed its fields, a cache that stored an empty answer, a stub left in place.
//!
//! Clients see: OpenAI: an object whose fields are `None`, without an error, and `choices[0]` fails in the app; for a
//! stream, one without any chunk, without an error. Supabase: `data` is an object instead of a list
//! (docs/fidelity.md).
