//! What is said about text that people wrote: where, what, and how to mend it. Rendering is `ui`'s.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A text and the path that it is shown under.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    path: String,
    text: String,
    is_secret: bool,
}

impl SourceText {
    /// Takes a text under the path that people know it by: relative to the project's root, with `/`.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), is_secret: false })
    }

    /// The same with a text that nobody is shown.
    pub fn secret(path: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self { path: path.into(), text: text.into(), is_secret: true })
    }

    /// Whether nothing of the text may be told but where in it something is.
    pub fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// The path to show.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column, both from 1, columns counted in characters, of a byte offset; offsets beyond the end
    /// mean the end.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// A range of bytes of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset behind the last byte.
    pub end: usize,
}

impl Span {
    /// The span of a byte range.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The span as a range.
    pub const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A place in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The text.
    pub source: Arc<SourceText>,
    /// The place in it.
    pub span: Span,
}

impl Location {
    /// The place of a span in a text.
    pub fn new(source: &Arc<SourceText>, span: Span) -> Self {
        Self { source: Arc::clone(source), span }
    }
}

impl fmt::Display for Location {
    /// `path:line:column`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.source.line_column(self.span.start);
        write!(f, "{}:{line}:{column}", self.source.path())
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The text can't be used.
    Error,
    /// The text is used, but likely not meant so.
    Warning,
}

/// One thing to say about a text: lower case, no full stop, operands in backticks; the mend is the hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where, with a few words beside the place (empty for none).
    pub primary: Option<(Location, String)>,
    /// Other places that belong to it, each with words of its own.
    pub related: Vec<(Location, String)>,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), primary: None, related: Vec::new(), hint: None }
    }

    /// A warning without a place yet.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, source: &Arc<SourceText>, span: Span, label: impl Into<String>) -> Self {
        self.primary = Some((Location::new(source, span), label.into()));
        self
    }

    /// The same with one more place.
    #[must_use]
    pub fn related(mut self, source: &Arc<SourceText>, span: Span, label: impl Into<String>) -> Self {
        self.related.push((Location::new(source, span), label.into()));
        self
    }

    /// The same with a way to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    /// One line, `path:line:column: error: message`, for logs and tests.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((location, _)) = &self.primary {
            write!(f, "{location}: ")?;
        }
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)
    }
}

/// A text could not be used: everything that is wrong with it, errors and warnings, never empty of errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Diagnostics(pub Vec<Diagnostic>);

/// The candidate nearest to a misspelt word, where one is near enough to be what was meant.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|&(distance, candidate)| distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let source = SourceText::new("f", "aä\nöb");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(3), (1, 3));
        assert_eq!(source.line_column(6), (2, 2));
        assert_eq!(source.line_column(99), (2, 3));
    }

    #[test]
    fn near_words_are_suggested_and_far_ones_not() {
        assert_eq!(did_you_mean("contxt", ["context", "target"]), Some("context"));
        assert_eq!(did_you_mean("bild", ["build", "builder"]), Some("build"));
        assert_eq!(did_you_mean("zzz", ["context", "target"]), None);
    }
}
