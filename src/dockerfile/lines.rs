//! From lines as they lie in the file to lines as they are meant: continuations joined, comments and empty lines
//! between them dropped, every byte traceable to where it stood.

use std::borrow::Cow;
use std::ops::Range;

use super::ast::{Escape, Word};
use crate::diag::Span;

/// A line as it is meant.
pub(super) struct Line<'a> {
    /// The text without line ends and continuation characters; leading white space of the first line is gone.
    pub(super) text: Cow<'a, str>,
    /// Where pieces of the text begin: offset in the text, offset in the source.
    pieces: Vec<(usize, usize)>,
    /// Where the last of its lines ends in the source, before the line end.
    pub(super) end: usize,
    /// The empty lines between its lines.
    pub(super) empty_lines: Vec<Span>,
}

impl Line<'_> {
    /// The place of a range of the text.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let start = self.source_offset(range.start);
        if range.is_empty() {
            return Span::new(start, start);
        }
        let piece = self.pieces.partition_point(|(at, _)| *at < range.end) - 1;
        let (at, source) = self.pieces[piece];
        Span::new(start, source + (range.end - at))
    }

    /// A range of the text with its place.
    pub(super) fn word(&self, range: Range<usize>) -> Word {
        Word { text: self.text[range.clone()].to_owned(), span: self.span(range) }
    }

    fn source_offset(&self, offset: usize) -> usize {
        let piece = self.pieces.partition_point(|(at, _)| *at <= offset) - 1;
        let (at, source) = self.pieces[piece];
        source + (offset - at)
    }
}

/// Reads a text line by line.
pub(super) struct Lines<'a> {
    text: &'a str,
    /// Offset of the first byte that was not read.
    pub(super) offset: usize,
}

impl<'a> Lines<'a> {
    /// Begins behind the byte order mark, if there is one.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, offset: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 } }
    }

    /// The next line as it lies in the file, with its line end.
    pub(super) fn next_physical(&mut self) -> Option<Range<usize>> {
        if self.offset == self.text.len() {
            return None;
        }
        let start = self.offset;
        self.offset = self.text[start..].find('\n').map_or(self.text.len(), |newline| start + newline + 1);
        Some(start..self.offset)
    }

    /// The next line as it is meant that is neither empty nor a comment.
    pub(super) fn next_line(&mut self, escape: Escape) -> Option<Line<'a>> {
        loop {
            let range = self.next_physical()?;
            let text = without_line_end(&self.text[range.clone()]);
            let trimmed = text.trim_start();
            let start = range.start + (text.len() - trimmed.len());
            if trimmed.starts_with('#') {
                continue;
            }
            let (first, goes_on) = without_continuation(trimmed, escape);
            if first.is_empty() && !goes_on {
                continue;
            }
            let mut line = Line {
                text: Cow::Borrowed(first),
                pieces: vec![(0, start)],
                end: start + trimmed.len(),
                empty_lines: Vec::new(),
            };
            if goes_on {
                self.continue_line(&mut line, escape);
            }
            return Some(line);
        }
    }

    fn continue_line(&mut self, line: &mut Line<'a>, escape: Escape) {
        while let Some(range) = self.next_physical() {
            let text = without_line_end(&self.text[range.clone()]);
            let trimmed = text.trim_start();
            if trimmed.starts_with('#') {
                continue;
            }
            if trimmed.is_empty() {
                line.empty_lines.push(Span::new(range.start, range.start + text.len()));
                continue;
            }
            let (piece, goes_on) = without_continuation(text, escape);
            line.pieces.push((line.text.len(), range.start));
            line.text.to_mut().push_str(piece);
            line.end = range.start + text.len();
            if !goes_on {
                return;
            }
        }
    }
}

/// The text of a line of the file without its line end.
pub(super) fn without_line_end(line: &str) -> &str {
    line.trim_end_matches(['\r', '\n'])
}

/// The text before a continuation character, and whether there is one: an escape character at the end, blanks aside,
/// which no other one precedes (BuildKit, `lineContinuationRegex`).
fn without_continuation(text: &str, escape: Escape) -> (&str, bool) {
    match text.trim_end_matches([' ', '\t']).strip_suffix(escape.char()) {
        Some(before) if !before.ends_with(escape.char()) => (before, true),
        _ => (text, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, escape: Escape) -> Vec<(String, usize)> {
        let mut lines = Lines::new(text);
        std::iter::from_fn(|| lines.next_line(escape)).map(|line| (line.text.into_owned(), line.end)).collect()
    }

    #[test]
    fn lines_are_joined_as_buildkit_joins_them() {
        for (text, expected) in [
            ("a\nb\r\n\r\nc", vec![("a", 1), ("b", 3), ("c", 8)]),
            ("a \\\n  b", vec![("a   b", 7)]),
            ("a\\  \t\nb", vec![("ab", 7)]),
            ("a\\\\\nb", vec![("a\\\\", 3), ("b", 5)]),
            ("a\\\n# no\n\n  # no\nb\n", vec![("ab", 17)]),
            ("a\\\n", vec![("a", 2)]),
            ("\\\nb", vec![("b", 3)]),
            ("\u{feff}a", vec![("a", 4)]),
            ("# \\\na", vec![("a", 5)]),
            ("a # \\\nb", vec![("a # b", 7)]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(text, end)| (text.to_owned(), end)).collect();
            assert_eq!(lines(text, Escape::Backslash), expected, "{text:?}");
        }
        assert_eq!(lines("a `\nb\\\nc", Escape::Backtick), [("a b\\".to_owned(), 6), ("c".to_owned(), 8)]);
    }

    #[test]
    fn ranges_lead_back_to_the_source() {
        let text = "ab\\\n# x\ncd\\\n\nef";
        let line = Lines::new(text).next_line(Escape::Backslash).unwrap();
        assert_eq!(line.text, "abcdef");
        assert_eq!(line.span(0..2), Span::new(0, 2));
        assert_eq!(line.span(2..4), Span::new(8, 10));
        assert_eq!(line.span(1..5), Span::new(1, 14));
        assert_eq!(line.span(6..6), Span::new(15, 15));
        assert_eq!(line.empty_lines, [Span::new(12, 12)]);
    }
}
