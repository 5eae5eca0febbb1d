//! [`Cell`]: one value of one row, compact; and how it compares with what a request wrote down ([`Literal`]).

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Number, Value};
use std::borrow::Cow;
use std::cmp::Ordering;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// One value of one row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// SQL's null.
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text; also dates, times and uuids.
    Text(Box<str>),
    /// An object or array, as JSON text: it is written far more often than it is looked into.
    Json(Box<str>),
}

/// What a cell sorts by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortKey {
    /// A boolean, false first.
    Bool(bool),
    /// A number, as bits that sort alike.
    Number(u64),
    /// A timestamp in microseconds.
    Time(i64),
    /// Anything else, by its bytes.
    Text(Box<str>),
}

impl Cell {
    /// The cell for a value that is written to `column`. Timestamps get their offset, as `timestamptz` columns do:
    /// the app's freshness logic breaks on naive ones (observed on HolisticOS).
    pub fn written(value: &Value, column: &str) -> Self {
        match value {
            Value::String(text) if is_timestamp_column(column) => {
                Self::Text(micros(text).and_then(timestamp_text).unwrap_or_else(|| text.clone()).into())
            }
            value => Self::from_json(value),
        }
    }

    /// The cell for a JSON value as it is.
    pub fn from_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.clone()),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Array(_) | Value::Object(_) => Self::Json(value.to_string().into()),
        }
    }

    /// Appends the cell as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Self::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => out.extend_from_slice(Value::from(&**text).to_string().as_bytes()),
            Self::Json(json) => out.extend_from_slice(json.as_bytes()),
        }
    }

    /// The cell as text, as a cast to `text` or `->>` gives it; `None` for null.
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Text(text) | Self::Json(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// How it compares with a literal, in the cell's own type; `None` for null, and where no order exists.
    pub fn compare(&self, literal: &Literal) -> Option<Ordering> {
        match self {
            Self::Null => None,
            Self::Number(number) => match literal.number {
                Some(other) => number.as_f64()?.partial_cmp(&other),
                None => Some(number.to_string().as_str().cmp(&literal.text)),
            },
            Self::Text(text) => {
                if let (true, Some(other)) = (looks_like_timestamp(text), literal.micros)
                    && let Some(own) = micros(text)
                {
                    return Some(own.cmp(&other));
                }
                match (is_date(text), &literal.date) {
                    (true, Some(date)) => Some((**text).cmp(date)),
                    _ => Some((**text).cmp(&literal.text)),
                }
            }
            Self::Bool(_) | Self::Json(_) => self.as_text().map(|text| (*text).cmp(&literal.text)),
        }
    }

    /// Its place in the order of a column; `None` for null. A total order whatever a column holds, as sorting needs.
    pub fn sort_key(&self) -> Option<SortKey> {
        match self {
            Self::Null => None,
            Self::Bool(value) => Some(SortKey::Bool(*value)),
            Self::Number(number) => number.as_f64().map(|number| {
                // Adding zero turns −0 into 0; the bits of floats sort as numbers once the signs are dealt with.
                let bits = (number + 0.0).to_bits();
                SortKey::Number(if bits >> 63 == 0 { bits | 1 << 63 } else { !bits })
            }),
            Self::Text(text) if looks_like_timestamp(text) => {
                Some(micros(text).map_or_else(|| SortKey::Text(text.clone()), SortKey::Time))
            }
            Self::Text(text) | Self::Json(text) => Some(SortKey::Text(text.clone())),
        }
    }

    /// A key for indexes: cells that any literal could find equal to it have one of that literal's keys.
    pub fn key(&self) -> Option<u64> {
        match self {
            Self::Null => None,
            Self::Number(number) => number.as_f64().map(number_key),
            Self::Text(text) if looks_like_timestamp(text) => {
                Some(micros(text).map_or_else(|| text_key(text), micros_key))
            }
            cell => cell.as_text().map(|text| text_key(&text)),
        }
    }

    /// Bytes that it takes, roughly.
    pub fn size(&self) -> u64 {
        let text = match self {
            Self::Text(text) | Self::Json(text) => text.len(),
            _ => 0,
        };
        (size_of::<Self>() + text) as u64
    }
}

fn number_key(number: f64) -> u64 {
    // Adding zero turns −0 into 0, which compares equal.
    xxh3_64_with_seed(&(number + 0.0).to_bits().to_le_bytes(), 1)
}

fn micros_key(micros: i64) -> u64 {
    xxh3_64_with_seed(&micros.to_le_bytes(), 2)
}

