//! [`Expr`]: what a default, a check, a generated column or a policy computes, ready to be evaluated.

use super::datetime::{self, DAY, Moment};
use super::error::SqlError;
use super::jsonb::Json;
use super::like;
use super::numeric::Numeric;
use super::row::Row;
use super::types::ColumnType;
use super::value::{Array, Value};
use super::volatile::Volatile;
use crate::upstream::supabase::identity::Identity;
use bigdecimal::{BigDecimal, Zero as _};
use regex::Regex;
use std::cmp::Ordering;

/// An expression over one row.
#[derive(Clone, Debug)]
pub enum Expr {
    /// A constant.
    Constant(Value),
    /// The value of a column, by its place.
    Column(usize),
    /// `NOT`.
    Not(Box<Expr>),
    /// `AND` of all.
    And(Vec<Expr>),
    /// `OR` of all.
    Or(Vec<Expr>),
    /// `IS NULL`.
    IsNull(Box<Expr>),
    /// `IS TRUE`, `IS FALSE`.
    IsBool(Box<Expr>, bool),
    /// `IS NOT DISTINCT FROM`.
    IsSame(Box<Expr>, Box<Expr>),
    /// `=`, `<` and so on: the orders that pass.
    Compare(&'static [Ordering], Box<Expr>, Box<Expr>),
    /// A comparison with any (or all) of an array's elements.
    Quantified {
        /// The orders that pass.
        passing: &'static [Ordering],
        /// The left side.
        left: Box<Expr>,
        /// The array.
        array: Box<Expr>,
        /// Whether all must pass.
        all: bool,
    },
    /// `IN`.
    In(Box<Expr>, Vec<Expr>),
    /// `LIKE`; whether case does not matter.
    Like(Box<Expr>, Box<Expr>, bool),
    /// `~` with a constant pattern.
    Matches(Box<Expr>, Regex),
    /// `+ - * / %`.
    Arithmetic(Operator, Box<Expr>, Box<Expr>),
    /// `||` of texts.
    Concat(Box<Expr>, Box<Expr>),
    /// `->` and `->>` (as text), by a key or a place.
    Inside(Box<Expr>, Box<Expr>, bool),
    /// A cast.
    Cast(Box<Expr>, ColumnType),
    /// `CASE`: conditions with results, and what holds otherwise.
    Case(Vec<(Expr, Expr)>, Box<Expr>),
    /// `ARRAY[…]`.
    Array(Vec<Expr>),
    /// A function.
    Call(Function, Vec<Expr>),
}

/// An arithmetic operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `+`.
    Plus,
    /// `-`.
    Minus,
    /// `*`.
    Times,
    /// `/`.
    Over,
    /// `%`.
    Modulo,
}

/// A function that is known here: each is PostgreSQL's of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Now,
    CurrentDate,
    LocalTimestamp,
    GenRandomUuid,
    Random,
    Nextval,
    Timezone,
    DateTrunc,
    Length,
    OctetLength,
    Lower,
    Upper,
    Trim,
    LeftTrim,
    RightTrim,
    Left,
    Right,
    Replace,
    Concat,
    StartsWith,
    Coalesce,
    NullIf,
    Greatest,
    Least,
    Abs,
    Round,
    Floor,
    Ceil,
    JsonTypeof,
    JsonArrayLength,
    ArrayLength,
    Cardinality,
    IsEmpty,
    AuthUid,
    AuthRole,
}

/// What an expression is evaluated for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The row that columns are taken from.
    pub row: &'a Row,
    /// Who asks.
    pub identity: &'a Identity,
    /// When the statement began, in microseconds since 1970.
    pub now: i64,
    /// Random numbers and sequences.
    pub volatile: &'a Volatile,
}

