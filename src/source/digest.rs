//! Learns what files contain: from git's index where that is beyond doubt, else by reading them, each once, several at
//! a time, in constant memory.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::{FileStat, SFlag};

use crate::model::{BlobHasher, BlobId, Node};

use super::repositories::{Near, Place, Repositories};

/// Large enough that reading costs nothing beside hashing, small enough for the processor's cache; arbitrary.
const BUFFER: usize = 128 << 10;

/// What stands in the place of a file that git-lfs keeps (git-lfs, docs/spec.md: a pointer begins with its version, and
/// is shorter than 1024 bytes).
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
const LFS_POINTER_AT_MOST: u64 = 1024;

/// Why a file has no digest.
#[derive(Debug, Clone)]
pub(super) enum DigestError {
    /// The operating system refuses.
    Refused(io::ErrorKind, String),
    /// Somebody wrote to it while it was read, twice.
    Changing,
    /// Git-lfs has not fetched it.
    NotFetched,
}

impl From<io::Error> for DigestError {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.kind(), error.to_string())
    }
}

/// What a file is, with its content.
pub(super) type Digest = Result<Node, Box<DigestError>>;

/// Tells what files contain, best in the order of their paths.
pub(super) struct Digests<'a> {
    repositories: &'a Repositories,
    near: Near,
    /// Where in the index the next file is likely to be.
    place: usize,
    buffer: Vec<u8>,
}

impl<'a> Digests<'a> {
    /// With the help of the repositories' indices.
    pub(super) fn new(repositories: &'a Repositories) -> Self {
        Self { repositories, near: Near::default(), place: 0, buffer: Vec::new() }
    }

    /// What the file at an absolute path is.
    pub(super) fn of(&mut self, path: &Path) -> Digest {
        let place = self.repositories.of(path, &mut self.near);
        let conversion = place.as_ref().map(|place| self.repositories.conversion(place)).unwrap_or_default();
        let clean = place.filter(|_| !conversion.converts).and_then(|place| clean(&place, &mut self.place));
        match clean {
            Some(node) => Ok(node),
            None => {
                self.buffer.resize(BUFFER, 0);
                digest(path, conversion.is_lfs, &mut self.buffer).map_err(Box::new)
            }
        }
    }
}

/// What git's index says, if the file is as git saw it last.
fn clean(Place { repository, path, .. }: &Place<'_>, place: &mut usize) -> Option<Node> {
    let status = repository.status(path)?;
    let content = repository.clean(path, &status, place)?;
    let is_file = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
    is_file.then(|| Node::File { executable: is_executable(&status), size: status.st_size as u64, content })
}

fn is_executable(status: &FileStat) -> bool {
    status.st_mode & 0o100 != 0
}

fn digest(path: &Path, is_lfs: bool, buffer: &mut [u8]) -> Result<Node, DigestError> {
    for _ in 0..2 {
        // What was a file a moment ago may be a link or a fifo, which must neither be followed nor waited for.
        let mut file =
            OpenOptions::new().read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits()).open(path)?;
        let before = file.metadata()?;
        if !before.is_file() {
            return Err(DigestError::Changing);
        }
        if is_lfs && is_lfs_pointer(&file, &before)? {
            return Err(DigestError::NotFetched);
        }
        let (size, content) = hash(&mut file, before.len(), buffer)?;
        if size == before.len() && is_unchanged(&before, &file.metadata()?) {
            return Ok(Node::File { executable: before.mode() & 0o100 != 0, size, content });
        }
    }
    Err(DigestError::Changing)
}

fn is_lfs_pointer(file: &File, metadata: &Metadata) -> io::Result<bool> {
    let mut start = [0; LFS_POINTER.len()];
    let read = if metadata.len() < LFS_POINTER_AT_MOST { file.read_at(&mut start, 0)? } else { 0 };
    Ok(start[..read] == *LFS_POINTER)
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
