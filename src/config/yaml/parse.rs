//! From the parser's events to the tree.

use std::collections::BTreeMap;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StructureStyle, Tag};

use super::{DEPTH_AT_MOST, Entry, Node, Scalar, ScalarKind, TEXT_AT_MOST, Value};
use crate::config::read::Findings;
use crate::diag::Span;

/// What the tree may weigh once aliases are resolved; a value weighs [`NODE_WEIGHT`] and its text. No text of
/// [`TEXT_AT_MOST`] bytes reaches it without aliases.
const WEIGHT_AT_MOST: usize = 32 << 20;
const NODE_WEIGHT: usize = 32;

/// Reads one document; an empty text is nothing at its start. Everything that is wrong is added to the findings,
/// and none is returned where the text can't be read to its end.
pub fn parse(findings: &mut Findings) -> Option<Node> {
    let source = Arc::clone(findings.source());
    let text = source.text();
    if text.len() > TEXT_AT_MOST {
        let message = format!("the file is {} bytes long, {TEXT_AT_MOST} at most are read", text.len());
        findings.error(Span::new(0, 0), message, "");
        return None;
    }
    let options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_AT_MOST,
        block_nesting_limit: DEPTH_AT_MOST,
    };
    let mut builder = Builder { findings, frames: Vec::new(), anchors: BTreeMap::new(), root: None, weight: 0 };
    for event in Parser::new_from_str_with_options(text, options) {
        let step = match event {
            Ok((event, span)) => {
                if let Some(tag) = event.tag().filter(|tag| !is_str(tag)) {
                    let message = format!("the tag `{}` means nothing here", tag.original());
                    builder.findings.error(span_of(span.tag_span().unwrap_or(span)), message, "");
                }
                builder.step(event, span_of(span))
            }
            Err(error) => Err(Stop::at_error(&error, text)),
        };
        if let Err(Stop { span, message, hint }) = step {
            match hint {
                Some(hint) => builder.findings.error_with_hint(span, message, "", hint),
                None => builder.findings.error(span, message, ""),
            }
            return None;
        }
    }
    Some(builder.root.unwrap_or_else(|| Node::nothing(Span::new(0, 0))))
}

fn span_of(span: granit_parser::Span) -> Span {
    let range = span.byte_range().unwrap_or_default();
    Span::new(range.start, range.end)
}

/// `!!str` makes a text of any scalar.
fn is_str(tag: &Tag) -> bool {
    tag.is_yaml_core_schema_tag("str")
}

/// Why reading can't go on.
struct Stop {
    span: Span,
    message: String,
    hint: Option<&'static str>,
}

impl Stop {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), hint: None }
    }

    fn at_error(error: &ScanError, text: &str) -> Self {
        let start = error.marker().byte_offset().unwrap_or(text.len()).min(text.len());
        let end = text.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |c| start + c.len_utf8());
        let (what, hint) = match error.kind() {
            ErrorKind::RecursionLimitExceeded => {
                return Self::new(Span::new(start, end), format!("values are nested deeper than {DEPTH_AT_MOST}"));
            }
            ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation => {
                // The parser stands behind the tab.
                let is_behind = text.get(..start).is_some_and(|before| before.ends_with('\t'));
                let tab = if is_behind { start - 1 } else { start };
                let message = "this is not YAML: a tab can't indent".to_owned();
                return Self { span: Span::new(tab, tab + 1), message, hint: Some("indent with spaces") };
            }
            ErrorKind::UnexpectedCharacter { character } => (
                format!("`{}` can't stand here", character.escape_debug()),
                Some("put a text that starts with a special character in quotes"),
            ),
            ErrorKind::UnclosedFlowCollection { open } => (format!("`{open}` is never closed"), None),
            ErrorKind::MappingValueNotAllowed => (
                "`:` can't stand here".to_owned(),
                Some("put a text that holds `: ` in quotes, or mend the indentation"),
            ),
            ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry => {
                ("the indentation fits nothing above".to_owned(), Some("indent what belongs together alike"))
            }
            ErrorKind::InvalidQuotedScalarIndent => (
                "a text in quotes is not closed, or not indented".to_owned(),
                Some("close the quote that is opened above"),
            ),
            kind => (kind.to_string(), None),
        };
        Self { span: Span::new(start, end), message: format!("this is not YAML: {what}"), hint }
    }
}

struct Builder<'f> {
    findings: &'f mut Findings,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Anchored>,
    root: Option<Node>,
    weight: usize,
}

/// A list or map that is not closed yet.
struct Frame {
    start: usize,
    flow: bool,
    anchor: usize,
    /// The weight of the tree before it.
    weight_before: usize,
    /// How deep the deepest of its values is, counted from it.
    height: usize,
    items: Items,
}

enum Items {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, seen: BTreeMap<String, Span>, key: Option<Key>, merges: Vec<Node> },
}

/// A key whose value comes next.
enum Key {
    Text(String, Span),
    Merge,
    /// One that was refused: its value is read and dropped.
    Refused,
}

/// What an alias stands for.
struct Anchored {
    node: Node,
    weight: usize,
    height: usize,
}

