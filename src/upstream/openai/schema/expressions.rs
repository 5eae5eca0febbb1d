//! [`Expressions`]: the regular expressions of a schema, each made ready once.

use super::pattern::Pattern;
use regex::Regex;
use std::collections::HashMap;
use std::rc::Rc;

/// The expressions met so far.
#[derive(Debug, Default)]
pub struct Expressions<'s> {
    patterns: HashMap<&'s str, Option<Rc<Pattern>>>,
    checks: HashMap<&'s str, Option<Regex>>,
}

impl<'s> Expressions<'s> {
    /// An expression for making texts; `None` if it is none that we know.
    pub fn pattern(&mut self, text: &'s str) -> Option<Rc<Pattern>> {
        self.patterns.entry(text).or_insert_with(|| Pattern::parse(text).map(Rc::new)).clone()
    }

    /// Whether a text matches an expression; one that we do not know is matched by nothing.
    pub fn matches(&mut self, expression: &'s str, text: &str) -> bool {
        let check = self.checks.entry(expression).or_insert_with(|| Regex::new(expression).ok());
        check.as_ref().is_some_and(|check| check.is_match(text))
    }
}
