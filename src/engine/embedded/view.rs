//! Layers read as one file system, without mounting anything: what overlayfs would show. Symbolic links are resolved
//! inside it, whatever they say.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::layer::Overlay;
use super::links::{LINKS_AT_MOST, follow};
use super::sandbox::tree::is_whiteout;

/// Layers, one over the other.
#[derive(Debug)]
pub(super) struct View {
    /// The topmost first.
    layers: Vec<PathBuf>,
    overlay: Overlay,
    /// The directory that was looked into last; nothing where layers may change, as the one that is being written.
    last: Option<Mutex<Directory>>,
}

/// A directory of a view: where each layer that shows there has it.
#[derive(Debug, Default)]
pub(super) struct Directory {
    path: PathBuf,
    /// The topmost first.
    merged: Vec<PathBuf>,
}

/// Something in a view.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Where it lies on the disk.
    pub(super) at: PathBuf,
    /// What it is; of a link, the link itself.
    pub(super) metadata: Metadata,
    /// Owner and group in the image.
    pub(super) owner: (u32, u32),
}

impl View {
    /// The file system of layers, the lowest first.
    pub(super) fn new(layers: &[PathBuf], overlay: Overlay) -> Self {
        let root = Directory { path: PathBuf::new(), merged: layers.iter().rev().cloned().collect() };
        Self { layers: root.merged.clone(), overlay, last: Some(Mutex::new(root)) }
    }

    /// The same with one more layer on top.
    #[must_use]
    pub(super) fn under(&self, top: PathBuf) -> Self {
        let layers = std::iter::once(top).chain(self.layers.iter().cloned()).collect();
        Self { layers, overlay: self.overlay, last: None }
    }

    /// How the layers are written.
    pub(super) fn overlay(&self) -> Overlay {
        self.overlay
    }

    /// What is at a path below the root, of which no component is a link; none where there is nothing.
    ///
    /// # Errors
    /// When a layer can't be read.
    pub(super) fn look(&self, path: &Path) -> io::Result<Option<Found>> {
        let (Some(last), Some(parent), Some(name)) = (&self.last, path.parent(), path.file_name()) else {
            return Ok(self.all(path)?.into_iter().next());
        };
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.path != parent {
            *last = self.directory(parent)?;
        }
        last.look(name, self.overlay)
    }

    /// A directory, to look at many things in it; nothing is in one that is none.
    ///
    /// # Errors
    /// When a layer can't be read.
    pub(super) fn directory(&self, path: &Path) -> io::Result<Directory> {
        let folders = self.all(path)?.into_iter().filter(|found| found.metadata.is_dir());
        Ok(Directory { path: path.to_owned(), merged: folders.map(|found| found.at).collect() })
    }

    /// What each layer has at a path, the topmost first, as far down as it is seen: of a directory all that are merged,
    /// of anything else one.
    fn all(&self, path: &Path) -> io::Result<Vec<Found>> {
        let mut found = Vec::new();
        for layer in &self.layers {
            match self.in_layer(layer, path)? {
                Layered::Nothing => {}
                Layered::Here(here) => {
                    let goes_on = here.metadata.is_dir();
                    if !goes_on && !found.is_empty() {
                        break;
                    }
                    found.push(here);
                    if !goes_on {
                        break;
                    }
                }
                Layered::Last(here) => {
                    // What lies below a directory counts only if it is one too.
                    if here.as_ref().is_some_and(|here| found.is_empty() || here.metadata.is_dir()) {
                        found.extend(here);
                    }
                    break;
                }
            }
        }
        Ok(found)
    }

