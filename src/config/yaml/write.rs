//! From the tree back to text: YAML for people, JSON for programs.

use std::fmt::Write as _;

use super::{Entry, Node, Scalar, ScalarKind, Value};

impl Node {
    /// The value as YAML that reads back as the same value, with a line end at the end.
    pub fn to_yaml(&self) -> String {
        let mut out = String::new();
        block(&mut out, self, 0);
        let text = out.trim_start_matches(['\n', ' ']);
        format!("{text}\n")
    }

    /// The value as JSON, indented, with a line end at the end. Numbers that JSON has no form for become texts.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        json(&mut out, self, 0);
        out.push('\n');
        out
    }
}

/// Writes a value behind its key: ` value` on the same line, or lines of their own.
fn block(out: &mut String, node: &Node, indent: usize) {
    match &node.value {
        Value::Scalar(scalar) => {
            out.push(' ');
            out.push_str(&yaml_scalar(scalar));
        }
        Value::List(nodes) if nodes.iter().all(|node| matches!(node.value, Value::Scalar(_))) => {
            let words: Vec<String> = nodes.iter().map(flow_scalar).collect();
            write!(out, " [{}]", words.join(", ")).expect("writing to a String does not fail");
        }
        Value::List(nodes) => {
            for node in nodes {
                new_line(out, indent);
                out.push('-');
                let mut item = String::new();
                block(&mut item, node, indent + 2);
                // The first key of a map stands behind the dash.
                let item = item.strip_prefix('\n').map_or(item.as_str(), |lines| &lines[indent + 1..]);
                out.push_str(item);
            }
        }
        Value::Map(entries) if entries.is_empty() => out.push_str(" {}"),
        Value::Map(entries) => {
            for Entry { key, value, .. } in entries {
                new_line(out, indent);
                let key = Scalar { text: key.clone(), plain: is_plain(key) };
                write!(out, "{}:", yaml_scalar(&key)).expect("writing to a String does not fail");
                block(out, value, indent + 2);
            }
        }
    }
}

/// A text as YAML that reads back as this text, wherever in a line it stands.
pub fn scalar(text: &str) -> String {
    yaml_scalar(&Scalar { text: text.to_owned(), plain: false })
}

fn new_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

fn flow_scalar(node: &Node) -> String {
    match &node.value {
        Value::Scalar(scalar) => yaml_scalar(scalar),
        Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// Plain where it reads back as the same value, else in double quotes.
fn yaml_scalar(scalar: &Scalar) -> String {
    let Scalar { text, plain: _ } = scalar;
    match scalar.kind() {
        ScalarKind::Nothing => "null".to_owned(),
        ScalarKind::Boolean(_) | ScalarKind::Integer(_) | ScalarKind::Number => text.clone(),
        ScalarKind::Text if is_plain(text) && Scalar { text: text.clone(), plain: true }.is_text() => text.clone(),
        ScalarKind::Text => quoted(text),
    }
}

impl Scalar {
    fn is_text(&self) -> bool {
        self.kind() == ScalarKind::Text
    }
}

/// Whether the text stands for itself without quotes wherever it is written, by YAML 1.1 too, which takes `no` for a
/// boolean and `12:30` for a number: less than YAML allows.
fn is_plain(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '+' | '@' | '-' | '$' | ':');
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/' | '$'));
    let is_amount = text.starts_with(|c: char| matches!(c, '1'..='9')) && text.contains(|c: char| c.is_alphabetic());
    let is_boolean = matches!(text.to_lowercase().as_str(), "y" | "n" | "yes" | "no" | "on" | "off");
    (is_word || is_amount) && !is_boolean && !text.ends_with(':') && text.chars().all(inside)
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        let code = u32::from(c);
        let written = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            '\n' => write!(out, "\\n"),
            '\t' => write!(out, "\\t"),
            _ if code > 0xffff => write!(out, "\\U{code:08x}"),
            _ if c.is_control() || (code > 0x7e && !c.is_alphanumeric()) => write!(out, "\\u{code:04x}"),
            _ => write!(out, "{c}"),
        };
        written.expect("writing to a String does not fail");
    }
    out.push('"');
    out
}

fn json(out: &mut String, node: &Node, indent: usize) {
    match &node.value {
        Value::Scalar(scalar) => out.push_str(&json_scalar(scalar)),
        Value::List(nodes) => {
            let items = nodes.iter().map(|node| (String::new(), node));
            json_items(out, ['[', ']'], items, indent);
        }
        Value::Map(entries) => {
            let items = entries.iter().map(|entry| (format!("{}: ", json_text(&entry.key)), &entry.value));
            json_items(out, ['{', '}'], items, indent);
        }
    }
}

