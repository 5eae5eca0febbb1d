//! `slicer`: cuts what passes into small pieces (Toxiproxy's `slicer`).
//!
//! Keys: `average_size` of a piece; `size_variation` (none if absent); `delay` between pieces (none if absent);
//! `stream`: `upstream` (from the app), `downstream` (if absent) or `both`.
//!
//! On the wire: the same bytes in pieces of their own TCP segments, the time apart.
//!
//! Imitates: small packets on a bad path; finds readers that count on whole messages.
//!
//! Clients see: the whole answer; a parser that takes a read for a message breaks.
