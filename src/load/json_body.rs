//! [`JsonBody`]: a JSON body with placeholders in its strings, flattened once into text and holes.

use super::template::{Part, TemplateError};
use super::values::{Hole, Missing, Scope, Values};
use bytes::Bytes;
use serde_json::Value;

/// A JSON body. A string that is exactly one placeholder takes the value with its type; a placeholder among
/// other text becomes text. Keys are taken as they are.
#[derive(Clone, Debug)]
pub(super) enum JsonBody {
    /// No placeholders: the same for every request.
    Constant(Bytes),
    /// Pieces to be put together.
    Template(Vec<Segment>),
}

#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// JSON text as it is.
    Json(String),
    /// A value in place of a whole string.
    Typed(Hole),
    /// A value as text within a string.
    Text(Hole),
}

impl JsonBody {
    /// Flattens a value.
    pub(super) fn compile(value: &Value, scope: &Scope) -> Result<Self, TemplateError> {
        let mut segments = Vec::new();
        flatten(value, scope, &mut segments)?;
        if segments.iter().any(|segment| !matches!(segment, Segment::Json(_))) {
            return Ok(Self::Template(segments));
        }
        let text: String =
            segments.into_iter().map(|s| if let Segment::Json(text) = s { text } else { String::new() }).collect();
        Ok(Self::Constant(Bytes::from(text)))
    }

    /// The body for one request.
    pub(super) fn render(&self, values: &Values) -> Result<Bytes, Missing> {
        let segments = match self {
            Self::Constant(bytes) => return Ok(bytes.clone()),
            Self::Template(segments) => segments,
        };
        let mut out = String::with_capacity(128);
        for segment in segments {
            match segment {
                Segment::Json(text) => out.push_str(text),
                Segment::Typed(hole) => out.push_str(&values.typed(hole)?.to_string()),
                Segment::Text(hole) => out.push_str(inside(&quoted(&values.text(hole)?))),
            }
        }
        Ok(Bytes::from(out))
    }
}

fn flatten(value: &Value, scope: &Scope, out: &mut Vec<Segment>) -> Result<(), TemplateError> {
    match value {
        Value::String(text) => string(text, scope, out)?,
        Value::Array(items) => {
            push(out, "[");
            for (index, item) in items.iter().enumerate() {
                push(out, if index > 0 { "," } else { "" });
                flatten(item, scope, out)?;
            }
            push(out, "]");
        }
        Value::Object(fields) => {
            push(out, "{");
            for (index, (key, item)) in fields.iter().enumerate() {
                push(out, if index > 0 { "," } else { "" });
                push(out, &quoted(key));
                push(out, ":");
                flatten(item, scope, out)?;
            }
            push(out, "}");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => push(out, &value.to_string()),
    }
    Ok(())
}

fn string(text: &str, scope: &Scope, out: &mut Vec<Segment>) -> Result<(), TemplateError> {
    let template = scope.template(text)?;
    if let Some(hole) = template.sole_name() {
        out.push(Segment::Typed(hole.clone()));
        return Ok(());
    }
    push(out, "\"");
    for part in template.parts() {
        match part {
            Part::Text(text) => push(out, inside(&quoted(text))),
            Part::Name(hole) => out.push(Segment::Text(hole.clone())),
        }
    }
    push(out, "\"");
    Ok(())
}

/// Adds JSON text, joined to the text before it.
fn push(out: &mut Vec<Segment>, text: &str) {
    if let Some(Segment::Json(last)) = out.last_mut() {
        last.push_str(text);
    } else {
        out.push(Segment::Json(text.to_owned()));
    }
}

/// A JSON string with its quotes.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A JSON string without its quotes.
fn inside(quoted: &str) -> &str {
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn scope() -> Scope {
        Scope { saved: vec!["plan".into(), "items".into(), "text".into()], feeders: vec!["user".into()] }
    }

    fn render(body: &Value, saved: [Value; 3]) -> Value {
        let values = Values { saved: saved.map(Some).to_vec(), rows: vec!["u\"1".into()], virtual_user: 1 };
        let bytes = JsonBody::compile(body, &scope()).unwrap().render(&values).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn a_sole_placeholder_keeps_its_type_and_others_become_text() {
        let body = json!({"id": "{plan}", "all": "{items}", "say": "no. {plan} \"of\" {text}", "who": ["{user.id}"],
            "raw": "{{plan}}", "n": 1.5, "none": null});
        let sent = render(&body, [json!(7), json!([1, {"a": 2}]), json!("a\nb\"")]);
        assert_eq!(
            sent,
            json!({"id": 7, "all": [1, {"a": 2}], "say": "no. 7 \"of\" a\nb\"", "who": ["u\"1"], "raw": "{plan}",
                "n": 1.5, "none": null})
        );
    }

    #[test]
    fn a_body_without_placeholders_is_made_once_and_one_with_a_missing_value_not_at_all() {
        assert!(matches!(JsonBody::compile(&json!({"a": ["b"]}), &scope()).unwrap(), JsonBody::Constant(_)));
        let body = JsonBody::compile(&json!({"a": "x {plan}"}), &scope()).unwrap();
        let values = Values { saved: vec![None, None, None], rows: Vec::new(), virtual_user: 1 };
        assert_eq!(body.render(&values), Err(Missing("plan".into())));
    }

    proptest! {
        #[test]
        fn whatever_is_saved_the_body_stays_json(text in "\\PC{0,20}", number: i64) {
            let sent = render(&json!({"a": "<{text}>", "b": "{text}", "c": "{plan}"}), [json!(number), json!(0), json!(text)]);
            prop_assert_eq!(sent, json!({"a": format!("<{text}>"), "b": text, "c": number}));
        }
    }
}
