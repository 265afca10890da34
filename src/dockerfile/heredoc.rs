//! Heredocs: which words of a line open one, and the lines that belong to it.

use super::ast::{Heredoc, Word};
use super::expand::{Quotes, Reading, Scope, expand};
use super::lines::{Line, Lines, without_line_end};
use super::problems::Problems;

/// A word that opens a heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opener {
    pub(super) name: String,
    pub(super) file_descriptor: u32,
    pub(super) expand: bool,
    pub(super) chomp: bool,
}

impl Opener {
    /// Reads a word as `[FD]<<[-]NAME`; the name's quotes are undone, and none of them means that variables in the
    /// heredoc are expanded.
    pub(super) fn read(word: &str) -> Option<Self> {
        let after_digits = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let digits = &word[..word.len() - after_digits.len()];
        let rest = after_digits.strip_prefix("<<")?;
        let (chomp, rest) = rest.strip_prefix('-').map_or((false, rest), |rest| (true, rest));
        let rest = rest.trim_start_matches(['\t', '\n', '\u{c}', '\r', ' ']);
        if rest.is_empty() || rest.contains('<') {
            return None;
        }
        let [name] = one_word(rest, Quotes::Remove)?;
        let [written] = one_word(rest, Quotes::Keep)?;
        let n_quotes = |text: &str| text.matches(['"', '\'']).count();
        let expand = n_quotes(&name) == n_quotes(&written);
        Some(Self { name, file_descriptor: digits.parse().unwrap_or(0), expand, chomp })
    }
}

/// The words of a text, if it is a single one. Heredocs are escaped with `\` whatever the file's escape is.
fn one_word(text: &str, quotes: Quotes) -> Option<[String; 1]> {
    let reading = Reading { quotes, ..Reading::words('\\') };
    expand(text, reading, &everything_unknown()).ok()?.words.try_into().ok()
}

fn everything_unknown() -> Scope {
    Scope { open: true, ..Scope::default() }
}

/// Reads the heredocs that a line opens, in order, from the lines below it; gives back where the last of them ends.
pub(super) fn read_below(
    line: &Line<'_>,
    lines: &mut Lines<'_>,
    text: &str,
    problems: &mut Problems,
) -> (Vec<Heredoc>, usize) {
    let mut heredocs = Vec::new();
    let mut end = line.end;
    for (opener, word) in openers(line) {
        let start = lines.offset;
        let mut content_end = text.len();
        let mut is_closed = false;
        while let Some(range) = lines.next_physical() {
            let said = without_line_end(&text[range.clone()]);
            end = range.start + said.len();
            if if opener.chomp { said.trim_start_matches('\t') } else { said } == opener.name {
                content_end = range.start;
                is_closed = true;
                break;
            }
        }
        if !is_closed {
            let name = &opener.name;
            let hint = format!("end it with a line that says `{name}` and nothing else");
            problems.error_with_hint(
                word.span,
                format!("the heredoc `{name}` is not closed"),
                "opened here",
                Some(hint),
            );
        }
        let span = crate::diag::Span::new(start, content_end);
        let content = Word { text: text[span.range()].to_owned(), span };
        let Opener { name, file_descriptor, expand, chomp } = opener;
        heredocs.push(Heredoc { name, opener: word, file_descriptor, expand, chomp, content });
        if !is_closed {
            // Nothing is left for the others.
            break;
        }
    }
    (heredocs, end)
}

/// The words of a line that open heredocs. Where quotes are not closed there are none, as BuildKit has it.
fn openers(line: &Line<'_>) -> Vec<(Opener, Word)> {
    if !line.text.contains("<<") {
        return Vec::new();
    }
    let reading = Reading { quotes: Quotes::Keep, keep_escapes: true, ..Reading::words('\\') };
    let Ok(expansion) = expand(&line.text, reading, &everything_unknown()) else { return Vec::new() };
    let mut searched = 0;
    let mut openers = Vec::new();
    for word in expansion.words {
        let Some(opener) = Opener::read(&word) else { continue };
        // Quotes and escapes are kept, so that the word stands in the line as it is.
        let at = line.text[searched..].find(&word).map(|at| searched + at);
        let range = at.map_or(0..line.text.len(), |at| at..at + word.len());
        searched = range.end;
        openers.push((opener, line.word(range)));
    }
    openers
}

/// A heredoc's text as it is used: without the leading tabs that `<<-` takes off.
pub(super) fn content(heredoc: &Heredoc) -> String {
    if !heredoc.chomp {
        return heredoc.content.text.clone();
    }
    heredoc.content.text.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_open_heredocs_as_in_buildkit() {
        let read = |word| Opener::read(word).map(|o| (o.name, o.file_descriptor, o.expand, o.chomp));
        let opener = |name: &str, fd, expand, chomp| Some((name.to_owned(), fd, expand, chomp));
        assert_eq!(read("<<EOF"), opener("EOF", 0, true, false));
        assert_eq!(read("<<-EOF"), opener("EOF", 0, true, true));
        assert_eq!(read("3<<'EOF'"), opener("EOF", 3, false, false));
        assert_eq!(read("<<-\"E F\""), opener("E F", 0, false, true));
        assert_eq!(read("<< EOF"), opener("EOF", 0, true, false));
        assert_eq!(read("<<EOF>file"), opener("EOF>file", 0, true, false));
        assert_eq!(read("<<E'O'F"), opener("EOF", 0, false, false));
        for no in ["<<", "<<-", "<EOF", "<<<EOF", "a<<EOF", "<<\"\"", "<<A<B", "EOF"] {
            assert_eq!(read(no), None, "{no}");
        }
    }
}
