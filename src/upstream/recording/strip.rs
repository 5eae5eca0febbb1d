//! [`Strip`]: takes out of a recording what must not be kept: keys, tokens, who is behind them, and mail addresses.
//!
//! What takes their place has the form of what was there, so that a client can read the answer as before; and a
//! request to be found is stripped alike, so that it is still the same request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::{Captures, Regex, RegexBuilder};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

/// Headers that hold secrets, or say who is behind the request.
const HEADERS: [&str; 16] = [
    "authorization",
    "proxy-authorization",
    "apikey",
    "api-key",
    "x-api-key",
    "cookie",
    "set-cookie",
    "openai-organization",
    "openai-project",
    "x-supabase-api-key",
    "x-forwarded-for",
    "x-real-ip",
    "cf-connecting-ip",
    "x-client-ip",
    "www-authenticate",
    "cf-ray",
];

/// What is found in texts, by name of its group, and what takes its place.
const TEXTS: [(&str, &str, &str); 13] = [
    // A JWT whose header and claims are empty objects.
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}", "eyJhbGciOiJub25lIn0.e30.c3RyaXBwZWQ"),
    ("key", r"\b(?:sk|rk|pk|sess|ek)[-_](?:[A-Za-z]+[-_])*[A-Za-z0-9_-]{12,}", "sk-stripped"),
    ("supabase", r"\b(?:sbp|sb_secret|sb_publishable)_[A-Za-z0-9_-]{8,}", "sb_stripped"),
    ("organisation", r"\borg-[A-Za-z0-9]{8,}", "org-stripped"),
    ("project", r"\bproj_[A-Za-z0-9]{8,}", "proj_stripped"),
    ("github", r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})", "ghp_stripped"),
    ("aws", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "AKIASTRIPPED"),
    ("slack", r"\bxox[a-z]-[A-Za-z0-9-]{10,}", "xoxb-stripped"),
    ("google", r"\bAIza[0-9A-Za-z_-]{35}", "AIzastripped"),
    ("pem", r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]*-----END [A-Z ]*PRIVATE KEY-----", "stripped"),
    ("bearer", r"(?i:\bbearer)\s+[A-Za-z0-9._~+/=-]{8,}", "Bearer stripped"),
    ("basic", r"(?i:\bbasic)\s+(?<credentials>[A-Za-z0-9+/]{4,}={0,2})", "Basic stripped"),
    ("mail", r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b", "stripped@example.com"),
];

/// Names whose values are secrets whatever they look like, in any case.
const NAMES: &str = "(?:(?:access|refresh|provider|provider_refresh|id|confirmation|recovery|invite|reauthentication|otp\
                     |email_change|csrf|auth|bearer)_?)?token(?:_?hash|_?current|_?new)?|hashed_?token\
                     |(?:(?:new|current|old|confirm|user|db)_?)?(?:password|passwd|passphrase)|encrypted_?password\
                     |(?:x_?)?api_?key|(?:client|jwt|shared|signing|webhook)_?secret|secret(?:_?access)?(?:_?key)?\
                     |service_?role_?key|private_?key|action_?link|(?:email_?)?otp|auth_?code|code_?verifier\
                     |authorization";
/// Names that are secrets' only in queries and forms.
const PARAMETERS: &str = "key|sig|signature|code|auth";
/// What stands behind the value of a member `token` that is one of the model's, not a secret.
const OF_THE_MODEL: &str = r#"(?:\s*,\s*\\?"(?:logprob|bytes)\\?")?"#;

