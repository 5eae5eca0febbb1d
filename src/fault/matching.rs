//! Which requests a rule may hit: [`FaultQuery`] is what is known of one.

use super::asked::asked as fault_asked;
use super::users::users_of;
use crate::model::fault::{BodyTest, FaultMatch, FaultRule, Key, Tries};
use http::HeaderMap;
use serde_json::Value;
use std::borrow::Cow;
use url::form_urlencoded;

/// What a decision may look at, the body aside.
#[derive(Clone, Copy, Debug)]
pub struct FaultQuery<'a> {
    /// The upstream's name.
    pub upstream: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The request's path, without its query.
    pub path: &'a str,
    /// The request's query, as sent; empty if there is none.
    pub query: &'a str,
    /// The provider's service that the path belongs to.
    pub service: Option<&'a str>,
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The number of the connection that it came on.
    pub connection: u64,
}

/// Whether `query` is by its head a request that `rule` may hit (its window aside).
pub(super) fn head_matches(rule: &FaultRule, query: &FaultQuery<'_>) -> bool {
    // Named one by one, so that a new one cannot be forgotten.
    let FaultMatch {
        method,
        path,
        service,
        header,
        query: parameters,
        table,
        tries,
        body: _,
        model: _,
        user: _,
        nth: _,
        first: _,
        asked,
        course: _,
    } = &rule.when;
    rule.upstream == query.upstream
        && !rule.inject.is_on_connections()
        && method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(query.method))
        && path.as_deref().is_none_or(|pattern| fits(pattern, query.path))
        && service.as_deref().is_none_or(|service| query.service == Some(service))
        && header.iter().all(|(name, pattern)| {
            query.headers.get_all(name.as_str()).iter().any(|value| glob(pattern.as_bytes(), value.as_bytes()))
        })
        && parameters.iter().all(|(name, pattern)| {
            form_urlencoded::parse(query.query.as_bytes()).any(|(key, value)| key == *name && fits(pattern, &value))
        })
        && table.as_deref().is_none_or(|pattern| table_of(query.path).is_some_and(|table| fits(pattern, &table)))
        && asked.is_none_or(|what| fault_asked(what, query.headers).is_some())
        && tries.is_none_or(|tries| (tries == Tries::Retries) == is_retry(query.headers))
}

/// Whether the rest of a request whose head fits does, too. `body` is its body as JSON; `None` if it is none.
pub(super) fn rest_matches(rule: &FaultRule, query: &FaultQuery<'_>, body: Option<&Value>) -> bool {
    let FaultMatch { body: tests, model, user, .. } = &rule.when;
    tests.iter().all(|(place, test)| stands(test, body.and_then(|body| body.pointer(place))))
        && model.as_deref().is_none_or(|pattern| model_of(query.path, body).is_some_and(|model| fits(pattern, &model)))
        && user.as_deref().is_none_or(|pattern| users_of(query, body).any(|user| fits(pattern, &user)))
}

/// What tells this request from others; `None` if it has no such thing.
pub(super) fn key_of<'a>(key: &Key, query: &FaultQuery<'a>, body: Option<&'a Value>) -> Option<Cow<'a, str>> {
    match key {
        Key::User => users_of(query, body).next(),
        Key::Connection => Some(Cow::Owned(query.connection.to_string())),
        Key::Path => Some(Cow::Owned(format!("{} {}", query.method, query.path))),
        Key::Table => table_of(query.path),
        Key::Model => model_of(query.path, body),
        Key::Header(name) => query.headers.get(name.as_str()).map(|value| String::from_utf8_lossy(value.as_bytes())),
    }
}

/// Whether the client marks the request as a retry, as the official OpenAI and Supabase clients do.
#[must_use]
pub fn is_retry(headers: &HeaderMap) -> bool {
    ["x-stainless-retry-count", "x-retry-count"].iter().any(|name| {
        let count = headers.get(*name).and_then(|value| value.to_str().ok());
        count.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 0)
    })
}

/// The table that a PostgREST path names (WIRE-supabase §2): its part behind `/rest/v1/`, decoded.
fn table_of(path: &str) -> Option<Cow<'_, str>> {
    let table = path.strip_prefix("/rest/v1/")?;
    let table = table.strip_suffix('/').unwrap_or(table);
    (!table.is_empty() && !table.contains('/')).then(|| percent_encoding::percent_decode_str(table).decode_utf8_lossy())
}

/// The model that an OpenAI request asks (WIRE-openai §3), or asks about.
fn model_of<'a>(path: &'a str, body: Option<&'a Value>) -> Option<Cow<'a, str>> {
    let asked = body.and_then(|body| body.get("model")).and_then(Value::as_str).map(Cow::Borrowed);
    let about = || {
        let name = path.strip_prefix("/v1/models/").filter(|name| !name.is_empty())?;
        Some(percent_encoding::percent_decode_str(name).decode_utf8_lossy())
    };
    asked.or_else(about)
}

#[expect(clippy::float_cmp, reason = "what is written in the request is compared with what is written in the rule")]
fn stands(test: &BodyTest, there: Option<&Value>) -> bool {
    match test {
        BodyTest::Text(pattern) => there.and_then(Value::as_str).is_some_and(|there| fits(pattern, there)),
        BodyTest::Number(number) => there.and_then(Value::as_f64).is_some_and(|there| there == *number),
        BodyTest::Bool(yes) => there.and_then(Value::as_bool) == Some(*yes),
        BodyTest::Exists(exists) => there.is_some() == *exists,
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    glob(pattern.as_bytes(), text.as_bytes())
}

/// Whether `text` is what `pattern` describes, `*` standing for any run of bytes.
///
/// It goes back to the last star only, so the cost is bounded by the product of both lengths, whatever the text.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        if pattern.get(at_pattern) == Some(&b'*') {
            last_star = Some((at_pattern, at_text));
            at_pattern += 1;
        } else if pattern.get(at_pattern) == text.get(at_text) {
            at_pattern += 1;
            at_text += 1;
        } else if let Some((star, taken)) = last_star {
            last_star = Some((star, taken + 1));
            at_pattern = star + 1;
            at_text = taken + 1;
        } else {
            return false;
        }
    }
    pattern[at_pattern..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::glob;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("/v1/chat/completions", "/v1/chat/completions", true)]
    #[case("/v1/chat/completions", "/v1/chat/completions/", false)]
    #[case("/rest/v1/*", "/rest/v1/time_blocks", true)]
    #[case("/rest/v1/*", "/auth/v1/health", false)]
    #[case("*", "", true)]
    #[case("", "", true)]
    #[case("", "x", false)]
    #[case("*_items", "/rest/v1/plan_items", true)]
    #[case("/a*b*c", "/axxbxbxc", true)]
    #[case("/a*b*c", "/axxbxbx", false)]
    fn stars_stand_for_any_run(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), expected);
    }

    proptest! {
        #[test]
        fn agrees_with_the_regex(pattern in "[ab*]{0,8}", text in "[ab]{0,10}") {
            let regex = regex::Regex::new(&format!("^{}$", pattern.replace('*', ".*"))).unwrap();
            prop_assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), regex.is_match(&text));
        }
    }
}
