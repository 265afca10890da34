//! Loads contexts in two steps: folders are listed, then the files that somebody wants are read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, SourceText};
use crate::model::{Listing, Node, Nodes, Ranges, Sight, TreePath};

use super::digest::{DigestError, digests};
use super::ignore_file::IgnoreFile;
use super::text::cannot_read;
use super::walk::{shown_path, walk, with_ignore_hint};

/// A context to load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextRequest {
    /// The folder, absolute and without symbolic links, so that files that two contexts share are read once.
    pub root: PathBuf,
    /// What the user calls the folder: relative to the project's root, empty for the root itself.
    pub shown: String,
    /// The text of the `.dockerignore` that holds for it.
    pub ignore: Option<Arc<SourceText>>,
}

/// Lists contexts, in the order of the requests, no two of which should be alike. No file is opened, and what can't be
/// part of an image is listed as such.
///
/// # Errors
/// What is wrong in any of the `.dockerignore` files.
pub fn list_contexts(requests: &[ContextRequest]) -> Result<Vec<Listing>, Diagnostics> {
    let (mut listings, mut diagnostics) = (Vec::with_capacity(requests.len()), Vec::new());
    for ContextRequest { root, shown, ignore } in requests {
        match ignore.as_ref().map_or_else(|| Ok(IgnoreFile::default()), IgnoreFile::parse) {
            Ok(ignore) => listings.push(walk(root, shown, &ignore).called(shown, ignore.into_patterns())),
            Err(Diagnostics(errors)) => diagnostics.extend(errors),
        }
    }
    if diagnostics.is_empty() { Ok(listings) } else { Err(Diagnostics(diagnostics)) }
}

/// Reads of each listing what is wanted of it; the nodes are the wanted places, closed up ([`Ranges::closed_up`]). A
/// file is read once, however many contexts hold it.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn load_contexts(
    requests: &[ContextRequest],
    listings: Vec<Listing>,
    wanted: &[Ranges],
) -> Result<Vec<Arc<Nodes>>, Diagnostics> {
    let files: BTreeSet<PathBuf> = requests
        .iter()
        .zip(&listings)
        .zip(wanted)
        .flat_map(|((request, listing), wanted)| {
            let entries = wanted.places().map(|place| &listing.entries()[place]);
            let files = entries.filter(|(_, sight)| *sight == Sight::File);
            files.map(|(path, _)| request.root.join(path.as_str()))
        })
        .collect();
    let digests = digests(&files);
    let mut diagnostics = Vec::new();
    let all = requests.iter().zip(listings).zip(wanted);
    let nodes =
        all.map(|((request, listing), wanted)| Arc::new(nodes(request, listing, wanted, &digests, &mut diagnostics)));
    let nodes = nodes.collect();
    if diagnostics.is_empty() {
        return Ok(nodes);
    }
    diagnostics.sort_by(|a, b| a.message.cmp(&b.message));
    diagnostics.dedup();
    Err(Diagnostics(diagnostics))
}

fn nodes(
    request: &ContextRequest,
    listing: Listing,
    wanted: &Ranges,
    digests: &BTreeMap<&Path, Result<Node, DigestError>>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Nodes {
    let mut nodes = Vec::with_capacity(wanted.len());
    let refuse = |path: &TreePath, error: &DigestError| {
        with_ignore_hint(no_digest(&shown_path(&request.shown, path.as_str()), error), path.as_str())
    };
    for (place, (path, sight)) in listing.into_entries().into_iter().enumerate() {
        if !wanted.contains(place) {
            continue;
        }
        let node = match sight {
            Sight::Directory => Node::Directory,
            Sight::Symlink { target } => Node::Symlink { target },
            Sight::File => match &digests[request.root.join(path.as_str()).as_path()] {
                Ok(node) => node.clone(),
                Err(error) => {
                    diagnostics.push(refuse(&path, error));
                    continue;
                }
            },
            Sight::Refused(refusal) => {
                let error = Diagnostic::error(refusal.message);
                diagnostics.push(match refusal.hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                });
                continue;
            }
        };
        nodes.push((path, node));
    }
    nodes
}

fn no_digest(shown: &str, error: &DigestError) -> Diagnostic {
    match error {
        DigestError::Refused(kind, text) => cannot_read(shown, &std::io::Error::new(*kind, text.as_str())),
        DigestError::Changing => Diagnostic::error(format!("`{shown}` changes while it is read")),
    }
}
