//! A line taken apart: keyword, flags, and the ways in which arguments are written.

use std::ops::Range;

use super::ast::{Escape, Flag, Word};
use super::lines::Line;
use crate::diag::Span;

/// A line with its keyword and flags split off.
pub(super) struct Statement {
    pub(super) keyword: Word,
    pub(super) flags: Vec<RawFlag>,
    /// The arguments: the rest of the line, trimmed.
    pub(super) rest: Range<usize>,
}

/// A flag with the way back from its value to the source.
pub(super) struct RawFlag {
    pub(super) flag: Flag,
    pub(super) value: Option<Unquoted>,
    /// Whether a quote stands before the `=`.
    pub(super) quoted_name: bool,
    /// The whole flag.
    pub(super) span: Span,
}

/// A text whose quotes and escapes are gone, with the offset in the line of each of its bytes.
#[derive(Default)]
pub(super) struct Unquoted {
    pub(super) text: String,
    offsets: Vec<usize>,
    end: usize,
}

impl Unquoted {
    fn push(&mut self, character: char, offset: usize) {
        self.text.push(character);
        self.offsets.extend(offset..offset + character.len_utf8());
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self { text: self.text.split_off(at), offsets: self.offsets.split_off(at), end: self.end }
    }

    /// The place of a range, without quotes around it.
    pub(super) fn span(&self, range: Range<usize>, line: &Line<'_>) -> Span {
        let Some(last) = range.end.checked_sub(1).filter(|last| *last >= range.start) else {
            let at = self.offsets.get(range.start).copied().unwrap_or(self.end);
            return line.span(at..at);
        };
        let (mut start, mut end) = (self.offsets[range.start], self.offsets[last] + 1);
        // A quote that opens or closes inside takes its partner along, so that the text can be replaced as a whole.
        if line.text[start..end].matches(['"', '\'']).count() % 2 == 1 {
            if line.text[end..].starts_with(['"', '\'']) {
                end += 1;
            } else if line.text[..start].ends_with(['"', '\'']) {
                start -= 1;
            }
        }
        line.span(start..end)
    }

    /// A range as a word.
    pub(super) fn word(&self, range: Range<usize>, line: &Line<'_>) -> Word {
        Word { text: self.text[range.clone()].to_owned(), span: self.span(range, line) }
    }
}

