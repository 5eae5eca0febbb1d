//! `duplicate_write`: carries a write out twice.
//!
//! Keys: none.
//!
//! On the wire: one answer, and the rows twice: the insert is carried out again behind it. Only inserts to the
//! Supabase mock's tables are hit, and only if the database takes them again (a key that the client gives is unique).
//! The ledger names the fault that wrote the second.
//!
//! Imitates: a retry by a proxy or a queue between the client and the database, after the first try did succeed.
//!
//! Clients see: success; the row is there twice when it is read.
