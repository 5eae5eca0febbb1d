//! [`Test`]: what a value is held against, made ready, in SQL's three-valued logic.

use super::grammar::ast::{Is, Quantifier, SimpleOperator};
use super::pattern::Like;
use super::{containment, refusals, scan, search};
use crate::upstream::supabase::database::operand::Operand;
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::database::value::{Array, Value};
use crate::upstream::supabase::errors::PgError;
use regex::Regex;
use std::cmp::Ordering;

/// What a value is held against.
#[derive(Debug)]
pub enum Test {
    /// Compared with one value.
    Compare(Comparison, Operand),
    /// Compared with each of several; `None` among them is null.
    CompareEach(Comparison, Quantifier, Vec<Option<Operand>>),
    /// A pattern of `like`.
    Like(Like),
    /// Several of them.
    LikeEach(Quantifier, Vec<Option<Like>>),
    /// A regular expression.
    Regex(Regex),
    /// Several of them.
    RegexEach(Quantifier, Vec<Option<Regex>>),
    /// `is …`.
    Is(Is),
    /// `is distinct from`.
    Distinct(Operand),
    /// An operator of arrays, ranges or `jsonb`.
    Containment(SimpleOperator, Contained),
    /// A text search.
    Search(Box<search::Query>),
}

/// The other side of a containment.
#[derive(Debug)]
pub enum Contained {
    /// For a column with a type.
    Typed(Value),
    /// For a column without: read for the type that a value has.
    Any(String),
}

/// The orders that pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    less: bool,
    equal: bool,
    greater: bool,
    /// As PostgreSQL writes it.
    pub operator: &'static str,
}

impl Comparison {
    /// `=`.
    pub const EQUAL: Self = Self { less: false, equal: true, greater: false, operator: "=" };
    /// `<>`.
    pub const NOT_EQUAL: Self = Self { less: true, equal: false, greater: true, operator: "<>" };
    /// `<`.
    pub const LESS: Self = Self { less: true, equal: false, greater: false, operator: "<" };
    /// `<=`.
    pub const LESS_EQUAL: Self = Self { less: true, equal: true, greater: false, operator: "<=" };
    /// `>`.
    pub const GREATER: Self = Self { less: false, equal: false, greater: true, operator: ">" };
    /// `>=`.
    pub const GREATER_EQUAL: Self = Self { less: false, equal: true, greater: true, operator: ">=" };

    fn passes(self, order: Ordering) -> bool {
        match order {
            Ordering::Less => self.less,
            Ordering::Equal => self.equal,
            Ordering::Greater => self.greater,
        }
    }

    fn holds(self, operand: &Operand, value: &Value) -> Option<bool> {
        match operand.compare(value) {
            Some(order) => Some(self.passes(order)),
            // What cannot be compared is at least not equal.
            None => (!value.is_null() && self == Self::NOT_EQUAL).then_some(true),
        }
    }
}

/// `value op ANY(…)` and `value op ALL(…)`.
fn each<T>(
    quantifier: Quantifier,
    all: &[Option<T>],
    holds: impl Fn(&T) -> Result<Option<bool>, PgError>,
) -> Result<Option<bool>, PgError> {
    let decisive = quantifier == Quantifier::Any;
    let mut result = Some(!decisive);
    for one in all {
        match one.as_ref().map_or(Ok(None), &holds)? {
            Some(held) if held == decisive => return Ok(Some(decisive)),
            Some(_) => {}
            None => result = None,
        }
    }
    Ok(result)
}

impl Test {
    /// Whether it holds for a value; `None` is unknown.
    ///
    /// # Errors
    /// What PostgreSQL only finds while it runs (22025).
    pub fn holds(&self, value: &Value) -> Result<Option<bool>, PgError> {
        match self {
            Self::Is(is) => {
                return Ok(Some(match is {
                    Is::Null | Is::Unknown => value.is_null(),
                    Is::NotNull => !value.is_null(),
                    Is::True => matches!(value, Value::Bool(true)),
                    Is::False => matches!(value, Value::Bool(false)),
                }));
            }
            Self::Distinct(operand) => return Ok(Some(operand.compare(value) != Some(Ordering::Equal))),
            // Of an empty list even a null knows whether it is in it.
            Self::CompareEach(comparison, quantifier, operands) => {
                return each(*quantifier, operands, |operand| Ok(comparison.holds(operand, value)));
            }
            _ if value.is_null() => return self.of_null(),
            _ => {}
        }
        let like = |like: &Like| Ok(Some(with_text(value, |text| like.matches(text)).map_err(refusals::sql)?));
        let regex = |regex: &Regex| Ok(Some(with_text(value, |text| regex.is_match(text))));
        match self {
            Self::Compare(comparison, operand) => Ok(comparison.holds(operand, value)),
            Self::Like(one) => like(one),
            Self::LikeEach(quantifier, all) => each(*quantifier, all, like),
            Self::Regex(one) => regex(one),
            Self::RegexEach(quantifier, all) => each(*quantifier, all, regex),
            Self::Containment(operator, Contained::Typed(other)) => Ok(containment::holds(*operator, value, other)),
            Self::Containment(operator, Contained::Any(text)) => Ok(any_containment(*operator, value, text)),
            Self::Search(query) => Ok(Some(query.matches(value))),
            Self::Is(_) | Self::Distinct(_) | Self::CompareEach(..) => Ok(None),
        }
    }

    fn of_null(&self) -> Result<Option<bool>, PgError> {
        match self {
            Self::LikeEach(quantifier, all) => each(*quantifier, all, |_| Ok(None)),
            Self::RegexEach(quantifier, all) => each(*quantifier, all, |_| Ok(None)),
            _ => Ok(None),
        }
    }
}

fn with_text<T>(value: &Value, test: impl FnOnce(&str) -> T) -> T {
    match value {
        // `bpchar` is matched with the spaces that fill it.
        Value::Text(text) | Value::Citext(text) | Value::Char(text) => test(text),
        other => test(&other.to_text().unwrap_or_default()),
    }
}

/// Containment in a column whose type nobody declared: the literal is read for what the value is.
fn any_containment(operator: SimpleOperator, value: &Value, text: &str) -> Option<bool> {
    match value {
        Value::Jsonb(json) | Value::Json(json) => {
            let own = Value::Jsonb(json.clone());
            if let Ok(other) = ColumnType::Jsonb.parse(text) {
                return containment::holds(operator, &own, &other);
            }
            // A JSON array stands for whatever array the real column has.
            let other = ColumnType::Array(Box::new(ColumnType::Text)).parse(text).ok()?;
            let mut elements = Vec::new();
            scan::elements(json.trim(), &mut |piece| {
                elements.push(scan::as_text(piece).map_or(Value::Null, |text| Value::Text(text.into())));
                Some(())
            })?;
            let dimensions = if elements.is_empty() { Vec::new() } else { vec![elements.len()] };
            let own = Array { dimensions, elements };
            containment::holds(operator, &Value::Array(Box::new(own)), &other)
        }
        Value::Range(range) => {
            let other = ColumnType::Range(range.kind).parse(text).ok()?;
            containment::holds(operator, value, &other)
        }
        _ => None,
    }
}
