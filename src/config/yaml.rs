//! YAML text as a tree in which every value knows its place. Scalars keep the text that was written: what reads
//! them decides what they are, so that `1.10` stays `1.10` and a country `no` stays a text where texts are wanted.
//!
//! Anchors, aliases and `<<` are resolved here. All of it is bounded: the text, the depth, and what aliases make.

mod parse;
mod write;

pub use parse::parse;
pub use write::scalar;

use crate::diag::Span;

/// The longest text that is read, in bytes. Arbitrary: a project of a thousand images needs a tenth of it.
pub const TEXT_AT_MOST: usize = 1 << 20;
/// How deep values may be nested. Arbitrary: `windlass.yaml` itself is nine deep.
pub const DEPTH_AT_MOST: usize = 64;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it is written; for a value that came from an alias, where the anchor's is.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// A YAML value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, number, boolean or nothing.
    Scalar(Scalar),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping in the order of the text, its keys unique; what `<<` adds comes last.
    Map(Vec<Entry>),
}

/// One key of a map and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key as it is written, quotes and escapes resolved.
    pub key: String,
    /// Where the key is written.
    pub key_span: Span,
    /// Its value.
    pub value: Node,
}

/// What is neither list nor map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text as it is written, quotes and escapes resolved.
    pub text: String,
    /// Whether it stands there without quotes, so that it may be a number, a boolean or nothing.
    pub plain: bool,
}

/// What a scalar is by the core schema (YAML 1.2.2, section 10.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    /// `null`, `~`, or nothing written.
    Nothing,
    /// `true` or `false`.
    Boolean(bool),
    /// An integer that fits.
    Integer(i64),
    /// Any other number.
    Number,
    /// Everything else.
    Text,
}

impl Scalar {
    /// What the scalar is by the core schema.
    pub fn kind(&self) -> ScalarKind {
        match self.text.as_str() {
            _ if !self.plain => ScalarKind::Text,
            "" | "~" | "null" | "Null" | "NULL" => ScalarKind::Nothing,
            "true" | "True" | "TRUE" => ScalarKind::Boolean(true),
            "false" | "False" | "FALSE" => ScalarKind::Boolean(false),
            text => number(text),
        }
    }
}

