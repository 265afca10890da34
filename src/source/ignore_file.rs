//! `.dockerignore`: which files of a folder belong to a context. The rules are the engines' (moby/patternmatcher,
//! `ignorefile.ReadAll` and `MatchesUsingParentResults`), not those of `.gitignore`.

use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, SourceText, Span};

use super::glob::Glob;

/// The patterns of a `.dockerignore`, in order; the last that matches a path or one of its folders decides.
///
/// The first pattern is ours: `.git` of the context's own root is left out unless an exception, `!.git`, asks for it.
/// It differs between two clones of one commit and changes with every `git status`, so an image that held it would
/// never be unchanged; BuildKit leaves it out of git contexts for the same reason.
#[derive(Debug, Clone)]
pub struct IgnoreFile {
    patterns: Vec<Pattern>,
}

impl Default for IgnoreFile {
    fn default() -> Self {
        let git = pattern(".git").ok().flatten().expect("a plain name is a pattern");
        Self { patterns: vec![git] }
    }
}

#[derive(Debug, Clone)]
struct Pattern {
    glob: Glob,
    /// Begins with `!`: what it matches belongs to the context after all.
    exception: bool,
}

/// Which patterns matched the folder that a path lies in, or a folder above it.
#[derive(Debug, Clone, Default)]
pub struct Ancestors(Vec<bool>);

impl IgnoreFile {
    /// Reads the text of a `.dockerignore`.
    ///
    /// # Errors
    /// Patterns that no engine takes.
    pub fn parse(source: &Arc<SourceText>) -> Result<Self, Diagnostics> {
        let (Self { mut patterns }, mut diagnostics) = (Self::default(), Vec::new());
        let mut start = 0;
        for line in source.text().split_inclusive('\n') {
            match pattern(if start == 0 { line.trim_start_matches('\u{feff}') } else { line }) {
                Ok(pattern) => patterns.extend(pattern),
                Err(why) => diagnostics.push(
                    Diagnostic::error(format!("`{}` is no pattern: {why}", line.trim()))
                        .at(source, Span::new(start, start + line.trim_end().len()), "")
                        .hint("a `\\` takes the meaning from the character that follows it"),
                ),
            }
            start += line.len();
        }
        if diagnostics.is_empty() { Ok(Self { patterns }) } else { Err(Diagnostics(diagnostics)) }
    }

    /// Whether a path, relative to the context, is left out; `ancestors` tells of the folder that it lies in.
    pub fn hides(&self, path: &str, ancestors: &Ancestors) -> bool {
        self.decide(path, ancestors, |_| ())
    }

    /// The same for a folder, with what is to be told of it to everything in it.
    pub fn hides_folder(&self, path: &str, ancestors: &Ancestors) -> (bool, Ancestors) {
        let mut matched = Vec::with_capacity(self.patterns.len());
        let hidden = self.decide(path, ancestors, |matches| matched.push(matches));
        (hidden, Ancestors(matched))
    }

    /// Whether something below a hidden folder may belong to the context after all.
    pub fn has_exceptions_below(&self, folder: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.exception && pattern.glob.may_match_below(folder))
    }

    fn decide(&self, path: &str, ancestors: &Ancestors, mut tell: impl FnMut(bool)) -> bool {
        let mut hidden = false;
        for (i, pattern) in self.patterns.iter().enumerate() {
            let inherited = ancestors.0.get(i).is_some_and(|matched| *matched);
            // A pattern that could not change the verdict is not asked, and so not inherited either: the engines
            // do the same, and it shows in patterns such as `a/b/c` before `!a/b`.
            let matches = inherited || (pattern.exception == hidden && pattern.glob.is_match(path));
            tell(matches);
            if matches {
                hidden = !pattern.exception;
            }
        }
        hidden
    }
}

/// Reads one line; none is an empty one or a comment.
fn pattern(line: &str) -> Result<Option<Pattern>, String> {
    if line.starts_with('#') || line.trim().is_empty() {
        return Ok(None);
    }
    let text = line.trim();
    let text = match text.strip_prefix('!') {
        Some(rest) => format!("!{}", relative(rest.trim())),
        None => relative(text),
    };
    let (exception, text) = match text.strip_prefix('!') {
        Some("") => return Err("nothing follows its `!`".to_owned()),
        Some(rest) => (true, rest),
        None => (false, text.as_str()),
    };
    Ok(Some(Pattern { glob: Glob::new(text)?, exception }))
}

/// The path without `.`, `..`, doubled and outer slashes where that is possible (Go, `filepath.Clean`).
fn relative(path: &str) -> String {
    let mut cleaned: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." if cleaned.last().is_some_and(|last| *last != "..") => drop(cleaned.pop()),
            ".." if path.starts_with('/') => {}
            component => cleaned.push(component),
        }
    }
    cleaned.join("/")
}
