//! Templates: texts with placeholders, parsed once.
//!
//! The grammar is small on purpose: `{name}` is a placeholder, `{{` and `}}` are braces. A name is one or more
//! of `A-Z a-z 0-9 _ -`, in parts joined by `.`. What names there are: see [`check`].

use std::fmt;

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A `{` without its `}`.
    #[error("the `{{` at character {at} is never closed; write `{{{{` for a brace")]
    Unclosed {
        /// Where, counted in characters from 1.
        at: usize,
    },
    /// A `}` without its `{`.
    #[error("the `}}` at character {at} closes nothing; write `}}}}` for a brace")]
    Unopened {
        /// Where, counted in characters from 1.
        at: usize,
    },
    /// Something between braces that is no name.
    #[error("`{{{name}}}` at character {at} is no placeholder: a name has letters, digits, `_`, `-` and `.` only")]
    BadName {
        /// Where, counted in characters from 1.
        at: usize,
        /// What stands between the braces.
        name: String,
    },
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<N> {
    /// Text to be taken as it is.
    Text(String),
    /// A placeholder.
    Name(N),
}

/// A parsed template. `N` is a placeholder's name, or whatever it was resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<N = String>(Vec<Part<N>>);

/// Checks a template and gives the names of its placeholders in order of appearance.
///
/// In a step, a name is one of: something that an earlier step of the journey saves; `FEEDER.id`, a field of a
/// feeder's row; `uuid`, a fresh UUID (version 4); `date`, today in UTC as `YYYY-MM-DD`; `vu`, the virtual
/// user's number from 1. In a generated feeder: `n`, the row's number from 1, and `run`, the run's id.
///
/// # Errors
/// If the text is no template.
pub fn check(text: &str) -> Result<Vec<String>, TemplateError> {
    let template: Template = text.parse()?;
    Ok(template.names().cloned().collect())
}

impl<N> Template<N> {
    /// The pieces in order; adjacent texts are one.
    #[must_use]
    pub fn parts(&self) -> &[Part<N>] {
        &self.0
    }

    /// The placeholders in order.
    pub fn names(&self) -> impl Iterator<Item = &N> {
        self.0.iter().filter_map(|part| if let Part::Name(name) = part { Some(name) } else { None })
    }

    /// The placeholder, if the template is nothing else.
    #[must_use]
    pub fn sole_name(&self) -> Option<&N> {
        if let [Part::Name(name)] = self.0.as_slice() { Some(name) } else { None }
    }

    /// The same template with every placeholder resolved.
    #[must_use]
    pub fn resolve<M>(self, mut resolve: impl FnMut(N) -> M) -> Template<M> {
        let parts = self.0.into_iter().map(|part| match part {
            Part::Text(text) => Part::Text(text),
            Part::Name(name) => Part::Name(resolve(name)),
        });
        Template(parts.collect())
    }

    /// Writes the template with every placeholder filled by `fill`.
    ///
    /// # Errors
    /// The first error that `fill` gives.
    pub fn render<E>(&self, out: &mut String, mut fill: impl FnMut(&N, &mut String) -> Result<(), E>) -> Result<(), E> {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Name(name) => fill(name, out)?,
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut chars = text.chars().enumerate().peekable();
        while let Some((index, c)) = chars.next() {
            match c {
                '{' if chars.next_if(|(_, next)| *next == '{').is_some() => literal.push('{'),
                '}' if chars.next_if(|(_, next)| *next == '}').is_some() => literal.push('}'),
                '}' => return Err(TemplateError::Unopened { at: index + 1 }),
                '{' => {
                    let mut name = String::new();
                    loop {
                        match chars.next() {
                            Some((_, '}')) => break,
                            Some((_, c)) => name.push(c),
                            None => return Err(TemplateError::Unclosed { at: index + 1 }),
                        }
                    }
                    if !is_name(&name) {
                        return Err(TemplateError::BadName { at: index + 1, name });
                    }
                    if !literal.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut literal)));
                    }
                    parts.push(Part::Name(name));
                }
                c => literal.push(c),
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Text(literal));
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for Template {
    /// As it would be written in a file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Name(name) => write!(f, "{{{name}}}"),
        })
    }
}

fn is_name(text: &str) -> bool {
    let part =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_names_and_keeps_braces() {
        assert_eq!(check("/u/{user.id}/plan/{plan-2}?v={{1}}").unwrap(), ["user.id", "plan-2"]);
        assert_eq!(check("nothing here").unwrap(), Vec::<String>::new());
        let mut out = String::new();
        let template: Template = "a{{{x}}}b".parse().unwrap();
        let filled: Result<(), ()> = template.render(&mut out, |name, out| {
            out.push_str(&name.to_uppercase());
            Ok(())
        });
        filled.unwrap();
        assert_eq!(out, "a{X}b");
    }

    #[test]
    fn says_where_it_is_wrong() {
        let error = |text: &str| check(text).unwrap_err().to_string();
        assert_eq!(error("äb{user"), "the `{` at character 3 is never closed; write `{{` for a brace");
        assert_eq!(error("a}b"), "the `}` at character 2 closes nothing; write `}}` for a brace");
        assert_eq!(
            error("{a b}"),
            "`{a b}` at character 1 is no placeholder: a name has letters, digits, `_`, `-` and `.` only"
        );
        for bad in ["{}", "{.id}", "{user.}", "{a..b}", "{{{a}}"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_parses_or_fails_cleanly_and_survives_a_round_trip(text in "[a{}.\\PC]{0,24}") {
            if let Ok(template) = text.parse::<Template>() {
                prop_assert_eq!(template.to_string().parse::<Template>().unwrap(), template);
            }
        }
    }
}
