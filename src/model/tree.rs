//! A file tree as it counts for an image: paths, kinds and contents, and nothing that differs between two clones.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use super::listing::Ranges;

use super::BlobId;

/// A path that does not stay below its root, or is not written plainly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no plain path below a folder: components parted by single `/`, none of them `.` or `..`")]
pub struct TreePathError(String);

/// A path below a root: components parted by `/`, never empty, `.` or `..`, no leading `/`. Paths are ordered as a walk
/// meets them: a folder, all that is in it, then the next name. `a/b` comes before `a-b`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TreePath(String);

impl TreePath {
    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders that it lies in, the outermost first.
    pub fn folders(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }
}

/// Compares two paths as [`TreePath`] is ordered.
pub(super) fn walk_order(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let key = |byte: u8| if byte == b'/' { 0 } else { byte };
    match first_difference(one, other) {
        Some(i) => key(one[i]).cmp(&key(other[i])),
        None => one.len().cmp(&other.len()),
    }
}

/// Where two texts differ first; nowhere where one begins with the other.
fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    // Paths of one folder begin alike, and eight bytes are compared as fast as one.
    let same = one.chunks_exact(8).zip(other.chunks_exact(8)).take_while(|(a, b)| a == b).count() * 8;
    one[same..].iter().zip(&other[same..]).position(|(a, b)| a != b).map(|place| same + place)
}

impl Ord for TreePath {
    fn cmp(&self, other: &Self) -> Ordering {
        walk_order(&self.0, &other.0)
    }
}

impl PartialOrd for TreePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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

/// The entries of a folder that anybody wants, in the order of their paths: what the trees of several images share.
pub type Nodes = Vec<(TreePath, Node)>;

/// Entries below a root in the order of their paths; every directory that holds an entry is an entry too. A tree is a
/// part of what the trees of other images may be parts of too, so that a copy of it costs little.
#[derive(Clone, Default)]
pub struct Tree {
    nodes: Arc<Nodes>,
    part: Ranges,
    /// By place: the executable files whose mode does not count, as if they were none.
    modeless: Arc<BTreeMap<usize, Node>>,
}

impl Tree {
    /// The part of the nodes that an image gets. Of the files in `modeless` the mode does not count.
    pub fn part_of(nodes: &Arc<Nodes>, part: Ranges, modeless: &Ranges) -> Self {
        let plain = |place: usize| match &nodes[place].1 {
            Node::File { executable: true, size, content } => {
                Some((place, Node::File { executable: false, size: *size, content: *content }))
            }
            Node::Directory | Node::File { .. } | Node::Symlink { .. } => None,
        };
        let modeless = Arc::new(modeless.places().filter_map(plain).collect());
        Self { nodes: Arc::clone(nodes), part, modeless }
    }

    /// The entries in the order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&TreePath, &Node)> {
        self.part.places().map(|place| (&self.nodes[place].0, self.node(place)))
    }

    /// The entry at a path.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        let place = self.nodes.binary_search_by(|(other, _)| other.cmp(path)).ok()?;
        self.part.contains(place).then(|| self.node(place))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.part.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nodes that it is a part of.
    pub fn nodes(&self) -> &Arc<Nodes> {
        &self.nodes
    }

    /// Which of the nodes it holds.
    pub fn part(&self) -> &Ranges {
        &self.part
    }

    /// The node at a place of [`Self::nodes`], as it counts here.
    pub fn node(&self, place: usize) -> &Node {
        self.modeless.get(&place).unwrap_or(&self.nodes[place].1)
    }

    /// Whether the nodes of a range count here as they are.
    pub fn is_as_stored(&self, range: Range<usize>) -> bool {
        self.modeless.range(range).next().is_none()
    }
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Tree {}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl FromIterator<(TreePath, Node)> for Tree {
    fn from_iter<T: IntoIterator<Item = (TreePath, Node)>>(entries: T) -> Self {
        let nodes: Nodes = entries.into_iter().collect::<BTreeMap<_, _>>().into_iter().collect();
        let part = Ranges::from(0..nodes.len());
        Self { nodes: Arc::new(nodes), part, modeless: Arc::default() }
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
    fn paths_come_in_the_order_of_a_walk() {
        let mut paths: Vec<TreePath> = ["b", "a-b", "a/b/c", "a", "a/b-c", "a/b"].map(|p| p.parse().unwrap()).into();
        paths.sort();
        assert_eq!(paths.iter().map(TreePath::as_str).collect::<Vec<_>>(), ["a", "a/b", "a/b/c", "a/b-c", "a-b", "b"]);
    }

    #[test]
    fn a_part_holds_no_more_and_modes_count_only_where_they_do() {
        let file = || Node::File { executable: true, size: 1, content: BlobId::of(b"x") };
        let nodes: Nodes = ["a", "b", "c"].map(|path| (path.parse().unwrap(), file())).into();
        let tree = Tree::part_of(&Arc::new(nodes), Ranges::from_iter([2..3, 0..1]), &Ranges::from(2..3));
        let get = |path: &str| tree.get(&path.parse().unwrap());
        assert_eq!(get("a"), Some(&file()));
        assert_eq!(get("b"), None);
        assert!(matches!(get("c"), Some(Node::File { executable: false, size: 1, .. })));
        assert_eq!(tree.len(), 2);
    }

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