    /// What one layer has at a path.
    fn in_layer(&self, layer: &Path, path: &Path) -> io::Result<Layered> {
        let mut at = layer.to_owned();
        let mut hides_below = false;
        let mut components = path.components().peekable();
        let Some(mut metadata) = lstat(&at)? else { return Ok(Layered::Nothing) };
        while let Some(component) = components.next() {
            at.push(component);
            let Some(here) = lstat(&at)? else {
                return Ok(if hides_below { Layered::Last(None) } else { Layered::Nothing });
            };
            if is_whiteout(&at, &here) {
                return Ok(Layered::Last(None));
            }
            if here.is_dir() {
                hides_below |= self.overlay.is_opaque(&at)?;
            } else if components.peek().is_some() {
                return Ok(Layered::Last(None));
            }
            metadata = here;
        }
        let owner = self.overlay.owner(&at, &metadata)?;
        let found = Found { at, metadata, owner };
        Ok(if hides_below { Layered::Last(Some(found)) } else { Layered::Here(found) })
    }

    /// The names in a directory, sorted.
    ///
    /// # Errors
    /// When a layer can't be read.
    pub(super) fn names(&self, folder: &Path) -> io::Result<BTreeSet<OsString>> {
        let (mut names, mut hidden) = (BTreeSet::new(), BTreeSet::new());
        for layer in self.all(folder)?.iter().filter(|found| found.metadata.is_dir()) {
            let mut hidden_here = Vec::new();
            for entry in fs::read_dir(&layer.at)? {
                let name = entry?.file_name();
                let at = layer.at.join(&name);
                let Some(metadata) = lstat(&at)? else { continue };
                if is_whiteout(&at, &metadata) {
                    hidden_here.push(name);
                } else if !hidden.contains(&name) {
                    names.insert(name);
                }
            }
            hidden.extend(hidden_here);
        }
        Ok(names)
    }

    /// Where a path leads, every link on the way followed; `last` says whether the last component is followed too.
    /// Nothing leads out. What is not there is taken as it is written, so that it can be made.
    ///
    /// # Errors
    /// When a layer can't be read, or there are too many links.
    pub(super) fn resolve(&self, path: &Path, follow_last: bool) -> io::Result<PathBuf> {
        follow(path, LINKS_AT_MOST, |next, is_last| {
            let found = if is_last && !follow_last { None } else { self.look(next)? };
            let link = found.filter(|found| found.metadata.is_symlink());
            link.map(|link| fs::read_link(&link.at)).transpose()
        })
    }

    /// Reads a small file, links followed; none where there is no such file, or none that is so small.
    ///
    /// # Errors
    /// When a layer can't be read.
    pub(super) fn read_small(&self, path: &str, at_most: u64) -> io::Result<Option<Vec<u8>>> {
        let path = self.resolve(Path::new(path), true)?;
        match self.look(&path)? {
            Some(found) if found.metadata.is_file() && found.metadata.len() <= at_most => fs::read(&found.at).map(Some),
            _ => Ok(None),
        }
    }
}

impl Directory {
    /// Whose it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What the layers below the topmost that has the directory show in it.
    pub(super) fn below(mut self) -> Self {
        self.merged.drain(..self.merged.len().min(1));
        self
    }

    /// What has a name in it.
    ///
    /// # Errors
    /// When a layer can't be read.
    pub(super) fn look(&self, name: &OsStr, overlay: Overlay) -> io::Result<Option<Found>> {
        for folder in &self.merged {
            let at = folder.join(name);
            let Some(metadata) = lstat(&at)? else { continue };
            if is_whiteout(&at, &metadata) {
                return Ok(None);
            }
            let owner = overlay.owner(&at, &metadata)?;
            return Ok(Some(Found { at, metadata, owner }));
        }
        Ok(None)
    }
}

impl Found {
    /// Opens a file. It was looked at before, and nobody writes to layers, so it is no link.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn open(&self) -> io::Result<File> {
        File::open(&self.at)
    }
}

enum Layered {
    /// The layer has nothing there, lower ones may.
    Nothing,
    /// It has something, and lower ones may.
    Here(Found),
    /// Lower ones are hidden.
    Last(Option<Found>),
}

fn lstat(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}
