//! What a file has besides its content: owner, mode, times, extended attributes.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags, lgetxattr, llistxattr, lsetxattr, utimensat};
use rustix::io::Errno;

/// The extended attributes of a file, those apart by which an overlay keeps its books.
pub(super) fn extended(path: &Path) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = vec![0_u8; 1 << 16];
    let n_bytes = match llistxattr(path, names.as_mut_slice()) {
        Ok(n_bytes) => n_bytes,
        Err(Errno::NOTSUP | Errno::PERM) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut all = Vec::new();
    for name in names[..n_bytes].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
            continue;
        }
        let mut value = vec![0_u8; 1 << 16];
        let n_bytes = match lgetxattr(path, OsStr::from_bytes(name), value.as_mut_slice()) {
            Ok(n_bytes) => n_bytes,
            // It was listed, and is not for us to read.
            Err(Errno::NODATA | Errno::PERM | Errno::NOTSUP) => continue,
            Err(error) => return Err(error.into()),
        };
        value.truncate(n_bytes);
        all.push((name.to_owned(), value));
    }
    Ok(all)
}

/// Gives `to`, which is there and of the same type, everything of `from` but its content. What a file system or the
/// kernel refuses of the extended attributes is left out: they were taken from a file that had them on another.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    std::os::unix::fs::lchown(to, Some(metadata.uid()), Some(metadata.gid()))?;
    for (name, value) in extended(from)? {
        match lsetxattr(to, OsStr::from_bytes(&name), &value, XattrFlags::empty()) {
            Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
            Err(error) => return Err(error.into()),
        }
    }
    if !metadata.is_symlink() {
        fs::set_permissions(to, fs::Permissions::from_mode(metadata.mode() & 0o7777))?;
    }
    copy_times(&metadata, to)
}

/// Gives `to` the times of access and change of content.
pub(super) fn copy_times(from: &fs::Metadata, to: &Path) -> io::Result<()> {
    let time = |seconds: i64, nanoseconds: i64| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps {
        last_access: time(from.atime(), from.atime_nsec()),
        last_modification: time(from.mtime(), from.mtime_nsec()),
    };
    Ok(utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
