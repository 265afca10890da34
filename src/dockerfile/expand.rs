//! Quotes, escapes and variables in words, as BuildKit's shell lexer reads them.
//!
//! A variable that only the base image can define stays in the text as it is written: the expansion then is not known.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::str::Chars;

use super::buffer::{Buffer, Words, unknown, unknown_trim, unknown_with};
use super::pattern;

/// What a variable holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// This text.
    Known(String),
    /// Something that depends on the base image.
    Unknown,
}

/// The variables that a word can see.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) values: BTreeMap<String, Value>,
    /// Whether the base image may define more of them.
    pub(super) open: bool,
}

/// What happens to quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// They group, and are taken away.
    Remove,
    /// They group, and stay.
    Keep,
    /// They are characters like any other.
    Ignore,
}

/// How to read a word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) escape: char,
    pub(super) quotes: Quotes,
    /// Whether escape characters stay in the text.
    pub(super) keep_escapes: bool,
    /// Whether the text is wanted in words, too.
    pub(super) in_words: bool,
}

impl Reading {
    /// How the words of instructions are read.
    pub(super) const fn word(escape: char) -> Self {
        Self { escape, quotes: Quotes::Remove, keep_escapes: false, in_words: false }
    }

    /// How a word is read that may come to several.
    pub(super) const fn words(escape: char) -> Self {
        Self { in_words: true, ..Self::word(escape) }
    }
}

/// A text after expansion.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Expansion {
    /// The text; what is not known stands in it as it was written.
    pub(super) text: String,
    /// The same so that what is not known can't be mistaken for text that looks like it.
    pub(super) canonical: String,
    /// The canonical text with every variable as it is written, where there is one.
    pub(super) written: Option<String>,
    /// Whether nothing in it depends on the base image.
    pub(super) known: bool,
    /// The words of the text, parted by white space that is not quoted, where they are wanted.
    pub(super) words: Vec<String>,
    /// The variables that were looked up and are defined.
    pub(super) used: BTreeSet<String>,
    /// The variables that were looked up and are defined nowhere.
    pub(super) unset: BTreeSet<String>,
    /// What it took besides the text: the bytes of the values that were looked at.
    pub(super) cost: usize,
}

/// Expands a text; the error says what is wrong with it, without a place.
pub(super) fn expand(text: &str, reading: Reading, scope: &Scope) -> Result<Expansion, String> {
    let mut lexer = Lexer {
        chars: text.chars().peekable(),
        reading,
        scope,
        used: BTreeSet::new(),
        unset: BTreeSet::new(),
        cost: 0,
        depth: 0,
    };
    let mut words = reading.in_words.then(Words::default);
    let buffer = match text.contains(['$', '<', '\'', '"', reading.escape]) {
        true => lexer.until(None, reading.keep_escapes, words.as_mut())?,
        // Most texts are, and need not be looked at letter by letter.
        false => {
            words.iter_mut().for_each(|words| words.push(text));
            Buffer::known(text)
        }
    };
    Ok(Expansion {
        text: buffer.text,
        canonical: buffer.canonical,
        written: None,
        known: buffer.known,
        words: words.map(Words::finish).unwrap_or_default(),
        used: lexer.used,
        unset: lexer.unset,
        cost: lexer.cost,
    })
}

/// How deep `${a:-${b:-…}}` may be nested; arbitrary, far beyond what anybody writes, and it bounds the recursion.
const NESTING_AT_MOST: usize = 64;

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    reading: Reading,
    scope: &'a Scope,
    used: BTreeSet<String>,
    unset: BTreeSet<String>,
    cost: usize,
    depth: usize,
}

