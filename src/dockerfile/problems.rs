//! What is wrong with a Dockerfile, collected.

use std::sync::Arc;

use crate::diag::{Diagnostic, Severity, SourceText, Span};

/// How many errors are said; arbitrary: whoever has more has another kind of file at hand.
const ERRORS_AT_MOST: usize = 50;

/// How many warnings are said; as arbitrary.
const WARNINGS_AT_MOST: usize = 50;

/// The longest word, in bytes, that is compared with others to find what was meant; arbitrary, longer than all of them.
pub(super) const MISSPELT_AT_MOST: usize = 40;

/// Collects diagnostics of one text.
pub(super) struct Problems {
    source: Arc<SourceText>,
    found: Vec<Diagnostic>,
    n_errors: usize,
    n_warnings: usize,
}

impl Problems {
    pub(super) fn new(source: &Arc<SourceText>) -> Self {
        Self { source: Arc::clone(source), found: Vec::new(), n_errors: 0, n_warnings: 0 }
    }

    /// Whether there are so many errors that reading on helps nobody.
    pub(super) fn are_too_many(&self) -> bool {
        self.n_errors > ERRORS_AT_MOST
    }

    /// Whether another warning would not be shown.
    pub(super) fn has_all_warnings(&self) -> bool {
        self.n_warnings > WARNINGS_AT_MOST
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
        let (count, at_most) = match diagnostic.severity {
            Severity::Error => (&mut self.n_errors, ERRORS_AT_MOST),
            Severity::Warning => (&mut self.n_warnings, WARNINGS_AT_MOST),
        };
        *count += 1;
        if *count <= at_most {
            self.found.push(diagnostic);
        }
    }

    /// What was found, in the order of the text.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        for (count, at_most, what) in
            [(self.n_errors, ERRORS_AT_MOST, "errors"), (self.n_warnings, WARNINGS_AT_MOST, "warnings")]
        {
            if count > at_most {
                let end = self.source.text().len();
                let message = format!("there are more {what} than {at_most}: the others are not shown");
                self.found.push(Diagnostic::warning(message).at(&self.source, Span::new(end, end), ""));
            }
        }
        self.found.sort_by_key(|found| found.primary.as_ref().map(|(location, _)| location.span));
        self.found
    }
}

/// How many candidates are tried as what a misspelt word might mean; arbitrary, and it keeps a huge file linear.
const CANDIDATES_AT_MOST: usize = 200;

/// `did you mean `…`?`, where a candidate is near.
pub(super) fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    if word.len() > MISSPELT_AT_MOST {
        return None;
    }
    crate::diag::did_you_mean(word, candidates.into_iter().take(CANDIDATES_AT_MOST))
        .map(|near| format!("did you mean `{near}`?"))
}
