//! [`LoadError`]: why a load could not be driven.

use super::template::TemplateError;

/// Why a load could not be driven.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The target's URL cannot be used.
    #[error("the target's URL `{url}` cannot be used: {why}")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// A template of a step is wrong.
    #[error("step `{step}` has a template that is wrong")]
    Template {
        /// The step's name.
        step: String,
        /// What is wrong.
        #[source]
        source: TemplateError,
    },
    /// A feeder's template is wrong.
    #[error("feeder `{feeder}` has a template that is wrong: {why}")]
    Feeder {
        /// The feeder's name.
        feeder: String,
        /// What is wrong.
        why: String,
    },
    /// Something of a step or of the plan's headers cannot be sent over HTTP.
    #[error("{place} cannot be sent over HTTP: {why}")]
    Http {
        /// Where it stands; never a secret's value.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A step's endpoint is not in the plan.
    #[error("step `{0}` is not among the plan's endpoints")]
    Endpoint(String),
    /// There is nothing to do.
    #[error("there is nothing to do: the plan has no {0}")]
    Nothing(&'static str),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// goose refused the run.
    #[error("goose could not run the virtual users")]
    Goose(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// goose ended before the plan did, for instance through its process-wide kill switch.
    #[error("the virtual users were stopped from outside before the plan's end")]
    EndedEarly,
}