impl Lexer<'_> {
    /// Reads up to a character, which is consumed, or to the end.
    fn until(
        &mut self,
        stop: Option<char>,
        keep_escapes: bool,
        mut words: Option<&mut Words>,
    ) -> Result<Buffer, String> {
        let mut buffer = Buffer::new();
        while let Some(character) = self.chars.next() {
            let mut character_bytes = [0; 4];
            let (piece, is_quoted) = match character {
                _ if Some(character) == stop => return Ok(buffer),
                '$' => (self.dollar(keep_escapes)?, false),
                '<' => (Buffer::known(&self.possible_heredoc()), true),
                '\'' | '"' if self.reading.quotes != Quotes::Ignore => (self.quoted(character, keep_escapes)?, true),
                _ if character == self.reading.escape => (self.escaped(keep_escapes), true),
                _ => {
                    let text = character.encode_utf8(&mut character_bytes);
                    buffer.push_str(text);
                    if let Some(words) = &mut words {
                        words.push(text);
                    }
                    continue;
                }
            };
            buffer.append(&piece);
            match &mut words {
                Some(words) if is_quoted => words.push_quoted(&piece.text),
                Some(words) => words.push(&piece.text),
                None => {}
            }
        }
        match stop {
            None => Ok(buffer),
            Some('/') => Err("the `/` between pattern and replacement is missing".to_owned()),
            Some(stop) => Err(format!("the closing `{stop}` is missing")),
        }
    }

    /// Reads what follows an escape character: one that ends the text escapes nothing, and is dropped.
    fn escaped(&mut self, keep_escapes: bool) -> Buffer {
        let mut buffer = Buffer::new();
        if keep_escapes {
            buffer.push(self.reading.escape);
        }
        if let Some(escaped) = self.chars.next() {
            buffer.push(escaped);
        }
        buffer
    }

    /// `<<` takes the white space behind it along, so that `<< EOF` is one word.
    fn possible_heredoc(&mut self) -> String {
        let mut opener = "<".to_owned();
        if self.chars.next_if_eq(&'<').is_some() {
            opener.push('<');
            while let Some(blank) = self.chars.next_if(|c| matches!(c, '\t' | '\r' | ' ')) {
                opener.push(blank);
            }
        }
        opener
    }

    fn quoted(&mut self, quote: char, keep_escapes: bool) -> Result<Buffer, String> {
        let mut buffer = Buffer::new();
        let keep_quotes = self.reading.quotes == Quotes::Keep;
        if keep_quotes {
            buffer.push(quote);
        }
        while let Some(character) = self.chars.next() {
            match character {
                _ if character == quote => {
                    if keep_quotes {
                        buffer.push(quote);
                    }
                    return Ok(buffer);
                }
                '$' if quote == '"' => {
                    let value = self.dollar(keep_escapes)?;
                    buffer.append(&value);
                }
                _ if quote == '"' && character == self.reading.escape => {
                    let escapable = |c: &char| *c == '"' || *c == '$' || *c == self.reading.escape;
                    match self.chars.next_if(escapable) {
                        Some(escaped) => {
                            if keep_escapes {
                                buffer.push(character);
                            }
                            buffer.push(escaped);
                        }
                        None if self.chars.peek().is_some() => buffer.push(character),
                        None => {}
                    }
                }
                _ => buffer.push(character),
            }
        }
        Err(format!("the closing `{quote}` is missing"))
    }

    /// Reads what follows a `$`.
    fn dollar(&mut self, keep_escapes: bool) -> Result<Buffer, String> {
        if self.chars.next_if_eq(&'{').is_none() {
            let name = self.name();
            if name.is_empty() {
                return Ok(Buffer::known("$"));
            }
            return Ok(match self.look_up(&name) {
                Variable::Known(value) => Buffer::known(&value),
                Variable::Unset => Buffer::new(),
                Variable::Unknown => unknown(&format!("${name}"), &format!("${{{name}}}")),
            });
        }
        if self.depth == NESTING_AT_MOST {
            return Err(format!("variables are nested more than {NESTING_AT_MOST} deep"));
        }
        self.depth += 1;
        let value = self.braced(keep_escapes);
        self.depth -= 1;
        value
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        if let Some(special) = self.chars.next_if(|c| matches!(c, '@' | '*' | '#' | '?' | '-' | '$' | '!')) {
            name.push(special);
        } else if self.chars.peek().is_some_and(|c| c.is_numeric()) {
            while let Some(digit) = self.chars.next_if(|c| c.is_numeric()) {
                name.push(digit);
            }
        } else {
            while let Some(character) = self.chars.next_if(|c| c.is_alphanumeric() || *c == '_') {
                name.push(character);
            }
        }
        name
    }

    fn look_up(&mut self, name: &str) -> Variable {
        match self.scope.values.get(name) {
            Some(Value::Known(value)) => {
                self.used.insert(name.to_owned());
                self.cost += value.len();
                Variable::Known(value.clone())
            }
            Some(Value::Unknown) => {
                self.used.insert(name.to_owned());
                Variable::Unknown
            }
            None if self.scope.open => Variable::Unknown,
            None => {
                self.unset.insert(name.to_owned());
                Variable::Unset
            }
        }
    }

    /// Reads what follows a `${`.
    fn braced(&mut self, keep_escapes: bool) -> Result<Buffer, String> {
        if self.chars.peek().is_some_and(|c| matches!(c, '{' | '}' | ':')) {
            return Err("a variable's name is missing behind `${`".to_owned());
        }
        let name = self.name();
        match self.chars.next() {
            None => Err(format!("the closing `}}` of `${{{name}` is missing")),
            Some('}') => Ok(match self.look_up(&name) {
                Variable::Known(value) => Buffer::known(&value),
                Variable::Unset => Buffer::new(),
                Variable::Unknown => unknown(&format!("${{{name}}}"), &format!("${{{name}}}")),
            }),
            Some(':') => match self.chars.next() {
                Some(operator @ ('-' | '+' | '?')) => self.alternative(&name, ":", operator, keep_escapes),
                Some(other) => Err(format!("`:{other}` can't follow a variable's name: `:-`, `:+` and `:?` can")),
                None => Err(format!("the closing `}}` of `${{{name}:` is missing")),
            },
            Some(operator @ ('-' | '+' | '?')) => self.alternative(&name, "", operator, keep_escapes),
            Some(operator @ ('#' | '%')) => self.trim(&name, operator),
            Some('/') => self.replace(&name),
            Some(other) => {
                Err(format!("`{other}` can't follow a variable's name: `-`, `+`, `?`, `#`, `%` and `/` can"))
            }
        }
    }

    fn alternative(&mut self, name: &str, colon: &str, operator: char, keep_escapes: bool) -> Result<Buffer, String> {
        let word = self.until(Some('}'), keep_escapes, None)?;
        let was_unset = self.unset.contains(name);
        let value = match self.look_up(name) {
            Variable::Known(value) => Some(value),
            Variable::Unset => None,
            Variable::Unknown => return Ok(unknown_with(&format!("${{{name}{colon}{operator}"), &[&word], "}")),
        };
        if operator != '?' && !was_unset {
            // An alternative makes an undefined variable harmless.
            self.unset.remove(name);
        }
        let present = value.as_deref().is_some_and(|value| colon.is_empty() || !value.is_empty());
        Ok(match (operator, present) {
            ('-', false) | ('+', true) => word,
            ('+', false) => Buffer::new(),
            ('?', false) => {
                let why = if value.is_none() { "is not set" } else { "is empty" };
                let message = if word.text.is_empty() { String::new() } else { format!(": {}", word.text) };
                return Err(format!("variable `{name}` {why}{message}"));
            }
            _ => Buffer::known(value.as_deref().unwrap_or_default()),
        })
    }

    fn trim(&mut self, name: &str, operator: char) -> Result<Buffer, String> {
        let longest = self.chars.next_if_eq(&operator).is_some();
        let word = self.until(Some('}'), true, None)?;
        let value = match self.look_up(name) {
            Variable::Known(value) => value,
            Variable::Unset => return Ok(Buffer::new()),
            Variable::Unknown => return Ok(unknown_trim(name, operator, longest, &word)),
        };
        if !word.known {
            return Ok(unknown_trim(name, operator, longest, &word));
        }
        self.cost += pattern::cost(&value, &word.text);
        let trimmed = match operator {
            '#' => pattern::trim_prefix(&value, &word.text, longest)?,
            _ => pattern::trim_suffix(&value, &word.text, longest)?,
        };
        Ok(Buffer::known(&trimmed))
    }

    fn replace(&mut self, name: &str) -> Result<Buffer, String> {
        let all = self.chars.next_if_eq(&'/').is_some();
        let from = self.until(Some('/'), true, None)?;
        let to = self.until(Some('}'), true, None)?;
        let value = self.look_up(name);
        match value {
            Variable::Unset => Ok(Buffer::new()),
            Variable::Known(value) if from.known && to.known => {
                self.cost += pattern::cost(&value, &from.text);
                pattern::replace(&value, &from.text, &to.text, all).map(|replaced| Buffer::known(&replaced))
            }
            Variable::Known(_) | Variable::Unknown => {
                let slashes = if all { "//" } else { "/" };
                Ok(unknown_with(&format!("${{{name}{slashes}"), &[&from, &Buffer::known("/"), &to], "}"))
            }
        }
    }
}

enum Variable {
    Known(String),
    Unset,
    Unknown,
}