fn text_key(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// A value as a request wrote it, with every reading that a cell's type may need.
#[derive(Clone, Debug, PartialEq)]
pub struct Literal {
    /// As written.
    pub text: String,
    number: Option<f64>,
    micros: Option<i64>,
    /// Its day, where it is a timestamp and meets a date.
    date: Option<String>,
}

impl Literal {
    /// Reads a literal.
    pub fn new(text: &str) -> Self {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        let micros = if looks_like_timestamp(text) || is_date(text) { micros(text) } else { None };
        let date = (looks_like_timestamp(text) && micros.is_some()).then(|| text.chars().take(10).collect());
        Self { text: text.to_owned(), number, micros, date }
    }

    /// The keys under which equal cells are found.
    pub fn keys(&self) -> impl Iterator<Item = u64> {
        let others = [self.number.map(number_key), self.micros.map(micros_key), self.date.as_deref().map(text_key)];
        // Numbers that no literal reads as one (a text such as `1e3` in a numeric column) still meet by number.
        std::iter::once(text_key(&self.text)).chain(others.into_iter().flatten())
    }
}

/// Columns that hold `timestamptz`, told by their names in HolisticOS's tables.
fn is_timestamp_column(column: &str) -> bool {
    column.ends_with("_at") || column.ends_with("timestamp") || column.ends_with("date_time")
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10 && has_date(bytes)
}

fn has_date(bytes: &[u8]) -> bool {
    bytes.len() >= 10
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && [0, 1, 2, 3, 5, 6, 8, 9].iter().all(|at: &usize| bytes[*at].is_ascii_digit())
}

fn looks_like_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 16 && has_date(bytes) && matches!(bytes[10], b'T' | b' ') && bytes[13] == b':'
}

/// Microseconds since 1970 of a timestamp, a naive one being UTC; of a date, its midnight.
fn micros(text: &str) -> Option<i64> {
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(timestamp.as_microsecond());
    }
    // In a query, the `+` of an offset that was not escaped arrives as a space.
    if let Some((moment, offset)) = text.rsplit_once(' ')
        && moment.len() > 10
        && let Ok(timestamp) = format!("{moment}+{offset}").parse::<Timestamp>()
    {
        return Some(timestamp.as_microsecond());
    }
    let naive = text.parse::<DateTime>().ok()?;
    Some(TimeZone::UTC.to_timestamp(naive).ok()?.as_microsecond())
}

/// A timestamp as PostgreSQL writes it into JSON, in UTC.
fn timestamp_text(micros: i64) -> Option<String> {
    let text = Timestamp::from_microsecond(micros).ok()?.to_string();
    Some(format!("{}+00:00", text.strip_suffix('Z').unwrap_or(&text)))
}

/// The present moment as PostgreSQL's `now()` is written.
pub fn now_text() -> String {
    timestamp_text(Timestamp::now().as_microsecond()).unwrap_or_default()
}

/// The present day in UTC.
pub fn today_text() -> String {
    TimeZone::UTC.to_datetime(Timestamp::now()).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("2025-11-23T10:00:00", "2025-11-23T10:00:00+00:00")]
    #[case("2025-11-23T10:00:00.123456", "2025-11-23T10:00:00.123456+00:00")]
    #[case("2025-11-23T10:00:00Z", "2025-11-23T10:00:00+00:00")]
    #[case("2025-11-23 12:00:00+02:00", "2025-11-23T10:00:00+00:00")]
    #[case("not a time", "not a time")]
    fn timestamps_come_back_with_an_offset(#[case] written: &str, #[case] read: &str) {
        assert_eq!(Cell::written(&json!(written), "created_at"), Cell::Text(read.into()));
    }

    #[rstest]
    #[case(json!("007"), "7", None)]
    #[case(json!(7), "7.0", Some(Ordering::Equal))]
    #[case(json!(10), "9", Some(Ordering::Greater))]
    #[case(json!("2025-11-23T10:00:00+00:00"), "2025-11-23T12:00:00+02:00", Some(Ordering::Equal))]
    #[case(json!("2025-11-23T10:00:00+00:00"), "2025-11-23T12:00:00 02:00", Some(Ordering::Equal))]
    #[case(json!("2025-11-23T10:00:00+00:00"), "2025-11-23", Some(Ordering::Greater))]
    #[case(json!("2025-11-23"), "2025-11-23T10:00:00+00:00", Some(Ordering::Equal))]
    #[case(json!(true), "true", Some(Ordering::Equal))]
    fn cells_compare_in_their_own_type(#[case] cell: Value, #[case] literal: &str, #[case] expected: Option<Ordering>) {
        let order = Cell::from_json(&cell).compare(&Literal::new(literal));
        match expected {
            Some(expected) => assert_eq!(order, Some(expected)),
            None => assert_ne!(order, Some(Ordering::Equal)),
        }
    }

    proptest! {
        #[test]
        fn what_is_equal_is_found_by_key(cell in prop_oneof![
            any::<i32>().prop_map(|n| json!(n)), any::<bool>().prop_map(|b| json!(b)),
            "[0-9a-f.-]{0,6}".prop_map(|t| json!(t)), "2025-11-2[0-9]T1[0-9]:00:00(|Z|\\+02:00)".prop_map(|t| json!(t)),
            "2025-11-2[0-9]".prop_map(|t| json!(t)),
        ], literal in prop_oneof![
            any::<i32>().prop_map(|n| n.to_string()), "true|false", "[0-9a-f.-]{0,6}",
            "2025-11-2[0-9]( |T)1[0-9]:00:00(|Z|\\+02:00)", "2025-11-2[0-9]",
        ]) {
            let (cell, literal) = (Cell::from_json(&cell), Literal::new(&literal));
            if cell.compare(&literal) == Some(Ordering::Equal) {
                let key = cell.key().unwrap();
                prop_assert!(literal.keys().any(|other| other == key));
            }
        }

        #[test]
        fn any_text_is_a_literal(text in "\\PC{0,40}", cell in "\\PC{0,40}") {
            let _ = Cell::from_json(&json!(cell)).compare(&Literal::new(&text));
        }
    }
}
