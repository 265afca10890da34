//! Loads contexts in two steps: folders are listed, then the files that somebody wants are read.

use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

use crate::diag::{Diagnostic, Diagnostics, SourceText};
use crate::model::path::is_below;
use crate::model::{Listing, Node, Nodes, Ranges, Refusal, Sight, TreePath};

use super::digest::{Digest, DigestError, Digests};
use super::folders::{Folder, Folders, Kind};
use super::ignore_file::IgnoreFile;
use super::repositories::{Marks, Repositories};
use super::text::cannot_read;
use super::walk::{shown_path, walk, with_ignore_hint};

/// So many files are read by one thread at least: enough that sharing them costs nothing, few enough that all threads end
/// together; arbitrary.
const BLOCK: usize = 64;

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
pub fn list_contexts(folders: &Folders, requests: &[ContextRequest]) -> Result<Vec<Listing>, Diagnostics> {
    let list = |ContextRequest { root, shown, ignore }: &ContextRequest| {
        let ignore = ignore.as_ref().map_or_else(|| Ok(IgnoreFile::default()), IgnoreFile::parse)?;
        let listing = folders.with(root, |top| walk(root, top, shown, &ignore));
        Ok(listing.called(shown, ignore.into_patterns()))
    };
    let listed: Vec<Result<Listing, Diagnostics>> = requests.par_iter().map(list).collect();
    let (mut listings, mut diagnostics) = (Vec::with_capacity(requests.len()), Vec::new());
    for listing in listed {
        match listing {
            Ok(listing) => listings.push(listing),
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

/// A file of a context that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadFile {
    /// The number of the context among the requests.
    pub context: usize,
    /// Where it is in the context.
    pub path: TreePath,
    /// What is wrong, without a place.
    pub error: Diagnostic,
}

/// Files of contexts can't be read: each once, and never none.
#[derive(Debug)]
pub struct Unread(pub Vec<UnreadFile>);

impl From<Unread> for Diagnostics {
    fn from(Unread(files): Unread) -> Self {
        Self(files.into_iter().map(|file| file.error).collect())
    }
}

/// Reads of each listing what is wanted of it. What a file holds is learnt once, however many contexts hold it: of git's
/// index where it is as git saw it last, else by reading it. `repositories` are those that are open already.
///
/// # Errors
/// Everything that is wrong in any of them.
pub fn load_contexts(
    folders: &Folders,
    mut repositories: Repositories,
    requests: &[ContextRequest],
    listings: Vec<Listing>,
    wanted: &[Ranges],
) -> Result<Loaded, Unread> {
    let parts: Vec<Part<'_>> = requests
        .par_iter()
        .zip(listings)
        .zip(wanted)
        .map(|((request, listing), wanted)| Part { request, entries: listing.into_wanted(wanted) })
        .collect();
    let in_folder = |part: &Part<'_>| folders.with(&part.request.root, |top| part.marks(top));
    repositories.open(parts.par_iter().map(in_folder).reduce(Marks::default, Marks::and));
    repositories.ask_conversions(parts.iter().flat_map(Part::files));
    let load = |part: Part<'_>| folders.with(&part.request.root.clone(), |top| part.load(top, &repositories));
    let (mut nodes, mut unread) = (Vec::with_capacity(parts.len()), Vec::new());
    for (context, (loaded, errors)) in parts.into_par_iter().map(load).collect::<Vec<_>>().into_iter().enumerate() {
        nodes.push(Arc::new(loaded));
        unread.extend(errors.into_iter().map(|(path, error)| UnreadFile { context, path, error }));
    }
    if unread.is_empty() {
        return Ok(Loaded { nodes, notes: repositories.notes });
    }
    unread.sort_by(|a, b| a.error.message.cmp(&b.error.message));
    unread.dedup_by(|later, earlier| later.error == earlier.error);
    Err(Unread(unread))
}

/// What came of reading an entry.
type Read = Result<(TreePath, Node), Box<(TreePath, Diagnostic)>>;

/// What is wanted of a context.
struct Part<'a> {
    request: &'a ContextRequest,
    entries: Vec<(TreePath, Sight)>,
}

impl Part<'_> {
    fn files(&self) -> impl Iterator<Item = PathBuf> {
        let files = self.entries.iter().filter(|(_, sight)| *sight == Sight::File);
        files.map(|(path, _)| self.request.root.join(path.as_str()))
    }

    /// What of git is in the folders of the files, and in those on the way to them.
    fn marks(&self, top: &Folder) -> Marks {
        let (mut marks, mut last): (Marks, Option<&str>) = (Marks::default(), None);
        for (path, _) in &self.entries {
            let is_known = |folder: &&str| last.is_some_and(|last| last == *folder || is_below(last, folder));
            for folder in std::iter::once("").chain(path.folders()).filter(|folder| !is_known(folder)) {
                let Some(entries) = top.below(folder).and_then(Folder::listed) else { continue };
                let shown = || match folder {
                    "" => self.request.root.clone().into_os_string(),
                    folder => self.request.root.join(folder).into_os_string(),
                };
                if entries.find(".git").is_some() {
                    marks.tops.insert(shown());
                }
                if entries.find(".gitattributes").is_some() {
                    marks.attributes.insert(shown());
                }
            }
            last = Some(path.folders().last().unwrap_or_default());
        }
        marks
    }

    /// Learns what the files contain.
    fn load(self, top: &Folder, repositories: &Repositories) -> (Nodes, Vec<(TreePath, Diagnostic)>) {
        let Self { request, entries } = self;
        let reading = || Reading { request, top, near: None, digests: Digests::new(repositories), repositories };
        let read =
            entries.into_par_iter().with_min_len(BLOCK).map_init(reading, |reading, (path, sight)| {
                match reading.node(&path, sight) {
                    Ok(node) => Ok((path, node)),
                    Err(error) => Err(Box::new((path, *error))),
                }
            });
        let read: Vec<Read> = read.collect();
        let (mut nodes, mut unread) = (Vec::with_capacity(read.len()), Vec::new());
        for node in read {
            match node {
                Ok(node) => nodes.push(node),
                Err(error) => unread.push(*error),
            }
        }
        (nodes, unread)
    }
}

