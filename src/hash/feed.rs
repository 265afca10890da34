//! A sha256 that cannot be fed the same bytes by two different inputs.

use sha2::{Digest as _, Sha256};

use super::SCHEMA;

/// Feeds a sha256 with framed values: each text comes after its length and each collection after its count, so
/// that no two sequences of values are the same bytes.
#[derive(Debug)]
pub(super) struct Feed(Sha256);

impl Feed {
    /// Begins with the domain and the schema: the same values never hash alike in two domains or schemas.
    pub(super) fn new(domain: &str) -> Self {
        let mut feed = Self(Sha256::new());
        feed.text("windlass");
        feed.text(domain);
        feed.number(u64::from(SCHEMA));
        feed
    }

    /// Feeds a number: a size, a mode, the tag of an enum's variant.
    pub(super) fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    /// Feeds the count of what follows.
    pub(super) fn count(&mut self, count: usize) {
        self.number(count as u64);
    }

    /// Feeds bytes, their length first.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.0.update(bytes);
    }

    /// Feeds a text, its length first.
    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// Feeds whether a value is there; the value itself follows.
    pub(super) fn presence<T>(&mut self, value: Option<&T>) {
        self.number(u64::from(value.is_some()));
    }

    /// The hash of all that was fed.
    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
