//! [`Payload`]: the body of a write: which columns it gives, and their values row by row (PostgREST's `Payload.hs`).

use super::super::database::error::SqlError;
use super::super::database::jsonb::Json;
use super::super::errors::PgError;
use http::StatusCode;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// Rows that one request may write. Far beyond what PostgREST's own statement time-outs let through.
const MOST_ROWS: usize = 1_000_000;

/// A value as it stands in a body.
#[derive(Clone, Debug)]
pub enum Raw<'a> {
    /// A piece of JSON.
    Json(&'a str),
    /// A text.
    Text(Cow<'a, str>),
    /// `NULL`.
    Null,
}

/// The body of a write.
#[derive(Debug, Default)]
pub struct Payload<'a> {
    /// The columns that are written, in the order of their names.
    pub columns: Vec<String>,
    /// For every row and column, its value; `None` where a row lacks it.
    pub rows: Vec<Vec<Option<Raw<'a>>>>,
}

fn invalid(message: &str) -> PgError {
    PgError::new(StatusCode::BAD_REQUEST, "PGRST102", message)
}

impl<'a> Payload<'a> {
    /// Reads a body. `columns` is what the query says of columns: such a body is not looked at but for those.
    ///
    /// # Errors
    /// PGRST102 for what cannot be read; with `columns`, what PostgreSQL says of it (22P02, 22023).
    pub fn read(body: &'a [u8], content_type: Option<&str>, columns: Option<&[String]>) -> Result<Self, PgError> {
        let kind = content_type.unwrap_or("application/json").split(';').next().unwrap_or_default();
        match kind.trim().to_ascii_lowercase().as_str() {
            "application/json" | "application/vnd.pgrst.object+json" | "" | "*/*" => match columns {
                Some(columns) => Self::chosen(text(body)?, columns),
                None => Self::uniform(text(body)?),
            },
            "text/csv" => Self::csv(text(body)?),
            "application/x-www-form-urlencoded" => Ok(Self::form(body)),
            other => Err(invalid(&format!("Content-Type not acceptable: {other}"))),
        }
    }

    /// Rows that all have the same keys.
    fn uniform(text: &'a str) -> Result<Self, PgError> {
        let broken = |_| invalid("Empty or invalid json");
        let differ = || invalid("All object keys must match");
        let objects: Vec<&RawValue> = match first(text) {
            Some(b'[') => serde_json::from_str(text).map_err(broken)?,
            Some(b'{') => vec![serde_json::from_str(text).map_err(broken)?],
            _ => {
                // Anything else that is JSON is no rows at all.
                serde_json::from_str::<&RawValue>(text).map_err(broken)?;
                return Ok(Self::default());
            }
        };
        let mut payload = Self::default();
        for raw in bounded(&objects)? {
            let mut fields: Object<'_> = serde_json::from_str(raw.get()).map_err(|_| differ())?;
            fields.sort();
            if payload.rows.is_empty() {
                payload.columns = fields.0.iter().map(|(name, _)| name.clone().into_owned()).collect();
            } else if !fields.0.iter().map(|(name, _)| &**name).eq(payload.columns.iter().map(String::as_str)) {
                return Err(differ());
            }
            payload.rows.push(fields.0.into_iter().map(|(_, raw)| Some(Raw::Json(raw.get()))).collect());
        }
        Ok(payload)
    }

    /// The chosen columns of rows that may have others too, or lack them.
    fn chosen(text: &'a str, columns: &[String]) -> Result<Self, PgError> {
        let sql = |error: SqlError| {
            let mut refusal = PgError::new(error.status(true), error.code, error.message);
            refusal.details = error.details;
            refusal
        };
        let broken = |_| match Json::parse(text) {
            Err(error) => sql(error),
            Ok(_) => sql(SqlError::new("22023", "cannot call json_to_recordset on a scalar")),
        };
        let objects: Vec<&RawValue> = match first(text) {
            Some(b'{') => vec![serde_json::from_str(text).map_err(broken)?],
            _ => serde_json::from_str(text).map_err(broken)?,
        };
        let columns: BTreeSet<&str> = columns.iter().map(String::as_str).collect();
        let mut rows = Vec::with_capacity(objects.len());
        for raw in bounded(&objects)? {
            let fields: Object<'_> = serde_json::from_str(raw.get()).map_err(|_| {
                sql(SqlError::new("22023", "argument of json_to_recordset must be an array of objects"))
            })?;
            let value = |column: &&str| {
                let field = fields.0.iter().rev().find(|(name, _)| name == column);
                field.map(|(_, raw)| Raw::Json(raw.get()))
            };
            rows.push(columns.iter().map(value).collect());
        }
        Ok(Self { columns: columns.into_iter().map(str::to_owned).collect(), rows })
    }

    fn csv(text: &'a str) -> Result<Self, PgError> {
        let differ = |_| invalid("All lines must have same number of fields");
        let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
        let header = reader.headers().map_err(differ)?.clone();
        let mut order: Vec<usize> = (0..header.len()).collect();
        order.sort_by_key(|at| header.get(*at));
        let mut payload = Self {
            columns: order.iter().filter_map(|at| header.get(*at)).map(str::to_owned).collect(),
            rows: Vec::new(),
        };
        for record in reader.records() {
            let record = record.map_err(differ)?;
            if payload.rows.len() >= MOST_ROWS {
                return Err(too_many());
            }
            let value = |at: &usize| match record.get(*at) {
                None | Some("NULL") => Some(Raw::Null),
                Some(text) => Some(Raw::Text(Cow::Owned(text.to_owned()))),
            };
            payload.rows.push(order.iter().map(value).collect());
        }
        Ok(payload)
    }

    /// One row as a form gives it; of a name that comes twice the last counts.
    fn form(body: &'a [u8]) -> Self {
        let mut fields: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(body) {
            match fields.iter_mut().find(|(own, _)| *own == name) {
                Some((_, own)) => *own = value,
                None => fields.push((name, value)),
            }
        }
        fields.sort_by(|(one, _), (other, _)| one.cmp(other));
        let columns = fields.iter().map(|(name, _)| name.clone().into_owned()).collect();
        Self { columns, rows: vec![fields.into_iter().map(|(_, value)| Some(Raw::Text(value))).collect()] }
    }
}