fn number(text: &str) -> ScalarKind {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let in_base = |prefix: &str, base| unsigned.strip_prefix(prefix).map(|digits| i64::from_str_radix(digits, base));
    if let Some(Ok(value)) = in_base("0x", 16).or_else(|| in_base("0o", 8)) {
        return ScalarKind::Integer(value);
    }
    let starts_like_a_number = unsigned.trim_start_matches('.').starts_with(|c: char| c.is_ascii_digit());
    match text.parse::<i64>() {
        Ok(value) => ScalarKind::Integer(value),
        Err(_) if matches!(unsigned, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") => ScalarKind::Number,
        Err(_) if starts_like_a_number && text.parse::<f64>().is_ok() => ScalarKind::Number,
        Err(_) => ScalarKind::Text,
    }
}

impl Node {
    /// What the value is, for a message: `a list`, `the number 5`.
    pub fn describe(&self) -> String {
        match &self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Scalar(scalar) => {
                let shown: String = scalar.text.chars().take(40).collect();
                let shown = if shown.len() < scalar.text.len() { format!("{shown}…") } else { shown };
                match scalar.kind() {
                    ScalarKind::Nothing => "nothing".to_owned(),
                    ScalarKind::Boolean(_) => format!("the boolean `{shown}`"),
                    ScalarKind::Integer(_) | ScalarKind::Number => format!("the number `{shown}`"),
                    ScalarKind::Text => format!("the text `{}`", shown.escape_debug()),
                }
            }
        }
    }

    /// Whether nothing is written: `key:` or `key: null`.
    pub fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind() == ScalarKind::Nothing)
    }

    fn nothing(span: Span) -> Self {
        Self { span, value: Value::Scalar(Scalar { text: String::new(), plain: true }) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    use super::*;
    use crate::config::read::Findings;
    use crate::diag::SourceText;

    /// The tree in one line, or what was said, one a line.
    fn outcome(source: &Arc<SourceText>) -> String {
        let mut findings = Findings::new(source);
        let node = parse(&mut findings);
        match findings.finish(node) {
            Ok((node, _)) => show(&node),
            Err(diagnostics) => diagnostics.to_string(),
        }
    }

    fn show(node: &Node) -> String {
        match &node.value {
            Value::Scalar(scalar) if scalar.kind() == ScalarKind::Text => format!("{:?}", scalar.text),
            Value::Scalar(scalar) => format!("{}~{}", scalar.text, node.describe().split(' ').nth(1).unwrap_or("-")),
            Value::List(nodes) => format!("[{}]", nodes.iter().map(show).collect::<Vec<_>>().join(", ")),
            Value::Map(entries) => {
                let shown: Vec<_> = entries.iter().map(|e| format!("{}: {}", e.key, show(&e.value))).collect();
                format!("{{{}}}", shown.join(", "))
            }
        }
    }

    fn check(text: &str, expected: &Expect) {
        expected.assert_eq(&outcome(&SourceText::new("f.yaml", text)));
    }

    #[test]
    fn scalars_are_what_the_core_schema_says_and_keep_their_text() {
        check(
            "[1, 0x1F, 0o17, -3, 1.10, 1e3, .5, .inf, true, no, null, ~, '1', 12:30, 1.2.3, 0640, infinity, 9999999999999999999]",
            &expect![[
                r#"[1~number, 0x1F~number, 0o17~number, -3~number, 1.10~number, 1e3~number, .5~number, .inf~number, true~boolean, "no", null~-, ~~-, "1", "12:30", "1.2.3", 0640~number, "infinity", 9999999999999999999~number]"#
            ]],
        );
        check("a:\nb: !!str 1\n", &expect![[r#"{a: ~-, b: "1"}"#]]);
        check("a: |\n  x\n  y\nb: >-\n  x\n  y\n", &expect![[r#"{a: "x\ny\n", b: "x y"}"#]]);
        check("", &expect!["~-"]);
        check("# nothing\n", &expect!["~-"]);
        check("\u{feff}a: 1\r\nb: 2\r\n", &expect!["{a: 1~number, b: 2~number}"]);
    }

    #[test]
    fn aliases_and_merge_keys_are_resolved() {
        check(
            "a: &x {k: 1, l: 2}\nb: *x\nc: {<<: *x, k: 3}\nd: {\"<<\": 1}\n",
            &expect![
                "{a: {k: 1~number, l: 2~number}, b: {k: 1~number, l: 2~number}, c: {k: 3~number, l: 2~number}, d: {<<: 1~number}}"
            ],
        );
        check(
            "a: &x {k: 1}\nb: &y {k: 2, l: 2}\nc: {m: 0, <<: [*x, *y]}\n",
            &expect!["{a: {k: 1~number}, b: {k: 2~number, l: 2~number}, c: {m: 0~number, k: 1~number, l: 2~number}}"],
        );
        check(
            "a: {<<: 1}\nb: {<<: [1]}\n",
            &expect![[r#"
            f.yaml:1:9: error: `<<` takes a map or a list of maps, usually an alias
            f.yaml:2:9: error: `<<` takes a map or a list of maps, usually an alias"#]],
        );
        check("a: &x [*x]\n", &expect!["f.yaml:1:8: error: the alias stands inside of what it stands for"]);
        check("a: *x\n", &expect!["f.yaml:1:4: error: no anchor `&x` stands before this alias"]);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        check(
            "a: 1\nb: 2\na: 3\nc: {d: 1, d: 2}\n",
            &expect![[r#"
            f.yaml:3:1: error: the key `a` is given twice
            f.yaml:4:11: error: the key `d` is given twice"#]],
        );
        check("a:\n\tb: 1\n", &expect!["f.yaml:2:1: error: this is not YAML: a tab can't indent"]);
        check("a: [1, 2\n", &expect!["f.yaml:1:4: error: this is not YAML: `[` is never closed"]);
        check("a: b: c\n", &expect!["f.yaml:1:5: error: this is not YAML: `:` can't stand here"]);
        check("a: @b\n", &expect!["f.yaml:1:4: error: this is not YAML: `@` can't stand here"]);
        check(
            "a: \"x\n",
            &expect!["f.yaml:2:1: error: this is not YAML: a text in quotes is not closed, or not indented"],
        );
        check("a:\n  - b\n - c\n", &expect!["f.yaml:3:2: error: this is not YAML: the indentation fits nothing above"]);
        check("a: 1\n---\nb: 1\n", &expect!["f.yaml:2:1: error: a second document starts here: the file holds one"]);
        check("a: !secret x\n", &expect!["f.yaml:1:4: error: the tag `!secret` means nothing here"]);
        check(
            "? [x]\n: 1\n: 2\n",
            &expect![[r#"
            f.yaml:1:3: error: expected a word as a key, found a list
            f.yaml:3:1: error: expected a word as a key, found nothing"#]],
        );
        check("a: \0\n", &expect![[r#"f.yaml:1:4: error: this is not YAML: `\0` can't stand here"#]]);
    }

    #[test]
    fn all_is_bounded() {
        let check = |text: &str, expected: &str| {
            assert_eq!(outcome(&SourceText::new("f.yaml", text)), expected);
        };
        check(&"#".repeat(10_000_000), "f.yaml:1:1: error: the file is 10000000 bytes long, 1048576 at most are read");
        let too_deep = "values are nested deeper than 64";
        check(&"[".repeat(100_000), &format!("f.yaml:1:65: error: {too_deep}"));
        let block: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        check(&block, &format!("f.yaml:65:65: error: {too_deep}"));
        let nested =
            format!("a: &a {}1{}\nb: {}*a{}\n", "[".repeat(40), "]".repeat(40), "[".repeat(40), "]".repeat(40));
        check(&nested, &format!("f.yaml:2:44: error: {too_deep}"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..20 {
            bomb += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "));
        }
        let outcome_of_bomb = outcome(&SourceText::new("f.yaml", bomb));
        assert!(outcome_of_bomb.ends_with("error: aliases make the file too large"), "{outcome_of_bomb}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a:*&<{}\\[\\],'\"|>!%@#? \t\n\u{e4}]{0,60}") {
            outcome(&SourceText::new("f.yaml", text));
        }

        #[test]
        fn nor_does_any_other(text in any::<String>()) {
            outcome(&SourceText::new("f.yaml", text));
        }
    }
}
