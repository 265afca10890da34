//! Loads contexts: folders become trees of what an image may see.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, SourceText};
use crate::model::{Node, Tree, TreePath};

use super::digest::{DigestError, digests};
use super::ignore_file::IgnoreFile;
use super::text::cannot_read;
use super::walk::{Entry, Listing, shown_path, walk, with_ignore_hint};

/// A context to load.
#[derive(Debug, Clone)]
pub struct ContextRequest {
    /// The folder, absolute and without symbolic links, so that files that two contexts share are read once.
    pub root: PathBuf,
    /// What the user calls the folder: relative to the project's root, empty for the root itself.
    pub shown: String,
    /// The text of the `.dockerignore` that holds for it.
    pub ignore: Option<Arc<SourceText>>,
}

/// Loads contexts, in the order of the requests. A file is read once, however many contexts hold it, and contexts
/// that hold the same share a tree.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn load_contexts(requests: &[ContextRequest]) -> Result<Vec<Arc<Tree>>, Diagnostics> {
    let mut diagnostics = Vec::new();
    let mut listings: BTreeMap<Key<'_>, (&ContextRequest, Listing)> = BTreeMap::new();
    for request in requests {
        listings.entry(key(request)).or_insert_with(|| (request, list(request)));
    }
    for (_, listing) in listings.values_mut() {
        diagnostics.append(&mut listing.diagnostics);
    }
    let files: BTreeSet<PathBuf> = listings
        .values()
        .flat_map(|(request, listing)| listing.entries.iter().map(|entry| (*request, entry)))
        .filter(|(_, (_, entry))| *entry == Entry::File)
        .map(|(request, (path, _))| request.root.join(path.as_str()))
        .collect();
    let digests = digests(&files);
    let mut trees = BTreeMap::new();
    for (key, (request, listing)) in listings {
        trees.insert(key, Arc::new(tree(request, listing, &digests, &mut diagnostics)));
    }
    if !diagnostics.is_empty() {
        diagnostics.sort_by(|a, b| a.message.cmp(&b.message));
        diagnostics.dedup();
        return Err(Diagnostics(diagnostics));
    }
    Ok(requests.iter().map(|request| Arc::clone(&trees[&key(request)])).collect())
}

type Key<'a> = (&'a Path, Option<&'a str>);

fn key(request: &ContextRequest) -> Key<'_> {
    (&request.root, request.ignore.as_ref().map(|source| source.text()))
}

fn list(request: &ContextRequest) -> Listing {
    let ignore = request.ignore.as_ref().map_or_else(|| Ok(IgnoreFile::default()), IgnoreFile::parse);
    match ignore {
        Ok(ignore) => walk(&request.root, &request.shown, &ignore),
        Err(Diagnostics(diagnostics)) => Listing { entries: Vec::new(), diagnostics },
    }
}

fn tree(
    request: &ContextRequest,
    listing: Listing,
    digests: &BTreeMap<&Path, Result<Node, DigestError>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Tree {
    let mut nodes = BTreeMap::new();
    for (path, entry) in listing.entries {
        let node = match entry {
            Entry::Directory => Node::Directory,
            Entry::Symlink { target } => Node::Symlink { target },
            Entry::File => match &digests[request.root.join(path.as_str()).as_path()] {
                Ok(node) => node.clone(),
                Err(e) => {
                    let shown = shown_path(&request.shown, path.as_str());
                    diagnostics.push(with_ignore_hint(no_digest(&shown, e), path.as_str()));
                    continue;
                }
            },
        };
        for folder in folders_of(&path) {
            nodes.entry(folder).or_insert(Node::Directory);
        }
        nodes.insert(path, node);
    }
    nodes.into_iter().collect()
}

/// The folders that a path lies in: an exception to `.dockerignore` may lie in a folder that is ignored itself.
fn folders_of(path: &TreePath) -> impl Iterator<Item = TreePath> {
    let text = path.as_str();
    text.match_indices('/').map(|(end, _)| text[..end].parse().expect("what a plain path begins with is plain"))
}

fn no_digest(shown: &str, error: &DigestError) -> Diagnostic {
    match error {
        DigestError::Refused(kind, text) => cannot_read(shown, &std::io::Error::new(*kind, text.as_str())),
        DigestError::Changing => Diagnostic::error(format!("`{shown}` changes while it is read")),
    }
}
