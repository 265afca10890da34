//! `.dockerignore`: which files of a folder belong to a context. The rules are the engines' (moby/patternmatcher,
//! `ignorefile.ReadAll` and `MatchesUsingParentResults`), not those of `.gitignore`.

use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, SourceText, Span};
use crate::model::path::clean;
use crate::model::{MatchedAbove, PathPatterns};

/// The patterns of a `.dockerignore`, in order; the last that matches a path or one of its folders decides.
///
/// The first pattern is ours: `.git` of the context's own root is left out unless an exception, `!.git`, asks for it.
/// It differs between two clones of one commit and changes with every `git status`, so an image that held it would
/// never be unchanged; BuildKit leaves it out of git contexts for the same reason.
#[derive(Debug, Clone)]
pub struct IgnoreFile {
    patterns: PathPatterns,
}

impl Default for IgnoreFile {
    fn default() -> Self {
        let mut patterns = PathPatterns::default();
        patterns.push(".git").expect("a plain name is a pattern");
        Self { patterns }
    }
}

impl IgnoreFile {
    /// Reads the text of a `.dockerignore`.
    ///
    /// # Errors
    /// Patterns that no engine takes.
    pub fn parse(source: &Arc<SourceText>) -> Result<Self, Diagnostics> {
        let (Self { mut patterns }, mut diagnostics) = (Self::default(), Vec::new());
        let mut start = 0;
        for line in source.text().split_inclusive('\n') {
            let text = if start == 0 { line.trim_start_matches('\u{feff}') } else { line };
            if let Some(Err(why)) = pattern(text).map(|pattern| patterns.push(&pattern)) {
                diagnostics.push(
                    Diagnostic::error(format!("`{}` is no pattern: {why}", line.trim()))
                        .at(source, Span::new(start, start + line.trim_end().len()), "")
                        .hint("a `\\` takes the meaning from the character that follows it"),
                );
            }
            start += line.len();
        }
        if diagnostics.is_empty() { Ok(Self { patterns }) } else { Err(Diagnostics(diagnostics)) }
    }

    /// The patterns of what is left out.
    pub fn into_patterns(self) -> PathPatterns {
        self.patterns
    }

    /// Whether a path, relative to the context, is left out; `above` tells of the folder that it lies in.
    pub fn hides(&self, path: &str, above: &MatchedAbove) -> bool {
        self.patterns.matches(path, above)
    }

    /// The same for a folder, with what is to be told of it to everything in it.
    pub fn hides_folder(&self, path: &str, above: &MatchedAbove) -> (bool, MatchedAbove) {
        self.patterns.matches_folder(path, above)
    }

    /// Whether something below a hidden folder may belong to the context after all.
    pub fn has_exceptions_below(&self, folder: &str) -> bool {
        self.patterns.has_exceptions_below(folder)
    }
}

/// Reads one line; none is an empty one or a comment.
fn pattern(line: &str) -> Option<String> {
    if line.starts_with('#') || line.trim().is_empty() {
        return None;
    }
    let text = line.trim();
    Some(match text.strip_prefix('!') {
        Some(rest) => format!("!{}", relative(rest.trim())),
        None => relative(text),
    })
}

/// The path as it is seen from the context, where that is possible.
fn relative(path: &str) -> String {
    clean(path).trim_start_matches('/').to_owned()
}
