//! Says that something of a store is used, by the time of its file.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{CWD, FlockOperation, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, flock};
use rustix::io::Errno;

use super::{Store, absent_is_none};

/// In the folder of unfinished files: its time is that when a process opened the store.
const SINCE: &str = "since";

/// Who holds it shared says that something is used; who holds it alone removes something.
pub(super) struct GcLock {
    _file: File,
}

impl GcLock {
    pub(super) fn exclusive(path: &Path) -> io::Result<Self> {
        Self::with(path, FlockOperation::LockExclusive)
    }

    fn with(path: &Path, operation: FlockOperation) -> io::Result<Self> {
        let file = File::options().create(true).write(true).truncate(false).open(path)?;
        rustix::io::retry_on_intr(|| flock(&file, operation))?;
        Ok(Self { _file: file })
    }
}

/// Says since when a process has the store open, in the folder that it holds.
pub(super) fn begin(unfinished: &Path) -> io::Result<SystemTime> {
    File::create_new(unfinished.join(SINCE))?.metadata()?.modified()
}

/// Since when the first of the processes has the store open that have it open now.
pub(super) fn live_since(scratch: &Path) -> io::Result<Option<SystemTime>> {
    let mut oldest = None;
    for entry in fs::read_dir(scratch)? {
        let folder = entry?.path();
        let Some(since) = absent_is_none(fs::metadata(folder.join(SINCE)))? else { continue };
        let Some(open) = absent_is_none(File::open(&folder))? else { continue };
        match flock(&open, FlockOperation::NonBlockingLockShared) {
            // Nobody holds it: who opens the store next removes it.
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let since = since.modified()?;
                oldest = Some(oldest.map_or(since, |oldest: SystemTime| oldest.min(since)));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(oldest)
}

impl Store {
    /// Reads a small file, which then is in use; nothing where it is not there.
    pub(super) fn read_used(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        if self.uses(path)?.is_some() { absent_is_none(fs::read(path)) } else { Ok(None) }
    }

    /// Whether a file is there, which then is in use as long as this process has the store open.
    pub(super) fn uses(&self, path: &Path) -> io::Result<Option<fs::Metadata>> {
        let Some(found) = absent_is_none(fs::metadata(path))? else { return Ok(None) };
        if found.modified()? >= self.inner.since {
            return Ok(Some(found));
        }
        let _lock = GcLock::with(&self.part("gc.lock"), FlockOperation::LockShared)?;
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let times = Timestamps { last_access: omitted, last_modification: now };
        match rustix::fs::utimensat(CWD, path, &times, rustix::fs::AtFlags::empty()) {
            Ok(()) => Ok(Some(found)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
