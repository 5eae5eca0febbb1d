//! [`Expression`]: a column, or something inside its JSON, with the type that PostgreSQL gives it.

use super::grammar::ast::{Field, JsonKey, JsonStep};
use super::{refusals, scan};
use crate::upstream::supabase::database::row::Row;
use crate::upstream::supabase::database::schema::TableDef;
use crate::upstream::supabase::database::types::ColumnType;
use crate::upstream::supabase::database::value::Value;
use crate::upstream::supabase::errors::PgError;
use std::borrow::Cow;

static NULL: Value = Value::Null;

/// A value of a row.
#[derive(Clone, Debug)]
pub struct Expression {
    /// The column's place; `None` for one that a table without a schema has not shown yet.
    place: Option<usize>,
    field: Field,
    kind: ColumnType,
}

impl Expression {
    /// Finds a field in a table, which the query calls `alias`.
    ///
    /// # Errors
    /// 42703 for an unknown column, 42883 for an arrow out of a text.
    pub fn new(table: &TableDef, alias: &str, field: &Field) -> Result<Self, PgError> {
        let kind = table.kind(&field.name).ok_or_else(|| refusals::no_column(table, alias, &field.name))?;
        if let Some((_, before)) = field.path.split_last()
            && before.iter().any(|step| step.as_text)
        {
            return Err(refusals::no_operator("text", "->"));
        }
        let kind = match field.path.last() {
            None => kind.clone(),
            Some(step) if step.as_text => ColumnType::Text,
            Some(_) if *kind == ColumnType::Json => ColumnType::Json,
            Some(_) => ColumnType::Jsonb,
        };
        Ok(Self { place: table.place(&field.name), field: field.clone(), kind })
    }

    /// Its type.
    pub fn kind(&self) -> &ColumnType {
        &self.kind
    }

    /// The field that it is.
    pub fn field(&self) -> &Field {
        &self.field
    }

    /// The column's place, if it is a plain column.
    pub fn plain(&self) -> Option<usize> {
        if self.field.path.is_empty() { self.place } else { None }
    }

    /// How many operators and functions are carried out for it, times two.
    pub fn cost(&self) -> usize {
        let json = matches!(self.kind, ColumnType::Json | ColumnType::Jsonb | ColumnType::Text);
        2 * (self.field.path.len() + usize::from(!self.field.path.is_empty() && !json))
    }

    /// Its value in a row.
    pub fn value<'r>(&self, row: &'r Row) -> Cow<'r, Value> {
        let value = self.place.map_or(&NULL, |place| row.get(place));
        if self.field.path.is_empty() {
            return Cow::Borrowed(value);
        }
        let json: Cow<'_, str> = match value {
            Value::Null => return Cow::Owned(Value::Null),
            Value::Json(json) | Value::Jsonb(json) => Cow::Borrowed(json),
            // What is no JSON is made such first: `to_jsonb(col)->…`.
            other => Cow::Owned(json_text(other)),
        };
        // PostgreSQL keeps a scalar `jsonb` as an array of one, and tells it to whoever asks.
        let path = match (self.field.path.as_slice(), json.as_bytes().first()) {
            ([JsonStep { to: JsonKey::Index(0 | -1), .. }, rest @ ..], Some(first))
                if !matches!(first, b'{' | b'[') && !matches!(value, Value::Json(_)) =>
            {
                rest
            }
            (path, _) => path,
        };
        let Some(piece) = scan::follow(&json, path) else { return Cow::Owned(Value::Null) };
        Cow::Owned(match self.kind {
            ColumnType::Text => scan::as_text(piece).map_or(Value::Null, |text| Value::Text(text.into())),
            ColumnType::Json => Value::Json(piece.into()),
            _ => Value::Jsonb(piece.into()),
        })
    }
}

/// A value as JSON text.
pub fn json_text(value: &Value) -> String {
    let mut out = Vec::new();
    value.write_json(&mut out);
    String::from_utf8(out).unwrap_or_default()
}
