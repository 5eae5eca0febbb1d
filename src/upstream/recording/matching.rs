//! [`Matcher`]: which recorded request a new one is: the same one, or one that differs only in what changes from run
//! to run.

use super::format::Payload;
use super::strip::Strip;
use http::HeaderMap;
use regex::Regex;
use serde_json::Value;
use std::borrow::Cow;
use xxhash_rust::xxh3::Xxh3;

/// Headers on which an answer can depend (WIRE-openai §1, WIRE-supabase §3).
const HEADERS: [&str; 7] = ["accept", "accept-profile", "content-profile", "prefer", "range", "range-unit", "x-upsert"];
/// Members of OpenAI's requests that say who asks and why, not what.
const VOLATILE_MEMBERS: [&str; 7] =
    ["metadata", "prompt_cache_key", "safety_identifier", "seed", "service_tier", "store", "user"];
/// What changes from run to run inside texts: UUIDs, dates with or without a time, and long numbers such as times.
const VOLATILE_TEXTS: &str = r"(?x)
    [0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}
    | \d{4}-\d{2}-\d{2} (?: [T\x20] \d{2}:\d{2} (?: :\d{2} (?:\.\d+)? )? (?: Z | [+-]\d{2}:?\d{2} )? )?
    | \d{9,} (?:\.\d+)?";

/// What a request is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// All of it.
    pub exact: u128,
    /// All but what changes from run to run, and its headers.
    pub loose: u128,
}

/// Tells requests apart.
#[derive(Debug)]
pub struct Matcher {
    volatile: Regex,
}

impl Matcher {
    /// A matcher.
    ///
    /// # Errors
    /// Never: its expression is fixed.
    pub fn new() -> Result<Self, regex::Error> {
        Ok(Self { volatile: Regex::new(VOLATILE_TEXTS)? })
    }

    /// What a request is known by. All its parts are stripped.
    pub fn keys(&self, method: &str, path: &str, query: &str, headers: &[(String, String)], body: &Payload) -> Keys {
        let (mut exact, mut loose) = (Xxh3::new(), Xxh3::new());
        let mut parts: Vec<&str> = query.split('&').filter(|part| !part.is_empty()).collect();
        parts.sort_unstable();
        for text in [method, path].into_iter().chain(parts) {
            put(&mut exact, b's', text.as_bytes());
            put(&mut loose, b's', self.lasting(text).as_bytes());
        }
        for (name, value) in headers {
            put(&mut exact, b'h', name.as_bytes());
            put(&mut exact, b'v', value.as_bytes());
        }
        match body {
            Payload::Empty => {}
            Payload::Json(value) => {
                self.feed(&mut exact, value, false);
                self.feed(&mut loose, value, true);
            }
            Payload::Text(text) | Payload::Base64(text) => {
                put(&mut exact, b'b', text.as_bytes());
                put(&mut loose, b'b', self.lasting(text).as_bytes());
            }
        }
        Keys { exact: exact.digest128(), loose: loose.digest128() }
    }

    /// A text without what changes from run to run.
    fn lasting<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.volatile.replace_all(text, "~")
    }

    /// Hashes a value whatever the order of its members.
    fn feed(&self, hash: &mut Xxh3, value: &Value, loosely: bool) {
        match value {
            Value::String(text) if loosely => put(hash, b's', self.lasting(text).as_bytes()),
            Value::String(text) => put(hash, b's', text.as_bytes()),
            Value::Array(list) => {
                put(hash, b'[', &list.len().to_le_bytes());
                list.iter().for_each(|one| self.feed(hash, one, loosely));
            }
            Value::Object(map) => {
                let mut members: Vec<(&String, &Value)> =
                    map.iter().filter(|(name, _)| !(loosely && VOLATILE_MEMBERS.contains(&name.as_str()))).collect();
                members.sort_unstable_by_key(|(name, _)| *name);
                put(hash, b'{', &members.len().to_le_bytes());
                for (name, one) in members {
                    put(hash, b'k', name.as_bytes());
                    self.feed(hash, one, loosely);
                }
            }
            other => put(hash, b'v', other.to_string().as_bytes()),
        }
    }
}

/// Feeds a part with its length, so that parts cannot run into each other.
fn put(hash: &mut Xxh3, kind: u8, bytes: &[u8]) {
    hash.update(&[kind]);
    hash.update(&bytes.len().to_le_bytes());
    hash.update(bytes);
}

/// Those of a request's headers on which an answer can depend, in a fixed order.
pub fn telling(headers: &HeaderMap, strip: &Strip) -> Vec<(String, String)> {
    let value = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    HEADERS
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), strip.text(value(name)?).into_owned())))
        // What clients send when they have no wish says nothing.
        .filter(|(name, value)| !(name == "accept" && matches!(value.as_str(), "*/*" | "application/json")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::order(json!({"a": 1, "b": [1, 2]}), json!({"b": [1, 2], "a": 1}), true, true)]
    #[case::text(json!({"m": "hello"}), json!({"m": "hallo"}), false, false)]
    #[case::user(json!({"m": "x", "user": "a"}), json!({"m": "x", "user": "b"}), false, true)]
    #[case::uuid(json!({"m": "id 7f1b8f0a-55aa-4c1e-9f6e-000000000001"}), json!({"m": "id 7f1b8f0a-55aa-4c1e-9f6e-000000000002"}), false, true)]
    #[case::date(json!({"m": "on 2026-11-23T10:00:00.123Z"}), json!({"m": "on 2026-11-24"}), false, true)]
    #[case::nesting(json!([[1], 2]), json!([[1, 2]]), false, false)]
    fn requests_are_told_apart(#[case] a: Value, #[case] b: Value, #[case] exact: bool, #[case] loose: bool) {
        let matcher = Matcher::new().unwrap();
        let keys = |value| matcher.keys("POST", "/v1/x", "b=1&a=2", &[], &Payload::Json(value));
        let (a, b) = (keys(a), keys(b));
        assert_eq!((a.exact == b.exact, a.loose == b.loose), (exact, loose));
    }

    #[test]
    fn the_order_of_a_query_does_not_count_but_its_headers_do() {
        let matcher = Matcher::new().unwrap();
        let keys =
            |query: &str, headers: &[(String, String)]| matcher.keys("GET", "/", query, headers, &Payload::Empty);
        assert_eq!(keys("a=1&b=2", &[]), keys("b=2&a=1", &[]));
        let prefer = [("prefer".to_owned(), "count=exact".to_owned())];
        assert_ne!(keys("", &prefer).exact, keys("", &[]).exact);
        assert_eq!(keys("", &prefer).loose, keys("", &[]).loose);
    }
}
