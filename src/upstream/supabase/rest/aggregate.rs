//! Aggregates: their types, and their results over the values of a group, as PostgreSQL 15 has them.

use super::grammar::ast::Aggregate;
use super::refusals;
use crate::upstream::supabase::database::datetime::Interval;
use crate::upstream::supabase::database::error::SqlError;
use crate::upstream::supabase::database::numeric::Numeric;
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::database::value::Value;
use crate::upstream::supabase::errors::PgError;
use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, Signed as _, Zero as _};
use std::cmp::Ordering;

/// The type of an aggregate over values of a type.
///
/// # Errors
/// 42883 if there is no such aggregate.
pub fn result(function: Aggregate, kind: &ColumnType) -> Result<ColumnType, PgError> {
    use ColumnType::{
        Any, Array, Bool, Bytea, Enum, Float4, Float8, Int2, Int4, Int8, Interval, Json, Jsonb, Numeric, Other, Range,
        Time, TsVector, Uuid, Varchar, Vector,
    };
    let missing = || Err(refusals::no_function(function.name(), &kind.name()));
    Ok(match (function, kind) {
        (Aggregate::Count, _) => Int8,
        (_, Any) => Any,
        (Aggregate::Sum, Int2 | Int4) => Int8,
        (Aggregate::Sum, Int8 | Numeric(_)) => Numeric(None),
        (Aggregate::Sum, Float4) => Float4,
        (Aggregate::Sum | Aggregate::Avg, Float8) | (Aggregate::Avg, Float4) => Float8,
        (Aggregate::Avg, Int2 | Int4 | Int8 | Numeric(_)) => Numeric(None),
        // A `time` is taken for an `interval` there.
        (Aggregate::Sum | Aggregate::Avg, Interval | Time(_)) => Interval,
        (Aggregate::Sum | Aggregate::Avg, _) => return missing(),
        (
            Aggregate::Min | Aggregate::Max,
            Bool | Uuid | Json | Jsonb | Bytea | Range(_) | TsVector | Vector(_) | Other(_),
        ) => {
            return missing();
        }
        (Aggregate::Min | Aggregate::Max, Varchar(_)) => ColumnType::Text,
        (Aggregate::Min | Aggregate::Max, Numeric(_)) => Numeric(None),
        (Aggregate::Min | Aggregate::Max, Array(_) | Enum(_)) => kind.clone(),
        (Aggregate::Min | Aggregate::Max, _) => kind.clone(),
    })
}

/// An aggregate over values; nulls do not count, and of nothing everything but the count is null.
///
/// # Errors
/// 22003 for what has no room in the result's type.
pub fn compute(function: Aggregate, values: &[Value]) -> Result<Value, PgError> {
    let mut some = values.iter().filter(|value| !value.is_null()).peekable();
    if function == Aggregate::Count {
        return Ok(Value::Int(i64::try_from(some.count()).unwrap_or(i64::MAX)));
    }
    let Some(first) = some.peek().copied() else { return Ok(Value::Null) };
    match function {
        Aggregate::Min | Aggregate::Max => {
            let better = if function == Aggregate::Min { Ordering::Less } else { Ordering::Greater };
            let best = some.reduce(|best, value| if value.compare(best) == better { value } else { best });
            Ok(best.cloned().unwrap_or(Value::Null))
        }
        _ => {
            let all: Vec<&Value> = some.collect();
            match first {
                Value::Interval(_) | Value::Time(_) => Ok(interval(function, &all)),
                _ if all.iter().any(|value| matches!(value, Value::Float8(_))) => float8(function, &all),
                Value::Float4(_) => float4(function, &all),
                Value::Int(_) | Value::Numeric(_) => exact(function, &all),
                _ => Err(refusals::no_function(function.name(), "text")),
            }
        }
    }
}

