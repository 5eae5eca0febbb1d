//! [`Completion`]: what the model says, before it is decided how it travels.

use crate::units::Seed;
use serde_json::{Value, json};

/// The `system_fingerprint` of every answer.
pub const FINGERPRINT: &str = "fp_firedrill";

/// A completion.
#[derive(Clone, Debug)]
pub struct Completion {
    /// `chatcmpl-…`.
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// The snapshot that answers.
    pub model: String,
    /// What each choice says.
    pub content: String,
    /// How many choices there are.
    pub choices: u64,
    /// Why it ends.
    pub finish: &'static str,
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens of all choices.
    pub completion_tokens: u64,
}

impl Completion {
    /// The `usage` object.
    pub fn usage(&self) -> Value {
        json!({
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0,
                                          "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
        })
    }
}

/// An identifier that is the same for the same request of a run with the same seed.
pub fn identifier(prefix: &str, seed: Seed, number: u64) -> String {
    format!("{prefix}{:016x}{:016x}", seed.draw(&[number, 0]), seed.draw(&[number, 1]))
}