impl Expr {
    /// Its value for a row.
    ///
    /// # Errors
    /// Those of the operators, such as 22012 for a division by zero.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, SqlError> {
        Ok(match self {
            Self::Constant(value) => value.clone(),
            Self::Column(place) => scope.row.get(*place).clone(),
            Self::Not(inner) => truth(inner.holds(scope)?.map(|holds| !holds)),
            Self::And(all) => {
                let mut result = Some(true);
                for one in all {
                    match one.holds(scope)? {
                        Some(false) => return Ok(Value::Bool(false)),
                        None => result = None,
                        Some(true) => {}
                    }
                }
                truth(result)
            }
            Self::Or(any) => {
                let mut result = Some(false);
                for one in any {
                    match one.holds(scope)? {
                        Some(true) => return Ok(Value::Bool(true)),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                truth(result)
            }
            Self::IsNull(inner) => Value::Bool(inner.evaluate(scope)?.is_null()),
            Self::IsBool(inner, wanted) => Value::Bool(inner.holds(scope)? == Some(*wanted)),
            Self::IsSame(left, right) => Value::Bool(left.evaluate(scope)?.is_same(&right.evaluate(scope)?)),
            Self::Compare(passing, left, right) => {
                truth(compare(passing, &left.evaluate(scope)?, &right.evaluate(scope)?))
            }
            Self::Quantified { passing, left, array, all } => {
                let left = left.evaluate(scope)?;
                let Value::Array(array) = array.evaluate(scope)? else { return Ok(Value::Null) };
                truth(quantified(array.elements.iter().map(|one| compare(passing, &left, one)), *all))
            }
            Self::In(left, list) => {
                let left = left.evaluate(scope)?;
                let mut result = Some(false);
                for one in list {
                    match compare(&[Ordering::Equal], &left, &one.evaluate(scope)?) {
                        Some(true) => return Ok(Value::Bool(true)),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                truth(result)
            }
            Self::Like(left, pattern, without_case) => {
                let (text, pattern) = (left.evaluate(scope)?.to_text(), pattern.evaluate(scope)?.to_text());
                truth(text.zip(pattern).map(|(text, pattern)| like::matches(&text, &pattern, *without_case)))
            }
            Self::Matches(left, pattern) => truth(left.evaluate(scope)?.to_text().map(|text| pattern.is_match(&text))),
            Self::Arithmetic(operator, left, right) => {
                arithmetic(*operator, &left.evaluate(scope)?, &right.evaluate(scope)?)?
            }
            Self::Concat(left, right) => match (left.evaluate(scope)?.to_text(), right.evaluate(scope)?.to_text()) {
                (Some(left), Some(right)) => Value::Text((left + &right).into()),
                _ => Value::Null,
            },
            Self::Inside(whole, key, as_text) => inside(&whole.evaluate(scope)?, &key.evaluate(scope)?, *as_text),
            Self::Cast(inner, kind) => kind.cast(&inner.evaluate(scope)?)?,
            Self::Case(cases, otherwise) => {
                for (condition, result) in cases {
                    if condition.holds(scope)? == Some(true) {
                        return result.evaluate(scope);
                    }
                }
                otherwise.evaluate(scope)?
            }
            Self::Array(items) => {
                let elements = items.iter().map(|item| item.evaluate(scope)).collect::<Result<Vec<_>, _>>()?;
                let dimensions = if elements.is_empty() { Vec::new() } else { vec![elements.len()] };
                Value::Array(Box::new(Array { dimensions, elements }))
            }
            Self::Call(function, arguments) => function.call(arguments, scope)?,
        })
    }

    /// Whether it gives another value every time, whatever the row: a default that the database fills in by itself.
    pub fn is_volatile(&self) -> bool {
        use Function as F;
        match self {
            Self::Cast(inner, _) => inner.is_volatile(),
            Self::Call(F::Now | F::CurrentDate | F::LocalTimestamp | F::GenRandomUuid | F::Random | F::Nextval, _) => {
                true
            }
            Self::Call(_, arguments) => arguments.iter().any(Self::is_volatile),
            Self::Arithmetic(_, left, right) | Self::Concat(left, right) => left.is_volatile() || right.is_volatile(),
            _ => false,
        }
    }

    /// Whether it holds for a row; `None` where that is unknown.
    ///
    /// # Errors
    /// As [`Expr::evaluate`].
    pub fn holds(&self, scope: &Scope<'_>) -> Result<Option<bool>, SqlError> {
        Ok(match self.evaluate(scope)? {
            Value::Bool(holds) => Some(holds),
            _ => None,
        })
    }
}

fn truth(holds: Option<bool>) -> Value {
    holds.map_or(Value::Null, Value::Bool)
}

fn compare(passing: &[Ordering], left: &Value, right: &Value) -> Option<bool> {
    (!left.is_null() && !right.is_null()).then(|| passing.contains(&left.compare(right)))
}

/// Any or all of several results that may be unknown.
fn quantified(results: impl Iterator<Item = Option<bool>>, all: bool) -> Option<bool> {
    let mut result = Some(all);
    for one in results {
        match one {
            Some(holds) if holds != all => return Some(holds),
            None => result = None,
            Some(_) => {}
        }
    }
    result
}

/// A field or an item of JSON.
fn inside(whole: &Value, key: &Value, as_text: bool) -> Value {
    let (Value::Json(text) | Value::Jsonb(text)) = whole else { return Value::Null };
    let Ok(json) = Json::parse(text) else { return Value::Null };
    let found = match (&json, key) {
        (Json::Array(items), Value::Int(place)) => {
            let place = if *place < 0 { items.len() as i64 + place } else { *place };
            usize::try_from(place).ok().and_then(|place| items.get(place))
        }
        (json, key) => key.as_str().and_then(|name| json.field(name)),
    };
    match found {
        None => Value::Null,
        Some(Json::Null) if as_text => Value::Null,
        Some(Json::String(text)) if as_text => Value::Text(text.as_str().into()),
        Some(found) => {
            let mut text = String::new();
            found.write(&mut text);
            if as_text { Value::Text(text.into()) } else { Value::Jsonb(text.into()) }
        }
    }
}

fn arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value, SqlError> {
    let by_zero = || SqlError::new("22012", "division by zero");
    Ok(match (left, right) {
        (Value::Null, _) | (_, Value::Null) => Value::Null,
        (Value::Int(left), Value::Int(right)) => {
            let result = match operator {
                Operator::Plus => left.checked_add(*right),
                Operator::Minus => left.checked_sub(*right),
                Operator::Times => left.checked_mul(*right),
                Operator::Over | Operator::Modulo if *right == 0 => return Err(by_zero()),
                Operator::Over => left.checked_div(*right),
                Operator::Modulo => Some(left.wrapping_rem(*right)),
            };
            Value::Int(result.ok_or_else(|| SqlError::new("22003", "bigint out of range"))?)
        }
        (Value::TimestampTz(_) | Value::Timestamp(_) | Value::Date(_), Value::Interval(interval)) => {
            let micros = left.moment().unwrap_or_default();
            let result = match operator {
                Operator::Minus => interval.before(micros),
                _ => interval.after(micros),
            };
            let result = result.ok_or_else(|| SqlError::new("22008", "timestamp out of range"))?;
            if matches!(left, Value::TimestampTz(_)) { Value::TimestampTz(result) } else { Value::Timestamp(result) }
        }
        (Value::Date(days), Value::Int(more)) => {
            let more = if operator == Operator::Minus { -more } else { *more };
            let days = i64::from(*days).checked_add(more).and_then(|days| i32::try_from(days).ok());
            Value::Date(days.ok_or_else(|| SqlError::new("22008", "date out of range"))?)
        }
        (Value::Date(left), Value::Date(right)) => Value::Int(i64::from(*left) - i64::from(*right)),
        (Value::Numeric(_) | Value::Int(_), Value::Numeric(_) | Value::Int(_)) => {
            numeric_arithmetic(operator, left, right)?
        }
        _ => {
            let (Some(left), Some(right)) = (left.number(), right.number()) else { return Ok(Value::Null) };
            if right == 0.0 && matches!(operator, Operator::Over | Operator::Modulo) {
                return Err(by_zero());
            }
            Value::Float8(match operator {
                Operator::Plus => left + right,
                Operator::Minus => left - right,
                Operator::Times => left * right,
                Operator::Over => left / right,
                Operator::Modulo => left % right,
            })
        }
    })
}

fn numeric_arithmetic(operator: Operator, left: &Value, right: &Value) -> Result<Value, SqlError> {
    let exact = |value: &Value| match value {
        Value::Int(number) => Some(BigDecimal::from(*number)),
        Value::Numeric(number) => match &**number {
            Numeric::Finite(number) => Some(number.clone()),
            _ => None,
        },
        _ => None,
    };
    let (Some(left), Some(right)) = (exact(left), exact(right)) else {
        return Ok(Value::Numeric(Box::new(Numeric::NaN)));
    };
    let zero = right.is_zero();
    let result = match operator {
        Operator::Plus => left + right,
        Operator::Minus => left - right,
        Operator::Times => left * right,
        Operator::Over | Operator::Modulo if zero => return Err(SqlError::new("22012", "division by zero")),
        Operator::Over => {
            let scale = quotient_scale(&left, &right);
            (left / right).with_scale_round(scale, bigdecimal::RoundingMode::HalfUp)
        }
        Operator::Modulo => left % right,
    };
    Ok(Value::Numeric(Box::new(Numeric::Finite(result))))
}

/// The digits after the point of a quotient (`select_div_scale`): at least 16 significant ones, counted in groups of
/// four, and not fewer than either side has.
fn quotient_scale(left: &BigDecimal, right: &BigDecimal) -> i64 {
    // The place of the first group of four digits, and what it holds.
    let first = |number: &BigDecimal| -> (i64, i64) {
        let (digits, scale) = number.as_bigint_and_scale();
        let text = digits.magnitude().to_string();
        if text == "0" {
            return (0, 0);
        }
        let whole = text.len() as i64 - scale;
        let weight = (whole - 1).div_euclid(4);
        let in_group = usize::try_from(whole - weight * 4).unwrap_or(1);
        let padded = format!("{text:0<4}");
        (weight, padded[..in_group.min(padded.len())].parse().unwrap_or(0))
    };
    let ((left_weight, left_first), (right_weight, right_first)) = (first(left), first(right));
    let weight = left_weight - right_weight - i64::from(left_first <= right_first);
    (16 - weight * 4).max(left.fractional_digit_count()).max(right.fractional_digit_count()).clamp(0, 1000)
}

impl Function {
    fn call(self, arguments: &[Expr], scope: &Scope<'_>) -> Result<Value, SqlError> {
        // Those that do not look at all their arguments, or take nulls, come first.
        match self {
            Self::Coalesce => {
                for argument in arguments {
                    let value = argument.evaluate(scope)?;
                    if !value.is_null() {
                        return Ok(value);
                    }
                }
                return Ok(Value::Null);
            }
            Self::Greatest | Self::Least => {
                let mut best = Value::Null;
                for argument in arguments {
                    let value = argument.evaluate(scope)?;
                    let wanted = if self == Self::Greatest { Ordering::Greater } else { Ordering::Less };
                    if !value.is_null() && (best.is_null() || value.compare(&best) == wanted) {
                        best = value;
                    }
                }
                return Ok(best);
            }
            Self::Concat => {
                let mut text = String::new();
                for argument in arguments {
                    argument.evaluate(scope)?.write_output(&mut text);
                }
                return Ok(Value::Text(text.into()));
            }
            _ => {}
        }
        let values = arguments.iter().map(|argument| argument.evaluate(scope)).collect::<Result<Vec<_>, _>>()?;
        if self == Self::NullIf {
            let same = compare(&[Ordering::Equal], &values[0], &values[1]) == Some(true);
            return Ok(if same { Value::Null } else { values[0].clone() });
        }
        if values.iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        let text = |at: usize| values.get(at).and_then(Value::to_text).unwrap_or_default();
        let number = |at: usize| match values.get(at) {
            Some(Value::Int(number)) => *number,
            _ => 0,
        };
        Ok(match self {
            Self::Now => Value::TimestampTz(scope.now),
            Self::LocalTimestamp => Value::Timestamp(scope.now),
            Self::CurrentDate => Value::Date(i32::try_from(scope.now.div_euclid(DAY)).unwrap_or_default()),
            Self::GenRandomUuid => Value::Uuid(scope.volatile.uuid()),
            Self::Random => Value::Float8(scope.volatile.unit()),
            Self::Nextval => Value::Int(scope.volatile.next(&text(0))?),
            Self::Timezone => timezone(&text(0), &values[1])?,
            Self::DateTrunc => date_trunc(&text(0), &values[1])?,
            Self::Length => Value::Int(match &values[0] {
                Value::Bytea(bytes) => bytes.len() as i64,
                value => value.as_str().map_or_else(|| text(0).chars().count(), |text| text.chars().count()) as i64,
            }),
            Self::OctetLength => Value::Int(match &values[0] {
                Value::Bytea(bytes) => bytes.len() as i64,
                _ => text(0).len() as i64,
            }),
            Self::Lower | Self::Upper => match &values[0] {
                Value::Range(range) => {
                    let bound = if self == Self::Lower { &range.lower } else { &range.upper };
                    bound.clone().unwrap_or(Value::Null)
                }
                _ if self == Self::Lower => Value::Text(text(0).to_lowercase().into()),
                _ => Value::Text(text(0).to_uppercase().into()),
            },
            Self::Trim | Self::LeftTrim | Self::RightTrim => {
                let characters: Vec<char> = if values.len() > 1 { text(1).chars().collect() } else { vec![' '] };
                let whole = text(0);
                let mut rest = whole.as_str();
                if self != Self::RightTrim {
                    rest = rest.trim_start_matches(characters.as_slice());
                }
                if self != Self::LeftTrim {
                    rest = rest.trim_end_matches(characters.as_slice());
                }
                Value::Text(rest.into())
            }
            Self::Left | Self::Right => {
                let whole: Vec<char> = text(0).chars().collect();
                let count = number(1);
                let count = if count < 0 { whole.len() as i64 + count } else { count };
                let count = usize::try_from(count).unwrap_or(0).min(whole.len());
                let part = if self == Self::Left { &whole[..count] } else { &whole[whole.len() - count..] };
                Value::Text(part.iter().collect::<String>().into())
            }
            Self::Replace if text(1).is_empty() => Value::Text(text(0).into()),
            Self::Replace => Value::Text(text(0).replace(&text(1), &text(2)).into()),
            Self::StartsWith => Value::Bool(text(0).starts_with(&text(1))),
            Self::Abs => match &values[0] {
                Value::Int(number) => Value::Int(number.saturating_abs()),
                Value::Numeric(exact) => match &**exact {
                    Numeric::Finite(number) => Value::Numeric(Box::new(Numeric::Finite(number.abs()))),
                    Numeric::NegativeInfinity => Value::Numeric(Box::new(Numeric::Infinity)),
                    other => Value::Numeric(Box::new(other.clone())),
                },
                other => Value::Float8(other.number().unwrap_or_default().abs()),
            },
            Self::Round | Self::Floor | Self::Ceil => self.round(&values),
            Self::JsonTypeof => match json_of(&values[0]) {
                Some(json) => Value::Text(json.type_name().into()),
                None => Value::Null,
            },
            Self::JsonArrayLength => match json_of(&values[0]) {
                Some(Json::Array(items)) => Value::Int(items.len() as i64),
                Some(Json::Object(_)) => {
                    return Err(SqlError::new("22023", "cannot get array length of a non-array"));
                }
                _ => return Err(SqlError::new("22023", "cannot get array length of a scalar")),
            },
            Self::ArrayLength => match &values[0] {
                Value::Array(array) => {
                    let place = usize::try_from(number(1) - 1).ok();
                    place.and_then(|at| array.dimensions.get(at)).map_or(Value::Null, |count| Value::Int(*count as i64))
                }
                _ => Value::Null,
            },
            Self::Cardinality => match &values[0] {
                Value::Array(array) => Value::Int(array.elements.len() as i64),
                _ => Value::Null,
            },
            Self::IsEmpty => match &values[0] {
                Value::Range(range) => Value::Bool(range.empty),
                _ => Value::Null,
            },
            Self::AuthUid => match scope.identity.user.as_deref() {
                Some(user) => ColumnType::Uuid.parse(user)?,
                None => Value::Null,
            },
            Self::AuthRole => Value::Text(scope.identity.role.name().into()),
            Self::Coalesce | Self::Greatest | Self::Least | Self::Concat | Self::NullIf => Value::Null,
        })
    }

    fn round(self, values: &[Value]) -> Value {
        use bigdecimal::RoundingMode;
        let digits = match values.get(1) {
            Some(Value::Int(digits)) => (*digits).clamp(-1000, 1000),
            _ => 0,
        };
        match &values[0] {
            Value::Int(number) if digits >= 0 => Value::Int(*number),
            Value::Float4(_) | Value::Float8(_) => {
                let number = values[0].number().unwrap_or_default();
                Value::Float8(match self {
                    Self::Round => number.round_ties_even(),
                    Self::Floor => number.floor(),
                    _ => number.ceil(),
                })
            }
            Value::Numeric(number) => match &**number {
                Numeric::Finite(number) => {
                    let mode = match self {
                        Self::Round => RoundingMode::HalfUp,
                        Self::Floor => RoundingMode::Floor,
                        _ => RoundingMode::Ceiling,
                    };
                    let rounded = number.with_scale_round(digits, mode).with_scale(digits.max(0));
                    Value::Numeric(Box::new(Numeric::Finite(rounded)))
                }
                other => Value::Numeric(Box::new(other.clone())),
            },
            other => other.clone(),
        }
    }
}

fn json_of(value: &Value) -> Option<Json> {
    match value {
        Value::Json(text) | Value::Jsonb(text) => Json::parse(text).ok(),
        _ => None,
    }
}

/// `timezone(zone, moment)`: a moment with a zone loses it, one without gets it.
fn timezone(zone: &str, moment: &Value) -> Result<Value, SqlError> {
    let mut text = String::new();
    Ok(match moment {
        Value::TimestampTz(micros) if is_utc(zone) => Value::Timestamp(*micros),
        Value::Timestamp(micros) if is_utc(zone) => Value::TimestampTz(*micros),
        Value::Timestamp(micros) => {
            datetime::write_moment(&mut text, *micros, false, datetime::Style::Text);
            text.push(' ');
            text.push_str(zone);
            Value::TimestampTz(datetime::parse(&text, Moment::TimestampTz)?)
        }
        Value::TimestampTz(micros) => {
            let unknown = || SqlError::new("22023", format!("time zone \"{zone}\" not recognized"));
            let named = jiff::tz::TimeZone::get(zone).map_err(|_| unknown())?;
            let moment = jiff::Timestamp::from_microsecond(*micros).map_err(|_| unknown())?;
            let offset = i64::from(named.to_offset(moment).seconds());
            Value::Timestamp(micros.saturating_add(offset * 1_000_000))
        }
        _ => Value::Null,
    })
}

fn is_utc(zone: &str) -> bool {
    ["utc", "gmt", "z", "zulu", "etc/utc"].iter().any(|name| zone.eq_ignore_ascii_case(name))
}

fn date_trunc(unit: &str, moment: &Value) -> Result<Value, SqlError> {
    let Some(micros) = moment.moment() else { return Ok(Value::Null) };
    let (days, time) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (year, month, day) = datetime::date_of(days);
    let clock = |unit: i64| days * DAY + time / unit * unit;
    let midnight = |days: i64| days * DAY;
    let result = match unit.to_ascii_lowercase().as_str() {
        "microseconds" => micros,
        "milliseconds" => clock(1_000),
        "second" => clock(1_000_000),
        "minute" => clock(60_000_000),
        "hour" => clock(3_600_000_000),
        "day" => midnight(days),
        // 1970-01-01 was a Thursday.
        "week" => midnight(days - (days + 3).rem_euclid(7)),
        "month" => midnight(datetime::days_of(year, month, 1)),
        "quarter" => midnight(datetime::days_of(year, (month - 1) / 3 * 3 + 1, 1)),
        "year" => midnight(datetime::days_of(year, 1, 1)),
        _ => {
            let _ = day;
            return Err(SqlError::new(
                "22023",
                format!("unit \"{unit}\" not recognized for type timestamp with time zone"),
            ));
        }
    };
    Ok(if matches!(moment, Value::Timestamp(_)) { Value::Timestamp(result) } else { Value::TimestampTz(result) })
}
