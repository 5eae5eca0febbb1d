//! [`Filter`]: which rows a subscription is for (`column=eq.value`, several of them separated by commas).

use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};
use std::cmp::Ordering;

/// The conditions that a row must meet, all of them.
#[derive(Debug, Default)]
pub struct Filter {
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    column: String,
    negated: bool,
    test: Test,
}

#[derive(Debug)]
enum Test {
    Compare(fn(Ordering) -> bool, String),
    In(Vec<String>),
    Is(String),
    Distinct(String),
    Matches(Box<Regex>),
}

impl Filter {
    /// Reads a filter; `None` for what is none.
    pub fn read(text: &str) -> Option<Self> {
        let mut conditions = Vec::new();
        for part in split(text) {
            let (column, rest) = part.split_once('=')?;
            let (negated, rest) = match rest.strip_prefix("not.") {
                Some(rest) => (true, rest),
                None => (false, rest),
            };
            let (operator, value) = rest.split_once('.')?;
            let compare = |test: fn(Ordering) -> bool| Test::Compare(test, unquoted(value));
            let test = match operator {
                "eq" => compare(Ordering::is_eq),
                "neq" => compare(Ordering::is_ne),
                "gt" => compare(Ordering::is_gt),
                "gte" => compare(Ordering::is_ge),
                "lt" => compare(Ordering::is_lt),
                "lte" => compare(Ordering::is_le),
                "in" => {
                    let list = value.strip_prefix('(')?.strip_suffix(')')?;
                    Test::In(split(list).into_iter().map(|value| unquoted(value.trim())).collect())
                }
                "is" => Test::Is(value.to_ascii_lowercase()),
                "isdistinct" => Test::Distinct(unquoted(value)),
                "like" | "ilike" => Test::Matches(Box::new(like(&unquoted(value), operator == "ilike")?)),
                "match" | "imatch" => Test::Matches(Box::new(pattern(&unquoted(value), operator == "imatch")?)),
                _ => return None,
            };
            conditions.push(Condition { column: column.trim().to_owned(), negated, test });
        }
        Some(Self { conditions })
    }

    /// Whether a row meets all of it. What is null meets nothing but `is`, as in the database.
    pub fn admits(&self, row: &Map<String, Value>) -> bool {
        self.conditions.iter().all(|condition| {
            let value = row.get(&condition.column).unwrap_or(&Value::Null);
            condition.test.meets(value).is_some_and(|met| met != condition.negated)
        })
    }
}

impl Test {
    fn meets(&self, value: &Value) -> Option<bool> {
        match self {
            Self::Is(what) => Some(match what.as_str() {
                "null" => value.is_null(),
                "true" => value == &Value::Bool(true),
                "false" => value == &Value::Bool(false),
                _ => value.is_null() && what == "unknown",
            }),
            Self::Distinct(other) => Some(value.is_null() || !order(value, other)?.is_eq()),
            _ if value.is_null() => None,
            Self::Compare(test, other) => order(value, other).map(test),
            Self::In(list) => Some(list.iter().any(|other| order(value, other).is_some_and(Ordering::is_eq))),
            Self::Matches(regex) => Some(regex.is_match(&text(value))),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// How a value stands to a literal: numbers as numbers, all else as text.
fn order(value: &Value, literal: &str) -> Option<Ordering> {
    match value {
        Value::Number(number) => number.as_f64()?.partial_cmp(&literal.trim().parse::<f64>().ok()?),
        _ => Some(text(value).as_str().cmp(literal)),
    }
}

/// Splits at commas outside quotes and brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth, mut quoted, mut escaped) = (Vec::new(), 0, 0_usize, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => inner.replace("\\\"", "\"").replace("\\\\", "\\"),
        None => text.to_owned(),
    }
}

fn like(text: &str, insensitive: bool) -> Option<Regex> {
    let regex: String = text
        .chars()
        .map(|c| match c {
            '%' | '*' => ".*".to_owned(),
            '_' => ".".to_owned(),
            c => regex::escape(&c.to_string()),
        })
        .collect();
    pattern(&format!("^{regex}$"), insensitive)
}

fn pattern(text: &str, insensitive: bool) -> Option<Regex> {
    // A filter comes from anybody: its pattern may not take more memory than this.
    let builder = &mut RegexBuilder::new(text);
    builder.case_insensitive(insensitive).dot_matches_new_line(true).size_limit(64 << 10).build().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("id=eq.7", true)]
    #[case("id=eq.7.0", true)]
    #[case("id=neq.7", false)]
    #[case("id=gt.6", true)]
    #[case("id=lte.6", false)]
    #[case("name=eq.oak", true)]
    #[case("name=in.(\"a,b\",oak)", true)]
    #[case("name=not.in.(elm,oak)", false)]
    #[case("name=like.o%", true)]
    #[case("name=ilike.O_K", true)]
    #[case("name=match.^x", false)]
    #[case("gone=is.null", true)]
    #[case("gone=not.is.null", false)]
    #[case("gone=eq.1", false)]
    #[case("gone=not.eq.1", false)]
    #[case("gone=isdistinct.1", true)]
    #[case("tall=eq.true", true)]
    #[case("id=gt.6,name=eq.oak", true)]
    #[case("id=gt.6,name=eq.elm", false)]
    fn rows_are_filtered_as_the_database_would(#[case] filter: &str, #[case] admitted: bool) {
        let row = json!({"id": 7, "name": "oak", "gone": null, "tall": true});
        assert_eq!(Filter::read(filter).unwrap().admits(row.as_object().unwrap()), admitted);
    }

    #[rstest]
    #[case("id")]
    #[case("id=7")]
    #[case("id=near.7")]
    #[case("id=in.7")]
    #[case("name=match.(")]
    fn what_is_no_filter_is_refused(#[case] filter: &str) {
        assert!(Filter::read(filter).is_none());
    }

    proptest! {
        #[test]
        fn any_text_is_a_filter_or_not(text in "[a-z=.(),\"%\\\\ ]{0,40}|\\PC{0,40}") {
            if let Some(filter) = Filter::read(&text) {
                filter.admits(&Map::new());
            }
        }
    }
}