impl Builder<'_> {
    fn step(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                return Err(Stop::new(span, "a second document starts here: the file holds one"));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !tag.as_deref().is_some_and(is_str);
                // The parser writes `~` for a value that is not there.
                let text = if span.start == span.end && plain { String::new() } else { text.into_owned() };
                let weight = NODE_WEIGHT + text.len();
                self.grow(weight, span)?;
                let node = Node { span, value: Value::Scalar(Scalar { text, plain }) };
                self.anchor(anchor, &node, weight, 0, span)?;
                self.add(node, 0);
            }
            Event::SequenceStart(style, anchor, _) => {
                self.open(style, anchor, span, Items::List(Vec::new()))?;
            }
            Event::MappingStart(style, anchor, _) => {
                let items = Items::Map { entries: Vec::new(), seen: BTreeMap::new(), key: None, merges: Vec::new() };
                self.open(style, anchor, span, items)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
            Event::Alias(id) => match self.anchors.get(&id) {
                Some(Anchored { node, weight, height }) => {
                    let (node, weight, height) = (node.clone(), *weight, *height);
                    if self.frames.len() + height > DEPTH_AT_MOST {
                        return Err(Stop::new(span, format!("values are nested deeper than {DEPTH_AT_MOST}")));
                    }
                    self.grow(weight, span)?;
                    self.add(node, height);
                }
                None => return Err(Stop::new(span, "the alias stands inside of what it stands for")),
            },
            Event::UnresolvedAlias(name) => {
                return Err(Stop::new(span, format!("no anchor `&{name}` stands before this alias")));
            }
            _ => {}
        }
        Ok(())
    }

    fn grow(&mut self, weight: usize, span: Span) -> Result<(), Stop> {
        self.weight += weight;
        if self.weight > WEIGHT_AT_MOST {
            return Err(Stop::new(span, "aliases make the file too large"));
        }
        Ok(())
    }

    fn anchor(&mut self, id: usize, node: &Node, weight: usize, height: usize, span: Span) -> Result<(), Stop> {
        if id != 0 {
            self.grow(weight, span)?;
            self.anchors.insert(id, Anchored { node: node.clone(), weight, height });
        }
        Ok(())
    }

    fn open(&mut self, style: StructureStyle, anchor: usize, span: Span, items: Items) -> Result<(), Stop> {
        if self.frames.len() >= DEPTH_AT_MOST {
            return Err(Stop::new(span, format!("values are nested deeper than {DEPTH_AT_MOST}")));
        }
        let weight_before = self.weight;
        self.grow(NODE_WEIGHT, span)?;
        let flow = style == StructureStyle::Flow;
        self.frames.push(Frame { start: span.start, flow, anchor, weight_before, height: 0, items });
        Ok(())
    }

    fn close(&mut self, span: Span) -> Result<(), Stop> {
        let Frame { start, flow, anchor, weight_before, height, items } =
            self.frames.pop().expect("the parser closes what it opened");
        let (value, last) = match items {
            Items::List(nodes) => {
                let last = nodes.last().map(|node| node.span.end);
                (Value::List(nodes), last)
            }
            Items::Map { mut entries, mut seen, key: _, merges } => {
                let last = entries.last().map(|entry| entry.value.span.end.max(entry.key_span.end));
                for merge in merges {
                    self.merge(merge, &mut entries, &mut seen);
                }
                (Value::Map(entries), last)
            }
        };
        // The end of a block is where the next thing starts, which may be lines below.
        let end = if flow { span.end } else { last.unwrap_or(start).max(start) };
        let node = Node { span: Span::new(start, end), value };
        self.anchor(anchor, &node, self.weight - weight_before, height + 1, span)?;
        self.add(node, height + 1);
        Ok(())
    }

    fn merge(&mut self, merge: Node, entries: &mut Vec<Entry>, seen: &mut BTreeMap<String, Span>) {
        match merge.value {
            Value::Map(merged) => {
                for entry in merged {
                    if !seen.contains_key(&entry.key) {
                        seen.insert(entry.key.clone(), entry.key_span);
                        entries.push(entry);
                    }
                }
            }
            Value::List(nodes) if nodes.iter().all(|node| matches!(node.value, Value::Map(_))) => {
                for node in nodes {
                    self.merge(node, entries, seen);
                }
            }
            Value::List(_) | Value::Scalar(_) => {
                self.findings.error(merge.span, "`<<` takes a map or a list of maps, usually an alias", "");
            }
        }
    }

    /// Puts a finished value where it belongs: the root, a list's next, a map's key or the value of one.
    fn add(&mut self, node: Node, height: usize) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return;
        };
        frame.height = frame.height.max(height);
        match &mut frame.items {
            Items::List(nodes) => nodes.push(node),
            Items::Map { entries, seen, key, merges } => match key.take() {
                None => *key = Some(key_of(node, seen, self.findings)),
                Some(Key::Text(text, key_span)) => entries.push(Entry { key: text, key_span, value: node }),
                Some(Key::Merge) => merges.push(node),
                Some(Key::Refused) => {}
            },
        }
    }
}

fn key_of(node: Node, seen: &mut BTreeMap<String, Span>, findings: &mut Findings) -> Key {
    let described = node.describe();
    let text = match node.value {
        Value::Scalar(scalar) if scalar.kind() != ScalarKind::Nothing => scalar,
        _ => {
            findings.error(node.span, format!("expected a word as a key, found {described}"), "");
            return Key::Refused;
        }
    };
    if let Some(first) = seen.get(&text.text).copied() {
        findings.duplicate(&format!("the key `{}` is given twice", text.text), node.span, first);
        return Key::Refused;
    }
    seen.insert(text.text.clone(), node.span);
    if text.plain && text.text == "<<" { Key::Merge } else { Key::Text(text.text, node.span) }
}
