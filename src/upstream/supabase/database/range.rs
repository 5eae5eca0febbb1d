//! Ranges: their text, their canonical form and their order.

use super::error::SqlError;
use super::numeric::is_space;
use super::types::RangeType;
use super::value::{Range, Value};
use std::cmp::Ordering;

/// Reads `[lower,upper)`, `empty` and the like, in canonical form.
///
/// # Errors
/// 22P02 for what is no range, 22000 for a lower bound above the upper one, and those of its bounds.
pub fn parse(text: &str, kind: RangeType) -> Result<Range, SqlError> {
    let malformed =
        |details: &str| SqlError::new("22P02", format!("malformed range literal: \"{text}\"")).details(details);
    let trimmed = text.trim_matches(is_space);
    if trimmed.eq_ignore_ascii_case("empty") {
        return Ok(empty(kind));
    }
    let lower_inclusive = match trimmed.as_bytes().first() {
        Some(b'[') => true,
        Some(b'(') => false,
        _ => return Err(malformed("Missing left parenthesis or bracket.")),
    };
    let mut rest = &trimmed[1..];
    let lower = bound(&mut rest).ok_or_else(|| malformed("Unexpected end of input."))?;
    rest = rest.strip_prefix(',').ok_or_else(|| malformed("Missing comma after lower bound."))?;
    let upper = bound(&mut rest).ok_or_else(|| malformed("Unexpected end of input."))?;
    let upper_inclusive = match rest.as_bytes().first() {
        Some(b']') => true,
        Some(b')') => false,
        _ => return Err(malformed("Too many commas.")),
    };
    if rest.len() > 1 {
        return Err(malformed("Junk after right parenthesis or bracket."));
    }
    let element = kind.element();
    let value = |bound: Option<String>| bound.map(|text| element.parse(&text)).transpose();
    new(kind, value(lower)?, lower_inclusive, value(upper)?, upper_inclusive)
}

/// A range of these bounds, in canonical form.
///
/// # Errors
/// 22000 for a lower bound above the upper one, 22003 or 22008 where the type has no next value.
pub fn new(
    kind: RangeType,
    mut lower: Option<Value>,
    mut lower_inclusive: bool,
    mut upper: Option<Value>,
    mut upper_inclusive: bool,
) -> Result<Range, SqlError> {
    lower_inclusive &= lower.is_some();
    upper_inclusive &= upper.is_some();
    if let (Some(low), Some(high)) = (&lower, &upper) {
        match low.compare(high) {
            Ordering::Greater => {
                let message = "range lower bound must be less than or equal to range upper bound";
                return Err(SqlError::new("22000", message));
            }
            Ordering::Equal if !(lower_inclusive && upper_inclusive) => return Ok(empty(kind)),
            _ => {}
        }
    }
    if kind.is_discrete() {
        // Infinity has no next day: its end stays as it was written.
        let finite = |value: &Value| !matches!(value, Value::Date(i32::MIN | i32::MAX));
        if let (Some(value), false) = (&lower, lower_inclusive)
            && finite(value)
        {
            lower = Some(next(value, kind)?);
            lower_inclusive = true;
        }
        if let (Some(value), true) = (&upper, upper_inclusive)
            && finite(value)
        {
            upper = Some(next(value, kind)?);
            upper_inclusive = false;
        }
        if let (Some(low), Some(high)) = (&lower, &upper)
            && (low.compare(high).is_gt() || low.compare(high).is_eq() && !(lower_inclusive && upper_inclusive))
        {
            return Ok(empty(kind));
        }
    }
    Ok(Range { kind, empty: false, lower, lower_inclusive, upper, upper_inclusive })
}

fn empty(kind: RangeType) -> Range {
    Range { kind, empty: true, lower: None, lower_inclusive: false, upper: None, upper_inclusive: false }
}

fn next(value: &Value, kind: RangeType) -> Result<Value, SqlError> {
    match value {
        Value::Int(number) => {
            let most = if kind == RangeType::Int4 { i64::from(i32::MAX) } else { i64::MAX };
            if *number == most {
                let name = kind.element();
                return Err(SqlError::new("22003", format!("{} out of range", name.name())));
            }
            Ok(Value::Int(number + 1))
        }
        Value::Date(day) => Ok(Value::Date(day.saturating_add(1))),
        other => Ok(other.clone()),
    }
}

/// A bound: `None` inside for an infinite one; takes it off `rest`, up to the delimiter.
#[expect(clippy::option_option, reason = "no bound is a bound; an unfinished text is none")]
fn bound(rest: &mut &str) -> Option<Option<String>> {
    let mut text = String::new();
    let mut quoted = false;
    let mut any = false;
    let mut chars = rest.char_indices().peekable();
    loop {
        let (at, c) = *chars.peek()?;
        match c {
            ',' | ')' | ']' if !quoted => {
                *rest = &rest[at..];
                return Some((any || !text.is_empty()).then_some(text));
            }
            '\\' => {
                chars.next();
                text.push(chars.next()?.1);
                any = true;
            }
            '"' => {
                chars.next();
                any = true;
                if quoted && chars.peek().is_some_and(|(_, c)| *c == '"') {
                    chars.next();
                    text.push('"');
                } else {
                    quoted = !quoted;
                }
            }
            c => {
                chars.next();
                text.push(c);
            }
        }
    }
}

