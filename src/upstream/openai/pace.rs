//! [`Pace`]: how long a model takes to its first token, and from one token to the next.

use crate::fault::draw_delay;
use crate::model::fault::Delay;
use crate::model::upstream::OpenaiPlan;
use crate::units::Seed;
use std::time::Duration;

/// The pace of every answer of a mock.
#[derive(Debug)]
pub struct Pace {
    latency: Delay,
    seed: Seed,
}

/// What the pace of one answer depends on.
#[derive(Clone, Copy, Debug)]
pub struct Work {
    /// The call's number: the key of the draws.
    pub number: u64,
    /// Tokens that the model must read.
    pub prompt_tokens: u64,
    /// How many requests the mock is busy with.
    pub in_flight: u64,
}

/// The pace of one answer, drawn.
#[derive(Clone, Debug)]
pub struct Timing {
    first: Duration,
}

impl Pace {
    /// The pace that is planned.
    pub fn new(plan: &OpenaiPlan, seed: Seed) -> Self {
        Self { latency: plan.latency, seed: seed.derive("latency") }
    }

    /// Draws the pace of an answer.
    pub fn timing(&self, work: Work) -> Timing {
        Timing { first: draw_delay(&self.latency, self.seed, &[work.number]) }
    }
}

impl Timing {
    /// From the request to the first token.
    pub const fn first(&self) -> Duration {
        self.first
    }

    /// From the token before to the next.
    pub fn gap(&mut self) -> Duration {
        Duration::ZERO
    }

    /// From the request to the end of an answer of so many tokens, as one that is not streamed takes.
    pub fn whole(mut self, tokens: u64) -> Duration {
        (1..tokens).fold(self.first, |sum, _| sum + self.gap())
    }
}