fn json_items<'n>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = (String, &'n Node)>,
    indent: usize,
) {
    out.push(open);
    let mut is_empty = true;
    for (key, node) in items {
        if !is_empty {
            out.push(',');
        }
        is_empty = false;
        new_line(out, indent + 2);
        out.push_str(&key);
        json(out, node, indent + 2);
    }
    if !is_empty {
        new_line(out, indent);
    }
    out.push(close);
}

fn json_scalar(scalar: &Scalar) -> String {
    match scalar.kind() {
        ScalarKind::Nothing => "null".to_owned(),
        ScalarKind::Boolean(value) => value.to_string(),
        ScalarKind::Integer(value) => value.to_string(),
        ScalarKind::Number | ScalarKind::Text => json_text(&scalar.text),
    }
}

fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("a text is valid JSON")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use proptest::prelude::*;

    use crate::config::read::Findings;
    use crate::config::yaml::{Entry, Node, Scalar, Value, parse};
    use crate::diag::{SourceText, Span};

    const NOWHERE: Span = Span::new(0, 0);

    fn read(text: &str) -> Node {
        let mut findings = Findings::new(&SourceText::new("f.yaml", text));
        let node = parse(&mut findings);
        findings.finish(node).unwrap_or_else(|said| panic!("{said}\n{text}")).0
    }

    /// The same without places, and what is a text always in quotes.
    fn bare(node: &Node) -> Node {
        let value = match &node.value {
            Value::Scalar(scalar) => {
                Value::Scalar(Scalar { plain: scalar.plain && !scalar.is_text(), text: scalar.text.clone() })
            }
            Value::List(nodes) => Value::List(nodes.iter().map(bare).collect()),
            Value::Map(entries) => Value::Map(entries.iter().map(bare_entry).collect()),
        };
        Node { span: NOWHERE, value }
    }

    fn bare_entry(entry: &Entry) -> Entry {
        Entry { key: entry.key.clone(), key_span: NOWHERE, value: bare(&entry.value) }
    }

    fn node() -> impl Strategy<Value = Node> {
        let text = prop_oneof![any::<String>(), "[-a1:.{}\\[\\]#'\" ~<>!%@?$]{0,4}", Just("<<".to_owned())];
        let scalar = text.prop_map(|text| Value::Scalar(Scalar { text, plain: false }));
        let number = any::<i32>().prop_map(|n| Value::Scalar(Scalar { text: n.to_string(), plain: true }));
        let leaf = prop_oneof![scalar, number].prop_map(|value| Node { span: NOWHERE, value });
        leaf.prop_recursive(5, 40, 5, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::List);
            let map = proptest::collection::btree_map("[a-z1~: ]{1,3}|<<", inner, 0..5).prop_map(|map| {
                let entry = |(key, value)| Entry { key, key_span: NOWHERE, value };
                Value::Map(map.into_iter().map(entry).collect())
            });
            prop_oneof![list, map].prop_map(|value| Node { span: NOWHERE, value })
        })
    }

    proptest! {
        #[test]
        fn yaml_reads_back(node in node()) {
            prop_assert_eq!(bare(&read(&node.to_yaml())), bare(&node));
        }

        #[test]
        fn json_is_json_and_yaml(node in node()) {
            serde_json::from_str::<serde_json::Value>(&node.to_json()).unwrap();
        }
    }

    #[test]
    fn people_can_read_it() {
        let node = read("a: [1, x, 'no: n']\nb: [{c: d, e: [f]}, {g: {}}, [h, [i]]]\nj: {k: '1', l: ~, m: \"\\n\"}\n");
        expect![[r#"
            a: [1, x, "no: n"]
            b:
              - c: d
                e: [f]
              - g: {}
              - - h
                - [i]
            j:
              k: "1"
              l: null
              m: "\n"
        "#]]
        .assert_eq(&node.to_yaml());
        expect![[r#"
            {
              "a": [
                1,
                "x",
                "no: n"
              ],
              "b": [
                {
                  "c": "d",
                  "e": [
                    "f"
                  ]
                },
                {
                  "g": {}
                },
                [
                  "h",
                  [
                    "i"
                  ]
                ]
              ],
              "j": {
                "k": "1",
                "l": null,
                "m": "\n"
              }
            }
        "#]]
        .assert_eq(&node.to_json());
    }
}
