//! Arrays: their text and their JSON.

use super::error::SqlError;
use super::numeric::is_space;
use super::types::ColumnType;
use super::value::{Array, Value};

/// Dimensions that an array may have.
const MOST_DIMENSIONS: usize = 6;

/// Reads `{a,"b c",NULL,{…}}`.
///
/// # Errors
/// 22P02 for what is no array, and those of its elements.
pub fn parse(text: &str, element: &ColumnType) -> Result<Array, SqlError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, shape: Vec::new(), elements: Vec::new() };
    reader.space();
    reader.bounds()?;
    if reader.bytes.get(reader.at) != Some(&b'{') {
        return Err(reader.malformed("Array value must start with \"{\" or dimension information."));
    }
    reader.list(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.malformed("Junk after closing right brace."));
    }
    let Reader { shape, elements, .. } = reader;
    // What is wrong with the braces is said before what is wrong with an element.
    let value = |text: Option<String>| text.map_or(Ok(Value::Null), |text| element.parse(&text));
    let elements = elements.into_iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let dimensions = if elements.is_empty() { Vec::new() } else { shape };
    Ok(Array { dimensions, elements })
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    shape: Vec<usize>,
    elements: Vec<Option<String>>,
}

impl Reader<'_> {
    fn space(&mut self) {
        while self.bytes.get(self.at).is_some_and(|byte| is_space(char::from(*byte))) {
            self.at += 1;
        }
    }

    fn malformed(&self, details: &str) -> SqlError {
        SqlError::new("22P02", format!("malformed array literal: \"{}\"", self.text)).details(details)
    }

    /// `[1:2][1:3]=`: bounds from 1 say nothing that the braces do not say too.
    fn bounds(&mut self) -> Result<(), SqlError> {
        if self.bytes.get(self.at) != Some(&b'[') {
            return Ok(());
        }
        while self.bytes.get(self.at) == Some(&b'[') {
            self.at += 1;
            let number = |from: usize| {
                from + self.text[from..].bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+')).count()
            };
            let mut end = number(self.at);
            if end == self.at {
                return Err(self.malformed("\"[\" must introduce explicitly-specified array dimensions."));
            }
            if self.bytes.get(end) == Some(&b':') {
                if self.text[self.at..end].parse() != Ok(1) {
                    let message = "firedrill's database has no arrays whose elements are not counted from 1";
                    return Err(SqlError::new("0A000", message));
                }
                let from = end + 1;
                end = number(from);
                if end == from {
                    return Err(self.malformed("Missing array dimension value."));
                }
            }
            if self.bytes.get(end) != Some(&b']') {
                return Err(self.malformed("Missing \"]\" after array dimensions."));
            }
            self.at = end + 1;
            self.space();
        }
        if self.bytes.get(self.at) != Some(&b'=') {
            return Err(self.malformed("Missing \"=\" after array dimensions."));
        }
        self.at += 1;
        self.space();
        Ok(())
    }

    /// A list; its brace is here.
    fn list(&mut self, depth: usize) -> Result<(), SqlError> {
        if depth >= MOST_DIMENSIONS {
            let message = format!("number of array dimensions ({}) exceeds the maximum allowed (6)", depth + 1);
            return Err(SqlError::new("54000", message));
        }
        self.at += 1;
        let mut items = 0_usize;
        let mut nested = None;
        loop {
            self.space();
            match self.bytes.get(self.at) {
                None => return Err(self.malformed("Unexpected end of input.")),
                Some(b'}') if items == 0 => break,
                Some(b'{') => {
                    if nested == Some(false) {
                        return Err(self.malformed("Unexpected \"{\" character."));
                    }
                    nested = Some(true);
                    if !self.elements.is_empty() && self.shape.len() <= depth + 1 {
                        return Err(self.crooked());
                    }
                    self.list(depth + 1)?;
                }
                Some(b'}' | b',') => {
                    let shown = char::from(self.bytes[self.at]);
                    return Err(self.malformed(&format!("Unexpected \"{shown}\" character.")));
                }
                Some(_) => {
                    if nested == Some(true) {
                        return Err(self.malformed("Unexpected array element."));
                    }
                    nested = Some(false);
                    if self.shape.len() > depth + 1 {
                        return Err(self.crooked());
                    }
                    self.item()?;
                }
            }
            items += 1;
            self.space();
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b'}') => break,
                Some(b'{') => return Err(self.malformed("Unexpected \"{\" character.")),
                Some(_) => return Err(self.malformed("Unexpected array element.")),
                None => return Err(self.malformed("Unexpected end of input.")),
            }
        }
        self.at += 1;
        // The innermost list ends first: what is around it does not know its length yet.
        if self.shape.len() <= depth {
            self.shape.resize(depth + 1, usize::MAX);
        }
        match self.shape[depth] {
            usize::MAX => self.shape[depth] = items,
            length if length != items => return Err(self.crooked()),
            _ => {}
        }
        Ok(())
    }

    fn crooked(&self) -> SqlError {
        self.malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
    }

    fn item(&mut self) -> Result<(), SqlError> {
        let mut text = String::new();
        let mut quoted = false;
        // What stands unquoted loses the spaces at its end, but not those that were escaped.
        let mut keep = 0;
        if self.bytes[self.at] == b'"' {
            quoted = true;
            self.at += 1;
        }
        loop {
            let rest = &self.text[self.at..];
            let Some(c) = rest.chars().next() else { return Err(self.malformed("Unexpected end of input.")) };
            match c {
                '"' if quoted => {
                    self.at += 1;
                    keep = text.len();
                    break;
                }
                '"' => return Err(self.malformed("Incorrectly quoted array element.")),
                '\\' => {
                    let Some(next) = rest[1..].chars().next() else {
                        return Err(self.malformed("Unexpected end of input."));
                    };
                    text.push(next);
                    keep = text.len();
                    self.at += 1 + next.len_utf8();
                }
                ',' | '}' if !quoted => break,
                '{' if !quoted => return Err(self.malformed("Unexpected \"{\" character.")),
                c => {
                    text.push(c);
                    self.at += c.len_utf8();
                    if quoted || !is_space(c) {
                        keep = text.len();
                    }
                }
            }
        }
        text.truncate(keep);
        let null = !quoted && text.eq_ignore_ascii_case("null");
        self.elements.push((!null).then_some(text));
        Ok(())
    }
}

