//! [`When`]: the conditions of a rule, compiled.

use super::texts::{Part, Texts};
use crate::model::content::{ContentEndpoint, ContentRole, ContentText, ContentValue, ContentWhen};
use crate::upstream::openai::prompt::{Prompt, Role};
use memchr::memmem::Finder;
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use std::cell::OnceCell;

/// How large a compiled expression may be; `config` refuses larger ones in a user's file.
const REGEX_SIZE: usize = 1 << 20;

/// The conditions of a rule.
#[derive(Debug)]
pub struct When {
    /// How many there are: the more, the more specific.
    pub conditions: usize,
    /// The words of its subject.
    pub about: Vec<Finder<'static>>,
    endpoint: Option<ContentEndpoint>,
    model: Option<Regex>,
    json: Option<bool>,
    max_tokens: Option<u64>,
    texts: Vec<(Part, TextMatch)>,
    last_from: Option<ContentRole>,
    tool: Option<String>,
    pointer: Vec<(String, ValueMatch)>,
}

#[derive(Debug)]
enum TextMatch {
    Words(Vec<Finder<'static>>),
    Regex(Regex),
}

#[derive(Debug)]
enum ValueMatch {
    Bool(bool),
    Number(f64),
    Regex(Regex),
    Exists(bool),
}

/// The request as JSON, read when the first rule asks for it.
#[derive(Debug, Default)]
pub struct Request(OnceCell<Value>);

impl Request {
    /// The request's value; null if it cannot be read.
    pub fn value(&self, body: &[u8]) -> &Value {
        self.0.get_or_init(|| serde_json::from_slice(body).unwrap_or_default())
    }
}

impl When {
    /// Compiles conditions.
    ///
    /// # Errors
    /// When an expression is none, or too large.
    pub fn new(when: &ContentWhen) -> Result<Self, regex::Error> {
        let mut texts = Vec::new();
        for (part, text) in [(Part::System, &when.system), (Part::Other, &when.prompt), (Part::Last, &when.last)] {
            if let Some(text) = text {
                texts.push((part, TextMatch::new(text)?));
            }
        }
        let mut pointer = Vec::with_capacity(when.pointer.len());
        for (place, value) in &when.pointer {
            pointer.push((place.clone(), ValueMatch::new(value)?));
        }
        let flags = [
            when.endpoint.is_some(),
            when.model.is_some(),
            when.json.is_some(),
            when.max_tokens.is_some(),
            when.last_from.is_some(),
            when.tool.is_some(),
            !when.about.is_empty(),
        ];
        Ok(Self {
            conditions: flags.into_iter().filter(|there| *there).count() + texts.len() + pointer.len(),
            about: words(&when.about),
            endpoint: when.endpoint,
            model: when.model.as_deref().map(glob).transpose()?,
            json: when.json,
            max_tokens: when.max_tokens,
            texts,
            last_from: when.last_from,
            tool: when.tool.clone(),
            pointer,
        })
    }

    /// Whether all conditions hold, apart from `about`; what costs least is asked first.
    pub fn holds(&self, prompt: &Prompt<'_>, texts: &Texts<'_>, request: &Request) -> bool {
        self.endpoint.is_none_or(|endpoint| endpoint == endpoint_of(prompt.path))
            && self.json.is_none_or(|json| json == prompt.wants_json())
            && self.max_tokens.is_none_or(|most| prompt.max_tokens == Some(most))
            && self.last_from.is_none_or(|from| prompt.turns.last().is_some_and(|turn| role(turn.role) == from))
            && self.model.as_ref().is_none_or(|model| model.is_match(prompt.asked))
            && self.tool.as_ref().is_none_or(|name| prompt.tools.iter().any(|tool| tool.name == *name))
            && self.texts.iter().all(|(part, text)| text.matches(*part, texts))
            && self.pointer.iter().all(|(place, value)| value.matches(request.value(prompt.body).pointer(place)))
    }

    /// The named groups of its expressions, as they matched.
    pub fn captures(&self, texts: &Texts<'_>) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (part, text) in &self.texts {
            let TextMatch::Regex(regex) = text else { continue };
            let Some(found) = texts.of(*part).iter().find_map(|text| regex.captures(text)) else { continue };
            for name in regex.capture_names().flatten() {
                if let Some(group) = found.name(name) {
                    all.push((name.to_owned(), group.as_str().to_owned()));
                }
            }
        }
        all
    }
}

/// The API behind a path.
fn endpoint_of(path: &str) -> ContentEndpoint {
    match path {
        "/v1/responses" => ContentEndpoint::Responses,
        "/v1/completions" => ContentEndpoint::Completions,
        _ => ContentEndpoint::Chat,
    }
}

const fn role(role: Role) -> ContentRole {
    match role {
        Role::System => ContentRole::System,
        Role::User => ContentRole::User,
        Role::Assistant => ContentRole::Assistant,
        Role::Tool => ContentRole::Tool,
    }
}

fn words(words: &[String]) -> Vec<Finder<'static>> {
    words.iter().map(|word| Finder::new(&word.to_ascii_lowercase()).into_owned()).collect()
}

fn regex(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(expression).size_limit(REGEX_SIZE).build()
}

fn glob(pattern: &str) -> Result<Regex, regex::Error> {
    let escaped = regex::escape(pattern).replace(r"\*", ".*").replace(r"\?", ".");
    regex(&format!("(?s)^{escaped}$"))
}

impl TextMatch {
    fn new(text: &ContentText) -> Result<Self, regex::Error> {
        Ok(match text {
            ContentText::Contains(word) => Self::Words(words(std::slice::from_ref(word))),
            ContentText::Any(any) => Self::Words(words(any)),
            ContentText::Regex(expression) => Self::Regex(regex(&expression.regex)?),
        })
    }

    fn matches(&self, part: Part, texts: &Texts<'_>) -> bool {
        match self {
            Self::Words(words) => texts.hold(part, words),
            Self::Regex(regex) => texts.of(part).iter().any(|text| regex.is_match(text)),
        }
    }
}

impl ValueMatch {
    fn new(value: &ContentValue) -> Result<Self, regex::Error> {
        Ok(match value {
            ContentValue::Text(pattern) => Self::Regex(glob(pattern)?),
            ContentValue::Regex(expression) => Self::Regex(regex(&expression.regex)?),
            ContentValue::Bool(yes) => Self::Bool(*yes),
            ContentValue::Number(number) => Self::Number(*number),
            ContentValue::Exists(exists) => Self::Exists(exists.exists),
        })
    }

    #[expect(clippy::float_cmp, reason = "what is written in the request is compared with what is written in the rule")]
    fn matches(&self, there: Option<&Value>) -> bool {
        match self {
            Self::Exists(exists) => there.is_some() == *exists,
            Self::Bool(yes) => there.and_then(Value::as_bool) == Some(*yes),
            Self::Number(number) => there.and_then(Value::as_f64).is_some_and(|there| there == *number),
            Self::Regex(regex) => there.and_then(Value::as_str).is_some_and(|there| regex.is_match(there)),
        }
    }
}
