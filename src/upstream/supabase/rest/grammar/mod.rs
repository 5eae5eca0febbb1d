//! The grammar of PostgREST's query strings: text in, [`ast::Query`] or PGRST100 out.
//!
//! `reader` is what it is written with, `ast` what it makes; `parts` are names, fields and lists, `select`, `filter`
//! and `order` the three languages, and `query` tells which parameter speaks which.

pub mod ast;
mod filter;
mod order;
mod parts;
mod query;
mod reader;
mod select;

pub use query::{Parameters, parse};
