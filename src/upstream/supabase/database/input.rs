//! Reading values: from text as PostgreSQL's input functions do, and from JSON as `json_to_recordset` does.

use super::array;
use super::datetime::{self, DAY, FOREVER, Interval, Moment};
use super::error::SqlError;
use super::jsonb;
use super::numeric::{Numeric, is_space};
use super::range;
use super::types::{ColumnType, EnumType};
use super::value::Value;
use uuid::Uuid;

impl ColumnType {
    /// Reads a text as a value of this type, as PostgreSQL's input function does.
    ///
    /// # Errors
    /// Those of PostgreSQL: 22P02, 22003, 22007, 22008, 22001, 22000.
    pub fn parse(&self, text: &str) -> Result<Value, SqlError> {
        if text.contains('\0') {
            return Err(SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
        }
        Ok(match self {
            Self::Any | Self::Text | Self::TsVector | Self::Other(_) => Value::Text(text.into()),
            Self::Varchar(None) => Value::Text(text.into()),
            Self::Varchar(Some(length)) => Value::Text(bounded(text, *length, "character varying")?.into()),
            Self::Char(length) => {
                let text = bounded(text, *length, "character")?;
                let missing = (*length as usize).saturating_sub(text.chars().count());
                Value::Char(format!("{text}{}", " ".repeat(missing)).into())
            }
            Self::Citext => Value::Citext(text.into()),
            Self::Bool => Value::Bool(boolean(text)?),
            Self::Int2 => Value::Int(integer(text, "smallint", i64::from(i16::MIN), i64::from(i16::MAX))?),
            Self::Int4 => Value::Int(integer(text, "integer", i64::from(i32::MIN), i64::from(i32::MAX))?),
            Self::Int8 => Value::Int(integer(text, "bigint", i64::MIN, i64::MAX)?),
            Self::Float4 => {
                let wide = float(text, "real")?;
                // Rounding once, from the text: by way of a double some numbers would be off by one.
                let narrow: f32 = text.trim_matches(is_space).parse().unwrap_or(wide as f32);
                if (wide.is_finite() && narrow.is_infinite()) || (narrow == 0.0 && wide != 0.0) {
                    return Err(SqlError::new("22003", format!("\"{text}\" is out of range for type real")));
                }
                Value::Float4(narrow)
            }
            Self::Float8 => Value::Float8(float(text, "double precision")?),
            Self::Numeric(bounds) => {
                let number = Numeric::parse(text)?;
                Value::Numeric(Box::new(match bounds {
                    Some((precision, scale)) => number.bounded(*precision, *scale)?,
                    None => number,
                }))
            }
            Self::Uuid => Value::Uuid(uuid(text)?),
            Self::TimestampTz(digits) => {
                Value::TimestampTz(datetime::rounded(datetime::parse(text, Moment::TimestampTz)?, *digits))
            }
            Self::Timestamp(digits) => {
                Value::Timestamp(datetime::rounded(datetime::parse(text, Moment::Timestamp)?, *digits))
            }
            Self::Date => Value::Date(match datetime::parse(text, Moment::Date)? {
                micros if micros == FOREVER.0 => i32::MIN,
                micros if micros == FOREVER.1 => i32::MAX,
                micros => i32::try_from(micros.div_euclid(DAY)).unwrap_or(i32::MAX),
            }),
            Self::Time(digits) => Value::Time(datetime::rounded(datetime::parse(text, Moment::Time)?, *digits)),
            Self::Interval => Value::Interval(Box::new(Interval::parse(text)?)),
            Self::Json => {
                jsonb::Json::parse(text)?;
                Value::Json(text.into())
            }
            Self::Jsonb => Value::Jsonb(jsonb::canonical(text)?.into()),
            Self::Bytea => Value::Bytea(bytea(text)?.into()),
            Self::Enum(kind) => label(kind, text)?,
            Self::Array(element) => Value::Array(Box::new(array::parse(text, element)?)),
            Self::Range(kind) => Value::Range(Box::new(range::parse(text, *kind)?)),
            Self::Vector(dimensions) => Value::Vector(array::parse_vector(text, *dimensions)?),
        })
    }

    /// Reads a piece of JSON as a value of this type, as `json_to_recordset` does. `column` is for messages, and for
    /// columns of type [`ColumnType::Any`], where the name tells a moment from a text.
    ///
    /// # Errors
    /// As [`ColumnType::parse`].
    pub fn parse_json(&self, json: &str, column: &str) -> Result<Value, SqlError> {
        let json = json.trim_matches([' ', '\t', '\n', '\r']);
        if json == "null" {
            return Ok(Value::Null);
        }
        match self {
            Self::Any => return undeclared(json, column),
            Self::Json => {
                // It is JSON already; what is left to check costs a walk.
                if json.contains("\\u0000") || json.len() > 512 {
                    jsonb::Json::parse(json)?;
                }
                if json.starts_with('"') {
                    // A string is read and written again.
                    let mut written = String::with_capacity(json.len());
                    jsonb::write_string(&mut written, &jsonb::unescape(json)?);
                    return Ok(Value::Json(written.into()));
                }
                return Ok(Value::Json(json.into()));
            }
            Self::Jsonb => return Ok(Value::Jsonb(jsonb::canonical(json)?.into())),
            Self::Array(element) if !json.starts_with('"') => {
                return Ok(Value::Array(Box::new(array::from_json(json, element, column)?)));
            }
            _ => {}
        }
        match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(plain) if !plain.contains('\\') => self.parse(plain),
            Some(_) => self.parse(&jsonb::unescape(json)?),
            None => self.parse(json),
        }
    }

