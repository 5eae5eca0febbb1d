//! [`users_of`]: whom a request is about.

use super::query::FaultQuery;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use url::form_urlencoded;

/// Columns that say whose a row is, by Supabase's customs and in HolisticOS's tables (HOLISTICOS §9).
const OWNER_COLUMNS: [&str; 4] = ["user_id", "profile_id", "owner_id", "owner"];
/// Where OpenAI's requests name the end user (`user`, and `safety_identifier` that takes its place).
const END_USERS: [&str; 2] = ["safety_identifier", "user"];
/// Of a body that is a list, so many rows are looked at.
const ROWS: usize = 100;

/// The users that a request names, in this order:
///
/// 1. the header `x-user-id`;
/// 2. `sub` of the token in `Authorization: Bearer`, if it is a JWT (its signature is not checked);
/// 3. filters of its query on an owner's column: `user_id`, `profile_id`, `owner_id` or `owner` with `eq.`;
/// 4. in a JSON body: OpenAI's `safety_identifier` and `user`, then those columns of the row, or of the first 100
///    rows.
///
/// Whole numbers count as the text that they are written as.
pub fn users_of<'a>(query: &FaultQuery<'a>, body: Option<&'a Value>) -> impl Iterator<Item = Cow<'a, str>> {
    let header = query.headers.get("x-user-id").and_then(|value| value.to_str().ok()).map(Cow::Borrowed);
    let subject = query.headers.get("authorization").and_then(|value| value.to_str().ok()).and_then(subject);
    let filters = form_urlencoded::parse(query.query.as_bytes()).filter_map(|(column, filter)| {
        let value = filter.strip_prefix("eq.").filter(|_| OWNER_COLUMNS.contains(&&*column))?;
        Some(Cow::Owned(value.trim_matches('"').to_owned()))
    });
    let rows = match body {
        Some(Value::Array(rows)) => rows.get(..ROWS).unwrap_or(rows),
        Some(row) => std::slice::from_ref(row),
        None => &[],
    };
    let named = rows.iter().flat_map(|row| {
        END_USERS.iter().chain(&OWNER_COLUMNS).filter_map(|name| match row.get(*name)? {
            Value::String(text) => Some(Cow::Borrowed(text.as_str())),
            Value::Number(number) if !number.is_f64() => Some(Cow::Owned(number.to_string())),
            _ => None,
        })
    });
    header.into_iter().chain(subject.map(Cow::Owned)).chain(filters).chain(named).filter(|user| !user.is_empty())
}

/// The claims of a token that matter here.
#[derive(Deserialize)]
struct Claims {
    sub: String,
}

fn subject(authorization: &str) -> Option<String> {
    let (scheme, token) = authorization.split_once(' ')?;
    let claims = token.trim().split('.').nth(1).filter(|_| scheme.eq_ignore_ascii_case("bearer"))?;
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice::<Claims>(&claims).ok().map(|claims| claims.sub)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use proptest::prelude::*;
    use serde_json::json;

    fn users(query: &str, headers: &HeaderMap, body: Option<&Value>) -> Vec<String> {
        let query =
            FaultQuery { upstream: "x", method: "GET", path: "/", query, service: None, headers, connection: 0 };
        users_of(&query, body).map(Cow::into_owned).collect()
    }

    #[test]
    fn users_are_found_in_the_stated_order() {
        let mut headers = HeaderMap::new();
        let claims = BASE64_URL_SAFE_NO_PAD.encode(r#"{"role":"authenticated","sub":"b"}"#);
        headers.insert("authorization", format!("Bearer e30.{claims}.x").parse().unwrap());
        headers.insert("x-user-id", "a".parse().unwrap());
        let body = json!([{"user_id": "e", "name": "no"}, {"owner": 6}]);
        let query = "select=*&profile_id=eq.c%20d&user_id=gt.no&id=eq.no";
        assert_eq!(users(query, &headers, Some(&body)), ["a", "b", "c d", "e", "6"]);
        assert_eq!(users("", &HeaderMap::new(), Some(&json!({"model": "m", "user": "u"}))), ["u"]);
    }

    #[test]
    fn a_key_names_nobody() {
        let mut headers = HeaderMap::new();
        for token in ["Bearer sk-test", "Basic e30.e30.x", "Bearer e30.e30.x", "Bearer", "Bearer ..", "Bearer a.%.b"] {
            headers.insert("authorization", token.parse().unwrap());
            assert_eq!(users("", &headers, None), Vec::<String>::new(), "{token}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(token in "[ -~]{0,40}", query in "\\PC{0,40}", text in "\\PC{0,20}") {
            let mut headers = HeaderMap::new();
            headers.insert("authorization", token.parse().unwrap());
            let _ = users(&query, &headers, Some(&json!({"user": text, "user_id": [text]})));
        }
    }
}
