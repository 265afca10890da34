//! Walks a folder in overlayfs's form, by the bytes of the names.

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::vec::IntoIter;

use anyhow::{Context as _, bail};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps};

use super::super::beneath::{Kind, Metadata, OWNER_ATTRIBUTE, parse_owner, xattrs_of};
use super::{GONE, LONGEST_PATH, OPAQUE_WHITEOUT, Overlay, WHITEOUT, is_of_an_image, path_of, shown};

/// What is found at a path.
pub(super) struct Found<'a> {
    /// Below the folder, without `/` at its ends.
    pub(super) path: &'a [u8],
    pub(super) metadata: Metadata,
    pub(super) what: What,
    /// Those that belong to an image, by name.
    pub(super) xattrs: Vec<(OsString, Vec<u8>)>,
}

/// What is found, and how to read it.
pub(super) enum What {
    /// The name is gone from the layers below.
    Whiteout,
    Directory {
        is_opaque: bool,
    },
    File(OwnedFd),
    Symlink {
        target: Vec<u8>,
    },
    Device,
    Fifo,
    Socket,
}

/// A directory on the way.
struct Level {
    /// Length of its path.
    path: usize,
    /// Opened once more after each directory in it, so that a deep tree needs few descriptors.
    fd: Option<OwnedFd>,
    names: IntoIter<(OsString, FileType)>,
}

/// Meets all below a folder, a directory before what it holds. What is younger than `epoch` is set back to it, in the
/// folder, too: a layer looks the same to the next step whether it was just made or comes from its blob.
pub(super) fn walk(
    folder: &Path,
    overlay: Overlay,
    epoch: u64,
    mut meet: impl FnMut(Found<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, folder, flags, Mode::empty())
        .with_context(|| format!("opening `{}`", folder.display()))?;
    let walker = Walker { overlay, epoch: i64::try_from(epoch).unwrap_or(i64::MAX) };
    let mut path: Vec<u8> = Vec::new();
    let names = names_in(root.as_fd())?;
    let mut levels = vec![Level { path: 0, fd: Some(rustix::io::fcntl_dupfd_cloexec(&root, 0)?), names }];
    while let Some(level) = levels.last_mut() {
        path.truncate(level.path);
        let Some((name, file_type)) = level.names.next() else {
            levels.pop();
            continue;
        };
        if level.fd.is_none() {
            level.fd = Some(open_directory(root.as_fd(), path_of(&path).as_os_str())?);
        }
        let directory = level.fd.as_ref().expect("it was just opened").as_fd();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.as_bytes());
        let in_context = || format!("reading `{}`", shown(&path));
        if path.len() > LONGEST_PATH {
            bail!("a path is longer than {LONGEST_PATH} bytes: `{}…`", shown(&path[..200]));
        }
        let (found, inner) = walker.look(directory, &name, file_type, &path).with_context(in_context)?;
        meet(found).with_context(in_context)?;
        if let Some((fd, names)) = inner {
            level.fd = None;
            levels.push(Level { path: path.len(), fd: Some(fd), names });
        }
    }
    Ok(())
}

type Inner = Option<(OwnedFd, IntoIter<(OsString, FileType)>)>;

struct Walker {
    overlay: Overlay,
    epoch: i64,
}

