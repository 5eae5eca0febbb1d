//! The database behind the Supabase mock: typed tables in memory, with PostgreSQL's types, constraints and errors.
//!
//! `types` names a column's type and `value` is one value of it; `numeric`, `datetime`, `jsonb`, `array`, `range` are
//! the types that need more than a line, `input` reads any of them from text or JSON and `output` writes them;
//! `operand` is a value as a filter gives it. `schema` says what tables look like, `table` holds the rows of one and
//! its indexes, `store` all of them. `error` is what PostgreSQL would say.
//!
//! Nothing in here knows HTTP or PostgREST. What a schema does not declare is `ColumnType::Any`: such a column takes
//! every value in the type that it seems to have, so that a project without a schema can be served too.

pub mod array;
pub mod compile;
pub mod datetime;
pub mod ddl;
pub mod draft;
pub mod error;
pub mod expression;
pub mod input;
pub mod jsonb;
pub mod like;
pub mod numeric;
pub mod operand;
pub mod output;
pub mod policy;
pub mod range;
pub mod row;
pub mod schema;
pub mod script;
pub mod seed;
pub mod store;
pub mod table;
pub mod transaction;
pub mod types;
pub mod value;
pub mod volatile;