/// A context whose files are read.
struct Reading<'a> {
    request: &'a ContextRequest,
    top: &'a Folder,
    /// The folder of the file before, with its path below the context.
    near: Option<(String, &'a Folder)>,
    digests: Digests<'a>,
    repositories: &'a Repositories,
}

impl Reading<'_> {
    fn node(&mut self, path: &TreePath, sight: Sight) -> Result<Node, Box<Diagnostic>> {
        let request = self.request;
        let shown = || shown_path(&request.shown, path.as_str());
        match sight {
            Sight::Directory if self.repositories.is_missing(&request.root, path.as_str()) => {
                Err(Box::new(not_checked_out(&shown())))
            }
            Sight::Directory => Ok(Node::Directory),
            Sight::Symlink { target } => Ok(Node::Symlink { target }),
            Sight::File => self.digest(path).map_err(|error| Box::new(no_digest(&shown(), path.as_str(), &error))),
            Sight::Refused(refusal) => {
                let Refusal { message, hint } = *refusal;
                Err(Box::new(Diagnostic { hint, ..Diagnostic::error(message) }))
            }
        }
    }

    fn digest(&mut self, path: &TreePath) -> Digest {
        let (folder, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        if self.near.as_ref().is_none_or(|(near, _)| near != folder) {
            self.near = self.top.below(folder).map(|below| (folder.to_owned(), below));
        }
        let known = self.near.as_ref().and_then(|(_, folder)| folder.listed()).and_then(|entries| entries.find(name));
        let mut read = || self.digests.of(&self.request.root.join(path.as_str()));
        match known {
            Some(Kind::File(digest)) => digest.get_or_init(read).clone(),
            Some(_) | None => read(),
        }
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
