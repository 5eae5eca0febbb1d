//! [`Strip`]: takes out of a recording what must not be kept: keys, tokens, who is behind them, and mail addresses.
//!
//! What takes their place has the form of what was there, so that a client can read the answer as before; and a
//! request to be found is stripped alike, so that it is still the same request.

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
const TEXTS: [(&str, &str, &str); 7] = [
    // A JWT whose header and claims are empty objects.
    ("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}", "eyJhbGciOiJub25lIn0.e30.c3RyaXBwZWQ"),
    ("key", r"\b(?:sk|rk|pk|sess|ek)[-_](?:[A-Za-z]+[-_])*[A-Za-z0-9_-]{12,}", "sk-stripped"),
    ("supabase", r"\b(?:sbp|sb_secret|sb_publishable)_[A-Za-z0-9_-]{8,}", "sb_stripped"),
    ("organisation", r"\borg-[A-Za-z0-9]{8,}", "org-stripped"),
    ("project", r"\bproj_[A-Za-z0-9]{8,}", "proj_stripped"),
    ("bearer", r"(?i:\bbearer)\s+[A-Za-z0-9._~+/=-]{8,}", "Bearer stripped"),
    ("mail", r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b", "stripped@example.com"),
];

/// Members of JSON and parts of queries whose values are secrets whatever they look like.
const MEMBERS: &str = r#"(?<member>"(?:access_token|refresh_token|provider_token|provider_refresh_token|id_token|password|api_?key|client_secret|service_role_key|hashed_token|action_link|email_otp|otp_token)"\s*:\s*")(?:[^"\\]|\\.)*"#;
const QUERY: &str = r"(?<query>[?&](?:apikey|api_key|access_token|token|key|sig|signature)=)[^&\s]+";

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
        let _ = write!(all, "{MEMBERS}|{QUERY}");
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
    for prefix in ["member", "query"] {
        if let Some(prefix) = found.name(prefix) {
            return format!("{}{STRIPPED}", prefix.as_str());
        }
    }
    let known = TEXTS.iter().find(|(name, _, _)| found.name(name).is_some());
    known.map_or(STRIPPED, |(_, _, instead)| instead).to_owned()
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
