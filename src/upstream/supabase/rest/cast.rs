//! Casts in `select`: which there are, and what they make of a value.

use super::refusals;
use crate::upstream::supabase::database::error::SqlError;
use crate::upstream::supabase::database::store::Store;
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::database::value::Value;
use crate::upstream::supabase::errors::PgError;

const DAY_MICROS: i64 = 86_400_000_000;

/// The type of a name in `::name`.
///
/// # Errors
/// 42704 for an unknown type.
pub fn named(store: &Store, name: &str) -> Result<ColumnType, PgError> {
    ColumnType::from_name(name, &[]).or_else(|| enumeration(store, name)).ok_or_else(|| {
        refusals::sql(SqlError::new("42704", format!("type \"{}\" does not exist", name.to_lowercase())))
    })
}

/// Whether a value of one type can be cast to another.
///
/// # Errors
/// 42846 if not.
pub fn check(from: &ColumnType, to: &ColumnType) -> Result<(), PgError> {
    if exists(from, to) {
        return Ok(());
    }
    let message = format!("cannot cast type {} to {}", from.name(), to.name());
    Err(refusals::sql(SqlError::new("42846", message)))
}

/// An enumeration that a column of any table has.
fn enumeration(store: &Store, name: &str) -> Option<ColumnType> {
    let columns = store.tables().flat_map(|table| table.definition().columns());
    let is_it = |kind: &ColumnType| matches!(kind, ColumnType::Enum(kind) if kind.name.eq_ignore_ascii_case(name));
    columns.map(|column| &column.kind).find(|kind| is_it(kind)).cloned()
}

fn exists(from: &ColumnType, to: &ColumnType) -> bool {
    use ColumnType::{
        Any, Array, Bool, Bytea, Date, Float4, Float8, Int2, Int4, Int8, Interval, Json, Jsonb, Numeric, Other, Time,
        Timestamp, TimestampTz, TsVector, Vector,
    };
    if from == to || from.is_text() || to.is_text() || from.is_number() && to.is_number() {
        return true;
    }
    match (from, to) {
        (Any | Other(_), _) | (_, Any | Other(_)) => true,
        (Int4, Bool) | (Bool, Int4) => true,
        (Timestamp(_) | TimestampTz(_), Timestamp(_) | TimestampTz(_) | Date | Time(_)) => true,
        (Date, Timestamp(_) | TimestampTz(_)) => true,
        (Time(_), Interval | Time(_)) | (Interval, Time(_)) => true,
        (Json | Jsonb, Json | Jsonb) => true,
        (Jsonb, Bool | Int2 | Int4 | Int8 | Float4 | Float8 | Numeric(_)) => true,
        (Array(from), Array(to)) => exists(from, to),
        (Array(from), Vector(_)) => from.is_number(),
        (Vector(_), Vector(_)) | (Bytea, Bytea) | (TsVector, TsVector) => true,
        _ => false,
    }
}

/// Casts a value.
///
/// # Errors
/// What the type refuses it with (22P02, 22003, 22023 …).
pub fn cast(value: &Value, to: &ColumnType) -> Result<Value, PgError> {
    match (value, to) {
        (Value::Jsonb(json), to) if to.is_number() || *to == ColumnType::Bool => {
            let met = match json.as_bytes().first() {
                Some(b'"') => "string",
                Some(b'{') => "object",
                Some(b'[') => "array",
                Some(b't' | b'f') if *to == ColumnType::Bool => return to.parse(json).map_err(refusals::sql),
                Some(b't' | b'f') => "boolean",
                Some(b'n') => "null",
                _ if *to == ColumnType::Bool => "numeric",
                _ => {
                    let number = ColumnType::Numeric(None).parse(json).map_err(refusals::sql)?;
                    return to.cast(&number).map_err(refusals::sql);
                }
            };
            let message = format!("cannot cast jsonb {met} to type {}", to.name());
            Err(refusals::sql(SqlError::new("22023", message)))
        }
        (Value::Array(array), ColumnType::Array(element)) => {
            let mut array = array.clone();
            for value in &mut array.elements {
                *value = cast(value, element)?;
            }
            Ok(Value::Array(array))
        }
        (Value::Float4(number), ColumnType::Float8) => Ok(Value::Float8(f64::from(*number))),
        // What is left of the day.
        (Value::Interval(interval), ColumnType::Time(_)) => Ok(Value::Time(interval.micros.rem_euclid(DAY_MICROS))),
        // Only into texts does `character(n)` go without the spaces that fill it.
        (Value::Char(text), to) if !to.is_text() => to.parse(text).map_err(refusals::sql),
        (value, to) => to.cast(value).map_err(refusals::sql),
    }
}
