//! Texts and words that grow while a word is expanded.

/// Writes a text so that quotes, `$`, `}`, escapes and control characters in it can't be taken for syntax.
pub(super) fn quote_into(canonical: &mut String, text: &str) {
    let mut rest = text;
    let is_syntax = |byte| matches!(byte, b'"' | b'\\' | b'$' | b'}' | b'\n' | b'\r' | b'\t');
    while let Some(at) = rest.bytes().position(is_syntax) {
        canonical.push_str(&rest[..at]);
        canonical.push('\\');
        canonical.push(match rest.as_bytes()[at] {
            b'\n' => 'n',
            b'\r' => 'r',
            b'\t' => 't',
            other => char::from(other),
        });
        rest = &rest[at + 1..];
    }
    canonical.push_str(rest);
}

/// A text that grows, with its canonical form.
pub(super) struct Buffer {
    pub(super) text: String,
    pub(super) canonical: String,
    /// Whether nothing in it depends on the base image.
    pub(super) known: bool,
}

impl Buffer {
    pub(super) const fn new() -> Self {
        Self { text: String::new(), canonical: String::new(), known: true }
    }

    pub(super) fn known(text: &str) -> Self {
        let mut buffer = Self::new();
        buffer.push_str(text);
        buffer
    }

    pub(super) fn push(&mut self, character: char) {
        self.push_str(character.encode_utf8(&mut [0; 4]));
    }

    pub(super) fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
        quote_into(&mut self.canonical, text);
    }

    pub(super) fn append(&mut self, other: &Self) {
        self.text.push_str(&other.text);
        self.canonical.push_str(&other.canonical);
        self.known &= other.known;
    }
}

/// Words that grow, parted by white space.
#[derive(Default)]
pub(super) struct Words {
    done: Vec<String>,
    current: String,
}

impl Words {
    pub(super) fn push(&mut self, text: &str) {
        for character in text.chars() {
            if character.is_whitespace() {
                if !self.current.is_empty() {
                    self.done.push(std::mem::take(&mut self.current));
                }
            } else {
                self.current.push(character);
            }
        }
    }

    pub(super) fn push_quoted(&mut self, text: &str) {
        self.current.push_str(text);
    }

    pub(super) fn finish(mut self) -> Vec<String> {
        if !self.current.is_empty() {
            self.done.push(self.current);
        }
        self.done
    }
}

/// A text that is not known, as it is written and in canonical form.
pub(super) fn unknown(text: &str, canonical: &str) -> Buffer {
    Buffer { text: text.to_owned(), canonical: canonical.to_owned(), known: false }
}

/// The same with parts that are expanded in themselves.
pub(super) fn unknown_with(before: &str, parts: &[&Buffer], after: &str) -> Buffer {
    let mut buffer = unknown(before, before);
    for part in parts {
        buffer.append(part);
    }
    buffer.text.push_str(after);
    buffer.canonical.push_str(after);
    buffer
}

/// `${NAME#pattern}` and its kin, not known.
pub(super) fn unknown_trim(name: &str, operator: char, longest: bool, word: &Buffer) -> Buffer {
    let operators = if longest { operator.to_string().repeat(2) } else { operator.to_string() };
    unknown_with(&format!("${{{name}{operators}"), &[word], "}")
}