fn float8(function: Aggregate, all: &[&Value]) -> Result<Value, PgError> {
    let numbers: Vec<f64> = all.iter().filter_map(|value| value.number()).collect();
    let sum: f64 = numbers.iter().sum();
    if sum.is_infinite() && numbers.iter().all(|number| number.is_finite()) {
        return Err(refusals::sql(SqlError::new("22003", "value out of range: overflow")));
    }
    Ok(Value::Float8(if function == Aggregate::Sum { sum } else { sum / numbers.len() as f64 }))
}

fn float4(function: Aggregate, all: &[&Value]) -> Result<Value, PgError> {
    if function == Aggregate::Avg {
        return float8(function, all);
    }
    let numbers = all.iter().map(|value| if let Value::Float4(number) = value { *number } else { 0.0 });
    Ok(Value::Float4(numbers.sum()))
}

fn exact(function: Aggregate, all: &[&Value]) -> Result<Value, PgError> {
    let integers: Option<Vec<i64>> =
        all.iter().map(|value| if let Value::Int(number) = value { Some(*number) } else { None }).collect();
    let sum = match &integers {
        Some(integers) => {
            let sum: i128 = integers.iter().map(|number| i128::from(*number)).sum();
            Numeric::Finite(BigDecimal::new(BigInt::from(sum), 0))
        }
        None => all.iter().fold(Numeric::Finite(BigDecimal::zero()), |sum, value| add(sum, value)),
    };
    if function == Aggregate::Sum {
        return Ok(Value::Numeric(Box::new(sum)));
    }
    let Numeric::Finite(sum) = sum else { return Ok(Value::Numeric(Box::new(sum))) };
    Ok(Value::Numeric(Box::new(Numeric::Finite(divide(&sum, all.len())))))
}

fn add(sum: Numeric, value: &Value) -> Numeric {
    use Numeric::{Finite, Infinity, NaN, NegativeInfinity};
    let value = match value {
        Value::Int(number) => Finite(BigDecimal::from(*number)),
        Value::Numeric(number) => (**number).clone(),
        _ => return sum,
    };
    match (sum, value) {
        (Finite(a), Finite(b)) => Finite(a + b),
        (NaN, _) | (_, NaN) | (Infinity, NegativeInfinity) | (NegativeInfinity, Infinity) => NaN,
        (Infinity, _) | (_, Infinity) => Infinity,
        (NegativeInfinity, _) | (_, NegativeInfinity) => NegativeInfinity,
    }
}

/// A number's weight and first digit in base 10,000, as PostgreSQL stores it.
fn weight(number: &BigDecimal) -> (i64, u32) {
    let (digits, scale) = number.as_bigint_and_exponent();
    if digits.is_zero() {
        return (0, 0);
    }
    let text = digits.abs().to_string();
    let exponent = i64::try_from(text.len()).unwrap_or(i64::MAX) - 1 - scale;
    let weight = exponent.div_euclid(4);
    let first = usize::try_from(exponent.rem_euclid(4) + 1).unwrap_or(1);
    let shown: String = text.chars().chain("0000".chars()).take(first).collect();
    (weight, shown.parse().unwrap_or(0))
}

/// `sum / count` with the digits that PostgreSQL's `numeric` division gives (`select_div_scale`), rounded half away
/// from zero.
fn divide(sum: &BigDecimal, count: usize) -> BigDecimal {
    let count = BigDecimal::from(count as u64);
    let ((weight1, first1), (weight2, first2)) = (weight(sum), weight(&count));
    let quotient_weight = weight1 - weight2 - i64::from(first1 <= first2);
    let (digits, scale) = sum.as_bigint_and_exponent();
    let (divisor, _) = count.as_bigint_and_exponent();
    let result_scale = (16 - quotient_weight * 4).max(scale).clamp(0, 1000);
    let shift = u32::try_from(result_scale - scale).unwrap_or(0);
    let dividend: BigInt = digits * BigInt::from(10).pow(shift);
    let (mut quotient, remainder) = (&dividend / &divisor, &dividend % &divisor);
    if remainder.abs() * 2 >= divisor {
        quotient += if dividend.is_negative() { -1 } else { 1 };
    }
    BigDecimal::new(quotient, result_scale)
}