    /// Reads a text that stands for a JSON string, as the fields of forms and CSV do: in `json` it stays a string.
    ///
    /// # Errors
    /// As [`ColumnType::parse`].
    pub fn parse_text(&self, text: &str) -> Result<Value, SqlError> {
        match self {
            Self::Json | Self::Jsonb | Self::Any => {
                let mut json = String::new();
                jsonb::write_string(&mut json, text);
                self.parse_json(&json, "")
            }
            _ => self.parse(text),
        }
    }

    /// Turns a value into this type, as a cast in a query does (`col::type`).
    ///
    /// # Errors
    /// As [`ColumnType::parse`]; 42846 where PostgreSQL has no such cast.
    pub fn cast(&self, value: &Value) -> Result<Value, SqlError> {
        let integer_kind = |name: &str, least: i64, most: i64, number: f64| {
            let rounded = number.round_ties_even();
            if rounded >= least as f64 && rounded <= most as f64 && rounded < 9.223_372_036_854_775e18 {
                Ok(Value::Int(rounded as i64))
            } else {
                Err(SqlError::new("22003", format!("{name} out of range")))
            }
        };
        match (self, value) {
            (_, Value::Null) => Ok(Value::Null),
            (Self::Any, value) => Ok(value.clone()),
            (Self::Varchar(Some(length)), value) => {
                // An explicit cast cuts what is too long.
                let text = value.to_text().unwrap_or_default();
                Ok(Value::Text(text.chars().take(*length as usize).collect::<String>().into()))
            }
            (Self::Int2 | Self::Int4 | Self::Int8, Value::Float4(_) | Value::Float8(_)) => {
                let number = value.number().unwrap_or(f64::NAN);
                match self {
                    Self::Int2 => integer_kind("smallint", i64::from(i16::MIN), i64::from(i16::MAX), number),
                    Self::Int4 => integer_kind("integer", i64::from(i32::MIN), i64::from(i32::MAX), number),
                    _ => integer_kind("bigint", i64::MIN, i64::MAX, number),
                }
            }
            (Self::Int2 | Self::Int4 | Self::Int8, Value::Numeric(number)) => {
                let mut text = String::new();
                if !matches!(**number, Numeric::Finite(_)) {
                    let message = format!("cannot convert {} to {}", value.to_text().unwrap_or_default(), self.name());
                    return Err(SqlError::new("0A000", message));
                }
                (**number).clone().bounded(1000, 0)?.write(&mut text);
                self.parse(&text).map_err(|_| SqlError::new("22003", format!("{} out of range", self.name())))
            }
            (Self::Int4, Value::Bool(flag)) => Ok(Value::Int(i64::from(*flag))),
            (Self::Bool, Value::Int(number)) => Ok(Value::Bool(*number != 0)),
            (Self::Int2 | Self::Int4 | Self::Int8, Value::Int(_)) => self
                .parse(&value.to_text().unwrap_or_default())
                .map_err(|_| SqlError::new("22003", format!("{} out of range", self.name()))),
            (Self::Date, Value::TimestampTz(micros) | Value::Timestamp(micros)) => Ok(Value::Date(match *micros {
                micros if micros == FOREVER.0 => i32::MIN,
                micros if micros == FOREVER.1 => i32::MAX,
                micros => i32::try_from(micros.div_euclid(DAY)).unwrap_or(i32::MAX),
            })),
            (Self::Time(digits), Value::TimestampTz(micros) | Value::Timestamp(micros)) => {
                Ok(Value::Time(datetime::rounded(micros.rem_euclid(DAY), *digits)))
            }
            (Self::TimestampTz(_), Value::Timestamp(_) | Value::Date(_)) => {
                Ok(Value::TimestampTz(value.moment().unwrap_or_default()))
            }
            (Self::Timestamp(_), Value::TimestampTz(_) | Value::Date(_)) => {
                Ok(Value::Timestamp(value.moment().unwrap_or_default()))
            }
            (Self::Numeric(Some((precision, scale))), Value::Numeric(number)) => {
                Ok(Value::Numeric(Box::new((**number).clone().bounded(*precision, *scale)?)))
            }
            (_, Value::Char(text)) => self.parse(text.trim_end_matches(' ')),
            (_, value) => self.parse(&value.to_text().unwrap_or_default()),
        }
    }
}

