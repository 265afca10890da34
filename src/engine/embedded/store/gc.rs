//! Bounds a store by age and size. What is used now stays: each process with the store open holds the lock of a folder
//! that says since when, and what was used after the first of them began is not removed. To say that something is
//! used and to remove it exclude each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use super::super::beneath;
use super::super::images::parts_of;
use super::usage::{GcLock, live_since};
use super::{LAYERS, MOUNTS, Scratch, Store, absent_is_none, short};
use crate::model::{Digest, ImageDigest};

/// Where it is remembered what steps came to, and in which registries blobs are.
const REMEMBERED: [&str; 2] = ["cache", "origins"];

/// How much a store may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcLimits {
    /// What was not used for so long goes.
    pub unused_for: Option<Duration>,
    /// So many bytes of blobs, unpacked layers, cache mounts and what is remembered may stay; what was not used for longest goes first.
    pub bytes: Option<u64>,
}

/// What a collection did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Bytes of blobs, unpacked layers, cache mounts and what is remembered that were removed.
    pub removed: u64,
    /// Bytes that stayed.
    pub kept: u64,
    /// The names that were taken away, written out.
    pub names: Vec<String>,
}

/// A blob, the folder of a layer or of a cache mount, or a file in which something is remembered.
#[derive(Debug, Clone)]
struct Item {
    used: SystemTime,
    path: PathBuf,
    /// The file whose time says when it was used last; the same for a blob.
    mark: PathBuf,
    size: u64,
}

#[derive(Debug)]
struct Name {
    used: SystemTime,
    path: PathBuf,
    text: String,
    image: ImageDigest,
}

/// A run over a store.
struct Collection<'a> {
    store: &'a Store,
    /// What was used since stays.
    oldest_user: SystemTime,
    trash: Scratch,
    done: Collected,
}

impl Store {
    /// Removes what is beyond the limits: names that nobody asked for, what no name stands for and no build used, and
    /// folders that can be unpacked again. Other processes may work in the store.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub fn gc(&self, limits: &GcLimits, now: SystemTime) -> anyhow::Result<Collected> {
        let oldest_user = live_since(&self.part("scratch"))?.unwrap_or(now);
        let mut run = Collection { store: self, oldest_user, trash: self.scratch()?, done: Collected::default() };
        let too_old = limits.unused_for.and_then(|unused_for| now.checked_sub(unused_for));
        let mut names = run.names()?;
        if let Some(too_old) = too_old {
            names = run.drop_old_names(names, too_old)?;
        }
        let (mut folders, mut blobs) = (run.folders()?, run.blobs()?);
        if let Some(too_old) = too_old {
            let named = run.blobs_of_names(&names)?;
            run.remove_where(&mut folders, |_, item| item.used < too_old)?;
            run.remove_where(&mut blobs, |name, item| item.used < too_old && !named.contains(name))?;
            run.drop_old_files(&self.part("locks"), too_old)?;
        }
        if let Some(bytes) = limits.bytes {
            run.shrink(bytes, &mut folders, &mut blobs, names)?;
        }
        run.drop_ids_of_none(&blobs)?;
        run.done.kept = size_of(&folders) + size_of(&blobs);
        run.done.names.sort();
        Ok(run.done)
    }
}

