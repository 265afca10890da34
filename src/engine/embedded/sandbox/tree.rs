//! Copies files with everything that they have, and lays layers on a folder: what the kernel's overlay does, where there
//! is none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, lgetxattr, lsetxattr, makedev, mknodat};
use rustix::io::Errno;

use super::attributes;
use crate::engine::embedded::layer::{GONE, Overlay};

/// Where files with several names were copied to, by device and inode.
pub(super) type Links = BTreeMap<(u64, u64), PathBuf>;

/// Whether this says that what is below a layer is gone.
pub(in crate::engine::embedded) fn is_whiteout(path: &Path, metadata: &fs::Metadata) -> bool {
    let kind = metadata.file_type();
    let is_marked = || lgetxattr(path, GONE, &mut [0_u8; 8][..]).is_ok();
    kind.is_char_device() && metadata.rdev() == 0 || kind.is_file() && metadata.len() == 0 && is_marked()
}

/// Says in a layer that what is below it is gone.
pub(in crate::engine::embedded) fn make_whiteout(path: &Path) -> io::Result<()> {
    match mknodat(CWD, path, FileType::CharacterDevice, Mode::empty(), makedev(0, 0)) {
        Err(Errno::PERM) => {
            fs::File::create_new(path)?;
            Ok(lsetxattr(path, GONE, b"y", XattrFlags::empty())?)
        }
        outcome => Ok(outcome?),
    }
}

/// Lays a layer on what is in `root`.
pub(super) fn lay_on(layer: &Path, root: &Path, overlay: Overlay) -> anyhow::Result<()> {
    let mut links = Links::new();
    lay_folder_on(layer, root, overlay, &mut links).with_context(|| format!("unpacking `{}`", layer.display()))
}

fn lay_folder_on(layer: &Path, root: &Path, overlay: Overlay, links: &mut Links) -> io::Result<()> {
    for entry in fs::read_dir(layer)? {
        let entry = entry?;
        let (from, to) = (entry.path(), root.join(entry.file_name()));
        let metadata = fs::symlink_metadata(&from)?;
        let there = fs::symlink_metadata(&to).ok();
        let stays =
            metadata.is_dir() && there.as_ref().is_some_and(fs::Metadata::is_dir) && !overlay.is_opaque(&from)?;
        if there.is_some() && !stays {
            remove(&to)?;
        }
        if is_whiteout(&from, &metadata) {
            continue;
        }
        if metadata.is_dir() {
            if !stays {
                fs::DirBuilder::new().mode(0o700).create(&to)?;
            }
            lay_folder_on(&from, &to, overlay, links)?;
        } else {
            copy(&from, &to, &metadata, links)?;
        }
    }
    // Last, as each entry changed its time.
    attributes::copy(layer, root)
}

/// Removes a file, or a folder with all in it.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Copies a folder with all in it, or anything else, to where nothing is.
pub(super) fn copy_all(from: &Path, to: &Path, links: &mut Links) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    if !metadata.is_dir() {
        return copy(from, to, &metadata, links);
    }
    fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy_all(&entry.path(), &to.join(entry.file_name()), links)?;
    }
    attributes::copy(from, to)
}

/// Copies what is no folder, with its attributes, to where nothing is.
pub(super) fn copy(from: &Path, to: &Path, metadata: &fs::Metadata, links: &mut Links) -> io::Result<()> {
    if metadata.nlink() > 1 {
        let known = links.entry((metadata.dev(), metadata.ino())).or_insert_with(|| to.to_owned());
        if known != to {
            return fs::hard_link(known, to);
        }
    }
    let kind = metadata.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if kind.is_file() {
        fs::copy(from, to)?;
    } else {
        let kind = FileType::from_raw_mode(metadata.mode());
        mknodat(CWD, to, kind, Mode::from_raw_mode(metadata.mode() & 0o7777), metadata.rdev())?;
    }
    attributes::copy(from, to)
}