/// Whether a column that nobody declared holds `timestamptz`, told by its name. HolisticOS's tables are named so, and
/// its freshness logic breaks on moments that come back without an offset.
pub fn is_moment_column(column: &str) -> bool {
    column.ends_with("_at") || column.ends_with("timestamp") || column.ends_with("date_time")
}

/// A value of JSON in the type that it seems to have.
fn undeclared(json: &str, column: &str) -> Result<Value, SqlError> {
    Ok(match json.as_bytes().first() {
        Some(b'"') => {
            let text = jsonb::unescape(json)?;
            match is_moment_column(column).then(|| datetime::parse(&text, Moment::TimestampTz)) {
                Some(Ok(micros)) => Value::TimestampTz(micros),
                _ => Value::Text(text.into()),
            }
        }
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'{' | b'[') => Value::Jsonb(jsonb::canonical(json)?.into()),
        _ => match json.parse() {
            Ok(number) => Value::Int(number),
            Err(_) => Value::Numeric(Box::new(Numeric::parse(json)?)),
        },
    })
}

/// A text of at most so many characters; spaces beyond are cut silently, as SQL wants.
fn bounded<'a>(text: &'a str, length: u32, name: &str) -> Result<&'a str, SqlError> {
    match text.char_indices().nth(length as usize) {
        None => Ok(text),
        Some((at, _)) if text[at..].bytes().all(|byte| byte == b' ') => Ok(&text[..at]),
        Some(_) => Err(SqlError::new("22001", format!("value too long for type {name}({length})"))),
    }
}

fn boolean(text: &str) -> Result<bool, SqlError> {
    let word = text.trim_matches(is_space).to_ascii_lowercase();
    let begins = |whole: &str, least: usize| word.len() >= least && whole.starts_with(&*word);
    match word.as_str() {
        _ if begins("true", 1) || begins("yes", 1) || word == "on" || word == "1" => Ok(true),
        _ if begins("false", 1) || begins("no", 1) || begins("off", 2) || word == "0" => Ok(false),
        _ => Err(SqlError::invalid_text("boolean", text)),
    }
}

fn integer(text: &str, name: &str, least: i64, most: i64) -> Result<i64, SqlError> {
    let trimmed = text.trim_matches(is_space);
    let sign = trimmed.len() - trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed).len();
    let digits = trimmed[sign..].bytes().take_while(u8::is_ascii_digit).count();
    // Digits come first: what follows them is not looked at once there are too many.
    match trimmed[..sign + digits].parse::<i64>() {
        _ if digits == 0 => Err(SqlError::invalid_text(name, text)),
        Ok(number) if (least..=most).contains(&number) && sign + digits < trimmed.len() => {
            Err(SqlError::invalid_text(name, text))
        }
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(SqlError::out_of_range(name, text)),
    }
}

