//! Loads contexts in two steps: folders are listed, then the files that somebody wants are read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diag::{Diagnostic, Diagnostics, SourceText};
use crate::model::{Listing, Node, Nodes, Ranges, Sight};

use super::digest::{DigestError, digests};
use super::ignore_file::IgnoreFile;
use super::repositories::Repositories;
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

/// What was read of contexts.
#[derive(Debug)]
pub struct Loaded {
    /// Of each listing the wanted places, closed up ([`Ranges::closed_up`]).
    pub nodes: Vec<Arc<Nodes>>,
    /// What the user should hear of how it was read.
    pub notes: Vec<String>,
}

/// Reads of each listing what is wanted of it. What a file holds is learnt once, however many contexts hold it: of git's
/// index where it is as git saw it last, else by reading it.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn load_contexts(
    requests: &[ContextRequest],
    listings: Vec<Listing>,
    wanted: &[Ranges],
) -> Result<Loaded, Diagnostics> {
    let (mut files, mut folders) = (Vec::new(), BTreeSet::new());
    for ((ContextRequest { root, .. }, listing), wanted) in requests.iter().zip(&listings).zip(wanted) {
        for (path, sight) in wanted.places().map(|place| &listing.entries()[place]) {
            if *sight == Sight::File {
                files.push(root.join(path.as_str()));
            }
            let folder = path.folders().last().unwrap_or_default();
            if folders.last().is_none_or(|(last_root, last)| (*last_root, *last) != (root, folder)) {
                folders.insert((root, folder));
            }
        }
    }
    files.sort_unstable_by(|a: &PathBuf, b| a.as_os_str().cmp(b.as_os_str()));
    files.dedup();
    let folders: Vec<PathBuf> = folders
        .into_iter()
        .map(|(root, folder)| if folder.is_empty() { root.clone() } else { root.join(folder) })
        .collect();
    let mut repositories = Repositories::of_folders(folders.iter().map(PathBuf::as_path));
    let digests = digests(&files, &mut repositories);
    let mut reading = Reading { files: &files, digests, place: 0, repositories, diagnostics: Vec::new() };
    let all = requests.iter().zip(listings).zip(wanted);
    let nodes = all.map(|((request, listing), wanted)| Arc::new(reading.nodes(request, listing, wanted))).collect();
    let Reading { mut diagnostics, repositories, .. } = reading;
    if diagnostics.is_empty() {
        return Ok(Loaded { nodes, notes: repositories.notes });
    }
    diagnostics.sort_by(|a, b| a.message.cmp(&b.message));
    diagnostics.dedup();
    Err(Diagnostics(diagnostics))
}

/// Files that were read, being put into contexts.
struct Reading<'a> {
    /// Sorted by their bytes.
    files: &'a [PathBuf],
    digests: Vec<Result<Node, DigestError>>,
    /// Where the next file is likely to be.
    place: usize,
    repositories: Repositories,
    diagnostics: Vec<Diagnostic>,
}

impl Reading<'_> {
    fn nodes(&mut self, request: &ContextRequest, listing: Listing, wanted: &Ranges) -> Nodes {
        let mut nodes = Vec::with_capacity(wanted.len());
        for (place, (path, sight)) in listing.into_entries().into_iter().enumerate() {
            if !wanted.contains(place) {
                continue;
            }
            let shown = || shown_path(&request.shown, path.as_str());
            let error = match sight {
                Sight::Directory if self.repositories.is_missing(&request.root, path.as_str()) => {
                    not_checked_out(&shown())
                }
                Sight::Directory => {
                    nodes.push((path, Node::Directory));
                    continue;
                }
                Sight::Symlink { target } => {
                    nodes.push((path, Node::Symlink { target }));
                    continue;
                }
                Sight::File => match self.digest(&request.root.join(path.as_str())) {
                    Ok(node) => {
                        nodes.push((path, node));
                        continue;
                    }
                    Err(error) => no_digest(&shown(), path.as_str(), &error),
                },
                Sight::Refused(refusal) => {
                    let error = Diagnostic::error(refusal.message);
                    match refusal.hint {
                        Some(hint) => error.hint(hint),
                        None => error,
                    }
                }
            };
            self.diagnostics.push(error);
        }
        nodes
    }

    fn digest(&mut self, file: &Path) -> Result<Node, DigestError> {
        if self.files.get(self.place).is_none_or(|here| here.as_os_str() != file.as_os_str()) {
            self.place = self.files.partition_point(|other| other.as_os_str() < file.as_os_str());
        }
        self.place += 1;
        self.digests[self.place - 1].clone()
    }
}

fn no_digest(shown: &str, path: &str, error: &DigestError) -> Diagnostic {
    let error = match error {
        DigestError::Refused(kind, text) => cannot_read(shown, &std::io::Error::new(*kind, text.as_str())),
        DigestError::Changing => Diagnostic::error(format!("`{shown}` changes while it is read")),
        DigestError::NotFetched => {
            let error = Diagnostic::error(format!("`{shown}` is a pointer of git-lfs, not the file itself"));
            return error.hint("`git lfs pull` fetches the files that pointers stand for");
        }
    };
    with_ignore_hint(error, path)
}

fn not_checked_out(shown: &str) -> Diagnostic {
    Diagnostic::error(format!("the submodule `{shown}` is not checked out"))
        .hint(format!("`git submodule update --init {shown}` checks it out"))
}
