//! [`Context`] and [`HealthData`]: what is known of a user, as prompts need it.

use crate::target::reference::openai::OpenAiError;
use serde_json::Value;

/// What later prompts are told of the user.
pub(in crate::target::reference) struct Context {
    pub(in crate::target::reference) text: String,
    /// Why OpenAI could not summarise it. HolisticOS takes the error's text for the context.
    pub(in crate::target::reference) failure: Option<OpenAiError>,
}

/// What is known of a user's body.
#[derive(Default)]
pub(in crate::target::reference) struct HealthData {
    pub(in crate::target::reference) scores: Vec<Value>,
    pub(in crate::target::reference) biomarkers: Vec<Value>,
    pub(in crate::target::reference) archetypes: Vec<Value>,
}

impl HealthData {
    /// Whether nothing is known.
    pub(in crate::target::reference) fn is_empty(&self) -> bool {
        self.scores.is_empty() && self.biomarkers.is_empty() && self.archetypes.is_empty()
    }
}