/// Appends it as text.
pub fn write(out: &mut String, array: &Array) {
    fn level(out: &mut String, dimensions: &[usize], elements: &mut std::slice::Iter<'_, Value>) {
        out.push('{');
        for at in 0..dimensions.first().copied().unwrap_or(0) {
            if at > 0 {
                out.push(',');
            }
            if dimensions.len() > 1 {
                level(out, &dimensions[1..], elements);
            } else if let Some(value) = elements.next() {
                element(out, value);
            }
        }
        out.push('}');
    }
    level(out, &array.dimensions, &mut array.elements.iter());
}

fn element(out: &mut String, value: &Value) {
    if value.is_null() {
        out.push_str("NULL");
        return;
    }
    let start = out.len();
    value.write_output(out);
    let text = &out[start..];
    let plain = !text.is_empty()
        && !text.eq_ignore_ascii_case("null")
        && !text.contains(|c: char| matches!(c, '{' | '}' | ',' | '"' | '\\') || is_space(c));
    if !plain {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"");
        out.truncate(start);
        out.push('"');
        out.push_str(&text);
        out.push('"');
    }
}

/// An array of a column's values from JSON, as `json_to_recordset` makes it.
///
/// # Errors
/// 22P02 for what is no array or none with straight sides, and those of its elements.
pub fn from_json(json: &str, element: &ColumnType, column: &str) -> Result<Array, SqlError> {
    use serde_json::value::RawValue;

    fn level(
        json: &str,
        depth: usize,
        (kind, column): (&ColumnType, &str),
        shape: &mut Vec<Option<usize>>,
        elements: &mut Vec<Value>,
    ) -> Result<(), SqlError> {
        let malformed = || {
            SqlError::new("22P02", "malformed JSON array")
                .details("Multidimensional arrays must have sub-arrays with matching dimensions.")
        };
        let items: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| malformed())?;
        if depth >= MOST_DIMENSIONS {
            return Err(malformed());
        }
        if shape.len() <= depth {
            shape.resize(depth + 1, None);
        }
        match shape[depth] {
            None => shape[depth] = Some(items.len()),
            Some(length) if length != items.len() => return Err(malformed()),
            Some(_) => {}
        }
        let whole_json = matches!(kind, ColumnType::Json | ColumnType::Jsonb);
        for item in items {
            let nested = item.get().starts_with('[') && !whole_json;
            // Whether a level holds elements or lists is settled by the first of them: later lists are elements' text.
            if nested && (elements.is_empty() || shape.len() > depth + 1) {
                level(item.get(), depth + 1, (kind, column), shape, elements)?;
            } else if shape.len() > depth + 1 {
                return Err(malformed());
            } else {
                elements.push(kind.parse_json(item.get(), column)?);
            }
        }
        Ok(())
    }

    if !json.starts_with('[') {
        return Err(SqlError::new("22P02", "expected JSON array").hint(format!("See the value of key \"{column}\".")));
    }
    let (mut shape, mut elements) = (Vec::new(), Vec::new());
    level(json, 0, (element, column), &mut shape, &mut elements)?;
    let dimensions = if elements.is_empty() { Vec::new() } else { shape.into_iter().flatten().collect() };
    Ok(Array { dimensions, elements })
}

