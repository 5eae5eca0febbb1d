//! What placeholders stand for: [`Scope`] knows it when the plan is compiled, [`Values`] when a request is built.

use super::template::{Template, TemplateError};
use serde_json::Value;
use std::borrow::Cow;
use uuid::Uuid;

/// Where a placeholder's value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The n-th name that the journey saves.
    Saved(usize),
    /// The `id` of the n-th feeder's row.
    Feeder(usize),
    /// A fresh UUID.
    Uuid,
    /// Today, UTC.
    Date,
    /// The virtual user's number.
    VirtualUser,
    /// Nothing gives this name.
    Nowhere,
}

/// A placeholder: its name, for messages, and where its value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub(super) name: String,
    source: Source,
}

/// A placeholder had no value when a request was to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Missing(pub(super) String);

/// The names that mean something within one journey.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    /// What the journey's steps save.
    pub(super) saved: Vec<String>,
    /// The plan's feeders.
    pub(super) feeders: Vec<String>,
}

impl Scope {
    /// Parses a text and resolves its placeholders.
    pub(super) fn template(&self, text: &str) -> Result<Template<Hole>, TemplateError> {
        let template: Template = text.parse()?;
        Ok(template.resolve(|name| Hole { source: self.source(&name), name }))
    }

    /// The place of a name among those that are saved.
    pub(super) fn saved(&self, name: &str) -> Option<usize> {
        self.saved.iter().position(|saved| saved == name)
    }

    /// What a journey saves hides a feeder or a built-in name.
    fn source(&self, name: &str) -> Source {
        if let Some(index) = self.saved(name) {
            return Source::Saved(index);
        }
        let feeder = name.strip_suffix(".id").and_then(|feeder| self.feeders.iter().position(|f| f == feeder));
        match (feeder, name) {
            (Some(index), _) => Source::Feeder(index),
            (None, "uuid") => Source::Uuid,
            (None, "date") => Source::Date,
            (None, "vu") => Source::VirtualUser,
            (None, _) => Source::Nowhere,
        }
    }
}

/// The values of one journey of one virtual user.
#[derive(Clone, Debug)]
pub(super) struct Values {
    /// What was saved so far, by [`Scope::saved`]. A JSON `null` is no value.
    pub(super) saved: Vec<Option<Value>>,
    /// The feeders' rows.
    pub(super) rows: Vec<String>,
    /// The virtual user's number, from 1.
    pub(super) virtual_user: u32,
}

impl Values {
    /// The value of a placeholder with its type.
    pub(super) fn typed(&self, hole: &Hole) -> Result<Cow<'_, Value>, Missing> {
        let missing = || Missing(hole.name.clone());
        match hole.source {
            Source::Saved(index) => {
                self.saved.get(index).and_then(Option::as_ref).map(Cow::Borrowed).ok_or_else(missing)
            }
            Source::Feeder(index) => {
                self.rows.get(index).map(|id| Cow::Owned(Value::from(id.as_str()))).ok_or_else(missing)
            }
            Source::Uuid => Ok(Cow::Owned(Value::from(Uuid::new_v4().to_string()))),
            Source::Date => Ok(Cow::Owned(Value::from(today()))),
            Source::VirtualUser => Ok(Cow::Owned(Value::from(self.virtual_user))),
            Source::Nowhere => Err(missing()),
        }
    }

    /// The value of a placeholder as text: strings as they are, anything else as JSON.
    pub(super) fn text(&self, hole: &Hole) -> Result<String, Missing> {
        match self.typed(hole)? {
            Cow::Borrowed(Value::String(text)) => Ok(text.clone()),
            Cow::Owned(Value::String(text)) => Ok(text),
            other => Ok(other.to_string()),
        }
    }
}

fn today() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn render(scope: &Scope, values: &Values, text: &str) -> Result<String, Missing> {
        let mut out = String::new();
        let template = scope.template(text).unwrap();
        template.render(&mut out, |hole, out| {
            out.push_str(&values.text(hole)?);
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn every_name_has_its_source() {
        let scope = Scope { saved: vec!["plan".into(), "gone".into()], feeders: vec!["user".into()] };
        let values =
            Values { saved: vec![Some(json!(7)), None], rows: vec!["load_test_user_3".into()], virtual_user: 12 };
        let text = render(&scope, &values, "{plan} {user.id} {vu} {{x}}").unwrap();
        assert_eq!(text, "7 load_test_user_3 12 {x}");
        assert_eq!(render(&scope, &values, "{uuid}").unwrap().len(), 36);
        assert_ne!(render(&scope, &values, "{uuid}"), render(&scope, &values, "{uuid}"));
        let date = render(&scope, &values, "{date}").unwrap();
        assert!(date.parse::<jiff::civil::Date>().is_ok(), "{date}");
        for name in ["gone", "user.name", "user", "other.id"] {
            assert_eq!(render(&scope, &values, &format!("a{{{name}}}")), Err(Missing(name.into())));
        }
    }
}
