//! How much a model mock may be used, as planned: [`LimitsPlan`].

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The limits of the OpenAI mock. By default nothing is ever refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsPlan {
    /// For each key and model, unless the model has its own.
    pub every: RateLimit,
    /// By a model's name, without its date. What is `None` here is as in `every`.
    pub models: BTreeMap<String, RateLimit>,
    /// What all keys together may use in the whole run.
    pub quota: Option<Quota>,
    /// Which answers say what is left.
    pub headers: LimitHeaders,
    /// Whether a request that was refused for its rate counts against the limit of requests, too.
    pub count_refused: bool,
}

/// What may be used per minute. `None` is not enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RateLimit {
    /// Requests.
    pub requests_per_minute: Option<u64>,
    /// Tokens: of the prompt, and the most that may be answered.
    pub tokens_per_minute: Option<u64>,
}

/// What may be used in all.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// Tokens, prompts and answers together.
    Tokens(u64),
    /// US dollars, at the mock's price list.
    Dollars(f64),
}

/// Which answers carry `x-ratelimit-*`, and refusals `retry-after` and `retry-after-ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LimitHeaders {
    /// All of limited calls.
    #[default]
    All,
    /// Those that were not refused (WIRE-openai §2: a real 429 may carry none).
    NotOnRefusal,
    /// None.
    None,
}
