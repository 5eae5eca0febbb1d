//! `reordered_rows`: returns the rows in another order.
//!
//! Keys: none.
//!
//! On the wire: a 2xx JSON list, shuffled by the seed so that it is never the order it had. Only reads of `/rest/v1/`
//! that ask for no `order` are hit, with at least two rows that differ.
//!
//! Imitates: PostgreSQL without ORDER BY: an update, a vacuum or a parallel scan changes the order (PostgreSQL
//! documentation, 7.5).
//!
//! Clients see: the same rows; an app that takes the first for the latest is wrong.
