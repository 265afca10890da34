//! Folders of what is being made. Who makes it holds a lock on the folder; a folder that nobody holds was left by a
//! process that was killed.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;

use super::super::beneath;

/// A folder of its own, removed when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    n_files: AtomicU64,
    /// Held as long as the folder is ours.
    _lock: rustix::fd::OwnedFd,
}

impl Scratch {
    pub(super) fn new(parent: &Path) -> io::Result<Self> {
        loop {
            let path = parent.join(name());
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other?,
            }
            // Whoever sweeps may have it, and then it is gone in a moment.
            let Ok(lock) = open(&path) else { continue };
            flock(&lock, FlockOperation::LockExclusive)?;
            if is_still_there(&path, &lock)? {
                return Ok(Self { path, n_files: AtomicU64::new(0), _lock: lock });
            }
        }
    }

    /// Where it is: a path without links, on the file system of the layers.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// An empty file in the folder.
    pub(super) fn new_file(&self) -> io::Result<(PathBuf, File)> {
        let path = self.path.join(format!("file-{}", self.n_files.fetch_add(1, Ordering::Relaxed)));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok((path, file))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is removed by the next process that opens the store.
        let _left = beneath::remove_tree(&self.path);
    }
}

/// Removes the folders that nobody holds.
pub(super) fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let Ok(lock) = open(&path) else { continue };
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => beneath::remove_tree(&path)?,
            Err(Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn open(path: &Path) -> rustix::io::Result<rustix::fd::OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty())
}

fn is_still_there(path: &Path, lock: &rustix::fd::OwnedFd) -> io::Result<bool> {
    let ours = rustix::fs::fstat(lock)?;
    match rustix::fs::stat(path) {
        Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A name that no other process on this machine makes; a name of a process before it may be there still.
fn name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}