/// The white space that parts words; other white space of Unicode does not (BuildKit, `reWhitespace`).
fn is_blank(character: char) -> bool {
    matches!(character, '\t' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// Narrows a range to the text in it without white space around.
pub(super) fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let inside = &text[range.clone()];
    let start = range.start + (inside.len() - inside.trim_start().len());
    start..start + inside.trim().len()
}

/// Splits keyword and flags off a range of a line.
pub(super) fn statement(line: &Line<'_>, range: Range<usize>, escape: Escape) -> Statement {
    let range = trim(&line.text, range);
    let text = &line.text[range.clone()];
    let keyword_end = range.start + text.find(is_blank).unwrap_or(text.len());
    let keyword = line.word(range.start..keyword_end);
    let (flags, rest) = flags(line, keyword_end..range.end, escape);
    Statement { keyword, flags, rest: trim(&line.text, rest) }
}

fn flags(line: &Line<'_>, range: Range<usize>, escape: Escape) -> (Vec<RawFlag>, Range<usize>) {
    let mut flags = Vec::new();
    let mut rest = range;
    loop {
        rest = trim(&line.text, rest);
        if !line.text[rest.clone()].starts_with("--") {
            return (flags, rest);
        }
        let (word, equals, end, quoted_name) = flag_word(line, rest.clone(), escape);
        let span = line.span(rest.start..end);
        rest.start = end;
        if word.text == "--" {
            return (flags, rest);
        }
        flags.push(raw_flag(line, word, equals, quoted_name, span));
    }
}

/// Reads one word with its quotes and escapes undone: the text, where the first `=` is in it, where the word ends in
/// the line, and whether a quote stands before the `=`.
fn flag_word(line: &Line<'_>, range: Range<usize>, escape: Escape) -> (Unquoted, Option<usize>, usize, bool) {
    let mut word = Unquoted::default();
    let (mut equals, mut quoted_name) = (None, false);
    let mut quote = None;
    let mut end = range.end;
    let mut chars = line.text[range.clone()].char_indices();
    while let Some((at, character)) = chars.next() {
        let at = range.start + at;
        match (character, quote) {
            (_, None) if character.is_whitespace() => {
                end = at;
                break;
            }
            ('"' | '\'', None) => {
                quote = Some(character);
                quoted_name |= equals.is_none();
            }
            (_, Some(open)) if character == open => quote = None,
            _ if character == escape.char() => {
                if let Some((next, escaped)) = chars.next() {
                    word.push(escaped, range.start + next);
                }
            }
            _ => {
                if character == '=' && equals.is_none() {
                    equals = Some(word.text.len());
                }
                word.push(character, at);
            }
        }
    }
    word.end = end;
    (word, equals, end, quoted_name)
}

fn raw_flag(line: &Line<'_>, mut word: Unquoted, equals: Option<usize>, quoted_name: bool, span: Span) -> RawFlag {
    let value = equals.map(|equals| {
        let mut value = word.split_off(equals);
        value.split_off(1)
    });
    let name = word.word(2.min(word.text.len())..word.text.len(), line);
    let value_word = value.as_ref().map(|value| value.word(0..value.text.len(), line));
    RawFlag { flag: Flag { name, value: value_word }, value, quoted_name, span }
}

/// Words parted by white space, quotes and escapes being characters like any other.
pub(super) fn blank_separated(line: &Line<'_>, range: Range<usize>) -> Vec<Word> {
    blank_ranges(&line.text, range).into_iter().map(|range| line.word(range)).collect()
}

fn blank_ranges(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, character) in text[range.clone()].char_indices() {
        let at = range.start + at;
        match (is_blank(character), start) {
            (true, Some(begin)) => {
                words.push(begin..at);
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
    }
    words.extend(start.map(|begin| begin..range.end));
    words
}

/// The ranges of words parted by white space that is neither quoted nor escaped; quotes and escapes stay.
pub(super) fn quoted_words(text: &str, range: Range<usize>, escape: Escape) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut end = range.end;
    let mut chars = text[range.clone()].char_indices();
    while let Some((at, character)) = chars.next() {
        let at = range.start + at;
        if quote.is_none() && character.is_whitespace() {
            words.extend(start.take().map(|begin| begin..at));
            continue;
        }
        if character == escape.char() && quote != Some('\'') && chars.next().is_none() {
            // An escape character that ends the line escapes nothing, and is no part of the word.
            end = at;
            break;
        }
        start.get_or_insert(at);
        if quote == Some(character) {
            quote = None;
        } else if quote.is_none() && matches!(character, '"' | '\'') {
            quote = Some(character);
        }
    }
    words.extend(start.filter(|begin| *begin < end).map(|begin| begin..end));
    words
}

/// The first word and the rest behind the white space that follows it.
pub(super) fn first_word(text: &str, range: Range<usize>) -> (Range<usize>, Range<usize>) {
    let inside = &text[range.clone()];
    let end = range.start + inside.find(is_blank).unwrap_or(inside.len());
    let rest = text[end..range.end].trim_start_matches(is_blank);
    (range.start..end, range.end - rest.len()..range.end)
}

/// A JSON array, or not.
pub(super) enum Json {
    /// An array of strings.
    Strings(Vec<Word>),
    /// An array with something else in it.
    Others,
    /// Anything else: the arguments are meant as text.
    No,
}

/// Reads a JSON array of strings that fills the range.
pub(super) fn json(line: &Line<'_>, range: Range<usize>) -> Json {
    let text = &line.text[range.clone()];
    if !text.starts_with('[') {
        return Json::No;
    }
    match json_strings(text) {
        Some(strings) => Json::Strings(
            strings
                .into_iter()
                .map(|(at, text)| Word { text, span: line.span(range.start + at.start..range.start + at.end) })
                .collect(),
        ),
        None if serde_json::from_str::<Vec<serde::de::IgnoredAny>>(text).is_ok() => Json::Others,
        None => Json::No,
    }
}

/// The strings of a JSON array with their ranges, quotes included; none where the text is no array of strings.
fn json_strings(text: &str) -> Option<Vec<(Range<usize>, String)>> {
    let skip = |at: usize| {
        let rest = &text[at..];
        at + (rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len())
    };
    let mut strings = Vec::new();
    let mut at = skip(1);
    if text[at..].starts_with(']') {
        return (at + 1 == text.len()).then_some(strings);
    }
    loop {
        let start = at;
        let (string, end) = json_string(text, start)?;
        strings.push((start..end, string));
        at = skip(end);
        match text.as_bytes().get(at)? {
            b',' => at = skip(at + 1),
            b']' => return (at + 1 == text.len()).then_some(strings),
            _ => return None,
        }
    }
}

/// Reads a JSON string: what it says, and where it ends. Halves of surrogate pairs become U+FFFD, as Go has it.
fn json_string(text: &str, start: usize) -> Option<(String, usize)> {
    let mut string = String::new();
    let mut chars = text[start..].char_indices();
    chars.next().filter(|(_, c)| *c == '"')?;
    let mut high = None;
    while let Some((at, character)) = chars.next() {
        if character != '\\' && high.take().is_some() {
            string.push(char::REPLACEMENT_CHARACTER);
        }
        match character {
            '"' => return Some((string, start + at + 1)),
            '\0'..='\u{1f}' => return None,
            '\\' => {
                let escaped = chars.next()?.1;
                let unit = match escaped {
                    'u' => hex_unit(&mut chars)?,
                    _ => simple_escape(escaped)?,
                };
                high = push_unit(&mut string, high, unit);
            }
            _ => string.push(character),
        }
    }
    None
}

fn simple_escape(escaped: char) -> Option<u32> {
    Some(u32::from(match escaped {
        '"' | '\\' | '/' => escaped,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        _ => return None,
    }))
}

fn hex_unit(chars: &mut std::str::CharIndices<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit * 16 + chars.next()?.1.to_digit(16)?))
}

/// Appends a UTF-16 unit; gives back the first half of a surrogate pair that waits for its second.
fn push_unit(string: &mut String, high: Option<u32>, unit: u32) -> Option<u32> {
    if let (Some(high), 0xdc00..=0xdfff) = (high, unit) {
        let character = 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
        string.push(char::from_u32(character).unwrap_or(char::REPLACEMENT_CHARACTER));
        return None;
    }
    if high.is_some() {
        string.push(char::REPLACEMENT_CHARACTER);
    }
    if let 0xd800..=0xdbff = unit {
        return Some(unit);
    }
    string.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
    None
}
