//! What `COPY` and `ADD` read from: the build context, or the layers of a stage or an image. Paths are below its root,
//! without links unless said.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::engine::context::{Context, Entry, Kind, Reader};
use crate::engine::embedded::canvas::Attributes;
use crate::engine::embedded::view::View;

/// Where files come from.
pub(super) enum Origin<'a> {
    Context(&'a Context),
    Layers(&'a View),
    /// A folder that somebody checked out: it may only be read or be run, and has this time alone.
    Folder(&'a View, u64),
}

/// A file on the disk.
pub(super) struct OnDisk {
    pub(super) path: PathBuf,
    /// Which file it is, where it has more names than one: file system and number.
    pub(super) shared: Option<(u64, u64)>,
}

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Seen {
    Nothing,
    Directory,
    File,
    Symlink(PathBuf),
    /// A device, pipe or socket.
    Special(Metadata),
}

impl<'a> Origin<'a> {
    pub(super) fn look(&self, path: &Path) -> anyhow::Result<Seen> {
        if path.as_os_str().is_empty() {
            return Ok(Seen::Directory);
        }
        Ok(match self {
            Self::Context(context) => match entry(context, path).map(|entry| &entry.kind) {
                None => Seen::Nothing,
                Some(Kind::Directory) => Seen::Directory,
                Some(Kind::File { .. } | Kind::Injected(_)) => Seen::File,
                Some(Kind::Symlink { target }) => Seen::Symlink(target.into()),
            },
            Self::Layers(view) | Self::Folder(view, _) => match view.look(path)? {
                None => Seen::Nothing,
                Some(found) if found.metadata.is_dir() => Seen::Directory,
                Some(found) if found.metadata.is_file() => Seen::File,
                Some(found) if found.metadata.is_symlink() => Seen::Symlink(std::fs::read_link(&found.at)?),
                Some(found) => Seen::Special(found.metadata),
            },
        })
    }

    /// The names in a directory, sorted.
    pub(super) fn names(&self, folder: &Path) -> anyhow::Result<BTreeSet<OsString>> {
        match self {
            Self::Context(context) => Ok(context.names(text(folder)).map(OsString::from).collect()),
            Self::Layers(view) | Self::Folder(view, _) => Ok(view.names(folder)?),
        }
    }

    /// What something has besides its content, and where it lies on the disk; the latter not of a context.
    pub(super) fn attributes(&self, path: &Path) -> anyhow::Result<(Attributes, Option<OnDisk>)> {
        Ok(match self {
            Self::Context(context) => {
                let modified = (i64::try_from(context.mtime).unwrap_or(i64::MAX), 0);
                let attributes = match entry(context, path) {
                    Some(entry) => Attributes { mode: entry.mode(), owner: entry.owner(), modified },
                    None => Attributes { mode: 0o755, owner: (0, 0), modified },
                };
                (attributes, None)
            }
            Self::Folder(view, epoch) => {
                let found = view.look(path)?.with_context(|| format!("`/{}` is not there", path.display()))?;
                let is_plain = found.metadata.is_file() && found.metadata.mode() & 0o100 == 0;
                let modified = (i64::try_from(*epoch).unwrap_or(i64::MAX), 0);
                (Attributes { mode: if is_plain { 0o644 } else { 0o755 }, owner: (0, 0), modified }, None)
            }
            Self::Layers(view) => {
                let found = view.look(path)?.with_context(|| format!("`/{}` is not there", path.display()))?;
                let (attributes, metadata) = (Attributes::of(&found), &found.metadata);
                let shared = (metadata.nlink() > 1).then(|| (metadata.dev(), metadata.ino()));
                (attributes, Some(OnDisk { path: found.at, shared }))
            }
        })
    }

    /// Something to read its files with.
    pub(super) fn reader(&self) -> Files<'a> {
        match self {
            Self::Context(context) => Files::Context(context, context.reader()),
            Self::Layers(view) | Self::Folder(view, _) => Files::Layers(view),
        }
    }
}

/// Opens the files of an origin.
pub(super) enum Files<'a> {
    Context(&'a Context, Reader<'a>),
    Layers(&'a View),
}

impl Files<'_> {
    /// The content of a file; one of a context is as it was when it was hashed, or reading it fails.
    pub(super) fn open(&mut self, path: &Path) -> anyhow::Result<Box<dyn Read + '_>> {
        let missing = || anyhow::anyhow!("`/{}` is not there", path.display());
        Ok(match self {
            Self::Context(context, reader) => reader.open(entry(context, path).ok_or_else(missing)?)?,
            Self::Layers(view) => Box::new(view.look(path)?.ok_or_else(missing)?.open()?),
        })
    }
}

fn entry<'a>(context: &'a Context, path: &Path) -> Option<&'a Entry> {
    context.get(text(path))
}

/// A path of a context: none that is not UTF-8 is in one.
fn text(path: &Path) -> &str {
    path.to_str().unwrap_or("\0")
}
