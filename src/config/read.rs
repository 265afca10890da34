//! Typed readers over a YAML tree. They collect what is wrong and go on, so that all of it is said at once.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::yaml::{Entry, Node, ScalarKind, Value};
use crate::diag::{Diagnostic, Diagnostics, Severity, SourceText, Span, did_you_mean};
use crate::model::parse_duration;

/// How many things are said about one text: a person mends a few and runs again.
const AT_MOST: usize = 100;
/// How long a message may be, in bytes: it may quote what is no word of anybody's. Arbitrary.
const MESSAGE_AT_MOST: usize = 500;

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at its place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// What is said about one text, gathered while it is read.
#[derive(Debug)]
pub struct Findings {
    source: Arc<SourceText>,
    diagnostics: Vec<Diagnostic>,
    n_left_off: usize,
}

impl Findings {
    /// Nothing said yet.
    pub fn new(source: &Arc<SourceText>) -> Self {
        Self { source: Arc::clone(source), diagnostics: Vec::new(), n_left_off: 0 }
    }

    /// The text that is read.
    pub fn source(&self) -> &Arc<SourceText> {
        &self.source
    }

    /// Adds what is said; the same thing about the same place, as an alias makes it, only once.
    pub fn add(&mut self, mut diagnostic: Diagnostic) {
        if diagnostic.message.len() > MESSAGE_AT_MOST {
            let end = (0..=MESSAGE_AT_MOST).rev().find(|end| diagnostic.message.is_char_boundary(*end)).unwrap_or(0);
            diagnostic.message.truncate(end);
            diagnostic.message.push('…');
        }
        if self.diagnostics.len() >= AT_MOST {
            self.n_left_off += 1;
        } else if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Adds an error at a place, with words beside it (empty for none).
    pub fn error(&mut self, span: Span, message: impl Into<String>, label: impl Into<String>) {
        let diagnostic = Diagnostic::error(message).at(&self.source, span, label);
        self.add(diagnostic);
    }

    /// Adds an error at a place, with a way to mend it.
    pub fn error_with_hint(
        &mut self,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let diagnostic = Diagnostic::error(message).at(&self.source, span, label).hint(hint);
        self.add(diagnostic);
    }

    /// Adds the error that something is there a second time.
    pub fn duplicate(&mut self, message: &str, again: Span, first: Span) {
        let diagnostic =
            Diagnostic::error(message).at(&self.source, again, "again here").related(&self.source, first, "first here");
        self.add(diagnostic);
    }

    /// The value with the warnings about its text, or, where an error was found, all that was said: in the order
    /// of the text.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<(T, Vec<Diagnostic>), Diagnostics> {
        let place = |d: &Diagnostic| d.primary.as_ref().map_or(0, |(location, _)| location.span.start);
        self.diagnostics.sort_by_key(place);
        if self.n_left_off > 0 {
            self.diagnostics.push(Diagnostic::error(format!("{} more errors are not shown", self.n_left_off)));
        }
        let has_errors = self.diagnostics.iter().any(|d| d.severity == Severity::Error);
        match value {
            Some(value) if !has_errors => Ok((value, self.diagnostics)),
            _ => Err(Diagnostics(self.diagnostics)),
        }
    }

    /// All that was said, for text that is known to be wrong.
    pub fn into_diagnostics(self) -> Diagnostics {
        match self.finish(None::<std::convert::Infallible>) {
            Ok((never, _)) => match never {},
            Err(diagnostics) => diagnostics,
        }
    }

    /// Says that something else was expected than the value: `expected` as in `a duration such as 30s`.
    pub fn mismatch(&mut self, node: &Node, expected: &str) {
        let span = self.first_line(node.span);
        self.error(span, format!("expected {expected}, found {}", node.describe()), "");
    }

