//! The folders of `RUN --mount=type=cache`: they stay from build to build, and are in no layer.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};

use super::super::layer::{self, Layer};
use super::{MOUNTS, Store};

/// A folder that is in use.
#[derive(Debug)]
pub struct CacheMount {
    folder: PathBuf,
    is_new: bool,
    /// Held while the folder is used.
    _lock: Option<File>,
}

impl CacheMount {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Whether nobody used it before.
    pub fn is_new(&self) -> bool {
        self.is_new
    }
}

impl Store {
    /// The cache of an id, with whoever else uses it.
    ///
    /// # Errors
    /// When its folder can't be made.
    pub fn cache_mount(&self, id: &str) -> anyhow::Result<CacheMount> {
        self.open_cache_mount(&cache_mount_name(id), None)
    }

    /// The cache of an id, once nobody else has it.
    ///
    /// # Errors
    /// When its folder can't be made.
    pub fn locked_cache_mount(&self, id: &str) -> anyhow::Result<CacheMount> {
        let name = cache_mount_name(id);
        let lock = self.cache_mount_lock(&name)?;
        lock.lock().context("waiting for who uses the same cache mount")?;
        self.open_cache_mount(&name, Some(lock))
    }

    /// The first cache of an id that nobody has, or a new one.
    ///
    /// # Errors
    /// When its folder can't be made.
    pub fn private_cache_mount(&self, id: &str) -> anyhow::Result<CacheMount> {
        for number in 0_u32.. {
            let name = match number {
                0 => cache_mount_name(id),
                number => format!("{}-{number}", cache_mount_name(id)),
            };
            let lock = self.cache_mount_lock(&name)?;
            if lock.try_lock().is_ok() {
                return self.open_cache_mount(&name, Some(lock));
            }
        }
        unreachable!("one process can't hold every lock that there can be")
    }

    /// What is in the cache of an id, as a layer in the store, once nobody has it to himself; none where nobody used it.
    ///
    /// # Errors
    /// When it can't be read, or changes meanwhile.
    pub fn pack_cache_mount(&self, id: &str) -> anyhow::Result<Option<Layer>> {
        let name = cache_mount_name(id);
        let folder = self.part(MOUNTS).join(&name);
        if !folder.is_dir() {
            return Ok(None);
        }
        let lock = self.cache_mount_lock(&name)?;
        lock.lock().context("waiting for who uses the same cache mount")?;
        // Times are what many caches go by: they stay.
        layer::write(&folder, self, u64::MAX).map(Some)
    }

    /// The file that is locked by who has a cache to itself; its time says when the cache was used last.
    pub(super) fn mark_of_cache_mount(&self, name: &str) -> PathBuf {
        self.part("locks").join(format!("mount-{name}"))
    }

    fn cache_mount_lock(&self, name: &str) -> anyhow::Result<File> {
        let mark = self.mark_of_cache_mount(name);
        File::options().create(true).write(true).truncate(false).open(mark).context("making a lock")
    }

    fn open_cache_mount(&self, name: &str, lock: Option<File>) -> anyhow::Result<CacheMount> {
        let folder = self.part(MOUNTS).join(name);
        let lock = match lock {
            Some(lock) => Some(lock),
            None => {
                self.cache_mount_lock(name)?;
                None
            }
        };
        // Said first: what is there after it stays.
        self.uses(&self.mark_of_cache_mount(name))?;
        let is_new = match fs::create_dir(&folder) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(error).with_context(|| format!("making `{}`", folder.display())),
        };
        Ok(CacheMount { folder, is_new, _lock: lock })
    }
}

/// An id as the name of a folder.
pub fn cache_mount_name(id: &str) -> String {
    Sha256::digest(id).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}
