//! Checks a JSON body against the fields an endpoint declares, and words what is wrong as pydantic does (422).

use super::reply::Reply;
use serde_json::{Map, Value, json};

/// What a field may hold.
#[derive(Clone, Copy)]
pub(super) enum Holds {
    Text,
    Object,
    Flag,
    Whole { from: i64, to: i64 },
    Texts,
    Objects,
    Day,
    OneOf(&'static [&'static str]),
}

/// A field of a body.
#[derive(Clone, Copy)]
pub(super) struct Field {
    name: &'static str,
    holds: Holds,
    required: bool,
}

/// A field that may be missing or null.
pub(super) const fn optional(name: &'static str, holds: Holds) -> Field {
    Field { name, holds, required: false }
}

/// A field that must be there.
pub(super) const fn required(name: &'static str, holds: Holds) -> Field {
    Field { name, holds, required: true }
}

/// One entry of a 422's detail.
pub(super) fn problem(kind: &str, location: Value, message: &str, input: Value) -> Value {
    json!({"type": kind, "loc": location, "msg": message, "input": input})
}

/// The 422 itself.
pub(super) fn unprocessable(problems: Vec<Value>) -> Reply {
    Reply::json(422, json!({"detail": problems}))
}

/// Reads a body; unknown fields are let through, as the app does.
pub(super) fn body(bytes: &[u8], fields: &[Field]) -> Result<Map<String, Value>, Reply> {
    if bytes.is_empty() {
        return Err(unprocessable(vec![problem("missing", json!(["body"]), "Field required", Value::Null)]));
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|error| {
        let place = error.column().saturating_sub(1);
        let mut entry = problem("json_invalid", json!(["body", place]), "JSON decode error", json!({}));
        entry["ctx"] = json!({"error": "Expecting value"});
        unprocessable(vec![entry])
    })?;
    let Value::Object(map) = value else {
        let message = "Input should be a valid dictionary or object to extract fields from";
        return Err(unprocessable(vec![problem("model_attributes_type", json!(["body"]), message, value)]));
    };
    let problems: Vec<Value> = fields.iter().filter_map(|field| check(field, &map)).collect();
    if problems.is_empty() { Ok(map) } else { Err(unprocessable(problems)) }
}

fn check(field: &Field, map: &Map<String, Value>) -> Option<Value> {
    let location = json!(["body", field.name]);
    let value = match map.get(field.name) {
        None if field.required => {
            return Some(problem("missing", location, "Field required", Value::Object(map.clone())));
        }
        None => return None,
        Some(Value::Null) if !field.required => return None,
        Some(value) => value,
    };
    let (kind, message) = fault(field.holds, value)?;
    Some(problem(kind, location, &message, value.clone()))
}

/// What is wrong with a value: pydantic's type of error and its message.
fn fault(holds: Holds, value: &Value) -> Option<(&'static str, String)> {
    let fine = match holds {
        Holds::Text => value.is_string(),
        Holds::Object => value.is_object(),
        // Lax mode takes these for booleans too.
        Holds::Flag => match value {
            Value::Bool(_) => true,
            Value::Number(n) => matches!(n.as_f64(), Some(0.0 | 1.0)),
            Value::String(s) => {
                matches!(s.to_ascii_lowercase().as_str(), "true" | "false" | "0" | "1" | "yes" | "no" | "on" | "off")
            }
            _ => false,
        },
        Holds::Whole { .. } => whole(value).is_some(),
        Holds::Texts => value.as_array().is_some_and(|list| list.iter().all(Value::is_string)),
        Holds::Objects => value.as_array().is_some_and(|list| list.iter().all(Value::is_object)),
        Holds::Day => value.as_str().is_some_and(is_day),
        Holds::OneOf(choices) => value.as_str().is_some_and(|text| choices.contains(&text)),
    };
    if fine {
        let Holds::Whole { from, to } = holds else { return None };
        let number = whole(value)?;
        return if number < from {
            Some(("greater_than_equal", format!("Input should be greater than or equal to {from}")))
        } else if number > to {
            Some(("less_than_equal", format!("Input should be less than or equal to {to}")))
        } else {
            None
        };
    }
    let (kind, message) = match holds {
        Holds::Text => ("string_type", "Input should be a valid string"),
        Holds::Object => ("dict_type", "Input should be a valid dictionary"),
        Holds::Flag if value.is_string() => {
            ("bool_parsing", "Input should be a valid boolean, unable to interpret input")
        }
        Holds::Flag => ("bool_type", "Input should be a valid boolean"),
        Holds::Whole { .. } => ("int_type", "Input should be a valid integer"),
        Holds::Texts | Holds::Objects => ("list_type", "Input should be a valid list"),
        Holds::Day => {
            ("date_from_datetime_parsing", "Input should be a valid date or datetime, invalid character in year")
        }
        Holds::OneOf(choices) => {
            let quoted: Vec<String> = choices.iter().map(|choice| format!("'{choice}'")).collect();
            return Some(("literal_error", format!("Input should be {}", quoted.join(" or "))));
        }
    };
    Some((kind, message.to_owned()))
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::Number(n) => n.as_i64().or_else(|| n.as_f64().filter(|f| f.fract() == 0.0).map(|f| f as i64)),
        Value::String(s) => s.trim().parse().ok(),
        _ => None,
    }
}

/// Whether a text is a day.
pub(super) fn is_day(text: &str) -> bool {
    text.get(..10).is_some_and(|day| day.parse::<jiff::civil::Date>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIELDS: [Field; 4] = [
        optional("archetype", Holds::Text),
        optional("force_refresh", Holds::Flag),
        required("day", Holds::Day),
        optional("stars", Holds::Whole { from: 1, to: 5 }),
    ];

    fn kinds(given: &str) -> Vec<String> {
        match body(given.as_bytes(), &FIELDS) {
            Ok(_) => Vec::new(),
            Err(reply) => {
                assert_eq!(reply.status, 422);
                let text = format!("{reply:?}");
                ["string_type", "bool_parsing", "missing", "json_invalid", "model_attributes", "date_from", "less_than"]
                    .into_iter()
                    .filter(|kind| text.contains(kind))
                    .map(str::to_owned)
                    .collect()
            }
        }
    }

    #[test]
    fn words_errors_as_pydantic_does() {
        assert!(kinds(r#"{"day":"2026-11-23","archetype":null,"more":1}"#).is_empty());
        assert_eq!(kinds(""), ["missing"]);
        assert_eq!(kinds("{"), ["json_invalid"]);
        assert_eq!(kinds("[]"), ["model_attributes"]);
        assert_eq!(kinds(r#"{"archetype":7,"force_refresh":"maybe"}"#), ["string_type", "bool_parsing", "missing"]);
        assert_eq!(kinds(r#"{"day":"soon","stars":6}"#), ["date_from", "less_than"]);
    }

    proptest! {
        #[test]
        fn never_panics(given in "\\PC{0,64}") {
            let _ = body(given.as_bytes(), &FIELDS);
        }
    }
}
