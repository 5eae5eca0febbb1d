//! JSON: reading it with PostgreSQL's errors, and `jsonb`: its canonical text, equality and order.

use super::error::SqlError;
use super::numeric::Numeric;
use std::cmp::Ordering;
use std::fmt::Write as _;

/// How deep JSON may nest. PostgreSQL's limit is its stack's (`max_stack_depth`), some thousands of levels.
const DEEPEST: usize = 512;

/// A piece of JSON, as `jsonb` holds it.
#[derive(Clone, Debug)]
pub enum Json {
    /// `null`.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number, with its digits as written.
    Number(Numeric),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object; keys ascending by length, then by bytes, each once.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads JSON.
    ///
    /// # Errors
    /// 22P02 for what is none, 22P05 for a string with `\u0000`, 54001 for what nests too deep.
    pub fn parse(text: &str) -> Result<Self, SqlError> {
        let mut reader = Reader { text, at: 0 };
        let json = reader.value(0)?;
        reader.space();
        if reader.at < text.len() { Err(reader.unexpected("Expected end of input")) } else { Ok(json) }
    }

    /// Appends it as PostgreSQL writes `jsonb`: a space behind every colon and comma.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Number(number) => number.write(out),
            Self::String(text) => write_string(out, text),
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(fields) => {
                out.push('{');
                for (at, (name, value)) in fields.iter().enumerate() {
                    if at > 0 {
                        out.push_str(", ");
                    }
                    write_string(out, name);
                    out.push_str(": ");
                    value.write(out);
                }
                out.push('}');
            }
        }
    }

    /// PostgreSQL's order: objects, arrays, booleans, numbers, strings, null, from largest to smallest, more items
    /// before fewer. An empty array of the top level sorts below everything, for historical reasons.
    pub fn compare(&self, other: &Self) -> Ordering {
        fn rank(json: &Json) -> u8 {
            match json {
                Json::Null => 0,
                Json::String(_) => 1,
                Json::Number(_) => 2,
                Json::Bool(_) => 3,
                Json::Array(_) => 4,
                Json::Object(_) => 5,
            }
        }
        match (self, other) {
            (Self::Bool(own), Self::Bool(other)) => own.cmp(other),
            (Self::Number(own), Self::Number(other)) => own.compare(other),
            (Self::String(own), Self::String(other)) => own.cmp(other),
            (Self::Array(own), Self::Array(other)) => own.len().cmp(&other.len()).then_with(|| {
                own.iter().zip(other).map(|(a, b)| a.compare(b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
            }),
            (Self::Object(own), Self::Object(other)) => own.len().cmp(&other.len()).then_with(|| {
                let pairs = own.iter().zip(other);
                let order = |((a, x), (b, y)): (&(String, Self), &(String, Self))| key_order(a, b).then(x.compare(y));
                pairs.map(order).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
            }),
            _ => rank(self).cmp(&rank(other)),
        }
    }

    /// A field of an object.
    pub fn field(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => {
                let at = fields.binary_search_by(|(own, _)| key_order(own, name)).ok()?;
                Some(&fields[at].1)
            }
            _ => None,
        }
    }

    /// Its type, as `jsonb_typeof` names it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }
}

/// The order of keys in an object of `jsonb`.
fn key_order(own: &str, other: &str) -> Ordering {
    own.len().cmp(&other.len()).then_with(|| own.cmp(other))
}

/// JSON as `jsonb` writes it.
///
/// # Errors
/// As [`Json::parse`].
pub fn canonical(text: &str) -> Result<String, SqlError> {
    let json = Json::parse(text)?;
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    json.write(&mut out);
    Ok(out)
}

/// Appends a text as a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0x08 => "\\b",
            0x0c => "\\f",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escaped.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escaped);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn space(&mut self) {
        while matches!(self.text.as_bytes().get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Option<u8> {
        self.space();
        self.text.as_bytes().get(self.at).copied()
    }

    fn invalid(details: String) -> SqlError {
        SqlError::new("22P02", "invalid input syntax for type json").details(details)
    }

    /// The error for what stands here, in the words of PostgreSQL's parser.
    fn unexpected(&self, expected: &str) -> SqlError {
        let rest = &self.text[self.at..];
        let word = word(rest).len();
        let token = &rest[..word.max(rest.chars().next().map_or(0, char::len_utf8))];
        Self::invalid(match token {
            "" => "The input string ended unexpectedly.".to_owned(),
            "true" | "false" | "null" | "{" | "}" | "[" | "]" | ":" | "," | "\"" => {
                let shown = if token == "\"" { rest } else { token };
                format!("{expected}, but found \"{shown}\".")
            }
            number if is_number(number) => format!("{expected}, but found \"{number}\"."),
            token => format!("Token \"{token}\" is invalid."),
        })
    }

    fn value(&mut self, depth: usize) -> Result<Json, SqlError> {
        if depth > DEEPEST {
            return Err(SqlError::new("54001", "stack depth limit exceeded").hint(
                "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), after ensuring the \
                 platform's stack depth limit is adequate.",
            ));
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(Json::String(self.string()?)),
            _ => {
                let rest = &self.text[self.at..];
                let word = word(rest);
                let json = match word {
                    "null" => Json::Null,
                    "true" => Json::Bool(true),
                    "false" => Json::Bool(false),
                    number if is_number(number) => {
                        let type_of = |error: SqlError| SqlError { message: error.message, ..error };
                        Json::Number(Numeric::parse(number).map_err(type_of)?)
                    }
                    _ => return Err(self.unexpected("Expected JSON value")),
                };
                self.at += word.len();
                Ok(json)
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, SqlError> {
        self.at += 1;
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Json::Array(items));
                }
                _ => return Err(self.unexpected("Expected \",\" or \"]\"")),
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, SqlError> {
        self.at += 1;
        let mut fields: Vec<(String, Json)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Json::Object(fields));
        }
        loop {
            if self.peek() != Some(b'"') {
                let expected = if fields.is_empty() { "Expected string or \"}\"" } else { "Expected string" };
                return Err(self.unexpected(expected));
            }
            let name = self.string()?;
            if self.peek() != Some(b':') {
                return Err(self.unexpected("Expected \":\""));
            }
            self.at += 1;
            fields.push((name, self.value(depth + 1)?));
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    // Of several fields with one name the last counts; the sort is stable.
                    fields.reverse();
                    fields.sort_by(|(own, _), (other, _)| key_order(own, other));
                    fields.dedup_by(|(own, _), (other, _)| own == other);
                    return Ok(Json::Object(fields));
                }
                _ => return Err(self.unexpected("Expected \",\" or \"}\"")),
            }
        }
    }

    /// A string; the opening quote is here.
    fn string(&mut self) -> Result<String, SqlError> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start + 1;
        let mut plain = true;
        loop {
            match bytes.get(end) {
                None => {
                    let shown = &self.text[start..];
                    return Err(Self::invalid(format!("Token \"{shown}\" is invalid.")));
                }
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    end += 2;
                }
                Some(control @ 0..0x20) => {
                    return Err(Self::invalid(format!("Character with value 0x{control:02x} must be escaped.")));
                }
                Some(_) => end += 1,
            }
        }
        self.at = end + 1;
        if plain {
            return Ok(self.text[start + 1..end].to_owned());
        }
        unescape(&self.text[start..=end])
    }
}

