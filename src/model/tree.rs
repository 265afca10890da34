//! A file tree as it counts for an image: paths, kinds and contents, and nothing that differs between two clones.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::BlobId;

/// A path that does not stay below its root, or is not written plainly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no plain path below a folder: components parted by single `/`, none of them `.` or `..`")]
pub struct TreePathError(String);

/// A path below a root: components parted by `/`, never empty, `.` or `..`, no leading `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(String);

impl TreePath {
    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TreePath {
    type Err = TreePathError;

    fn from_str(text: &str) -> Result<Self, TreePathError> {
        let plain = |c: &str| !c.is_empty() && c != "." && c != ".." && !c.contains('\0');
        if text.split('/').all(plain) { Ok(Self(text.to_owned())) } else { Err(TreePathError(text.to_owned())) }
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// One entry of a [`Tree`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// A directory, shipped with mode 0755.
    Directory,
    /// A regular file, shipped with mode 0755 where its owner may execute it and with 0644 else.
    File {
        /// Whether the owner's execute bit is set.
        executable: bool,
        /// Length in bytes.
        size: u64,
        /// The content.
        content: BlobId,
    },
    /// A symbolic link, never followed.
    Symlink {
        /// Where it points, as it is stored.
        target: String,
    },
}

/// The entries below a root in the order of their paths; every directory that holds an entry is an entry too.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<TreePath, Node>);

impl Tree {
    /// The entries in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, &Node)> {
        self.0.iter()
    }

    /// The entry at a path.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        self.0.get(path)
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(TreePath, Node)> for Tree {
    fn from_iter<T: IntoIterator<Item = (TreePath, Node)>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// A file that the configuration adds to a context, such as a key that is not kept in git.
#[derive(Clone, PartialEq, Eq)]
pub struct InjectedFile {
    /// Where in the context; it hides a file of the tree at the same path.
    pub path: TreePath,
    /// The bytes: often a secret, therefore never shown.
    pub content: Vec<u8>,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Numeric owner in the context.
    pub uid: u32,
    /// Numeric group in the context.
    pub gid: u32,
}

impl fmt::Debug for InjectedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "InjectedFile({}, {:o}, {}:{}, {} bytes)",
            self.path,
            self.mode,
            self.uid,
            self.gid,
            self.content.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_below_the_root_are_paths() {
        for good in ["a", "a/b", ".hidden", "a b", "..a"] {
            assert!(good.parse::<TreePath>().is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a\0b"] {
            assert!(bad.parse::<TreePath>().is_err(), "{bad}");
        }
    }
}
