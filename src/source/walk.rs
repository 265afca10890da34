//! Lists a context: what is in a folder after its `.dockerignore`, without reading a file's content.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::diag::Diagnostic;
use crate::model::{Listing, MatchedAbove, Refusal, Sight, TreePath};

use super::folders::{Entries, Folder, Kind};
use super::ignore_file::IgnoreFile;
use super::text::cannot_read;

/// Lists the folder `root`, which the user knows as `shown` (empty: the project's root).
pub(super) fn walk(root: &Path, top: &Folder, shown: &str, ignore: &IgnoreFile) -> Listing {
    let mut walk = Walk { root, shown, ignore, entries: Vec::new(), refused: Vec::new(), root_refused: None };
    // A call for each folder would not do: they may lie in one another deeper than a stack is.
    let mut open = Vec::from_iter(walk.open(top, String::new(), false, MatchedAbove::default()));
    while let Some(folder) = open.last_mut() {
        match folder.entries.get(folder.next) {
            Some((name, kind)) => {
                folder.next += 1;
                let below = walk.entry(folder, name, kind);
                open.extend(below);
            }
            None => drop(open.pop()),
        }
    }
    match walk.root_refused {
        Some(refused) => Listing::refused(refused),
        None => {
            // The first of two entries with one path holds. Room for more is not kept: there are thousands of listings.
            let mut all = Vec::with_capacity(walk.refused.len() + walk.entries.len());
            all.extend(walk.refused);
            all.extend(walk.entries);
            Listing::new(all)
        }
    }
}

struct Walk<'a> {
    root: &'a Path,
    shown: &'a str,
    ignore: &'a IgnoreFile,
    entries: Vec<(TreePath, Sight)>,
    /// What can't be part of an image, folders among them that are entries too.
    refused: Vec<(TreePath, Sight)>,
    /// Why the root can't be listed.
    root_refused: Option<Refusal>,
}

/// A folder that is looked into.
struct Open<'a> {
    entries: &'a Entries,
    /// The place of the entry that is looked at next.
    next: usize,
    /// Relative to the root; empty for the root.
    path: String,
    ancestors: MatchedAbove,
}

impl<'a> Walk<'a> {
    /// Looks into a folder; one that is `hidden` is ignored, and only looked into for exceptions.
    fn open(&mut self, folder: &'a Folder, path: String, hidden: bool, ancestors: MatchedAbove) -> Option<Open<'a>> {
        match folder.entries(&self.path(&path)) {
            Ok(entries) => return Some(Open { entries, next: 0, path, ancestors }),
            Err(_) if hidden => {}
            Err(e) => self.refuse(cannot_read(&self.show(&path), &e.error()), &path),
        }
        None
    }

    fn path(&self, below: &str) -> PathBuf {
        if below.is_empty() { self.root.to_owned() } else { self.root.join(below) }
    }

    /// Notes an entry; a folder is looked into at once, so that what is in it comes behind it.
    fn entry(&mut self, folder: &Open<'a>, name: &OsStr, kind: &'a Kind) -> Option<Open<'a>> {
        let Some(path) = join(&folder.path, name) else {
            let lossy = name.to_string_lossy().into_owned();
            let lossy = if folder.path.is_empty() { lossy } else { format!("{}/{lossy}", folder.path) };
            // No pattern can be told the name, but one may hide it by a wildcard.
            if !self.ignore.hides(&lossy, &folder.ancestors) {
                let shown = self.show(&lossy);
                self.refuse(
                    Diagnostic::error(format!("the name of `{shown}` is not UTF-8")),
                    &lossy.replace('\u{fffd}', "?"),
                );
            }
            return None;
        };
        if let Kind::Folder(below) = kind {
            let (hidden, ancestors) = self.ignore.hides_folder(path.as_str(), &folder.ancestors);
            let is_looked_into = !hidden || self.ignore.has_exceptions_below(path.as_str());
            let looked_into = is_looked_into.then(|| path.as_str().to_owned());
            if !hidden {
                self.entries.push((path, Sight::Directory));
            }
            return self.open(below, looked_into?, hidden, ancestors);
        }
        if !self.ignore.hides(path.as_str(), &folder.ancestors) {
            self.leaf(path, kind);
        }
        None
    }

    fn leaf(&mut self, path: TreePath, kind: &Kind) {
        let what = match kind {
            Kind::File(_) => return self.entries.push((path, Sight::File)),
            Kind::Symlink => return self.link(path),
            Kind::Unknown(e) => return self.refuse(cannot_read(&self.show(path.as_str()), &e.error()), path.as_str()),
            // Who calls has looked into it.
            Kind::Folder(_) => return,
            Kind::Fifo => "a fifo",
            Kind::Socket => "a socket",
            Kind::Device => "a device",
        };
        let shown = self.show(path.as_str());
        self.refuse(Diagnostic::error(format!("`{shown}` is {what}, which no image can hold")), path.as_str());
    }

    fn link(&mut self, path: TreePath) {
        match fs::read_link(self.path(path.as_str())).map(|target| target.into_os_string().into_string()) {
            Ok(Ok(target)) => self.entries.push((path, Sight::Symlink { target })),
            Ok(Err(_)) => {
                let shown = self.show(path.as_str());
                let error = Diagnostic::error(format!("the link `{shown}` points to a name that is not UTF-8"));
                self.refuse(error, path.as_str());
            }
            Err(e) => self.refuse(cannot_read(&self.show(path.as_str()), &e), path.as_str()),
        }
    }

    /// Notes that something can't be part of an image.
    fn refuse(&mut self, diagnostic: Diagnostic, path: &str) {
        match path.parse::<TreePath>() {
            Ok(place) => {
                let Diagnostic { message, hint, .. } = with_ignore_hint(diagnostic, path);
                self.refused.push((place, Sight::Refused(Box::new(Refusal { message, hint }))));
            }
            Err(_) => self.root_refused = Some(Refusal { message: diagnostic.message, hint: diagnostic.hint }),
        }
    }

    fn show(&self, path: &str) -> String {
        shown_path(self.shown, path)
    }
}

/// What the user calls a path of a context.
pub(super) fn shown_path(context: &str, path: &str) -> String {
    match (context, path) {
        ("", "") => ".".to_owned(),
        ("", path) => path.to_owned(),
        (context, "") => context.to_owned(),
        (context, path) => format!("{context}/{path}"),
    }
}

/// The way out for everything that an image can't hold.
pub(super) fn with_ignore_hint(diagnostic: Diagnostic, path: &str) -> Diagnostic {
    diagnostic.hint(format!("if the image does not need it, add a line `{path}` to the context's .dockerignore"))
}

fn join(folder: &str, name: &OsStr) -> Option<TreePath> {
    let name = name.to_str()?;
    let path = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    Some(path.parse().expect("a folder's entries have plain names"))
}