/// The expressions for members of JSON, also of JSON inside a text of JSON, and for parts of queries and forms.
fn named() -> String {
    format!(r#"(?<member>"(?i:{NAMES})"\s*:\s*")(?:[^"\\]|\\.)*(?<end>"{OF_THE_MODEL})?"#,)
        + &format!(
            r#"|(?<inner>\\"(?i:{NAMES})\\"\s*:\s*\\")(?:[^"\\]|\\\\(?:\\["\\]|[^"\\])|\\[^"\\])*(?<inner_end>\\"{OF_THE_MODEL})?"#,
        )
        + &format!(r#"|(?<number>\\?"(?i:{NAMES})\\?"\s*:\s*)-?[0-9][0-9.eE+-]*"#)
        + &format!(r"|(?<query>(?:^|[?&#])(?<parameter>(?i:{NAMES}|{PARAMETERS}))=)(?<value>[^&\s]+)")
}

/// What takes the place of a secret of no known form.
const STRIPPED: &str = "stripped";

/// Takes out what must not be kept.
#[derive(Debug)]
pub struct Strip {
    all: Regex,
}

impl Strip {
    /// What is always taken out, and what these expressions find.
    ///
    /// # Errors
    /// When one of them is no regular expression.
    pub fn new(more: &[String]) -> Result<Self, regex::Error> {
        let mut all = String::new();
        for one in more {
            // Each by itself first: a stray bracket must not change what the others mean.
            RegexBuilder::new(one).size_limit(1 << 20).build()?;
        }
        // What the user names comes first: of alternatives at one place the first wins.
        for one in more {
            let _ = write!(all, "(?:{one})|");
        }
        all.push_str(&named());
        for (name, expression, _) in TEXTS {
            let _ = write!(all, "|(?<{name}>{expression})");
        }
        Ok(Self { all: RegexBuilder::new(&all).size_limit(16 << 20).build()? })
    }

    /// Whether a header is kept.
    pub fn keeps(&self, header: &str) -> bool {
        !HEADERS.contains(&header)
    }

    /// A text without secrets.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.all.replace_all(text, |found: &Captures<'_>| substitute(found))
    }

    /// A query without secrets.
    pub fn query(&self, query: &str) -> String {
        // The mark lets the first part be found as any other.
        let marked = format!("?{query}");
        self.text(&marked)[1..].to_owned()
    }

    /// A body that came in pieces, which end at `ends`, without secrets, also those that lie across pieces: what takes
    /// a secret's place stands where it began. Bytes that are no text are left as they are.
    pub fn pieces(&self, body: Vec<u8>, ends: &[usize]) -> Vec<Vec<u8>> {
        let text = match String::from_utf8(body) {
            Ok(text) => text,
            Err(bytes) => return cut(bytes.as_bytes(), ends).map(<[u8]>::to_vec).collect(),
        };
        let found: Vec<(Range<usize>, String)> = self
            .all
            .captures_iter(&text)
            .filter_map(|found| found.get(0).map(|whole| (whole.range(), substitute(&found))))
            // What stays as it is also stays where it is.
            .filter(|(range, instead)| text[range.clone()] != **instead)
            .collect();
        if found.is_empty() {
            return cut(text.as_bytes(), ends).map(<[u8]>::to_vec).collect();
        }
        let bytes = text.as_bytes();
        let (mut start, mut next) = (0, 0);
        ends.iter()
            .map(|end| {
                let mut piece = Vec::with_capacity(end - start.min(*end));
                while let Some((range, instead)) = found.get(next).filter(|(range, _)| range.start < *end) {
                    piece.extend_from_slice(&bytes[start.min(range.start)..range.start]);
                    piece.extend_from_slice(instead.as_bytes());
                    start = range.end;
                    next += 1;
                }
                if start < *end {
                    piece.extend_from_slice(&bytes[start..*end]);
                    start = *end;
                }
                piece
            })
            .collect()
    }
}

/// The pieces of a body that end at `ends`.
fn cut<'a>(body: &'a [u8], ends: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut start = 0;
    ends.iter().map(move |end| {
        let piece = &body[start..*end];
        start = *end;
        piece
    })
}

/// What takes the place of what was found.
fn substitute(found: &Captures<'_>) -> String {
    let part = |name: &str| found.name(name).map(|part| part.as_str());
    let as_it_is = || found[0].to_owned();
    for (prefix, end) in [("member", "end"), ("inner", "inner_end")] {
        if let Some(prefix) = part(prefix) {
            let end = part(end).unwrap_or_default();
            return if end.contains(',') { as_it_is() } else { format!("{prefix}{STRIPPED}{end}") };
        }
    }
    if let Some(prefix) = part("number") {
        return format!("{prefix}0");
    }
    if let Some(prefix) = part("query") {
        // A column may be called `code`, and then this is a filter on it, which tells one request from another.
        let filters = part("parameter") == Some("code") && part("value").is_some_and(is_filter);
        return if filters { as_it_is() } else { format!("{prefix}{STRIPPED}") };
    }
    if part("credentials").is_some_and(|text| !is_credentials(text)) {
        return as_it_is();
    }
    let known = TEXTS.iter().find(|(name, _, _)| found.name(name).is_some());
    known.map_or(STRIPPED, |(_, _, instead)| instead).to_owned()
}

