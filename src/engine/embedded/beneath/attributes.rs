//! What a file is besides its content.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

/// Holds `uid:gid` of a file that can't belong to them here, because the user namespace does not know them.
pub const OWNER_ATTRIBUTE: &str = "user.windlass.owner";

/// No extended attribute is longer on Linux (`XATTR_SIZE_MAX`), and neither is the list of their names.
const LONGEST_XATTR: usize = 64 << 10;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
}

/// What a name stands for, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-uid, set-gid and sticky.
    pub mode: u32,
    /// The owner: the one kept in [`OWNER_ATTRIBUTE`] where a file has it.
    pub owner: (u32, u32),
    /// Length of the content in bytes; that of the target for a link.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: i64,
    /// How many names it has.
    pub n_links: u64,
    /// File system and inode: the same for all its names.
    pub identity: (u64, u64),
    /// Major and minor number of a device.
    pub device: (u32, u32),
}

impl Metadata {
    pub(super) fn of_name(folder: BorrowedFd<'_>, name: &OsStr) -> io::Result<Self> {
        let fd = rustix::fs::openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        Self::of_fd(fd.as_fd())
    }

    /// Of any descriptor, one opened for its path alone included.
    pub(super) fn of_fd(fd: BorrowedFd<'_>) -> io::Result<Self> {
        let mut metadata = Self::of_stat(&rustix::fs::fstat(fd)?);
        if matches!(metadata.kind, Kind::Directory | Kind::File) && owners_are_kept() {
            let mut value = [0; 32];
            let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
            match rustix::fs::getxattr(path, OWNER_ATTRIBUTE, &mut value) {
                Ok(n) => metadata.owner = parse_owner(&value[..n]).unwrap_or(metadata.owner),
                Err(Errno::NODATA | Errno::NOTSUP | Errno::RANGE) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(metadata)
    }

    /// What the kernel says, a kept owner aside.
    pub(in crate::engine::embedded) fn of_stat(stat: &Stat) -> Self {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice => Kind::CharacterDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::RegularFile | FileType::Unknown => Kind::File,
        };
        Self {
            kind,
            mode: stat.st_mode & 0o7777,
            owner: (stat.st_uid, stat.st_gid),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            mtime: stat.st_mtime,
            n_links: stat.st_nlink,
            identity: (stat.st_dev, stat.st_ino),
            device: (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)),
        }
    }
}

/// What a file gets when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// User and group.
    pub owner: (u32, u32),
    /// Permission bits with set-uid, set-gid and sticky; a symbolic link has none.
    pub mode: u32,
    /// Seconds since 1970, of the content and of the last reading.
    pub mtime: i64,
}

impl Attributes {
    fn times(&self) -> Timestamps {
        let time = Timespec { tv_sec: self.mtime, tv_nsec: 0 };
        Timestamps { last_access: time, last_modification: time }
    }

    fn ids(&self) -> (Option<Uid>, Option<Gid>) {
        (Some(Uid::from_raw(self.owner.0)), Some(Gid::from_raw(self.owner.1)))
    }

    /// Whether `error` says that the user namespace has no such owner, or that nobody may give files away.
    fn is_foreign(error: Errno) -> bool {
        matches!(error, Errno::INVAL | Errno::PERM)
    }
}

/// Gives an open file or directory its owner, mode and time.
///
/// # Errors
/// When they can't be set.
pub fn set_attributes_of(fd: impl AsFd, attributes: &Attributes) -> io::Result<()> {
    let fd = fd.as_fd();
    let (user, group) = attributes.ids();
    match rustix::fs::fchown(fd, user, group) {
        Err(error) if Attributes::is_foreign(error) => {
            let (user, group) = attributes.owner;
            let value = format!("{user}:{group}");
            rustix::fs::fsetxattr(fd, OWNER_ATTRIBUTE, value.as_bytes(), XattrFlags::empty())?;
        }
        Err(error) => return Err(error.into()),
        Ok(()) if owners_are_kept() => match rustix::fs::fremovexattr(fd, OWNER_ATTRIBUTE) {
            Ok(()) | Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error.into()),
        },
        Ok(()) => {}
    }
    // After the owner: a change of it takes set-uid away.
    rustix::fs::fchmod(fd, Mode::from_raw_mode(attributes.mode & 0o7777))?;
    Ok(rustix::fs::futimens(fd, &attributes.times())?)
}

pub(super) fn set_by_name(folder: BorrowedFd<'_>, name: &OsStr, attributes: &Attributes) -> io::Result<()> {
    let kind = Metadata::of_stat(&rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?).kind;
    if matches!(kind, Kind::Directory | Kind::File) {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        return set_attributes_of(rustix::fs::openat(folder, name, flags, Mode::empty())?, attributes);
    }
    let (user, group) = attributes.ids();
    match rustix::fs::chownat(folder, name, user, group, AtFlags::SYMLINK_NOFOLLOW) {
        // Only files and directories can keep another's name: this one stays ours.
        Err(error) if Attributes::is_foreign(error) => {}
        other => other?,
    }
    if kind != Kind::Symlink {
        rustix::fs::chmodat(folder, name, Mode::from_raw_mode(attributes.mode & 0o7777), AtFlags::empty())?;
    }
    Ok(rustix::fs::utimensat(folder, name, &attributes.times(), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// The extended attributes of an open file or directory, by name; none where the file system knows none.
pub(in crate::engine::embedded) fn xattrs_of(fd: BorrowedFd<'_>) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let mut names = [0; 512];
    let long;
    let names: &[u8] = match rustix::fs::flistxattr(fd, &mut names) {
        Ok(n) => &names[..n],
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        Err(Errno::RANGE) => {
            let mut buffer = vec![0; LONGEST_XATTR];
            let n = rustix::fs::flistxattr(fd, &mut buffer)?;
            buffer.truncate(n);
            long = buffer;
            &long
        }
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let name = OsStr::from_bytes(name);
        let mut value = vec![0; LONGEST_XATTR];
        match rustix::fs::fgetxattr(fd, name, &mut value) {
            Ok(n) => value.truncate(n),
            // It is listed for whom it is not shown to, or the file system answers for a security module.
            Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM) => continue,
            Err(error) => return Err(error.into()),
        }
        found.push((name.to_owned(), value));
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads an [`OWNER_ATTRIBUTE`].
pub(in crate::engine::embedded) fn parse_owner(value: &[u8]) -> Option<(u32, u32)> {
    let (user, group) = std::str::from_utf8(value).ok()?.split_once(':')?;
    Some((user.parse().ok()?, group.parse().ok()?))
}

/// Whether some owners can't be given to files by this process.
fn owners_are_kept() -> bool {
    static KEPT: OnceLock<bool> = OnceLock::new();
    *KEPT.get_or_init(|| !rustix::process::geteuid().is_root() || knows_one_user_only())
}

/// Whether this process is in a user namespace with one user (`user_namespaces(7)`: a line of `uid_map` is a first
/// id inside, one outside, and how many).
pub(in crate::engine::embedded) fn knows_one_user_only() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let count = |line: &str| line.split_whitespace().nth(2).and_then(|count| count.parse::<u64>().ok());
    map.lines().filter_map(count).sum::<u64>() == 1
}