fn float(text: &str, name: &str) -> Result<f64, SqlError> {
    let trimmed = text.trim_matches(is_space);
    let lower = trimmed.to_ascii_lowercase();
    match lower.as_str() {
        "nan" => return Ok(f64::NAN),
        "infinity" | "inf" | "+infinity" | "+inf" => return Ok(f64::INFINITY),
        "-infinity" | "-inf" => return Ok(f64::NEG_INFINITY),
        _ => {}
    }
    if let Some(number) = hexadecimal(&lower) {
        return Ok(number);
    }
    let shaped = lower.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-'));
    let number: f64 =
        if shaped { lower.parse().ok() } else { None }.ok_or_else(|| SqlError::invalid_text(name, text))?;
    let mantissa = lower.split('e').next().unwrap_or_default();
    let zero = !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    if number.is_infinite() || (number == 0.0 && !zero) {
        return Err(SqlError::new("22003", format!("\"{text}\" is out of range for type {name}")));
    }
    Ok(number)
}

/// A whole number in hexadecimal digits, which C's `strtod` takes.
fn hexadecimal(text: &str) -> Option<f64> {
    let (sign, rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let digits = rest.strip_prefix("0x").filter(|digits| digits.len() <= 13)?;
    u64::from_str_radix(digits, 16).ok().map(|number| sign * number as f64)
}

/// A uuid as `uuid_in` takes it: with or without braces, a hyphen after any four digits.
fn uuid(text: &str) -> Result<Uuid, SqlError> {
    let invalid = || SqlError::invalid_text("uuid", text);
    let inside = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}').ok_or_else(invalid)?,
        None => text,
    };
    let mut digits = String::with_capacity(32);
    let mut hyphen = true;
    for c in inside.chars() {
        match c {
            '-' if !hyphen && digits.len().is_multiple_of(4) && digits.len() < 32 => hyphen = true,
            c if c.is_ascii_hexdigit() => {
                digits.push(c);
                hyphen = false;
            }
            _ => return Err(invalid()),
        }
    }
    if digits.len() != 32 || hyphen { Err(invalid()) } else { Uuid::try_parse(&digits).map_err(|_| invalid()) }
}

fn bytea(text: &str) -> Result<Vec<u8>, SqlError> {
    if let Some(hex) = text.strip_prefix("\\x") {
        let mut bytes = Vec::with_capacity(hex.len() / 2);
        let mut high = None;
        for c in hex.chars().filter(|c| !is_space(*c)) {
            let digit =
                c.to_digit(16).ok_or_else(|| SqlError::new("22023", format!("invalid hexadecimal digit: \"{c}\"")))?
                    as u8;
            match high.take() {
                None => high = Some(digit),
                Some(first) => bytes.push(first << 4 | digit),
            }
        }
        return match high {
            None => Ok(bytes),
            Some(_) => Err(SqlError::new("22023", "invalid hexadecimal data: odd number of digits")),
        };
    }
    let invalid = || SqlError::new("22P02", "invalid input syntax for type bytea");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, tail)) = rest.split_first() {
        (bytes, rest) = match (byte, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                bytes.push(b'\\');
                (bytes, tail)
            }
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
                (bytes, tail)
            }
            (b'\\', _) => return Err(invalid()),
            (byte, tail) => {
                bytes.push(*byte);
                (bytes, tail)
            }
        };
    }
    Ok(bytes)
}

