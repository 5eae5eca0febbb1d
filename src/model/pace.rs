//! How fast a model mock answers, as planned: [`PacePlan`].

use super::fault::Delay;
use crate::units::{Share, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How long answers take, by the model that is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PacePlan {
    /// For every model that has no pace of its own.
    pub every: ModelPace,
    /// By a model's name, without its date.
    pub models: BTreeMap<String, ModelPace>,
    /// How many requests are worked on at once; further ones wait their turn, first come first served. `None` is as
    /// many as come.
    pub capacity: Option<u32>,
    /// How long embeddings and moderations take.
    pub embeddings: Delay,
}

/// The pace of one model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelPace {
    /// The time to the first token, drawn per request.
    pub first_token: Delay,
    /// The mean time between two tokens of one answer, drawn per request.
    pub token_gap: Delay,
    /// How much single gaps vary around their answer's mean: the standard deviation of a log-normal factor with
    /// mean 1, drawn per token.
    pub token_jitter: Share,
    /// What every thousand tokens of the prompt add to the time to the first token.
    pub per_1k_prompt_tokens: Span,
    /// What every other request under way adds to the time to the first token.
    pub per_concurrent: Span,
}
