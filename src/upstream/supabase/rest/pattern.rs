//! Texts against patterns: `like` and `ilike` as PostgreSQL matches them, and its regular expressions in ours.

use crate::upstream::supabase::database::error::SqlError;
use regex::{Regex, RegexBuilder};

/// Compiled regular expressions may take this much memory.
const MOST_REGEX_BYTES: usize = 1 << 20;

/// One part of a `like` pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Char(char),
    One,
    Any,
}

/// A pattern of `like` or `ilike`: `%` any run, `_` any one, `\` makes the next character a plain one.
#[derive(Clone, Debug)]
pub struct Like {
    parts: Vec<Part>,
    ignores_case: bool,
    /// What is wrong with it; only said once a text gets that far.
    unfinished: bool,
}

impl Like {
    /// Reads a pattern; PostgREST takes `*` for `%`, which need not be escaped in a URL.
    pub fn new(pattern: &str, ignores_case: bool) -> Self {
        let mut parts = Vec::new();
        let mut chars = pattern.chars().map(|c| if c == '*' { '%' } else { c });
        let mut unfinished = false;
        while let Some(c) = chars.next() {
            match c {
                '%' if parts.last() == Some(&Part::Any) => {}
                '%' => parts.push(Part::Any),
                '_' => parts.push(Part::One),
                '\\' => match chars.next() {
                    Some(c) => push(&mut parts, c, ignores_case),
                    None => unfinished = true,
                },
                c => push(&mut parts, c, ignores_case),
            }
        }
        Self { parts, ignores_case, unfinished }
    }

    /// Whether a text is like it.
    ///
    /// # Errors
    /// 22025 if the pattern ends with the escape character, and the text gets there.
    pub fn matches(&self, text: &str) -> Result<bool, SqlError> {
        if text.is_ascii() {
            let bytes = text.as_bytes();
            return match self.ignores_case {
                true => self.matches_at(bytes.len(), |at| bytes[at].to_ascii_lowercase().into()),
                false => self.matches_at(bytes.len(), |at| bytes[at].into()),
            };
        }
        let text: Vec<char> = match self.ignores_case {
            true => text.chars().flat_map(char::to_lowercase).collect(),
            false => text.chars().collect(),
        };
        self.matches_at(text.len(), |at| text[at])
    }

    /// Whether `length` characters are like it.
    fn matches_at(&self, length: usize, char_at: impl Fn(usize) -> char) -> Result<bool, SqlError> {
        let (mut p, mut t, mut last) = (0, 0, None);
        while t < length {
            match self.parts.get(p) {
                Some(Part::Any) => {
                    last = Some((p, t));
                    p += 1;
                    continue;
                }
                Some(Part::One) => {}
                Some(Part::Char(c)) if *c == char_at(t) => {}
                None if self.unfinished => {
                    return Err(SqlError::new("22025", "LIKE pattern must not end with escape character"));
                }
                _ => match last {
                    Some((any, taken)) => {
                        last = Some((any, taken + 1));
                        (p, t) = (any + 1, taken + 1);
                        continue;
                    }
                    None => return Ok(false),
                },
            }
            p += 1;
            t += 1;
        }
        Ok(!self.unfinished && self.parts[p..].iter().all(|part| *part == Part::Any))
    }
}

fn push(parts: &mut Vec<Part>, c: char, lower: bool) {
    if lower {
        parts.extend(c.to_lowercase().map(Part::Char));
    } else {
        parts.push(Part::Char(c));
    }
}

/// A regular expression of PostgreSQL's as one of ours. Both speak nearly the same; ours has no back-references and
/// no look-around, and says so.
///
/// # Errors
/// 2201B for what is no expression; 0A000 for what only PostgreSQL knows.
pub fn regex(pattern: &str, ignores_case: bool) -> Result<Regex, SqlError> {
    let (pattern, ignores_case) = match pattern.strip_prefix("(?i)") {
        Some(rest) => (rest, true),
        None => (pattern, ignores_case),
    };
    let built = RegexBuilder::new(&translated(pattern))
        .case_insensitive(ignores_case)
        // In PostgreSQL `.` takes a line's end too.
        .dot_matches_new_line(true)
        .size_limit(MOST_REGEX_BYTES)
        .build();
    built.map_err(|error| match error {
        regex::Error::Syntax(text) if text.contains("look-around") || text.contains("backreferences") => {
            SqlError::new("0A000", "firedrill's Supabase mock knows no look-around or back-references in patterns")
        }
        _ => SqlError::new("2201B", format!("invalid regular expression: {}", complaint(pattern))),
    })
}

/// PostgreSQL's words for the usual mistakes.
fn complaint(pattern: &str) -> &'static str {
    let count = |c: char| pattern.matches(c).count();
    if count('(') != count(')') {
        "parentheses () not balanced"
    } else if count('[') != count(']') {
        "brackets [] not balanced"
    } else if pattern.starts_with(['*', '+', '?']) || pattern.contains("**") || pattern.contains("(*") {
        "quantifier operand invalid"
    } else if pattern.contains('{') {
        "invalid repetition count(s)"
    } else if pattern.ends_with('\\') {
        "invalid escape \\ sequence"
    } else {
        "invalid character range"
    }
}

fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('m') => out.push_str(r"\b{start}"),
            Some('M') => out.push_str(r"\b{end}"),
            Some('y') => out.push_str(r"\b"),
            Some('Y') => out.push_str(r"\B"),
            Some('Z') => out.push_str(r"\z"),
            Some(c) => out.extend(['\\', c]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("a%c", "abc", true)]
    #[case("a*c", "ac", true)]
    #[case("a_c", "ac", false)]
    #[case("%", "", true)]
    #[case("", "a", false)]
    #[case("%b%b%", "abab", true)]
    #[case(r"a\%c", "a%c", true)]
    #[case(r"a\%c", "abc", false)]
    #[case(r"a\_c", "abc", false)]
    #[case(r"\\", r"\", true)]
    fn likes(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(Like::new(pattern, false).matches(text), Ok(expected));
        assert_eq!(Like::new(&pattern.to_uppercase(), true).matches(text), Ok(expected));
    }

    #[rstest]
    #[case(r"^a.c$", "abc", true)]
    #[case(r"\mfoo\M", "a foo b", true)]
    #[case(r"\mfoo\M", "food", false)]
    #[case(r"a|b", "xbx", true)]
    #[case(r"[[:digit:]]+", "a1", true)]
    fn expressions_match(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(regex(pattern, false).unwrap().is_match(text), expected);
    }

    #[rstest]
    #[case("(a", "parentheses () not balanced")]
    #[case("[a", "brackets [] not balanced")]
    #[case("*a", "quantifier operand invalid")]
    fn mistakes_are_told(#[case] pattern: &str, #[case] message: &str) {
        let error = regex(pattern, false).unwrap_err();
        assert_eq!((error.code, error.message), ("2201B", format!("invalid regular expression: {message}")));
    }

    proptest! {
        #[test]
        fn no_pattern_panics(pattern in "\\PC{0,30}", shaped in "[ab%_*\\\\]{0,12}", text in "[ab]{0,12}") {
            for pattern in [pattern, shaped] {
                let _ = Like::new(&pattern, true).matches(&text);
                let _ = regex(&pattern, true);
            }
        }
    }
}
