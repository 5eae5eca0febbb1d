//! Samples to one-second intervals: shards that virtual users record into without waiting for each other, and
//! the roller that merges them every second and sends the result on as events. `under_way` knows which steps are being made
//! at this moment.

mod exemplars;
mod outcomes;
mod population;
mod recorder;
mod shard;
mod times;
mod under_way;

pub use recorder::Recorder;
pub use shard::{JourneyEnd, Shard};
pub use under_way::{StepGuard, StepId, StepsUnderWay};
