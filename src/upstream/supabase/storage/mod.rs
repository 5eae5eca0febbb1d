//! Storage (`/storage/v1/`): buckets and objects in memory, URLs that are really signed.
//!
//! `service` routes and keeps buckets; `objects` uploads (`upload`), downloads, moves and removes; `lists` says what is
//! there; `signed` is for URLs that need no key; `shelf` holds it all within a stated bound; `error` is the envelope.
//! Policies are as simple as they can be: a bucket is open to the service, to users who signed in too, or to everybody.
//!
//! Left out: resumable uploads, the S3 protocol and transformed images, which are sent as they are, with a warning.

mod error;
mod lists;
mod objects;
mod service;
mod shelf;
mod signed;
mod upload;

pub use error::StorageError;
pub use service::Storage;
