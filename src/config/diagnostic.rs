//! [`Diagnostic`]: one mistake with its place and remedy, and [`ConfigError`]: all that were found.

use super::source::Source;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// One mistake.
#[derive(Clone, Debug)]
pub(super) struct Diagnostic {
    title: String,
    place: Option<(Arc<Source>, Option<Range<usize>>)>,
    label: Option<String>,
    help: Vec<String>,
    usage: bool,
}

impl Diagnostic {
    /// A mistake of the command line itself, such as a name that no file has.
    pub(super) fn usage(title: impl Into<String>) -> Self {
        Self { title: title.into(), place: None, label: None, help: vec![], usage: true }
    }

    /// A file that has no text to point into.
    pub(super) fn file(title: impl Into<String>) -> Self {
        Self { usage: false, ..Self::usage(title) }
    }

    /// A mistake of a file as a whole.
    pub(super) fn whole(source: Arc<Source>, title: impl Into<String>) -> Self {
        let place = Some((source, None));
        Self { title: title.into(), place, label: None, help: vec![], usage: false }
    }

    /// A mistake at a place.
    pub(super) fn at(source: Arc<Source>, span: Range<usize>, title: impl Into<String>) -> Self {
        let usage = source.is_option(&span);
        let place = Some((source, Some(span)));
        Self { title: title.into(), place, label: None, help: vec![], usage }
    }

    /// Words under the caret.
    pub(super) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = Some(label.into());
        self
    }

    /// What to do about it.
    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help.push(help.into());
        self
    }

    /// Where it stands, for sorting: what concerns the whole file first.
    pub(super) fn position(&self) -> usize {
        self.place.as_ref().and_then(|(_, span)| span.as_ref()).map_or(0, |span| span.start)
    }

    fn render(&self, renderer: &Renderer) -> String {
        let mut group = match &self.place {
            None => Level::ERROR.primary_title(&self.title).elements(Vec::<Origin<'_>>::new()),
            Some((source, None)) => Level::ERROR.primary_title(&self.title).element(Origin::path(source.name())),
            Some((source, Some(span))) => {
                let (part, local) = source.locate(span);
                let caret = AnnotationKind::Primary.span(local).label(self.label.as_deref());
                let snippet = Snippet::source(&part.text).path(&part.name).annotation(caret);
                Level::ERROR.primary_title(&self.title).element(snippet)
            }
        };
        for help in &self.help {
            group = group.element(Level::HELP.message(help));
        }
        renderer.render(&[group])
    }
}

/// What is wrong with the files or the command line: at least one mistake, each with its place and remedy.
///
/// `Display` is one line for logs; [`ConfigError::render`] is what people should see.
#[derive(Clone, Debug)]
pub struct ConfigError {
    diagnostics: Vec<Diagnostic>,
}

impl ConfigError {
    /// An error of these mistakes, of which there must be one at least.
    pub(super) fn new(diagnostics: Vec<Diagnostic>) -> Self {
        debug_assert!(!diagnostics.is_empty(), "an error without a mistake");
        Self { diagnostics }
    }

    /// Every mistake with its place in the file, what is wrong, and what would be right; for a terminal.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let mut text: Vec<String> = self.diagnostics.iter().map(|one| one.render(&renderer)).collect();
        if self.diagnostics.len() > 1 {
            text.push(format!("{} mistakes", self.diagnostics.len()));
        }
        text.join("\n\n") + "\n"
    }

    /// Whether only the command line is wrong, not a file.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        self.diagnostics.iter().all(|one| one.usage)
    }

    /// How many mistakes were found.
    #[must_use]
    pub fn count(&self) -> usize {
        self.diagnostics.len()
    }
}

impl From<Diagnostic> for ConfigError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::new(vec![diagnostic])
    }
}

impl From<Box<Diagnostic>> for ConfigError {
    fn from(diagnostic: Box<Diagnostic>) -> Self {
        Self::new(vec![*diagnostic])
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(first) = self.diagnostics.first() else { return Ok(()) };
        match &first.place {
            None => {}
            Some((source, None)) => write!(f, "{}: ", source.name())?,
            Some((source, Some(span))) => write!(f, "{}: ", source.place(span))?,
        }
        f.write_str(&first.title)?;
        match self.diagnostics.len() {
            0 | 1 => Ok(()),
            n => write!(f, " (and {} more)", n - 1),
        }
    }
}

impl std::error::Error for ConfigError {}
