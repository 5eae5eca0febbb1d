//! What the OpenAI mock says, as rules: [`ContentRule`]s of a rule file, in their order.
//!
//! These are the files' own shapes (without places), so that a rule file that ships inside the program is read as it
//! stands. Texts are held as written; whether patterns and templates are right is checked where a file is resolved.

use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// A rule file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ContentFile {
    /// What it is called in warnings.
    #[serde(default)]
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub describe: Option<String>,
    /// Its rules.
    #[serde(default)]
    pub rule: Vec<ContentRule>,
}

/// What is said to prompts of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ContentRule {
    /// Its name, in warnings.
    pub name: String,
    /// Which prompts: any of these. None is every prompt.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<ContentWhen>,
    /// What is said.
    pub answer: ContentAnswer,
    /// Why the answer ends, if not because it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<ContentFinish>,
}

/// What a prompt must look like: every condition that is there must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct ContentWhen {
    /// The API that is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<ContentEndpoint>,
    /// The model as asked for; `*` stands for any characters, `?` for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Whether JSON is asked for, with or without a schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub json: Option<bool>,
    /// The most tokens that may be answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// The text of a system (or developer) message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<ContentText>,
    /// The text of any other message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<ContentText>,
    /// The text of the last message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<ContentText>,
    /// Who says the last message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_from: Option<ContentRole>,
    /// A function that is offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Words of its subject, any of which must occur. Among rules that fit equally well, the one whose words occur
    /// most wins: in system messages first, then in the others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<String>,
    /// Places in the request (JSON pointers) with what must stand there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub pointer: BTreeMap<String, ContentValue>,
}

/// An API of OpenAI that answers prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentEndpoint {
    /// `/v1/chat/completions`
    Chat,
    /// `/v1/responses`
    Responses,
    /// `/v1/completions`
    Completions,
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentRole {
    /// The app, as instructions.
    System,
    /// The user.
    User,
    /// The model.
    Assistant,
    /// A function that the model called.
    Tool,
}

/// What a text must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ContentText {
    /// This, in whatever case of its letters.
    Contains(String),
    /// Any of these, in whatever case of their letters.
    Any(Vec<String>),
    /// A match of this regular expression, whose named groups are `captures` of the answer.
    Regex(ContentRegex),
}

/// A regular expression of the `regex` crate's syntax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentRegex {
    /// The expression.
    pub regex: String,
}

/// What must stand at a place of the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ContentValue {
    /// A text that matches; `*` stands for any characters, `?` for one.
    Text(String),
    /// This.
    Bool(bool),
    /// This; 1 and 1.0 are the same.
    Number(f64),
    /// A text with a match of this regular expression.
    Regex(ContentRegex),
    /// Anything (or nothing).
    Exists(ContentExists),
}

/// Whether a place is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentExists {
    /// Whether it is.
    pub exists: bool,
}

/// What is said. Texts are templates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentAnswer {
    /// A text.
    Text(String),
    /// JSON. A text in it that is one `{{ expression }}` becomes that expression's value.
    Json(serde_json::Value),
    /// A refusal.
    Refusal(String),
    /// Calls of functions.
    ToolCalls(Vec<ContentCall>),
}

/// A call of a function.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentCall {
    /// The function.
    pub name: String,
    /// Its arguments, as [`ContentAnswer::Json`].
    #[serde(default)]
    pub arguments: serde_json::Value,
}

/// Why an answer ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentFinish {
    /// The most tokens were reached.
    Length,
    /// The provider held something back.
    ContentFilter,
}

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateMistake {
    /// Where, in bytes of the template, as far as it is known.
    pub at: Option<std::ops::Range<usize>>,
    /// What.
    pub what: String,
    /// What would be right.
    pub help: Option<String>,
}

/// `when = { … }` or `when = [{ … }, { … }]`.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ContentWhen>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(Box<ContentWhen>),
        Many(Vec<ContentWhen>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(when) => vec![*when],
        OneOrMany::Many(all) => all,
    })
}
