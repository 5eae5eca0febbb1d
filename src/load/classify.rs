//! [`classify`]: what an answer means, by its status *and* its content. Pure.
//!
//! An app that answers 200 while it is broken is the normal case (observed on HolisticOS: with OpenAI fully
//! down, plans come as 200 "success" with an error inside), so a status alone decides nothing.

use crate::model::journey::{Condition, JsonCheck};
use crate::model::sample::Outcome;
use serde_json::Value;
use std::fmt::Write as _;

/// How many things that are wrong are named.
const NAMED: usize = 3;
/// How much of a value is quoted, in characters.
const QUOTED: usize = 60;

/// A complete answer.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The body as far as it was kept.
    pub body: &'a [u8],
    /// The whole body's length in bytes, which may be more than was kept.
    pub length: u64,
    /// The body as JSON, if it was parsed and is JSON.
    pub json: Option<&'a Value>,
}

/// What an answer means, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// `Ok`, `Degraded`, `Masked`, `Assertion` or `Status`.
    pub outcome: Outcome,
    /// What exactly was not as expected, or what gave a fallback away; empty where all is well.
    pub why: String,
}

/// Classes a complete answer.
///
/// | `degraded` holds | status as expected | content as expected | status is 2xx | outcome |
/// |---|---|---|---|---|
/// | yes | any | any | any | degraded |
/// | no | yes | yes | any | ok |
/// | no | yes | no | yes | masked |
/// | no | yes | no | no | assertion |
/// | no | no | any | any | status |
///
/// A condition without statuses means any 2xx. An unexpected 2xx (where 401 was expected, say) is `Status`: a
/// check of the status would have shown it. A `degraded` rule that says nothing at all holds never, or it would
/// call every answer a fallback.
#[must_use]
pub fn classify(expect: &Condition, degraded: Option<&Condition>, answer: Answer<'_>) -> Judgement {
    if let Some(rule) = degraded.filter(|rule| **rule != Condition::default())
        && status_holds(rule, answer.status)
        && content_faults(rule, answer).is_empty()
    {
        return Judgement { outcome: Outcome::Degraded, why: signs(rule, answer) };
    }
    if !status_holds(expect, answer.status) {
        let why = format!("status {}, expected {}", answer.status, wanted_status(expect));
        return Judgement { outcome: Outcome::Status, why };
    }
    let faults = content_faults(expect, answer);
    if faults.is_empty() {
        return Judgement { outcome: Outcome::Ok, why: String::new() };
    }
    let outcome = if is_2xx(answer.status) { Outcome::Masked } else { Outcome::Assertion };
    Judgement { outcome, why: listed(&faults) }
}

fn is_2xx(status: u16) -> bool {
    (200..300).contains(&status)
}

fn status_holds(condition: &Condition, status: u16) -> bool {
    if condition.status.is_empty() { is_2xx(status) } else { condition.status.contains(&status) }
}

fn wanted_status(condition: &Condition) -> String {
    let statuses: Vec<String> = condition.status.iter().map(u16::to_string).collect();
    if statuses.is_empty() { "2xx".to_owned() } else { statuses.join(" or ") }
}

/// Everything about the content that is not as the condition says.
fn content_faults(condition: &Condition, answer: Answer<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    if !condition.json.is_empty() {
        match answer.json {
            Some(json) => faults.extend(
                condition
                    .json
                    .iter()
                    .filter_map(|(at, check)| fault(check, json.pointer(at)).map(|f| format!("{}: {f}", place(at)))),
            ),
            None => faults.push(not_json(answer)),
        }
    }
    if let Some(text) = &condition.contains
        && !has(answer.body, text.as_bytes())
    {
        let kept = answer.body.len();
        let within = if is_cut(answer) { format!("the first {kept} bytes of the body") } else { "the body".to_owned() };
        faults.push(format!("{within} does not contain {}", quoted(&Value::from(text.as_str()))));
    }
    faults
}