    /// The entries of a map; nothing written is an empty one.
    pub fn map<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ if node.is_nothing() => Some(&[]),
            Value::List(_) | Value::Scalar(_) => {
                self.mismatch(node, expected);
                None
            }
        }
    }

    /// The map with these keys and no others; keys that start with `x-` are passed over. `owner` says whose keys
    /// they are: `image api`, with backticks where they belong.
    pub fn fields<'n>(&mut self, node: &'n Node, owner: &str, keys: &[&str]) -> Option<Fields<'n>> {
        let entries = self.map(node, &format!("a map with the keys of {owner}"))?;
        for entry in entries.iter().filter(|e| !e.key.starts_with("x-") && !keys.contains(&e.key.as_str())) {
            // Comparing takes time: not for what is not shown, nor for what is no misspelt word.
            let is_worth_it = self.diagnostics.len() < AT_MOST && entry.key.len() < 100;
            let word = if is_worth_it { entry.key.as_str() } else { "" };
            let hint = match did_you_mean(word, keys.iter().copied()) {
                Some(key) => format!("did you mean `{key}`?"),
                None => format!("its keys are {}", quoted(keys)),
            };
            self.error_with_hint(entry.key_span, format!("unknown key `{}` of {owner}", entry.key), "", hint);
        }
        Some(Fields { span: self.first_line(node.span), owner: owner.to_owned(), entries })
    }

    /// The elements of a list; nothing written is an empty one.
    pub fn list<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(nodes) => Some(nodes),
            Value::Scalar(scalar) if scalar.kind() != ScalarKind::Nothing => {
                let message = format!("expected {expected}, found {}", node.describe());
                let hint = "write `[…]` around it, or `- ` before it on a line of its own";
                self.error_with_hint(self.first_line(node.span), message, "", hint);
                None
            }
            Value::Scalar(_) => Some(&[]),
            Value::Map(_) => {
                self.mismatch(node, expected);
                None
            }
        }
    }

    /// A text; numbers and booleans are none until they are put in quotes.
    pub fn text<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(scalar) => match scalar.kind() {
                ScalarKind::Text => Some(&scalar.text),
                ScalarKind::Boolean(_) | ScalarKind::Integer(_) | ScalarKind::Number => {
                    let message = format!("expected {expected}, found {}", node.describe());
                    self.error_with_hint(node.span, message, "", format!("put it in quotes: `\"{}\"`", scalar.text));
                    None
                }
                ScalarKind::Nothing => {
                    self.mismatch(node, expected);
                    None
                }
            },
            Value::List(_) | Value::Map(_) => {
                self.mismatch(node, expected);
                None
            }
        }
    }

    /// A text, or a number or boolean exactly as it is written.
    pub fn written<'n>(&mut self, node: &'n Node, expected: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar(scalar) if scalar.kind() != ScalarKind::Nothing => Some(&scalar.text),
            Value::Scalar(_) | Value::List(_) | Value::Map(_) => {
                self.mismatch(node, expected);
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Scalar(scalar) => match (scalar.kind(), scalar.text.to_lowercase().as_str()) {
                (ScalarKind::Boolean(value), _) => return Some(value),
                (ScalarKind::Text, word @ ("yes" | "no" | "on" | "off" | "true" | "false")) => {
                    let value = matches!(word, "yes" | "on" | "true");
                    let message = format!("expected `true` or `false`, found {}", node.describe());
                    self.error_with_hint(node.span, message, "", format!("write `{value}` without quotes"));
                }
                _ => self.mismatch(node, "`true` or `false`"),
            },
            Value::List(_) | Value::Map(_) => self.mismatch(node, "`true` or `false`"),
        }
        None
    }

    /// A whole number in a range.
    pub fn integer(&mut self, node: &Node, range: RangeInclusive<i64>) -> Option<i64> {
        let kind = match &node.value {
            Value::Scalar(scalar) => scalar.kind(),
            Value::List(_) | Value::Map(_) => ScalarKind::Nothing,
        };
        match kind {
            ScalarKind::Integer(value) if range.contains(&value) => return Some(value),
            ScalarKind::Text if is_quoted_integer(node) => {
                let message = format!("expected {}, found {}", in_words(&range), node.describe());
                self.error_with_hint(node.span, message, "", "write it without quotes");
            }
            _ => self.mismatch(node, &in_words(&range)),
        }
        None
    }

    /// A text, read by its type; the type's error is the message.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, node: &Node, expected: &str) -> Option<Spanned<T>> {
        let text = self.text(node, expected)?;
        self.refuse_err(node.span, text.parse()).map(|value| Spanned::new(value, node.span))
    }

    /// A duration such as `30s`; `0s` is one too.
    pub fn duration(&mut self, node: &Node) -> Option<Duration> {
        let text = self.written(node, "a duration such as `30s`")?;
        self.refuse_err(node.span, parse_duration(text))
    }

    /// A duration that something may take: not `0s`.
    pub fn time_limit(&mut self, node: &Node) -> Option<Duration> {
        let duration = self.duration(node)?;
        if duration.is_zero() {
            self.error(node.span, "expected a time, found none: nothing is done in `0s`", "");
            return None;
        }
        Some(duration)
    }

    /// The value, or none with its error said at the place.
    pub fn refuse_err<T, E: Display>(&mut self, span: Span, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.error(span, error.to_string(), "")).ok()
    }

    /// The part of a span on its first line: a block is pointed at where it starts.
    fn first_line(&self, span: Span) -> Span {
        let text = self.source.text().get(span.range()).unwrap_or_default();
        let end = text.find('\n').map_or(span.end, |newline| span.start + newline);
        Span::new(span.start, end)
    }
}

/// The keys of one map, unknown ones refused.
#[derive(Debug)]
pub struct Fields<'n> {
    span: Span,
    owner: String,
    entries: &'n [Entry],
}

impl<'n> Fields<'n> {
    /// The first line of the map.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Whose keys they are.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The key and its value, if it is given.
    pub fn entry(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The value of a key, if it is given.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value of a key that must be given.
    pub fn required(&self, findings: &mut Findings, key: &str) -> Option<&'n Node> {
        let node = self.get(key);
        if node.is_none() {
            findings.error(self.span, format!("{} has no `{key}`", self.owner), "");
        }
        node
    }
}

fn in_words(range: &RangeInclusive<i64>) -> String {
    let (least, most) = (range.start(), range.end());
    if least == most { format!("the number {least}") } else { format!("a whole number from {least} to {most}") }
}

fn is_quoted_integer(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.text.parse::<i64>().is_ok())
}

/// Words in backticks with commas between them: `a`, `b`.
pub fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}