/// Appends it as JSON.
pub fn write_json(out: &mut Vec<u8>, array: &Array) {
    fn level(out: &mut Vec<u8>, dimensions: &[usize], elements: &mut std::slice::Iter<'_, Value>) {
        out.push(b'[');
        for at in 0..dimensions.first().copied().unwrap_or(0) {
            if at > 0 {
                out.push(b',');
            }
            if dimensions.len() > 1 {
                level(out, &dimensions[1..], elements);
            } else if let Some(value) = elements.next() {
                value.write_json(out);
            }
        }
        out.push(b']');
    }
    level(out, &array.dimensions, &mut array.elements.iter());
}

/// A vector of pgvector: `[1,2.5,3]`.
///
/// # Errors
/// 22P02 for what is none, 22000 for a wrong number of dimensions.
pub fn parse_vector(text: &str, dimensions: Option<u32>) -> Result<Box<[f32]>, SqlError> {
    let invalid = || SqlError::invalid_text("vector", text);
    let trimmed = text.trim_matches(is_space);
    if !trimmed.starts_with('[') {
        return Err(invalid().details("Vector contents must start with \"[\"."));
    }
    let inside = trimmed[1..].strip_suffix(']').ok_or_else(invalid)?;
    if inside.trim_matches(is_space).is_empty() {
        return Err(SqlError::new("22000", "vector must have at least 1 dimension"));
    }
    let number = |part: &str| {
        let number: f32 = part.trim_matches(is_space).parse().map_err(|_| invalid())?;
        if number.is_finite() { Ok(number) } else { Err(invalid()) }
    };
    let numbers = inside.split(',').map(number).collect::<Result<Box<[f32]>, _>>()?;
    match dimensions {
        Some(wanted) if wanted as usize != numbers.len() => {
            Err(SqlError::new("22000", format!("expected {wanted} dimensions, not {}", numbers.len())))
        }
        _ => Ok(numbers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn text(array: &Array) -> String {
        let mut text = String::new();
        write(&mut text, array);
        text
    }

    #[rstest]
    #[case(r#"{a,"b c", d e ,"NULL",null,"q\"\\"}"#, r#"{a,"b c","d e","NULL",NULL,"q\"\\"}"#)]
    #[case("{}", "{}")]
    #[case("{{a,b},{c,d}}", "{{a,b},{c,d}}")]
    #[case("{{},{}}", "{}")]
    fn is_read_and_written(#[case] written: &str, #[case] read: &str) {
        assert_eq!(text(&parse(written, &ColumnType::Text).unwrap()), read);
    }

    #[rstest]
    #[case("a,b")]
    #[case("{a")]
    #[case("{a}}")]
    #[case("{a,}")]
    #[case("{{a},{b,c}}")]
    #[case("{{a},b}")]
    #[case("{a\"b\"}")]
    fn refuses(#[case] written: &str) {
        assert_eq!(parse(written, &ColumnType::Text).unwrap_err().code, "22P02");
    }

    #[test]
    fn json_becomes_an_array_if_its_sides_are_straight() {
        let read = |json: &str| from_json(json, &ColumnType::Int4, "n");
        assert_eq!(text(&read("[[1,2],[3,null]]").unwrap()), "{{1,2},{3,NULL}}");
        assert_eq!(text(&read("[]").unwrap()), "{}");
        assert!(read("[[1],[2,3]]").is_err() && read("[1,[2]]").is_err() && read("[[1],2]").is_err());
        assert_eq!(read("{}").unwrap_err().hint.as_deref(), Some("See the value of key \"n\"."));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,30}", shaped in "[{},\"\\\\a NUL\\[\\]]{0,30}") {
            for text in [&text, &shaped] {
                let _ = parse_vector(text, None);
                let _ = from_json(text, &ColumnType::Text, "c");
                if let Ok(array) = parse(text, &ColumnType::Text) {
                    let once = super::tests::text(&array);
                    prop_assert_eq!(super::tests::text(&parse(&once, &ColumnType::Text).unwrap()), once);
                }
            }
        }
    }
}
