//! What all chunks and bodies of one completion have in common: its identity and its usage.

use super::models::Model;
use super::said::Usage;
use crate::units::Seed;
use crate::upstream::answer::Answer;
use serde::Serialize;
use std::sync::Arc;

/// The `system_fingerprint` of every answer.
pub const FINGERPRINT: &str = "fp_firedrill";

/// The identity of a completion.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `chatcmpl-…` or `cmpl-…`.
    pub id: Arc<str>,
    /// Unix seconds.
    pub created: i64,
    /// The snapshot that answers.
    pub model: Arc<str>,
    /// The `service_tier` that served it.
    pub tier: &'static str,
}

/// The `usage` object of completions (WIRE-openai §5).
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UsageBody {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    completion_tokens_details: CompletionDetails,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
    audio_tokens: u64,
}

#[derive(Clone, Copy, Debug, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
    audio_tokens: u64,
    accepted_prediction_tokens: u64,
    rejected_prediction_tokens: u64,
}

impl From<Usage> for UsageBody {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt,
            completion_tokens: usage.completion,
            total_tokens: usage.prompt + usage.completion,
            prompt_tokens_details: PromptDetails { cached_tokens: usage.cached, audio_tokens: 0 },
            completion_tokens_details: CompletionDetails {
                reasoning_tokens: usage.reasoning,
                audio_tokens: 0,
                accepted_prediction_tokens: 0,
                rejected_prediction_tokens: 0,
            },
        }
    }
}

/// An answer with what is billed for it.
pub fn billed(mut answer: Answer, model: &'static Model, usage: Usage) -> Answer {
    answer.tokens_in = usage.prompt;
    answer.tokens_out = usage.completion;
    answer.tokens_cached = usage.cached;
    answer.model = Some(model.id);
    answer
}

/// An identifier that is the same for the same request of a run with the same seed.
pub fn identifier(prefix: &str, seed: Seed, number: u64) -> String {
    format!("{prefix}{:016x}{:016x}", seed.draw(&[number, 0]), seed.draw(&[number, 1]))
}
