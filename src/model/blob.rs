//! What a file's bytes are known by: the id that git gives them.

use std::fmt;

use sha1::{Digest as _, Sha1};

use super::digest::unhex;

/// The id of a file's content: git's blob id, the SHA-1 of `blob LENGTH\0` and the bytes (gitformat-pack(5), "Object
/// types"), of files that git does not know too. Git has it at hand of every file that is as it was committed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlobId([u8; 20]);

impl BlobId {
    /// Wraps the 20 bytes of a blob's id.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Reads the 40 lower-case hex digits that git shows.
    pub fn from_hex(text: &str) -> Option<Self> {
        unhex(text).map(Self)
    }

    /// The 20 bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The id of these bytes.
    pub fn of(content: &[u8]) -> Self {
        let mut hasher = BlobHasher::new(content.len() as u64);
        hasher.update(content);
        hasher.finish()
    }
}

impl fmt::Display for BlobId {
    /// The 40 hex digits that git shows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes a [`BlobId`] of content that comes in parts.
#[derive(Clone)]
pub struct BlobHasher(Sha1);

impl BlobHasher {
    /// Begins a content of `size` bytes. The length comes first: with more or fewer bytes than that, what comes out is
    /// the id of nothing.
    pub fn new(size: u64) -> Self {
        Self(Sha1::new_with_prefix(format!("blob {size}\0")))
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The id of all bytes.
    pub fn finish(self) -> BlobId {
        BlobId(self.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids are those of `git hash-object`.
    #[test]
    fn an_id_is_the_one_that_git_gives() {
        assert_eq!(BlobId::of(b"").to_string(), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        assert_eq!(BlobId::of(b"hello\n").to_string(), "ce013625030ba8dba906f756967f9e9ca394464a");
        let mut hasher = BlobHasher::new(6);
        hasher.update(b"hel");
        hasher.update(b"lo\n");
        assert_eq!(hasher.finish(), BlobId::of(b"hello\n"));
        assert_eq!(BlobId::from_hex("ce013625030ba8dba906f756967f9e9ca394464a"), Some(BlobId::of(b"hello\n")));
        assert_eq!(BlobId::from_hex("ce013625"), None);
    }
}
