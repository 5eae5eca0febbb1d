//! [`Source`]: the text that spans point into: a file, and behind it the command line's edits.

use std::ops::Range;

/// A file's text with the options that edit it, laid out on one line of byte positions, so that one span says where
/// something was written, be it in the file or on the command line.
#[derive(Clone, Debug)]
pub(super) struct Source {
    parts: Vec<Part>,
}

/// One text of a [`Source`].
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// What stands before the line number: a path, or `command line`.
    pub(super) name: String,
    /// The text.
    pub(super) text: String,
    /// The position of its first byte.
    base: usize,
}

impl Source {
    /// The source of a file.
    pub(super) fn file(name: String, text: String) -> Self {
        Self { parts: vec![Part { name, text, base: 0 }] }
    }

    /// The file's name.
    pub(super) fn name(&self) -> &str {
        &self.parts[0].name
    }

    /// The file's text.
    pub(super) fn text(&self) -> &str {
        &self.parts[0].text
    }

    /// Adds a text behind the others and returns the position of its first byte.
    pub(super) fn append(&mut self, name: &str, text: String) -> usize {
        let base = self.parts.last().map_or(0, |last| last.base + last.text.len() + 1);
        self.parts.push(Part { name: name.to_owned(), text, base });
        base
    }

    /// The text that holds a span, and the span inside it, on character boundaries and on one line: a caret under a
    /// whole table says less than one under its first line.
    pub(super) fn locate(&self, span: &Range<usize>) -> (&Part, Range<usize>) {
        let part = self.parts.iter().rev().find(|part| part.base <= span.start).unwrap_or(&self.parts[0]);
        let text = &part.text;
        let mut start = span.start.saturating_sub(part.base).min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let mut end = span.end.saturating_sub(part.base).clamp(start, text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        if let Some(newline) = text[start..end].find('\n') {
            end = start + newline;
        }
        (part, start..end)
    }

    /// Whether a span lies on the command line.
    pub(super) fn is_option(&self, span: &Range<usize>) -> bool {
        self.parts.get(1).is_some_and(|first| first.base <= span.start)
    }

    /// The place of a span as `name:line`.
    pub(super) fn place(&self, span: &Range<usize>) -> String {
        let (part, local) = self.locate(span);
        if self.is_option(span) {
            return part.name.clone();
        }
        let line = part.text[..local.start].matches('\n').count() + 1;
        format!("{}:{line}", part.name)
    }

    /// What is written at a span.
    pub(super) fn slice(&self, span: &Range<usize>) -> &str {
        let (part, _) = self.locate(span);
        let (start, end) = (span.start.saturating_sub(part.base), span.end.saturating_sub(part.base));
        part.text.get(start..end).unwrap_or("")
    }
}
