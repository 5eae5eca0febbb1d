//! `html_page`: answers 200 with an HTML page.
//!
//! Keys: none.
//!
//! On the wire: the status of the real 2xx answer, `content-type: text/html` and a page, also in the place of a
//! stream. The request is carried out. An answer without a body is not hit.
//!
//! Imitates: captive portals, single sign-on pages, maintenance pages and CDN challenges that are served with 200.
//!
//! Clients see: OpenAI: the page as a string, without an error; for a stream, one without any chunk, without an
//! error. Supabase: `data` is the page without an error in Python, an error with status 200 in JavaScript
//! (docs/fidelity.md).