fn is_cut(answer: Answer<'_>) -> bool {
    answer.length > answer.body.len() as u64
}

fn not_json(answer: Answer<'_>) -> String {
    let length = answer.length;
    if is_cut(answer) {
        format!("the body is too long to be checked as JSON ({length} bytes, {} kept)", answer.body.len())
    } else if length == 0 {
        "the body is empty, expected JSON".to_owned()
    } else {
        "the body is not JSON".to_owned()
    }
}

/// What is wrong with the value at a place; `None` if nothing is.
fn fault(check: &JsonCheck, value: Option<&Value>) -> Option<String> {
    let shown = || value.map_or_else(|| "missing".to_owned(), quoted);
    let given = value.filter(|v| !v.is_null());
    match check {
        JsonCheck::Equals(wanted) => {
            (!value.is_some_and(|v| same(v, wanted))).then(|| expected(&shown(), &quoted(wanted)))
        }
        JsonCheck::Not(unwanted) => {
            let hit = value.is_some_and(|v| {
                same(v, unwanted) || unwanted.as_array().is_some_and(|list| list.iter().any(|item| same(v, item)))
            });
            hit.then(|| format!("{}, which it must not be", shown()))
        }
        JsonCheck::Exists(true) => given.is_none().then(shown),
        JsonCheck::Exists(false) => given.map(|v| expected(&quoted(v), "nothing")),
        JsonCheck::OneOf(list) => {
            let hit = value.is_some_and(|v| list.iter().any(|item| same(v, item)));
            (!hit).then(|| expected(&shown(), &format!("one of {}", quoted(&Value::Array(list.clone())))))
        }
        JsonCheck::NotEmpty(true) => (!is_filled(value)).then(|| expected(&shown(), "something not empty")),
        JsonCheck::NotEmpty(false) => {
            (given.is_some() && !is_empty(value)).then(|| expected(&shown(), "something empty"))
        }
        JsonCheck::Contains(text) => {
            let hit = value.and_then(Value::as_str).is_some_and(|v| v.contains(text.as_str()));
            (!hit).then(|| format!("{}, which does not contain {}", shown(), quoted(&Value::from(text.as_str()))))
        }
    }
}

/// Whether it is a string, array or object with something in it.
fn is_filled(value: Option<&Value>) -> bool {
    match value {
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(fields)) => !fields.is_empty(),
        _ => false,
    }
}

/// Whether it is a string, array or object with nothing in it.
fn is_empty(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::String(_) | Value::Array(_) | Value::Object(_))) && !is_filled(value)
}

/// Equality in which 1 and 1.0 are the same number, at any depth: TOML and JSON write them as they like.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64() && !(a.is_u64() && b.is_u64()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => left == right,
    }
}

/// What gave a fallback away: the parts of the rule that held.
fn signs(rule: &Condition, answer: Answer<'_>) -> String {
    let mut signs: Vec<String> = rule
        .json
        .keys()
        .map(|at| {
            let value = answer.json.and_then(|json| json.pointer(at));
            format!("{}: {}", place(at), value.map_or_else(|| "missing".to_owned(), quoted))
        })
        .collect();
    signs.extend(rule.contains.iter().map(|text| format!("the body contains {}", quoted(&Value::from(text.as_str())))));
    if signs.is_empty() {
        signs.push(format!("status {}", answer.status));
    }
    format!("fallback: {}", listed(&signs))
}

fn expected(shown: &str, wanted: &str) -> String {
    format!("{shown}, expected {wanted}")
}

/// A pointer as it is shown: the empty one is the whole document.
fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the document" } else { pointer }
}

/// A value as JSON, shortened.
fn quoted(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn listed(faults: &[String]) -> String {
    let mut text = faults.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join("; ");
    if faults.len() > NAMED {
        // Writing to a String cannot fail.
        let _ = write!(text, "; and {} more", faults.len() - NAMED);
    }
    text
}

/// Whether `needle` occurs in `hay`.
fn has(hay: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || hay.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
