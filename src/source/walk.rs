//! Lists a context: what is in a folder after its `.dockerignore`, without reading a file's content.

use std::ffi::OsStr;
use std::fs::{self, DirEntry, FileType};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use crate::diag::Diagnostic;
use crate::model::{Listing, MatchedAbove, Refusal, Sight, TreePath};

use super::ignore_file::IgnoreFile;
use super::text::cannot_read;

/// Lists the folder `root`, which the user knows as `shown` (empty: the project's root).
pub(super) fn walk(root: &Path, shown: &str, ignore: &IgnoreFile) -> Listing {
    let mut walk =
        Walk { root, shown, ignore, entries: Vec::new(), refused: Vec::new(), root_refused: None, folders: Vec::new() };
    walk.folders.push(Folder { path: String::new(), hidden: false, ancestors: MatchedAbove::default() });
    while let Some(folder) = walk.folders.pop() {
        walk.folder(&folder);
    }
    match walk.root_refused {
        Some(refused) => Listing::refused(refused),
        // The first of two entries with one path holds.
        None => Listing::new(walk.refused.into_iter().chain(walk.entries).collect()),
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
    folders: Vec<Folder>,
}

struct Folder {
    /// Relative to the root; empty for the root.
    path: String,
    /// Whether it is ignored, and only looked into for exceptions.
    hidden: bool,
    ancestors: MatchedAbove,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Folder) {
        let read = fs::read_dir(self.root.join(&folder.path)).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match read {
            Ok(entries) => entries.iter().for_each(|entry| self.entry(folder, entry)),
            Err(_) if folder.hidden => {}
            Err(e) => self.refuse(cannot_read(&self.show(&folder.path), &e), &folder.path),
        }
    }

    fn entry(&mut self, folder: &Folder, entry: &DirEntry) {
        let Some(path) = join(&folder.path, &entry.file_name()) else {
            let lossy = entry.file_name().to_string_lossy().into_owned();
            let lossy = if folder.path.is_empty() { lossy } else { format!("{}/{lossy}", folder.path) };
            // No pattern can be told the name, but one may hide it by a wildcard.
            if !self.ignore.hides(&lossy, &folder.ancestors) {
                let shown = self.show(&lossy);
                self.refuse(
                    Diagnostic::error(format!("the name of `{shown}` is not UTF-8")),
                    &lossy.replace('\u{fffd}', "?"),
                );
            }
            return;
        };
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(e) => return self.refuse(cannot_read(&self.show(path.as_str()), &e), path.as_str()),
        };
        if kind.is_dir() {
            let (hidden, ancestors) = self.ignore.hides_folder(path.as_str(), &folder.ancestors);
            if !hidden || self.ignore.has_exceptions_below(path.as_str()) {
                self.folders.push(Folder { path: path.as_str().to_owned(), hidden, ancestors });
            }
            if !hidden {
                self.entries.push((path, Sight::Directory));
            }
        } else if !self.ignore.hides(path.as_str(), &folder.ancestors) {
            self.leaf(path, kind, entry);
        }
    }

    fn leaf(&mut self, path: TreePath, kind: FileType, entry: &DirEntry) {
        if kind.is_file() {
            self.entries.push((path, Sight::File));
        } else if kind.is_symlink() {
            match fs::read_link(entry.path()).map(|target| target.into_os_string().into_string()) {
                Ok(Ok(target)) => self.entries.push((path, Sight::Symlink { target })),
                Ok(Err(_)) => {
                    let shown = self.show(path.as_str());
                    self.refuse(
                        Diagnostic::error(format!("the link `{shown}` points to a name that is not UTF-8")),
                        path.as_str(),
                    );
                }
                Err(e) => self.refuse(cannot_read(&self.show(path.as_str()), &e), path.as_str()),
            }
        } else {
            let what = match () {
                () if kind.is_fifo() => "a fifo",
                () if kind.is_socket() => "a socket",
                () => "a device",
            };
            let shown = self.show(path.as_str());
            self.refuse(Diagnostic::error(format!("`{shown}` is {what}, which no image can hold")), path.as_str());
        }
    }

    /// Notes that something can't be part of an image.
    fn refuse(&mut self, diagnostic: Diagnostic, path: &str) {
        match path.parse::<TreePath>() {
            Ok(place) => {
                let Diagnostic { message, hint, .. } = with_ignore_hint(diagnostic, path);
                self.refused.push((place, Sight::Refused(Refusal { message, hint })));
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
