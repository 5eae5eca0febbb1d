//! [`Operand`]: what a request holds a column against.

use super::error::SqlError;
use super::types::ColumnType;
use super::value::Value;
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
}

impl Operand {
    /// Reads a literal.
    ///
    /// # Errors
    /// As [`ColumnType::parse`]; never for [`ColumnType::Any`].
    pub fn new(of: &ColumnType, text: &str) -> Result<Self, SqlError> {
        Ok(match of {
            ColumnType::Any => Self::Any(Box::new(AnyOperand { text: text.into() })),
            of => Self::Typed(of.parse(text)?),
        })
    }

    /// How a value compares with it; `None` for null, and where both cannot be compared.
    pub fn compare(&self, value: &Value) -> Option<Ordering> {
        match self {
            Self::Typed(own) => (!value.is_null()).then(|| value.compare(own)),
            Self::Any(own) => value.to_text().map(|text| text.as_str().cmp(&own.text)),
        }
    }

    /// The keys ([`Value::key`]) of all values that could be equal to it.
    pub fn keys(&self) -> Vec<u64> {
        match self {
            Self::Typed(own) => own.key().into_iter().collect(),
            Self::Any(_) => Vec::new(),
        }
    }
}
