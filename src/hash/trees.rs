//! The hashes of file trees.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::path::is_below;
use crate::model::{Node, Nodes, Tree};

use super::InputHash;
use super::feed::Feed;

/// Hashes trees. What trees share is hashed once: the hash of a directory is made of the names, kinds and hashes of
/// what is in it, so that one that two trees hold as a whole has one hash.
#[derive(Debug, Default)]
pub struct Trees {
    /// By nodes and place, the directories that a tree held as they are stored, with all that is in them.
    directories: BTreeMap<(*const Nodes, usize), InputHash>,
    /// The nodes of these, so that no others take their address.
    nodes: BTreeMap<*const Nodes, Arc<Nodes>>,
}

impl Trees {
    /// Hashes a tree.
    pub fn hash(&mut self, tree: &Tree) -> InputHash {
        let nodes = tree.nodes();
        self.nodes.entry(Arc::as_ptr(nodes)).or_insert_with(|| Arc::clone(nodes));
        let mut open = vec![Open { path: "", feed: Feed::new("directory"), count: 0, place: None }];
        for range in tree.part().iter() {
            let mut place = range.start;
            while place < range.end {
                let path = nodes[place].0.as_str();
                while open.last().is_some_and(|folder| !is_below(path, folder.path)) {
                    self.close(nodes, &mut open);
                }
                let folder = open.last_mut().expect("every path lies in the root, which is not closed");
                match tree.node(place) {
                    Node::Directory => {
                        let end = end_of(nodes, place);
                        let is_whole = end <= range.end && tree.is_as_stored(place..end);
                        match self.directories.get(&(Arc::as_ptr(nodes), place)).filter(|_| is_whole) {
                            Some(known) => {
                                folder.directory(path, known);
                                place = end;
                            }
                            None => {
                                let whole = is_whole.then_some(place);
                                open.push(Open { path, feed: Feed::new("directory"), count: 0, place: whole });
                                place += 1;
                            }
                        }
                    }
                    leaf => {
                        folder.leaf(path, leaf);
                        place += 1;
                    }
                }
            }
        }
        while open.len() > 1 {
            self.close(nodes, &mut open);
        }
        open.pop().expect("the root is not closed").hash()
    }

    /// Hashes the innermost directory, to which nothing more comes.
    fn close(&mut self, nodes: &Arc<Nodes>, open: &mut Vec<Open<'_>>) {
        let Some(closed) = open.pop() else { return };
        let (path, place) = (closed.path, closed.place);
        let hash = closed.hash();
        if let Some(place) = place {
            self.directories.insert((Arc::as_ptr(nodes), place), hash);
        }
        if let Some(folder) = open.last_mut() {
            folder.directory(path, &hash);
        }
    }
}

/// Hashes one entry of a tree: of a directory nothing but that it is one.
pub fn entry(node: &Node) -> InputHash {
    let mut feed = Feed::new("entry");
    leaf(&mut feed, node);
    InputHash::from_bytes(feed.finish())
}

fn leaf(feed: &mut Feed, node: &Node) {
    match node {
        Node::Directory => feed.number(0),
        Node::File { executable, size, content } => {
            feed.number(1 + u64::from(*executable));
            feed.number(*size);
            feed.bytes(content.as_bytes());
        }
        Node::Symlink { target } => {
            feed.number(3);
            feed.text(target);
        }
    }
}

/// A directory that is being hashed.
struct Open<'a> {
    path: &'a str,
    feed: Feed,
    count: usize,
    /// Its place, where the tree holds all of it as it is stored.
    place: Option<usize>,
}

impl Open<'_> {
    fn name(&mut self, path: &str) {
        self.feed.text(path[self.path.len()..].trim_start_matches('/'));
        self.count += 1;
    }

    fn directory(&mut self, path: &str, hash: &InputHash) {
        self.name(path);
        self.feed.number(0);
        self.feed.bytes(hash.as_bytes());
    }

    fn leaf(&mut self, path: &str, node: &Node) {
        self.name(path);
        leaf(&mut self.feed, node);
    }

    fn hash(mut self) -> InputHash {
        self.feed.count(self.count);
        InputHash::from_bytes(self.feed.finish())
    }
}

/// The place behind all that a directory holds.
fn end_of(nodes: &Nodes, place: usize) -> usize {
    let folder = nodes[place].0.as_str();
    place + 1 + nodes[place + 1..].partition_point(|(path, _)| is_below(path.as_str(), folder))
}