impl Walker {
    fn look<'a>(
        &self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
        file_type: FileType,
        path: &'a [u8],
    ) -> anyhow::Result<(Found<'a>, Inner)> {
        if name.as_bytes().starts_with(WHITEOUT) {
            bail!("a name that begins with `.wh.` can't be in a layer: it would remove a file");
        }
        let (fd, stat) = match file_type {
            FileType::Directory => {
                let fd = open_directory(directory, name)?;
                let stat = rustix::fs::fstat(&fd)?;
                (Some(fd), stat)
            }
            FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let fd = rustix::fs::openat(directory, name, flags, Mode::empty())?;
                let stat = rustix::fs::fstat(&fd)?;
                (Some(fd), stat)
            }
            _ => {
                let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                let seen = FileType::from_raw_mode(stat.st_mode);
                if file_type == FileType::Unknown && matches!(seen, FileType::Directory | FileType::RegularFile) {
                    return self.look(directory, name, seen, path);
                }
                (None, stat)
            }
        };
        let mut metadata = Metadata::of_stat(&stat);
        metadata.mtime = self.clamp(directory, name, fd.as_ref(), &stat)?;
        let mut found = Found { path, metadata, what: What::Socket, xattrs: Vec::new() };
        let (mut is_opaque, mut is_gone) = (false, false);
        if let Some(fd) = &fd {
            let (opaque, all) = (self.overlay.opaque(), xattrs_of(fd.as_fd())?);
            for (name, value) in all {
                let bytes = name.as_bytes();
                if name == opaque {
                    is_opaque = value == b"y";
                } else if name == GONE {
                    is_gone = stat.st_size == 0;
                } else if name == OWNER_ATTRIBUTE {
                    found.metadata.owner = parse_owner(&value).context("its kept owner is no `uid:gid`")?;
                } else if bytes.ends_with(b".overlay.redirect") || bytes.ends_with(b".overlay.metacopy") {
                    bail!("the overlay left the attribute `{}`, which no layer can hold", name.display());
                } else if is_of_an_image(bytes) {
                    found.xattrs.push((name, value));
                }
            }
        }
        let mut inner = None;
        found.what = match (found.metadata.kind, fd) {
            (Kind::Directory, Some(fd)) => {
                let names = names_in(fd.as_fd())?;
                inner = Some((fd, names));
                What::Directory { is_opaque }
            }
            (Kind::File, Some(_)) if is_gone => What::Whiteout,
            (Kind::File, Some(fd)) => What::File(fd),
            (Kind::Symlink, _) => {
                What::Symlink { target: rustix::fs::readlinkat(directory, name, Vec::new())?.into_bytes() }
            }
            (Kind::CharacterDevice, _) if found.metadata.device == (0, 0) => What::Whiteout,
            (Kind::CharacterDevice | Kind::BlockDevice, _) => What::Device,
            (Kind::Fifo, _) => What::Fifo,
            (Kind::Socket, _) => What::Socket,
            (Kind::Directory | Kind::File, None) => bail!("it changes while it is read"),
        };
        Ok((found, inner))
    }

    /// The time of a file in whole seconds, at most the epoch, which it then has.
    fn clamp(
        &self,
        directory: BorrowedFd<'_>,
        name: &OsStr,
        fd: Option<&OwnedFd>,
        stat: &Stat,
    ) -> rustix::io::Result<i64> {
        let mtime = stat.st_mtime.clamp(0, self.epoch);
        if mtime != stat.st_mtime || stat.st_mtime_nsec != 0 {
            let time = Timespec { tv_sec: mtime, tv_nsec: 0 };
            let times = Timestamps { last_access: time, last_modification: time };
            match fd {
                Some(fd) => rustix::fs::futimens(fd, &times)?,
                None => rustix::fs::utimensat(directory, name, &times, AtFlags::SYMLINK_NOFOLLOW)?,
            }
        }
        Ok(mtime)
    }
}

fn open_directory(directory: BorrowedFd<'_>, path: &OsStr) -> rustix::io::Result<OwnedFd> {
    let path = if path.is_empty() { OsStr::new(".") } else { path };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, path, flags, Mode::empty())
}

fn names_in(directory: BorrowedFd<'_>) -> rustix::io::Result<IntoIter<(OsString, FileType)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name: &CStr = entry.file_name();
        if name != c"." && name != c".." {
            names.push((OsStr::from_bytes(name.to_bytes()).to_owned(), entry.file_type()));
        }
    }
    names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(names.into_iter())
}

/// The path of what says that a name is gone.
pub(super) fn whiteout_of(path: &[u8]) -> Vec<u8> {
    let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    [&path[..start], WHITEOUT, &path[start..]].concat()
}

/// The path of what says that a directory is opaque.
pub(super) fn opaque_mark_of(path: &[u8]) -> Vec<u8> {
    [path, b"/", OPAQUE_WHITEOUT].concat()
}
