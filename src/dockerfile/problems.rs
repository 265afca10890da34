//! What is wrong with a Dockerfile, collected.

use std::sync::Arc;

use crate::diag::{Diagnostic, Severity, SourceText, Span};

/// How many errors are said; arbitrary: whoever has more has another kind of file at hand.
const ERRORS_AT_MOST: usize = 50;

/// Collects diagnostics of one text.
pub(super) struct Problems {
    source: Arc<SourceText>,
    found: Vec<Diagnostic>,
    n_errors: usize,
}

impl Problems {
    pub(super) fn new(source: &Arc<SourceText>) -> Self {
        Self { source: Arc::clone(source), found: Vec::new(), n_errors: 0 }
    }

    /// Whether there are so many errors that reading on helps nobody.
    pub(super) fn are_too_many(&self) -> bool {
        self.n_errors >= ERRORS_AT_MOST
    }

    /// Whether there are errors at all.
    pub(super) fn has_errors(&self) -> bool {
        self.n_errors > 0
    }

    pub(super) fn error(&mut self, span: Span, message: impl Into<String>, label: &str) {
        self.push(Diagnostic::error(message).at(&self.source, span, label));
    }

    pub(super) fn error_with_hint(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: &str,
        hint: Option<String>,
    ) {
        let mut diagnostic = Diagnostic::error(message).at(&self.source, span, label);
        diagnostic.hint = hint;
        self.push(diagnostic);
    }

    pub(super) fn warning(&mut self, span: Span, message: impl Into<String>, label: &str, hint: Option<String>) {
        let mut diagnostic = Diagnostic::warning(message).at(&self.source, span, label);
        diagnostic.hint = hint;
        self.push(diagnostic);
    }

    /// Adds one that says more than a place and a hint.
    pub(super) fn push_with(&mut self, diagnostic: impl FnOnce(&Arc<SourceText>) -> Diagnostic) {
        let diagnostic = diagnostic(&self.source);
        self.push(diagnostic);
    }

    fn push(&mut self, diagnostic: Diagnostic) {
        self.n_errors += usize::from(diagnostic.severity == Severity::Error);
        self.found.push(diagnostic);
    }

    /// What was found, in the order of the text.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.found.sort_by_key(|found| found.primary.as_ref().map(|(location, _)| location.span));
        self.found
    }
}

/// `did you mean `…`?`, where a candidate is near.
pub(super) fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    crate::diag::did_you_mean(word, candidates).map(|near| format!("did you mean `{near}`?"))
}
