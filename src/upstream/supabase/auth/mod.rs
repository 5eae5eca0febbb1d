//! Auth (GoTrue, `/auth/v1/`): users, sessions with rotating refresh tokens, mails, tokens that are really signed.
//!
//! `service` holds what the handlers share and issues sessions; `grants` signs up and in, `links` by mail, `account`
//! is a user's own, `admin` and `invitations` the server's; `book` keeps users (`user`) and sessions (`session`) within a stated bound,
//! `mail` what would have been sent; `secret` hashes and draws; `error` is the envelope; `routes` says who answers what.
//!
//! Left out, with the answers of a project that has them off: phone numbers, second factors, single sign-on, linking
//! of identities and sign-in at a provider's page.

mod account;
mod admin;
mod book;
mod error;
mod grants;
mod invitations;
mod links;
mod mail;
mod routes;
mod secret;
mod service;
mod session;
mod user;

pub use error::AuthError;
pub use service::Auth;
