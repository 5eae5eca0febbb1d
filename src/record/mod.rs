//! Samples to one-second intervals: shards that virtual users record into without waiting for each other, and
//! the roller that merges them every second and sends the result on as events.

mod exemplars;
mod outcomes;
mod population;
mod recorder;
mod shard;
mod times;

pub use recorder::Recorder;
pub use shard::{JourneyEnd, Shard};
