//! `empty_object`: answers `{}` where there was content.
//!
//! Keys: none.
//!
//! On the wire: the status and headers of the real 2xx answer, `content-type: application/json` and the body `{}`,
//! also in the place of a stream. The request is carried out. An answer without a body is not hit.
//!
//! Imitates: an API version that renamed its fields, a cache that stored an empty answer, a stub left in place.
//!
//! Clients see: OpenAI: an object whose fields are `None`, without an error (WIRE-openai §4): `choices[0]` fails in
//! the app. Supabase: `data` is an object instead of a list.
