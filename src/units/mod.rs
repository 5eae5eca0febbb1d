//! Quantities with their units: time on the run's clock, durations, bytes, shares, money, seeds.
//!
//! Nothing here knows what firedrill is for; every other module may use it.

mod bytes;
mod clock;
mod money;
mod offset;
mod seed;
mod share;
mod span;

pub use bytes::{ByteSize, ParseByteSizeError};
pub use clock::RunClock;
pub use money::{Money, ParseMoneyError};
pub use offset::Offset;
pub use seed::Seed;
pub use share::{ParseShareError, Share};
pub use span::{ParseSpanError, Span};
