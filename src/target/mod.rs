//! The app under test: started, limited, watched; and the built-in reference app.
//!
//! An app that firedrill starts lives under a guardian (`firedrill __guard`), a process of its own that is the
//! app's parent and ends with us: whatever becomes of firedrill, nothing that it started stays behind.

mod applog;
mod command;
mod connect;
mod descent;
mod elsewhere;
mod error;
pub mod exec;
pub mod guard;
mod limit;
mod protocol;
pub mod reference;
mod start;
mod supervise;
mod watch;

pub use error::TargetError;
pub use limit::group_prefix;
pub use start::{Target, TargetContext};