impl Collection<'_> {
    /// Removes what was not used for longest: first what can be made again or has no name, then names and what they
    /// alone stand for.
    fn shrink(
        &mut self,
        bytes: u64,
        folders: &mut BTreeMap<String, Item>,
        blobs: &mut BTreeMap<String, Item>,
        mut names: Vec<Name>,
    ) -> anyhow::Result<()> {
        let named = self.blobs_of_names(&names)?;
        let unnamed = blobs.iter().filter(|(name, _)| !named.contains(*name));
        let mut by_age: Vec<(SystemTime, bool, String)> =
            folders.iter().map(|(name, item)| (item.used, true, name.clone())).collect();
        by_age.extend(unnamed.map(|(name, item)| (item.used, false, name.clone())));
        by_age.sort();
        let (before, at_first) = (size_of(folders) + size_of(blobs), self.done.removed);
        for (_, is_folder, name) in by_age {
            if before - (self.done.removed - at_first) <= bytes {
                return Ok(());
            }
            self.remove_one(if is_folder { folders } else { blobs }, &name)?;
        }
        names.sort_by_key(|name| std::cmp::Reverse(name.used));
        while size_of(folders) + size_of(blobs) > bytes
            && let Some(name) = names.pop()
        {
            if self.remove_file(&name.path, &name.path)? {
                self.done.names.push(name.text);
                let named = self.blobs_of_names(&names)?;
                self.remove_where(blobs, |name, _| !named.contains(name))?;
            }
        }
        Ok(())
    }

    fn remove_where(
        &mut self,
        items: &mut BTreeMap<String, Item>,
        is_meant: impl Fn(&String, &Item) -> bool,
    ) -> anyhow::Result<()> {
        let meant: Vec<String> =
            items.iter().filter(|(name, item)| is_meant(name, item)).map(|(name, _)| name.clone()).collect();
        meant.iter().try_for_each(|name| self.remove_one(items, name))
    }

    fn remove_one(&mut self, items: &mut BTreeMap<String, Item>, name: &str) -> anyhow::Result<()> {
        let Some(item) = items.get(name) else { return Ok(()) };
        if self.remove_file(&item.path, &item.mark)? {
            self.done.removed += item.size;
            items.remove(name);
        }
        Ok(())
    }

    /// Removes a file or folder unless it is in use, as the time of `mark` says.
    fn remove_file(&self, path: &Path, mark: &Path) -> anyhow::Result<bool> {
        let lock = GcLock::exclusive(&self.store.part("gc.lock"))?;
        let used = absent_is_none(fs::symlink_metadata(mark))?.map(|found| found.modified()).transpose()?;
        if used.is_some_and(|used| used >= self.oldest_user) {
            return Ok(false);
        }
        let trash = self.trash.path().join("removed");
        match fs::rename(path, &trash) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            other => other.with_context(|| format!("removing `{}`", path.display()))?,
        }
        drop(lock);
        beneath::remove_tree(&trash)?;
        Ok(true)
    }

    fn drop_old_names(&mut self, names: Vec<Name>, too_old: SystemTime) -> anyhow::Result<Vec<Name>> {
        let mut kept = Vec::new();
        for name in names {
            if name.used < too_old && self.remove_file(&name.path, &name.path)? {
                self.done.names.push(name.text);
            } else {
                kept.push(name);
            }
        }
        Ok(kept)
    }

    fn drop_old_files(&self, folder: &Path, too_old: SystemTime) -> anyhow::Result<()> {
        for (_, path, found) in entries(folder)? {
            if found.modified()? < too_old {
                self.remove_file(&path, &path)?;
            }
        }
        Ok(())
    }

    /// Configurations whose manifest is gone belong to no image.
    fn drop_ids_of_none(&self, blobs: &BTreeMap<String, Item>) -> anyhow::Result<()> {
        for (_, path, _) in entries(&self.store.part("ids"))? {
            let text = absent_is_none(fs::read_to_string(&path))?.unwrap_or_default();
            let is_there = text.trim_end().strip_prefix("sha256:").is_some_and(|hex| blobs.contains_key(hex));
            if !is_there {
                self.remove_file(&path, &path)?;
            }
        }
        Ok(())
    }

    fn names(&self) -> anyhow::Result<Vec<Name>> {
        let mut names = Vec::new();
        for (_, path, found) in entries(&self.store.part("names"))? {
            let Some(text) = absent_is_none(fs::read_to_string(&path))? else { continue };
            let lines = text.strip_suffix('\n').and_then(|text| text.split_once('\n'));
            if let Some((name, image)) = lines
                && let Ok(image) = image.parse()
            {
                names.push(Name { used: found.modified()?, path, text: name.to_owned(), image });
            }
        }
        Ok(names)
    }

    /// The blobs that names stand for, by their files' names.
    fn blobs_of_names(&self, names: &[Name]) -> anyhow::Result<BTreeSet<String>> {
        let images: BTreeSet<ImageDigest> = names.iter().map(|name| name.image).collect();
        let mut blobs = BTreeSet::new();
        for image in images {
            blobs.insert(image.digest().hex());
            let manifest = absent_is_none(fs::read(self.store.blob_path(image.digest())))?;
            // What is no manifest stands for nothing else.
            let parts: Vec<Digest> = manifest.and_then(|bytes| parts_of(&bytes)).unwrap_or_default();
            blobs.extend(parts.iter().map(Digest::hex));
        }
        Ok(blobs)
    }

    fn blobs(&self) -> anyhow::Result<BTreeMap<String, Item>> {
        let mut blobs = BTreeMap::new();
        for (name, path, found) in entries(&self.store.part("blobs/sha256"))? {
            let item = Item { used: found.modified()?, mark: path.clone(), path, size: found.len() };
            blobs.insert(name, item);
        }
        Ok(blobs)
    }

    /// What can be made again: layers as folders in any form, cache mounts, and what is remembered.
    fn folders(&self) -> anyhow::Result<BTreeMap<String, Item>> {
        let mut folders = BTreeMap::new();
        for part in LAYERS.into_iter().chain([MOUNTS]).chain(REMEMBERED) {
            for (name, path, found) in entries(&self.store.part(part))? {
                let mark = match part {
                    MOUNTS => self.store.mark_of_cache_mount(&name),
                    part if REMEMBERED.contains(&part) => path.clone(),
                    _ => self.store.part("locks").join(&name),
                };
                let marked = absent_is_none(fs::metadata(&mark))?;
                let used = marked.unwrap_or(found).modified()?;
                let size = size_below(&path)?;
                folders.insert(format!("{part}/{name}"), Item { used, path, mark, size });
            }
        }
        Ok(folders)
    }
}

fn size_of(items: &BTreeMap<String, Item>) -> u64 {
    items.values().map(|item| item.size).sum()
}

/// The files of a folder; what vanishes meanwhile is none.
fn entries(folder: &Path) -> anyhow::Result<Vec<(String, PathBuf, Metadata)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading `{}`", folder.display()))? {
        let path = entry?.path();
        let Some(metadata) = absent_is_none(fs::symlink_metadata(&path))? else { continue };
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push((name, path, metadata));
    }
    Ok(found)
}

/// What a folder takes of the disk, in bytes.
fn size_below(folder: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        let Some(found) = absent_is_none(fs::symlink_metadata(&path))? else { continue };
        size += found.blocks() * 512;
        if found.is_dir()
            && let Some(entries) = absent_is_none(fs::read_dir(&path))?
        {
            for entry in entries {
                left.extend(absent_is_none(entry)?.map(|entry| entry.path()));
            }
        }
    }
    Ok(size)
}

/// The name of a layer's folder and of its mark.
pub(super) fn mark_of(store: &Store, diff_id: &Digest) -> PathBuf {
    store.part("locks").join(short(diff_id))
}
