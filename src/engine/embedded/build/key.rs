//! Keys of the cache: what an instruction's result follows from, hashed with lengths first.

use sha2::{Digest as _, Sha256};

use crate::model::Digest;

/// Counts up when a result comes to depend on something else, or a layer is written in another way.
const VERSION: &str = "windlass embedded cache 1";

/// A key that grows.
pub(super) struct Key(Sha256);

impl Key {
    /// Of what kind of instruction.
    pub(super) fn new(kind: &str) -> Self {
        let mut key = Self(Sha256::new());
        key.text(VERSION);
        key.text(kind);
        key
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    /// Something that may not be there.
    pub(super) fn maybe(&mut self, text: Option<&str>) {
        self.number(u64::from(text.is_some()));
        self.text(text.unwrap_or_default());
    }

    /// Several things, counted.
    pub(super) fn all<T>(&mut self, items: impl ExactSizeIterator<Item = T>, each: impl Fn(&mut Self, T)) {
        self.number(items.len() as u64);
        items.for_each(|item| each(self, item));
    }

    pub(super) fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}
