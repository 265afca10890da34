//! What a folder's files looked like, so that it can be told later which of them changed, and a layer made of those.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::tree::{self, Links};
use super::{Overlay, attributes};

/// What one file looked like; a change of anything about it changes one of these.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    mode: u32,
    uid: u32,
    gid: u32,
    size: u64,
    n_links: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    identity: (u64, Option<SystemTime>),
}

impl Seen {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            mode: metadata.mode(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            // Of a folder it tells nothing that its entries don't.
            size: if metadata.is_dir() { 0 } else { metadata.size() },
            n_links: if metadata.is_dir() { 0 } else { metadata.nlink() },
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            // An inode's number is given again; not at the same time, where the file system knows that.
            identity: (metadata.ino(), metadata.created().ok()),
        }
    }

    /// Whether nothing happened to it since `before`, or nothing but that another name of it was taken away.
    fn is_as(&self, before: &Self) -> bool {
        self == before
            || self.n_links < before.n_links
                && *self == Self { n_links: self.n_links, changed: self.changed, ..before.clone() }
    }

    fn is_folder(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

/// What all files below a folder looked like, the folder among them under the empty path.
#[derive(Debug)]
pub(super) struct Snapshot(BTreeMap<PathBuf, Seen>);

impl Snapshot {
    pub(super) fn take(root: &Path) -> io::Result<Self> {
        let mut seen = BTreeMap::from([(PathBuf::new(), Seen::of(&fs::symlink_metadata(root)?))]);
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root.join(&folder))? {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                let metadata = entry.metadata()?;
                if metadata.is_dir() {
                    folders.push(path.clone());
                }
                seen.insert(path, Seen::of(&metadata));
            }
        }
        Ok(Self(seen))
    }

    /// Takes it that a file, if only the time of its last change is another, is unchanged: that was our doing.
    pub(super) fn accept(&mut self, root: &Path, path: &Path) -> io::Result<()> {
        let Some(seen) = self.0.get_mut(path) else { return Ok(()) };
        let now = Seen::of(&fs::symlink_metadata(root.join(path))?);
        if (Seen { changed: now.changed, ..seen.clone() }) == now {
            *seen = now;
        }
        Ok(())
    }

    /// Makes a layer, the upper folder of an overlay, of what changed up to `now` in `root`. Tells whether anything did.
    pub(super) fn write_layer(&self, now: &Self, root: &Path, layer: &Path, overlay: Overlay) -> io::Result<bool> {
        let mut writer = Writer { root, layer, links: Links::new(), folders: Vec::new() };
        let mut replaced: Option<&Path> = None;
        let mut has_changes = false;
        for (path, seen) in &now.0 {
            let before = self.0.get(path);
            let in_replaced = replaced.is_some_and(|folder| path.starts_with(folder));
            if !in_replaced && before.is_some_and(|before| seen.is_as(before)) {
                continue;
            }
            if path.as_os_str().is_empty() {
                let before = before.map(|before| (before.mode, before.uid, before.gid));
                has_changes |= before != Some((seen.mode, seen.uid, seen.gid));
                continue;
            }
            has_changes = true;
            if seen.is_folder() {
                let is_new = before.is_none_or(|before| before.identity != seen.identity || !before.is_folder());
                writer.folder(path)?;
                if !in_replaced && is_new && before.is_some() {
                    overlay.make_opaque(&layer.join(path))?;
                }
                if !in_replaced && is_new {
                    replaced = Some(path);
                }
            } else {
                writer.file(path)?;
            }
        }
        for path in self.0.keys().filter(|path| !now.0.contains_key(*path)) {
            let parent = path.parent().unwrap_or(Path::new(""));
            // In a folder that is gone, or another, it is gone already.
            let same = self.0.get(parent).map(|seen| &seen.identity) == now.0.get(parent).map(|seen| &seen.identity);
            if same && now.0.contains_key(parent) {
                has_changes = true;
                writer.gone(path)?;
            }
        }
        writer.finish()?;
        Ok(has_changes)
    }
}

/// Writes the files of a layer.
struct Writer<'a> {
    root: &'a Path,
    layer: &'a Path,
    links: Links,
    /// The folders that are there, whose attributes are copied in the end.
    folders: Vec<PathBuf>,
}

impl Writer<'_> {
    /// Makes a folder and those on the way to it.
    fn folder(&mut self, path: &Path) -> io::Result<()> {
        let copy = self.layer.join(path);
        if path.as_os_str().is_empty() || fs::symlink_metadata(&copy).is_ok() {
            return Ok(());
        }
        self.folder(path.parent().unwrap_or(Path::new("")))?;
        fs::DirBuilder::new().mode(0o700).create(copy)?;
        self.folders.push(path.to_owned());
        Ok(())
    }

    fn file(&mut self, path: &Path) -> io::Result<()> {
        self.folder(path.parent().unwrap_or(Path::new("")))?;
        let from = self.root.join(path);
        let metadata = fs::symlink_metadata(&from)?;
        tree::copy(&from, &self.layer.join(path), &metadata, &mut self.links)
    }

    fn gone(&mut self, path: &Path) -> io::Result<()> {
        self.folder(path.parent().unwrap_or(Path::new("")))?;
        tree::make_whiteout(&self.layer.join(path))
    }

    fn finish(self) -> io::Result<()> {
        let Self { root, layer, folders, .. } = self;
        attributes::copy(root, layer)?;
        for path in folders.iter().rev() {
            attributes::copy(&root.join(path), &layer.join(path))?;
        }
        Ok(())
    }
}