/// Appends it as text.
pub fn write(out: &mut String, range: &Range) {
    if range.empty {
        out.push_str("empty");
        return;
    }
    out.push(if range.lower_inclusive { '[' } else { '(' });
    write_bound(out, range.lower.as_ref());
    out.push(',');
    write_bound(out, range.upper.as_ref());
    out.push(if range.upper_inclusive { ']' } else { ')' });
}

fn write_bound(out: &mut String, bound: Option<&Value>) {
    let Some(value) = bound else { return };
    let start = out.len();
    value.write_text(out);
    let text = &out[start..];
    let special = |c: char| matches!(c, '"' | '\\' | '(' | ')' | '[' | ']' | ',') || is_space(c);
    if text.is_empty() || text.contains(special) {
        let text = text.replace('\\', "\\\\").replace('"', "\"\"");
        out.truncate(start);
        out.push('"');
        out.push_str(&text);
        out.push('"');
    }
}

/// One end of a range, to be compared with others.
#[derive(Clone, Copy, Debug)]
pub struct Bound<'a> {
    value: Option<&'a Value>,
    inclusive: bool,
    is_lower: bool,
}

impl Range {
    /// Its lower end.
    pub fn lower_end(&self) -> Bound<'_> {
        Bound { value: self.lower.as_ref(), inclusive: self.lower_inclusive, is_lower: true }
    }

    /// Its upper end.
    pub fn upper_end(&self) -> Bound<'_> {
        Bound { value: self.upper.as_ref(), inclusive: self.upper_inclusive, is_lower: false }
    }

    /// PostgreSQL's order: empty ranges first, then by lower, then by upper ends.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (self.empty, other.empty) {
            (false, false) => {
                self.lower_end().compare(other.lower_end()).then_with(|| self.upper_end().compare(other.upper_end()))
            }
            (own, other) => other.cmp(&own),
        }
    }
}

impl Bound<'_> {
    /// The order of two ends on the line of values (`range_cmp_bounds`).
    pub fn compare(self, other: Self) -> Ordering {
        let infinite = |bound: Self| if bound.is_lower { Ordering::Less } else { Ordering::Greater };
        let (own_value, other_value) = match (self.value, other.value) {
            (None, None) if self.is_lower == other.is_lower => return Ordering::Equal,
            (None, _) => return infinite(self),
            (_, None) => return infinite(other).reverse(),
            (Some(own), Some(other)) => (own, other),
        };
        own_value.compare(other_value).then_with(|| match (self.inclusive, other.inclusive) {
            (true, true) => Ordering::Equal,
            (false, false) if self.is_lower == other.is_lower => Ordering::Equal,
            (false, false) | (false, true) => {
                if self.is_lower {
                    Ordering::Greater
                } else {
                    Ordering::Less
                }
            }
            (true, false) => {
                if other.is_lower {
                    Ordering::Less
                } else {
                    Ordering::Greater
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn text(range: &Range) -> String {
        let mut text = String::new();
        write(&mut text, range);
        text
    }

    #[rstest]
    #[case(RangeType::Int4, "[1,3]", "[1,4)")]
    #[case(RangeType::Int4, "(1,2)", "empty")]
    #[case(RangeType::Int4, "(,5]", "(,6)")]
    #[case(RangeType::Numeric, "[1.5,1.5]", "[1.5,1.5]")]
    #[case(RangeType::Numeric, "[1.5,1.5)", "empty")]
    #[case(RangeType::Date, "(2025-01-01,2025-01-31]", "[2025-01-02,2025-02-01)")]
    #[case(RangeType::TimestampTz, "[2025-01-01,infinity)", "[\"2025-01-01 00:00:00+00\",infinity)")]
    fn is_read_in_canonical_form(#[case] kind: RangeType, #[case] written: &str, #[case] read: &str) {
        assert_eq!(text(&parse(written, kind).unwrap()), read);
    }

    #[rstest]
    #[case("1,2", "22P02")]
    #[case("[1,2", "22P02")]
    #[case("[1,2,3]", "22P02")]
    #[case("[1,2]x", "22P02")]
    #[case("[3,1]", "22000")]
    #[case("[1,2147483647]", "22003")]
    fn refuses(#[case] written: &str, #[case] code: &str) {
        assert_eq!(parse(written, RangeType::Int4).unwrap_err().code, code);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,30}", shaped in "[\\[\\](),\"\\\\0-9-]{0,30}") {
            for text in [&text, &shaped] {
                for kind in [RangeType::Int4, RangeType::Numeric, RangeType::Date] {
                    if let Ok(range) = parse(text, kind) {
                        let again = parse(&super::tests::text(&range), kind).unwrap();
                        prop_assert!(again.compare(&range).is_eq());
                    }
                }
            }
        }
    }
}
