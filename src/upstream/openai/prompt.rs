//! [`Prompt`]: what a model is asked, whichever API asked it. The APIs read their requests into it; what is said to
//! it ([`super::said`]) does not depend on how it came.

use super::models::Named;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Who says a turn of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Instructions: `system` and `developer` messages, and `instructions` of the Responses API.
    System,
    /// The user.
    User,
    /// The model, earlier.
    Assistant,
    /// The result of a call that the model asked for.
    Tool,
}

/// One message of a conversation.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// Who says it.
    pub role: Role,
    /// What; several text parts are put one behind the other.
    pub text: Cow<'a, str>,
    /// The name of who says it, if it is given.
    pub name: Option<Cow<'a, str>>,
    /// The calls that the model asked for in it.
    pub calls: Vec<PastCall<'a>>,
    /// Tokens that its images and files are billed with.
    pub media_tokens: u64,
}

/// A call that the model asked for earlier in the conversation.
#[derive(Clone, Debug)]
pub struct PastCall<'a> {
    /// The function.
    pub name: Cow<'a, str>,
    /// Its arguments, JSON as a text.
    pub arguments: Cow<'a, str>,
}

/// A function that the model may call.
#[derive(Clone, Debug)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it is for.
    pub description: Option<Cow<'a, str>>,
    /// The JSON Schema of its arguments; none is a function without arguments.
    pub parameters: Option<&'a RawValue>,
    /// Whether the schema must keep to the strict subset (WIRE-openai §5, structured output).
    pub strict: bool,
}

/// Whether functions are to be called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// None may be.
    None,
    /// The model decides.
    #[default]
    Auto,
    /// At least one must be.
    Required,
    /// This one must be.
    Named(Cow<'a, str>),
}

/// The form that the answer must have.
#[derive(Clone, Debug, Default)]
pub enum Format<'a> {
    /// Any text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that is valid for a schema.
    JsonSchema {
        /// The name it is given.
        name: Cow<'a, str>,
        /// Whether the schema must keep to the strict subset.
        strict: bool,
        /// The schema as sent; the order of its properties counts.
        schema: &'a RawValue,
    },
}

/// What a model is asked.
#[derive(Clone, Debug)]
pub struct Prompt<'a> {
    /// The model's name as asked for.
    pub asked: &'a str,
    /// The model.
    pub named: Named<'a>,
    /// The conversation, in its order.
    pub turns: Vec<Turn<'a>>,
    /// Functions that may be called.
    pub tools: Vec<Tool<'a>>,
    /// Whether they are to be.
    pub tool_choice: ToolChoice<'a>,
    /// Whether several may be called at once.
    pub parallel: bool,
    /// The form of the answer.
    pub format: Format<'a>,
    /// The most tokens that may be answered, those of reasoning included.
    pub max_tokens: Option<u64>,
    /// Texts before which the answer ends.
    pub stop: Vec<Cow<'a, str>>,
    /// How hard a reasoning model thinks; ignored by the others.
    pub effort: Option<Cow<'a, str>>,
    /// What every draw for this request depends on besides the seed: the call's number.
    pub key: u64,
    /// The path that was called, for rules that tell the APIs apart.
    pub path: &'a str,
    /// The request as sent, for rules that look at its other fields.
    pub body: &'a [u8],
}

impl Prompt<'_> {
    /// Whether JSON is asked for.
    #[must_use]
    pub const fn wants_json(&self) -> bool {
        !matches!(self.format, Format::Text)
    }
}