/// The text of a JSON string with its quotes.
///
/// # Errors
/// 22P05 for `\u0000` and halves of surrogate pairs, 22P02 for other escapes that do not exist.
pub fn unescape(quoted: &str) -> Result<String, SqlError> {
    let text: String = serde_json::from_str(quoted).map_err(|_| {
        if quoted.contains("\\u") {
            SqlError::new("22P02", "invalid input syntax for type json")
                .details("Unicode high surrogate must not follow a high surrogate.")
        } else {
            Reader::invalid("Escape sequence is invalid.".to_owned())
        }
    })?;
    if text.contains('\0') {
        return Err(SqlError::new("22P05", "unsupported Unicode escape sequence")
            .details("\\u0000 cannot be converted to text."));
    }
    Ok(text)
}

/// The word that a text begins with, as PostgreSQL's lexer takes it: a number as far as its grammar goes, and the
/// letters and digits behind it.
fn word(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut at = usize::from(bytes.first() == Some(&b'-'));
    if bytes.get(at).is_some_and(u8::is_ascii_digit) {
        let digits = |mut at: usize| {
            while bytes.get(at).is_some_and(u8::is_ascii_digit) {
                at += 1;
            }
            at
        };
        at = if bytes[at] == b'0' { at + 1 } else { digits(at) };
        if bytes.get(at) == Some(&b'.') {
            at = digits(at + 1);
        }
        if matches!(bytes.get(at), Some(b'e' | b'E')) {
            at += 1;
            at += usize::from(matches!(bytes.get(at), Some(b'+' | b'-')));
            at = digits(at);
        }
    }
    let rest = &text[at..];
    &text[..at + rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())]
}

/// Whether a word is a number of JSON's grammar.
fn is_number(word: &str) -> bool {
    let rest = word.strip_prefix('-').unwrap_or(word);
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (&rest[..at], Some(&rest[at + 1..])),
        None => (rest, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole)
        && (whole.len() == 1 || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(|text| digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#"{"bb":1,"a":[1,2.50,{}],"a":null}"#, r#"{"a": null, "bb": 1}"#)]
    #[case("[ ]", "[]")]
    #[case("1e3", "1000")]
    #[case(r#""caf\u00e9 \ud83d\ude00 \u0007""#, "\"café 😀 \\u0007\"")]
    #[case(r#"{"b":1,"aa":2,"c":3}"#, r#"{"b": 1, "c": 3, "aa": 2}"#)]
    fn is_written_canonically(#[case] written: &str, #[case] read: &str) {
        assert_eq!(canonical(written).unwrap(), read);
    }

    #[rstest]
    #[case("", "The input string ended unexpectedly.")]
    #[case("{", "The input string ended unexpectedly.")]
    #[case("abc", "Token \"abc\" is invalid.")]
    #[case("[1,]", "Expected JSON value, but found \"]\".")]
    #[case("{\"a\" 1}", "Expected \":\", but found \"1\".")]
    #[case("01", "Token \"01\" is invalid.")]
    fn refuses(#[case] written: &str, #[case] details: &str) {
        let error = canonical(written).unwrap_err();
        assert_eq!((error.code, error.details.as_deref()), ("22P02", Some(details)));
    }

    #[test]
    fn depth_is_an_error_and_no_crash() {
        assert_eq!(canonical(&"[".repeat(100_000)).unwrap_err().code, "54001");
        assert!(canonical(&format!("{}{}", "[".repeat(500), "]".repeat(500))).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}", shaped in "[\\[\\]{}:,\"\\\\u0-9a-f.-]{0,40}") {
            let _ = canonical(&text);
            if let Ok(once) = canonical(&shaped) {
                prop_assert_eq!(&canonical(&once).unwrap(), &once);
                prop_assert!(Json::parse(&once).unwrap().compare(&Json::parse(&shaped).unwrap()).is_eq());
            }
        }
    }
}