fn label(kind: &EnumType, text: &str) -> Result<Value, SqlError> {
    let place = kind.labels.iter().position(|label| **label == *text);
    match place.and_then(|place| Some((u16::try_from(place).ok()?, kind.labels.get(place)?))) {
        Some((place, label)) => Ok(Value::Enum(place, label.clone())),
        None => {
            let message = format!("invalid input value for enum {}: \"{text}\"", kind.name);
            Err(SqlError::new("22P02", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use std::sync::Arc;

    fn all_types() -> Vec<ColumnType> {
        let names = [
            "bool",
            "int2",
            "int4",
            "int8",
            "float4",
            "float8",
            "numeric",
            "text",
            "varchar",
            "citext",
            "uuid",
            "timestamptz",
            "timestamp",
            "date",
            "time",
            "interval",
            "json",
            "jsonb",
            "bytea",
            "int4range",
            "numrange",
            "tstzrange",
            "daterange",
            "tsvector",
            "vector",
            "int4[]",
            "text[]",
            "timestamptz[]",
            "jsonb[]",
        ];
        let mut all: Vec<ColumnType> = names.iter().map(|name| ColumnType::from_name(name, &[]).unwrap()).collect();
        all.push(ColumnType::Any);
        all.push(ColumnType::Varchar(Some(3)));
        all.push(ColumnType::Char(3));
        all.push(ColumnType::Numeric(Some((5, 2))));
        let labels = vec![Arc::from("sad"), Arc::from("ok"), Arc::from("happy")];
        all.push(ColumnType::Enum(Arc::new(EnumType { name: "mood".into(), labels })));
        all
    }

    #[rstest]
    #[case("int4", "12a", "22P02", "invalid input syntax for type integer: \"12a\"")]
    #[case("int4", "2147483648", "22003", "value \"2147483648\" is out of range for type integer")]
    #[case("int2", "40000", "22003", "value \"40000\" is out of range for type smallint")]
    #[case("float8", "1e400", "22003", "\"1e400\" is out of range for type double precision")]
    #[case("bool", "maybe", "22P02", "invalid input syntax for type boolean: \"maybe\"")]
    #[case("uuid", "123", "22P02", "invalid input syntax for type uuid: \"123\"")]
    #[case("date", "soon", "22007", "invalid input syntax for type date: \"soon\"")]
    #[case("json", "nope", "22P02", "invalid input syntax for type json")]
    #[case("text[]", "a", "22P02", "malformed array literal: \"a\"")]
    fn refuses_in_postgresqls_words(#[case] kind: &str, #[case] text: &str, #[case] code: &str, #[case] message: &str) {
        let error = ColumnType::from_name(kind, &[]).unwrap().parse(text).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (code, message));
    }

    #[rstest]
    #[case(ColumnType::Text, r#"{"a": 1}"#, r#"{"a": 1}"#)]
    #[case(ColumnType::Text, "1.50", "1.50")]
    #[case(ColumnType::Int4, "\"7\"", "7")]
    #[case(ColumnType::Jsonb, "\"7\"", "\"7\"")]
    #[case(ColumnType::Json, "[1,  2]", "[1,  2]")]
    #[case(ColumnType::Array(Box::new(ColumnType::Text)), "[\"a\",null,\"b c\"]", "{a,NULL,\"b c\"}")]
    #[case(ColumnType::Array(Box::new(ColumnType::Text)), "\"{a,b}\"", "{a,b}")]
    #[case(ColumnType::Numeric(Some((5, 2))), "1.005", "1.01")]
    #[case(ColumnType::Vector(Some(3)), "[1, 2.5, 3]", "[1,2.5,3]")]
    #[case(ColumnType::Char(3), "\"a\"", "a  ")]
    fn json_becomes_what_postgresql_makes_of_it(#[case] kind: ColumnType, #[case] json: &str, #[case] text: &str) {
        assert_eq!(kind.parse_json(json, "c").unwrap().to_text().unwrap(), text);
    }

    #[rstest]
    #[case("created_at", "\"2025-11-23T10:00:00\"", "\"2025-11-23T10:00:00+00:00\"")]
    #[case("created_at", "\"2025-11-23 12:00:00+02:00\"", "\"2025-11-23T10:00:00+00:00\"")]
    #[case("created_at", "\"not a time\"", "\"not a time\"")]
    #[case("title", "\"2025-11-23T10:00:00\"", "\"2025-11-23T10:00:00\"")]
    #[case("score", "0.10", "0.10")]
    #[case("score", "9007199254740993", "9007199254740993")]
    #[case("data", "{\"b\":[1],\"a\":{}}", "{\"a\": {}, \"b\": [1]}")]
    fn what_nobody_declared_keeps_the_type_that_it_seems_to_have(
        #[case] column: &str,
        #[case] json: &str,
        #[case] read: &str,
    ) {
        let mut out = Vec::new();
        ColumnType::Any.parse_json(json, column).unwrap().write_json(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), read);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn no_text_panics_and_what_is_written_is_read_again(
            text in prop_oneof!["\\PC{0,20}", "[-+0-9.eE:T\\[\\](){},\" ]{0,20}", "(true|f|sad|ok|nan|inf|-1|12|1.5)"],
        ) {
            for kind in all_types() {
                let _ = kind.parse_json(&text, "c");
                if let Ok(value) = kind.parse(&text) {
                    let written = value.to_text().unwrap();
                    let again = kind.parse(&written);
                    prop_assert!(again.is_ok(), "{kind:?} wrote {written:?} for {text:?}: {again:?}");
                    let again = again.unwrap();
                    prop_assert!(again.is_same(&value), "{kind:?}: {text:?} → {written:?} → {again:?}");
                    prop_assert_eq!(again.key(), value.key());
                    let mut json = Vec::new();
                    value.write_json(&mut json);
                    prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&json).is_ok());
                }
            }
        }
    }
}
