//! [`Collector`]: gathers every mistake of one file, so that people can mend them all at once.

use super::diagnostic::Diagnostic;
use super::source::Source;
use super::suggest;
use super::value::{Node, Quantity};
use crate::units::Span;
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use toml::Spanned;

/// The mistakes and warnings of one file.
pub(super) struct Collector {
    source: Arc<Source>,
    errors: Vec<Diagnostic>,
    warnings: Vec<String>,
    /// Mistakes of further files that this one names.
    elsewhere: Vec<Diagnostic>,
}

impl Collector {
    /// A collector for a file.
    pub(super) fn new(source: Arc<Source>) -> Self {
        Self { source, errors: Vec::new(), warnings: Vec::new(), elsewhere: Vec::new() }
    }

    /// The file.
    pub(super) fn source(&self) -> &Source {
        &self.source
    }

    /// Notes a mistake; the caller adds label and help to what is returned.
    pub(super) fn error(&mut self, span: Range<usize>, title: impl Into<String>) -> &mut Diagnostic {
        self.errors.push(Diagnostic::at(self.source.clone(), span, title));
        self.last()
    }

    /// Notes a mistake of the file as a whole, such as something missing.
    pub(super) fn missing(&mut self, title: impl Into<String>) -> &mut Diagnostic {
        self.errors.push(Diagnostic::whole(self.source.clone(), title));
        self.last()
    }

    fn last(&mut self) -> &mut Diagnostic {
        self.errors.last_mut().expect("a mistake was pushed just before")
    }

    /// Notes something that is allowed but probably not meant.
    pub(super) fn warn(&mut self, span: Range<usize>, message: impl Display) {
        self.warnings.push(format!("{}: {message}", self.source.place(&span)));
    }

    /// Takes over the mistakes of another file, which this one names.
    pub(super) fn take_over(&mut self, (errors, warnings): (Vec<Diagnostic>, Vec<String>)) {
        self.elsewhere.extend(errors);
        self.warnings.extend(warnings);
    }

    /// What was found, in the order of the file; what was found in others last.
    pub(super) fn finish(mut self) -> (Vec<Diagnostic>, Vec<String>) {
        self.errors.sort_by_key(Diagnostic::position);
        self.errors.append(&mut self.elsewhere);
        (self.errors, self.warnings)
    }

    /// A name that is none of the valid ones.
    pub(super) fn unknown<'a>(
        &mut self,
        span: Range<usize>,
        what: &str,
        typed: &str,
        valid: impl IntoIterator<Item = &'a str>,
    ) {
        let valid: Vec<&str> = valid.into_iter().collect();
        let guess = suggest::nearest(typed, valid.iter().copied());
        let error = self.error(span, format!("there is no {what} `{typed}`"));
        if let Some(guess) = guess {
            error.label(format!("did you mean `{guess}`?"));
        }
        if valid.is_empty() {
            error.help(format!("there is no {what} at all here"));
        } else {
            error.help(format!("valid here: {}", suggest::list(valid, "and")));
        }
    }

    /// A quantity with its unit (or any other type that reads itself from a text), or `fallback` and a mistake.
    pub(super) fn quantity<T>(&mut self, written: &Spanned<Quantity>, fallback: T) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        match written.get_ref().0.parse() {
            Ok(value) => value,
            Err(error) => {
                // Our units' errors say what is wrong, a semicolon, and what would be right.
                let error = error.to_string();
                let (title, help) = error.split_once("; ").unwrap_or((&error, ""));
                let diagnostic = self.error(written.span(), title);
                if !help.is_empty() {
                    diagnostic.help(help);
                }
                fallback
            }
        }
    }

    /// As [`Collector::quantity`], for a key that may be absent.
    pub(super) fn quantity_or<T>(&mut self, written: Option<&Spanned<Quantity>>, default: T) -> T
    where
        T: FromStr,
        T::Err: Display,
    {
        match written {
            Some(written) => self.quantity(written, default),
            None => default,
        }
    }

    /// A whole number within bounds, or the lower bound and a mistake.
    pub(super) fn number<T>(&mut self, written: &Spanned<i64>, what: &str, min: T, max: T) -> T
    where
        T: Copy + Display + TryFrom<i64> + PartialOrd,
    {
        match T::try_from(*written.get_ref()) {
            Ok(value) if value >= min && value <= max => value,
            _ => {
                self.error(written.span(), format!("{what} cannot be {}", written.get_ref()))
                    .help(format!("write a whole number from {min} to {max}"));
                min
            }
        }
    }

    /// A time above zero, for cadences, deadlines and windows.
    pub(super) fn positive(&mut self, written: Option<&Spanned<Quantity>>, what: &str, default: Span) -> Span {
        let Some(written) = written else { return default };
        let span = self.quantity(written, default);
        if span.get().is_zero() {
            self.error(written.span(), format!("{what} cannot be zero")).help(format!(
                "write a time above zero, such as \"{}\"",
                default.get().as_secs().max(1).to_string() + "s"
            ));
            return default;
        }
        span
    }
}

/// A text, or a list of texts, each with its place. What is neither is a mistake; `example` is what would be right.
pub(super) fn texts(out: &mut Collector, written: Option<&Spanned<Node>>, example: &str) -> Vec<Spanned<String>> {
    let Some(written) = written else { return Vec::new() };
    let items = match written.get_ref() {
        Node::List(items) => items.as_slice(),
        _ => std::slice::from_ref(written),
    };
    let text = |item: &Spanned<Node>| match item.get_ref() {
        Node::Text(text) => Some(Spanned::new(item.span(), text.clone())),
        other => {
            out.error(item.span(), format!("{} stands where a text belongs", other.kind())).help(example);
            None
        }
    };
    items.iter().filter_map(text).collect()
}