/// Whether a part of a query is one of PostgREST's filters: an operator and a dot.
fn is_filter(value: &str) -> bool {
    const OPERATORS: [&str; 12] = ["eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "match", "in", "is", "not"];
    value.split_once(['.', '(']).is_some_and(|(operator, _)| OPERATORS.contains(&operator))
}

/// Whether a word after `Basic` is a name and a password (RFC 7617), not prose.
fn is_credentials(text: &str) -> bool {
    STANDARD.decode(text).is_ok_and(|plain| plain.contains(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    const JWT: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJlLWJ5dGVz";

    #[rstest]
    #[case::key("key sk-proj-abcDEF0123456789_x done", "key sk-stripped done")]
    #[case::jwt(&format!("t={JWT}."), "t=eyJhbGciOiJub25lIn0.e30.c3RyaXBwZWQ.")]
    #[case::member(r#"{"password" : "a\"b","x":1}"#, r#"{"password" : "stripped","x":1}"#)]
    #[case::mail("write to a.b+c@mail.example.org!", "write to stripped@example.com!")]
    #[case::organisation("in organization org-AbCdEfGh12 on", "in organization org-stripped on")]
    #[case::own("customer cus_12345", "customer stripped")]
    #[case::case(
        r#"{"Password":"a","refreshToken":"b","TOKEN_HASH":"c"}"#,
        r#"{"Password":"stripped","refreshToken":"stripped","TOKEN_HASH":"stripped"}"#
    )]
    #[case::members(
        r#"{"token":"123456","auth_code":"x","code_verifier":"y","secret":"z"}"#,
        r#"{"token":"stripped","auth_code":"stripped","code_verifier":"stripped","secret":"stripped"}"#
    )]
    #[case::number(r#"{"password": 123456, "otp":-1.5e3}"#, r#"{"password": 0, "otp":0}"#)]
    #[case::inside(
        r#"{"arguments":"{\"password\": \"a\\\"b\",\"x\":1}"}"#,
        r#"{"arguments":"{\"password\": \"stripped\",\"x\":1}"}"#
    )]
    #[case::model(r#"{"token":"Hello","logprob":-0.1,"bytes":[1]}"#, r#"{"token":"Hello","logprob":-0.1,"bytes":[1]}"#)]
    #[case::form(
        "password=hunter2&grant_type=password&refresh_token=abc",
        "password=stripped&grant_type=password&refresh_token=stripped"
    )]
    #[case::fragment("https://x/#access_token=abc&type=signup", "https://x/#access_token=stripped&type=signup")]
    #[case::basic("Basic dXNlcjpwYXNz, basic understanding", "Basic stripped, basic understanding")]
    #[case::vendors(
        "ghp_0123456789abcdefghijABCDEFGHIJ012345 AKIAIOSFODNN7EXAMPLE xoxb-1234567890-abc",
        "ghp_stripped AKIASTRIPPED xoxb-stripped"
    )]
    #[case::harmless("sketch, desk-lamp, task-42, eyJ, org-chart", "sketch, desk-lamp, task-42, eyJ, org-chart")]
    fn secrets_are_taken_out_of_texts(#[case] text: &str, #[case] kept: &str) {
        let strip = Strip::new(&[r"cus_\w+".to_owned()]).unwrap();
        assert_eq!(strip.text(text), kept);
        assert_eq!(strip.text(kept), kept, "what was stripped stays as it is");
    }

    #[test]
    fn secrets_are_taken_out_of_queries() {
        let strip = Strip::new(&[]).unwrap();
        assert_eq!(strip.query("apikey=abc&select=key&token=xyz"), "apikey=stripped&select=key&token=stripped");
        assert_eq!(strip.query("password=a&code=0aB-1"), "password=stripped&code=stripped");
        assert_eq!(strip.query("code=eq.DE&token=eq.x"), "code=eq.DE&token=stripped", "one filters by a column");
        assert!(!strip.keeps("authorization") && strip.keeps("content-type"));
    }

    proptest! {
        /// However a body is cut into pieces, they hold together what the whole holds, and there are as many.
        #[test]
        fn pieces_do_not_hide_a_secret(
            before in "[a-zé ]{0,8}", after in "[a-zé ]{0,8}", cuts in proptest::collection::vec(0..90_usize, 0..8),
        ) {
            let strip = Strip::new(&[]).unwrap();
            let text = format!("{before} sk-abcdefghijklmnop {after} {JWT}");
            let mut ends: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            ends.push(text.len());
            ends.sort_unstable();
            let pieces = strip.pieces(text.clone().into_bytes(), &ends);
            prop_assert_eq!(pieces.len(), ends.len());
            prop_assert_eq!(String::from_utf8(pieces.concat()).unwrap(), strip.text(&text));
        }
    }
}
