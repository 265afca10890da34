//! Finds the place of a key or value in a JSON text that serde_json has read: it keeps no positions itself.

use super::problem::{Part, PathStep};
use crate::diag::Span;

/// The place of what a path leads to. Where the text has less than the path, the place of the last thing on the way;
/// so a missing key is shown at what lacks it.
pub(super) fn locate(text: &str, path: &[PathStep], part: Part) -> Span {
    let mut walk = Walk { bytes: text.as_bytes(), at: 0 };
    walk.blank();
    let mut found = Span::new(walk.at, walk.at + 1);
    for (i, step) in path.iter().enumerate() {
        let is_last = i + 1 == path.len();
        let key = match step {
            PathStep::Key(key) => walk.enter_key(key),
            PathStep::Index(index) => walk.enter_index(*index),
        };
        let Some(key) = key else { return found };
        let start = walk.at;
        if is_last && part == Part::Value {
            walk.value();
            return first_line(text, Span::new(start, walk.at));
        }
        found = key;
    }
    found
}

/// As much of a span as stands on its first line: a whole map is no help to look at.
fn first_line(text: &str, span: Span) -> Span {
    let end = text[span.range()].find('\n').map_or(span.end, |newline| span.start + newline);
    Span::new(span.start, end)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Steps over white space, and over the commas and colons between tokens: the text is known to be well-formed.
    fn blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b':')) {
            self.at += 1;
        }
    }

    /// Steps over a string and tells its place, quotes included.
    fn string(&mut self) -> Span {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += if byte == b'\\' { 2 } else { 1 };
            if byte == b'"' {
                break;
            }
        }
        Span::new(start, self.at.min(self.bytes.len()))
    }

    /// Steps over any value.
    fn value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string();
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    self.at += 1;
                }
                b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    while self.peek().is_some_and(|b| !matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b',' | b'}' | b']')) {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Stands at the value of a key and tells the key's place; only in a map that has the key.
    fn enter_key(&mut self, wanted: &str) -> Option<Span> {
        if self.peek() != Some(b'{') {
            return None;
        }
        self.at += 1;
        loop {
            self.blank();
            if self.peek() != Some(b'"') {
                return None;
            }
            let key = self.string();
            self.blank();
            let written: Option<String> = serde_json::from_slice(&self.bytes[key.range()]).ok();
            if written.as_deref() == Some(wanted) {
                return Some(key);
            }
            self.value();
        }
    }

    /// Stands at an item of a list and tells the place of its first byte.
    fn enter_index(&mut self, index: usize) -> Option<Span> {
        if self.peek() != Some(b'[') {
            return None;
        }
        self.at += 1;
        self.blank();
        for _ in 0..index {
            self.value();
            self.blank();
        }
        (self.peek()? != b']').then(|| Span::new(self.at, self.at + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str, path: &[&str], part: Part) -> String {
        let step = |step: &&str| step.parse().map_or_else(|_| PathStep::Key((*step).to_owned()), PathStep::Index);
        text[locate(text, &path.iter().map(step).collect::<Vec<_>>(), part).range()].to_owned()
    }

    #[test]
    fn places_are_found() {
        let text = r#" {"a\"}": [1, {"x": {}}, "]"], "b" : {"c":tr ue, "d": "e" } }"#.replace("tr ue", "true");
        assert_eq!(found(&text, &["a\"}", "2"], Part::Value), "\"]\"");
        assert_eq!(found(&text, &["a\"}", "1", "x"], Part::Key), "\"x\"");
        assert_eq!(found(&text, &["b", "c"], Part::Value), "true");
        assert_eq!(found(&text, &["b", "d"], Part::Key), "\"d\"");
        assert_eq!(found(&text, &["b", "missing"], Part::Value), "\"b\"", "what lacks it");
        assert_eq!(found(&text, &["a\"}", "9"], Part::Value), "\"a\\\"}\"");
        assert_eq!(found(&text, &[], Part::Value), "{");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{}",:\\a1 ä]{0,40}"#, key in "[a1]?", index in 0usize..3) {
            for path in [vec![PathStep::Key(key.clone()), PathStep::Index(index)], vec![PathStep::Index(index), PathStep::Key(key)]] {
                for part in [Part::Key, Part::Value] {
                    let span = locate(&text, &path, part);
                    prop_assert!(span.start <= span.end);
                }
            }
        }
    }
}
