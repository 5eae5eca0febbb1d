//! [`Journey`] and [`Step`]: what a virtual user does, and what counts as an answer.

use crate::units::Span;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// A sequence of steps that one virtual user walks for one user of the app.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Journey {
    /// Its name, unique in the scenario.
    pub name: String,
    /// How often it is chosen relative to the other journeys.
    pub weight: u32,
    /// What the user does, in order. A step that fails ends the journey.
    pub steps: Vec<Step>,
}

/// One request and what is expected of its answer.
///
/// `path`, `headers` and string values inside `body` may hold `{user.id}`, `{saved}` and the like.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The endpoint's name in the report and for the judge; steps of one name are one endpoint.
    pub name: String,
    /// Which of the app's agents this exercises.
    pub agent: Option<String>,
    /// The HTTP method, in capitals.
    pub method: String,
    /// The path template, starting with `/`.
    pub path: String,
    /// Header templates of this step alone.
    pub headers: BTreeMap<String, String>,
    /// The JSON body, templates inside.
    pub body: Option<Value>,
    /// What a right answer looks like.
    pub expect: Condition,
    /// What marks an answer as given with a fallback; looked at once `expect` holds or not, and wins over it.
    pub degraded: Option<Condition>,
    /// How long the answer may take, to its last byte; then the step has failed.
    pub deadline: Span,
    /// Values to keep for later steps: name → JSON pointer into the answer.
    pub save: BTreeMap<String, String>,
    /// The pause after the step.
    pub think: ThinkTime,
}

/// What an answer must look like; every part that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// Acceptable status codes; empty means any 2xx.
    pub status: Vec<u16>,
    /// Checks on the JSON body: JSON pointer (RFC 6901) → check.
    pub json: BTreeMap<String, JsonCheck>,
    /// A text that the body must contain.
    pub contains: Option<String>,
}

/// A check of one place in a JSON body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JsonCheck {
    /// The value is this one.
    Equals(Value),
    /// The value is none of these (absence passes).
    Not(Value),
    /// The place exists and is not `null` (`true`), or is absent or `null` (`false`).
    Exists(bool),
    /// The value is one of these.
    OneOf(Vec<Value>),
    /// The value is a non-empty string, array or object (`true`), or empty, `null` or absent (`false`).
    NotEmpty(bool),
    /// The string contains this text.
    Contains(String),
}

/// A pause drawn evenly between two bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThinkTime {
    /// The shortest pause.
    pub min: Span,
    /// The longest pause.
    pub max: Span,
}
