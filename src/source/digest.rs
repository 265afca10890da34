//! Hashes files: each once, several at a time, in constant memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::model::{BlobHasher, BlobId, Node};
use nix::fcntl::OFlag;

/// Large enough that reading costs nothing beside hashing, small enough for the processor's cache; arbitrary.
const BUFFER: usize = 128 << 10;

/// Why a file has no digest.
#[derive(Debug, Clone)]
pub(super) enum DigestError {
    /// The operating system refuses.
    Refused(io::ErrorKind, String),
    /// Somebody wrote to it while it was read, twice.
    Changing,
}

impl From<io::Error> for DigestError {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.kind(), error.to_string())
    }
}

/// Hashes files on all cores; every path has a result, whatever the order in which they ended.
pub(super) fn digests(files: &BTreeSet<PathBuf>) -> BTreeMap<&Path, Result<Node, DigestError>> {
    let files: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut buffer = vec![0; BUFFER];
        let mut done = Vec::new();
        while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((*path, digest(path, &mut buffer)));
        }
        done
    };
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(files.len());
    if n_threads <= 1 {
        return work().into_iter().collect();
    }
    thread::scope(|scope| {
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("hashing a file does not panic")).collect()
    })
}

fn digest(path: &Path, buffer: &mut [u8]) -> Result<Node, DigestError> {
    for _ in 0..2 {
        // What was a file a moment ago may be a link or a fifo, which must neither be followed nor waited for.
        let mut file =
            OpenOptions::new().read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits()).open(path)?;
        let before = file.metadata()?;
        if !before.is_file() {
            return Err(DigestError::Changing);
        }
        let (size, content) = hash(&mut file, before.len(), buffer)?;
        if size == before.len() && is_unchanged(&before, &file.metadata()?) {
            return Ok(Node::File { executable: before.mode() & 0o100 != 0, size, content });
        }
    }
    Err(DigestError::Changing)
}

fn is_unchanged(before: &Metadata, after: &Metadata) -> bool {
    let state = |m: &Metadata| (m.len(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
    state(before) == state(after)
}

fn hash(file: &mut File, expected: u64, buffer: &mut [u8]) -> Result<(u64, BlobId), DigestError> {
    let (mut size, mut hasher) = (0, BlobHasher::new(expected));
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok((size, hasher.finish())),
            Ok(n) => {
                size += n as u64;
                hasher.update(&buffer[..n]);
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
}
