//! The comments at the top that say how to read the file.

use super::ast::{Directives, Escape, Word};
use super::lines::{Lines, without_line_end};
use super::problems::Problems;
use crate::diag::Span;

/// Reads the parser directives: `# name=value` lines before anything else, each name once; the first line that is
/// anything else ends them, an unknown name included (BuildKit, `DirectiveParser`).
pub(super) fn read(text: &str, problems: &mut Problems) -> Directives {
    let mut directives = Directives::default();
    let mut is_escape_said = false;
    let mut lines = Lines::new(text);
    while let Some(range) = lines.next_physical() {
        let Some((name, value)) = directive(text, range.start, without_line_end(&text[range.clone()])) else { break };
        let is_twice = match name.as_str() {
            "syntax" => directives.syntax.replace(value.clone()).is_some(),
            "check" => directives.check.replace(value.clone()).is_some(),
            _ => std::mem::replace(&mut is_escape_said, true),
        };
        if is_twice {
            problems.error(value.span, format!("the directive `{name}` is given twice"), "");
        } else if name == "escape" {
            match value.text.as_str() {
                "\\" => directives.escape = Escape::Backslash,
                "`" => directives.escape = Escape::Backtick,
                other => {
                    let hint = Some("it is `\\` or `` ` ``".to_owned());
                    problems.error_with_hint(value.span, format!("`{other}` can't be the escape character"), "", hint);
                }
            }
        }
    }
    directives
}

/// Reads one line as a directive: its name in lower case, and its value.
fn directive(text: &str, line_start: usize, line: &str) -> Option<(String, Word)> {
    let comment = line.trim_start().strip_prefix('#')?;
    let (name, value) = comment.split_once('=')?;
    let name = name.trim_start().trim_end_matches([' ', '\t', '\u{b}', '\u{c}', '\r']).to_ascii_lowercase();
    let value = value.trim();
    if value.is_empty() || !matches!(name.as_str(), "syntax" | "escape" | "check") {
        return None;
    }
    // `value` is a part of `text`: its address tells where.
    let start = line_start + (value.as_ptr() as usize - text[line_start..].as_ptr() as usize);
    Some((name, Word { text: value.to_owned(), span: Span::new(start, start + value.len()) }))
}
