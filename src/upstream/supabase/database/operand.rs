//! [`Operand`]: what a request holds a column against.

use super::datetime::{self, Moment};
use super::error::SqlError;
use super::numeric::Numeric;
use super::types::ColumnType;
use super::value::{Value, moment_key, number_key, text_key};
use std::cmp::Ordering;

/// A literal of a filter, read for the type of its column. For a column whose type is not declared it is ready for
/// whatever type a value has.
#[derive(Clone, Debug)]
pub enum Operand {
    /// For a column with a type.
    Typed(Value),
    /// For a column without.
    Any(Box<AnyOperand>),
}

/// A literal read in all ways that make sense.
#[derive(Clone, Debug)]
pub struct AnyOperand {
    text: Box<str>,
    number: Option<Numeric>,
    moment: Option<i64>,
    is_date: bool,
}

impl Operand {
    /// Reads a literal.
    ///
    /// # Errors
    /// As [`ColumnType::parse`]; never for [`ColumnType::Any`].
    pub fn new(of: &ColumnType, text: &str) -> Result<Self, SqlError> {
        Ok(match of {
            ColumnType::Any => Self::Any(Box::new(AnyOperand::new(text))),
            of => Self::Typed(of.parse(text)?),
        })
    }

    /// How a value compares with it; `None` for null, and where both cannot be compared.
    pub fn compare(&self, value: &Value) -> Option<Ordering> {
        match self {
            Self::Typed(own) => (!value.is_null() && !own.is_null()).then(|| value.compare(own)),
            Self::Any(own) => own.compare(value),
        }
    }

    /// The keys ([`Value::key`]) of all values that could be equal to it.
    pub fn keys(&self) -> Vec<u64> {
        match self {
            Self::Typed(own) => own.key().into_iter().collect(),
            Self::Any(own) => {
                let number = own.number.as_ref().map(|number| number_key(number.to_f64()));
                let moment = own.moment.map(moment_key);
                // A text that looks like a moment is compared as one: see `compare`.
                [Some(text_key(&own.text)), number, moment].into_iter().flatten().collect()
            }
        }
    }
}

impl AnyOperand {
    fn new(text: &str) -> Self {
        let begins_like_date = text.len() >= 8 && text.as_bytes().first().is_some_and(u8::is_ascii_digit);
        let moment = || {
            let read = |text: &str| datetime::parse(text, Moment::TimestampTz).ok();
            // In a query, the `+` of an offset that was not escaped arrives as a space.
            read(text).or_else(|| {
                let (moment, offset) = text.rsplit_once(' ')?;
                read(&format!("{moment}+{offset}"))
            })
        };
        Self {
            text: text.into(),
            number: Numeric::parse(text).ok(),
            moment: if begins_like_date { moment() } else { None },
            is_date: text.len() == 10,
        }
    }

    fn compare(&self, value: &Value) -> Option<Ordering> {
        match value {
            Value::Null => None,
            Value::Int(_) | Value::Numeric(_) => match &self.number {
                Some(number) => Some(value.compare(&Value::Numeric(Box::new(number.clone())))),
                None => Some(value.to_text()?.as_str().cmp(&self.text)),
            },
            Value::TimestampTz(micros) => match self.moment {
                Some(moment) => Some(micros.cmp(&moment)),
                None => Some(value.to_text()?.as_str().cmp(&self.text)),
            },
            // A day that is kept as text, held against a moment, is compared by the day of that moment.
            Value::Text(text) if text.len() == 10 && !self.is_date => {
                match self.moment.filter(|_| datetime::parse(text, Moment::Date).is_ok()) {
                    Some(moment) => {
                        let mut day = String::new();
                        let days = i32::try_from(moment.div_euclid(datetime::DAY)).ok()?;
                        datetime::write_date(&mut day, days);
                        Some((**text).cmp(&*day))
                    }
                    None => Some((**text).cmp(&self.text)),
                }
            }
            Value::Text(text) => Some((**text).cmp(&self.text)),
            other => Some(other.to_text()?.as_str().cmp(&self.text)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("\"007\"", "title", "7", None)]
    #[case("7", "n", "7.0", Some(Ordering::Equal))]
    #[case("10", "n", "9", Some(Ordering::Greater))]
    #[case("\"2025-11-23T10:00:00+00:00\"", "seen_at", "2025-11-23T12:00:00+02:00", Some(Ordering::Equal))]
    #[case("\"2025-11-23T10:00:00+00:00\"", "seen_at", "2025-11-23T12:00:00 02:00", Some(Ordering::Equal))]
    #[case("\"2025-11-23T10:00:00+00:00\"", "seen_at", "2025-11-23", Some(Ordering::Greater))]
    #[case("\"2025-11-23\"", "day", "2025-11-23T10:00:00+00:00", Some(Ordering::Equal))]
    #[case("true", "done", "true", Some(Ordering::Equal))]
    fn values_compare_in_their_own_type(
        #[case] json: &str,
        #[case] column: &str,
        #[case] literal: &str,
        #[case] expected: Option<Ordering>,
    ) {
        let value = ColumnType::Any.parse_json(json, column).unwrap();
        let operand = Operand::new(&ColumnType::Any, literal).unwrap();
        match expected {
            Some(expected) => assert_eq!(operand.compare(&value), Some(expected)),
            None => assert_ne!(operand.compare(&value), Some(Ordering::Equal)),
        }
    }
}