fn interval(function: Aggregate, all: &[&Value]) -> Value {
    let (mut months, mut days, mut micros) = (0_i64, 0_i64, 0_i64);
    for value in all {
        if let Value::Interval(interval) = value {
            months += i64::from(interval.months);
            days += i64::from(interval.days);
            micros = micros.saturating_add(interval.micros);
        }
        if let Value::Time(time) = value {
            micros = micros.saturating_add(*time);
        }
    }
    let narrow = |number: i64| i32::try_from(number).unwrap_or(if number < 0 { i32::MIN } else { i32::MAX });
    if function == Aggregate::Avg {
        // What months and days leave over goes to the next smaller unit, rounded to microseconds each time
        // (`interval_div`).
        const DAY_SECONDS: f64 = 86_400.0;
        let rounded = |number: f64| (number * 1e6).round_ties_even() / 1e6;
        let count = all.len() as f64;
        let (whole_months, whole_days) = ((months as f64 / count).trunc(), (days as f64 / count).trunc());
        let month_days = rounded((months as f64 / count - whole_months) * 30.0);
        let mut seconds = rounded((days as f64 / count - whole_days + month_days.fract()) * DAY_SECONDS);
        let more_days = (seconds / DAY_SECONDS).trunc();
        seconds -= more_days * DAY_SECONDS;
        let rest = (micros as f64 / count + seconds * 1e6).round_ties_even();
        (months, days, micros) =
            (whole_months as i64, (whole_days + more_days + month_days.trunc()) as i64, rest as i64);
    }
    Value::Interval(Box::new(Interval { months: narrow(months), days: narrow(days), micros }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    // What PostgreSQL 15 answers to `select avg(x) from …`.
    #[rstest]
    #[case(&["1", "2"], "1.5000000000000000")]
    #[case(&["1"], "1.00000000000000000000")]
    #[case(&["0"], "0.00000000000000000000")]
    #[case(&["10", "20", "31"], "20.3333333333333333")]
    #[case(&["100000", "200001"], "150000.500000000000")]
    #[case(&["-1", "-1", "0"], "-0.66666666666666666667")]
    #[case(&["1.10", "2.205"], "1.6525000000000000")]
    fn averages_have_postgresqls_digits(#[case] numbers: &[&str], #[case] expected: &str) {
        let values: Vec<Value> =
            numbers.iter().map(|number| ColumnType::Numeric(None).parse(number).unwrap()).collect();
        assert_eq!(compute(Aggregate::Avg, &values).unwrap().to_text().unwrap(), expected);
    }

    #[test]
    fn of_nothing_only_the_count_is_known() {
        assert_eq!(compute(Aggregate::Count, &[Value::Null]).unwrap().to_text().unwrap(), "0");
        assert!(compute(Aggregate::Sum, &[Value::Null]).unwrap().is_null());
    }

    #[test]
    fn sums_keep_their_digits() {
        let values = ["1.10", "2.205"].map(|number| ColumnType::Numeric(None).parse(number).unwrap());
        assert_eq!(compute(Aggregate::Sum, &values).unwrap().to_text().unwrap(), "3.305");
    }

    #[rstest]
    #[case(Aggregate::Sum, ColumnType::Text, "function sum(text) does not exist")]
    #[case(Aggregate::Max, ColumnType::Uuid, "function max(uuid) does not exist")]
    fn what_has_no_aggregate_is_told(#[case] function: Aggregate, #[case] kind: ColumnType, #[case] message: &str) {
        let error = result(function, &kind).unwrap_err();
        assert_eq!((&*error.code, error.message.as_str()), ("42883", message));
    }
}