fn text(body: &[u8]) -> Result<&str, PgError> {
    std::str::from_utf8(body).map_err(|_| invalid("Empty or invalid json"))
}

fn first(text: &str) -> Option<u8> {
    text.bytes().find(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))
}

fn bounded<T>(rows: &[T]) -> Result<&[T], PgError> {
    if rows.len() > MOST_ROWS { Err(too_many()) } else { Ok(rows) }
}

fn too_many() -> PgError {
    PgError::new(StatusCode::INTERNAL_SERVER_ERROR, "57014", "canceling statement due to statement timeout")
}

/// An object's fields as they stand there.
struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl Object<'_> {
    /// In the order of names; of two with one name the last stays.
    fn sort(&mut self) {
        self.0.reverse();
        self.0.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.0.dedup_by(|(one, _), (other, _)| one == other);
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(16);
                while let Some(Name(name)) = map.next_key()? {
                    fields.push((name, map.next_value()?));
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Fields).map(Self)
    }
}

/// A field's name, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Cow<'de, str>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Cow::Borrowed(text))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Cow::Owned(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn shown(payload: &Payload<'_>) -> String {
        let rows: Vec<String> = payload
            .rows
            .iter()
            .map(|row| {
                let values: Vec<&str> = row
                    .iter()
                    .map(|value| match value {
                        Some(Raw::Json(text)) => *text,
                        Some(Raw::Text(text)) => text,
                        Some(Raw::Null) => "NULL",
                        None => "-",
                    })
                    .collect();
                values.join(",")
            })
            .collect();
        format!("{}|{}", payload.columns.join(","), rows.join("|"))
    }

    #[rstest]
    #[case(r#"{"b": 1, "a": [1,  2]}"#, "application/json", None, "a,b|[1,  2],1")]
    #[case(r#"[{"a":1},{"a":null}]"#, "application/json; charset=utf-8", None, "a|1|null")]
    #[case(r#"{"a":1,"a":2}"#, "application/json", None, "a|2")]
    #[case("[]", "application/json", None, "|")]
    #[case("3", "application/json", None, "|")]
    #[case(r#"[{"a":1,"c":3},{"b":2}]"#, "application/json", Some(vec!["b", "a"]), "a,b|1,-|-,2")]
    #[case("b,a\n1,NULL\n\"x,\ny\",\n", "text/csv", None, "a,b|NULL,1|,x,\ny")]
    #[case("a=1&b=x+y&a=2", "application/x-www-form-urlencoded", None, "a,b|2,x y")]
    fn bodies_are_read(
        #[case] body: &str,
        #[case] kind: &str,
        #[case] columns: Option<Vec<&str>>,
        #[case] expected: &str,
    ) {
        let columns: Option<Vec<String>> = columns.map(|all| all.into_iter().map(str::to_owned).collect());
        let payload = Payload::read(body.as_bytes(), Some(kind), columns.as_deref()).unwrap();
        assert_eq!(shown(&payload), expected);
    }

    #[rstest]
    #[case("", "application/json", None, "PGRST102", "Empty or invalid json")]
    #[case("{", "application/json", None, "PGRST102", "Empty or invalid json")]
    #[case(r#"[{"a":1},{"b":1}]"#, "application/json", None, "PGRST102", "All object keys must match")]
    #[case(r#"[{"a":1},3]"#, "application/json", None, "PGRST102", "All object keys must match")]
    #[case("a,b\n1\n", "text/csv", None, "PGRST102", "All lines must have same number of fields")]
    #[case("x", "text/plain", None, "PGRST102", "Content-Type not acceptable: text/plain")]
    #[case("{", "application/json", Some(vec!["a"]), "22P02", "invalid input syntax for type json")]
    #[case("[1]", "application/json", Some(vec!["a"]), "22023", "argument of json_to_recordset must be an array of objects")]
    fn what_is_no_body_is_refused(
        #[case] body: &str,
        #[case] kind: &str,
        #[case] columns: Option<Vec<&str>>,
        #[case] code: &str,
        #[case] message: &str,
    ) {
        let columns: Option<Vec<String>> = columns.map(|all| all.into_iter().map(str::to_owned).collect());
        let error = Payload::read(body.as_bytes(), Some(kind), columns.as_deref()).unwrap_err();
        assert_eq!((&*error.code, error.message.as_str()), (code, message));
    }

    #[test]
    fn deep_bodies_are_no_danger() {
        let deep = format!("{{\"a\":{}}}", "[".repeat(1_000_000));
        assert!(Payload::read(deep.as_bytes(), None, None).is_err());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(Payload::read(deep.as_bytes(), None, None).is_ok());
    }

    proptest! {
        #[test]
        fn no_body_panics(body in proptest::collection::vec(any::<u8>(), 0..60), shaped in "[\\[\\]{}:,\"a-c0-9\n=&]{0,60}") {
            let columns = ["a".to_owned()];
            for kind in ["application/json", "text/csv", "application/x-www-form-urlencoded"] {
                for body in [body.as_slice(), shaped.as_bytes()] {
                    let _ = Payload::read(body, Some(kind), None);
                    let _ = Payload::read(body, Some(kind), Some(&columns));
                }
            }
        }
    }
}
