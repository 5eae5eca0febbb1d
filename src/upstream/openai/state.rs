//! [`State`]: what the calls of one mock share.

use super::content::Content;
use super::inference::Inference;
use super::limits::Limits;
use super::pace::Pace;
use super::responses::Store;
use crate::model::upstream::OpenaiPlan;
use crate::units::Seed;

/// What the calls of one mock share.
#[derive(Debug)]
pub struct State {
    /// Where every draw comes from.
    pub seed: Seed,
    /// What is used of the limits.
    pub limits: Limits,
    /// How long answers take.
    pub pace: Pace,
    /// Responses that can be asked for again.
    pub responses: Store,
    /// What answers say.
    pub inference: Inference,
}

impl State {
    /// The state of a mock that behaves as planned.
    pub fn new(plan: &OpenaiPlan, seed: Seed) -> Self {
        let seed = seed.derive("openai");
        Self {
            seed,
            limits: Limits::new(&plan.limits),
            pace: Pace::new(plan, seed),
            responses: Store::default(),
            inference: Inference::new(Content::new(&plan.content, seed), seed),
        }
    }
}
