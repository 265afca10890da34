//! Files below a folder. Paths are those of an image: they begin at the folder whether or not they begin with `/`,
//! `..` ends at it, and a symbolic link leads to where it would lead with the folder as the root. Nothing outside of
//! it is read or written, whatever it holds.

mod attributes;
mod remove;
mod resolve;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

pub use attributes::{Attributes, Kind, Metadata, OWNER_ATTRIBUTE, set_attributes_of};
pub(in crate::engine::embedded) use attributes::{knows_one_user_only, parse_owner, xattrs_of};
pub use remove::remove_tree;
use resolve::Resolver;

/// A folder, and what is below it.
#[derive(Debug)]
pub struct Root {
    resolver: Resolver,
    /// The directory of the last name, as the next one is likely beside it.
    last: Mutex<Option<(PathBuf, Arc<OwnedFd>)>>,
}

impl Root {
    /// Opens a folder. Links on the way to it are followed: that is how somebody named it.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(CWD, folder, flags, Mode::empty())?;
        Ok(Self { resolver: Resolver::new(fd), last: Mutex::new(None) })
    }

    /// What is at a path, a link itself; nothing where there is nothing.
    ///
    /// # Errors
    /// When it can't be looked at.
    pub fn metadata(&self, path: &Path) -> io::Result<Option<Metadata>> {
        if names_the_root(path) {
            return Metadata::of_fd(self.resolver.root()).map(Some);
        }
        absent_is_none(self.parent(path).and_then(|(folder, name)| Metadata::of_name(folder.as_fd(), name)))
    }

    /// What is at a path or where the link there leads; nothing where there is nothing.
    ///
    /// # Errors
    /// When it can't be looked at.
    pub fn followed_metadata(&self, path: &Path) -> io::Result<Option<Metadata>> {
        let found = self.resolver.open(path, OFlags::PATH);
        absent_is_none(found.and_then(|fd| Metadata::of_fd(fd.as_fd())))
    }

    /// Opens what is at a path, or where the link there leads, for reading.
    ///
    /// # Errors
    /// When there is nothing, or it can't be read.
    pub fn open_file(&self, path: &Path) -> io::Result<File> {
        // A fifo would block the opening.
        self.resolver.open(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).map(File::from)
    }

    /// Where a link leads, as it is written.
    ///
    /// # Errors
    /// When there is no link.
    pub fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        let (folder, name) = self.parent(path)?;
        let target = rustix::fs::readlinkat(&*folder, name, Vec::new())?;
        Ok(PathBuf::from(OsString::from_vec(target.into_bytes())))
    }

    /// The names in a directory, by their bytes.
    ///
    /// # Errors
    /// When there is no directory, or it can't be read.
    pub fn names(&self, path: &Path) -> io::Result<Vec<OsString>> {
        let fd = self.resolver.open(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::new(fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Makes a directory in one that is there. Its mode is as given, whatever the umask.
    ///
    /// # Errors
    /// When something is there, or it can't be made.
    pub fn create_dir(&self, path: &Path, mode: u32) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        rustix::fs::mkdirat(&*folder, name, Mode::RWXU)?;
        let fd = rustix::fs::openat(&*folder, name, directory_itself(), Mode::empty())?;
        Ok(rustix::fs::fchmod(fd, Mode::from_raw_mode(mode & 0o7777))?)
    }

    /// Makes the directories of a path that are not there yet, and tells which: the outermost first.
    ///
    /// # Errors
    /// When something else is in the way, or they can't be made.
    pub fn create_dir_all(&self, path: &Path, mode: u32) -> io::Result<Vec<PathBuf>> {
        let mut missing = Vec::new();
        let mut path = path;
        loop {
            match self.followed_metadata(path)? {
                Some(Metadata { kind: Kind::Directory, .. }) => break,
                Some(_) => return Err(Errno::NOTDIR.into()),
                None => missing.push(path.to_owned()),
            }
            let Some(parent) = path.parent() else { break };
            path = parent;
        }
        missing.reverse();
        for path in &missing {
            self.create_dir(path, mode)?;
        }
        Ok(missing)
    }

    /// Makes a file in a directory that is there, for writing. Its mode is as given, whatever the umask.
    ///
    /// # Errors
    /// When something is there, or it can't be made.
    pub fn create_file(&self, path: &Path, mode: u32) -> io::Result<File> {
        let (folder, name) = self.parent(path)?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(mode & 0o7777);
        let fd = rustix::fs::openat(&*folder, name, flags, mode)?;
        rustix::fs::fchmod(&fd, mode)?;
        Ok(File::from(fd))
    }

    /// Makes a symbolic link; its target may be anything.
    ///
    /// # Errors
    /// When something is there, or it can't be made.
    pub fn symlink(&self, target: &Path, path: &Path) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        Ok(rustix::fs::symlinkat(target, &*folder, name)?)
    }

    /// Gives what is at `existing`, a link itself, one more name.
    ///
    /// # Errors
    /// When there is nothing at `existing`, something at `path`, or it can't be made.
    pub fn hard_link(&self, existing: &Path, path: &Path) -> io::Result<()> {
        let (from_folder, from) = self.parent(existing)?;
        let (folder, name) = self.parent(path)?;
        Ok(rustix::fs::linkat(&*from_folder, from, &*folder, name, AtFlags::empty())?)
    }

    /// Makes a device or a fifo.
    ///
    /// # Errors
    /// When something is there, it is neither device nor fifo, or it can't be made.
    pub fn make_node(&self, path: &Path, kind: Kind, mode: u32, device: (u32, u32)) -> io::Result<()> {
        let (folder, name) = self.parent(path)?;
        let file_type = match kind {
            Kind::CharacterDevice => FileType::CharacterDevice,
            Kind::BlockDevice => FileType::BlockDevice,
            Kind::Fifo => FileType::Fifo,
            Kind::Directory | Kind::File | Kind::Symlink | Kind::Socket => return Err(Errno::INVAL.into()),
        };
        let mode = Mode::from_raw_mode(mode & 0o7777);
        rustix::fs::mknodat(&*folder, name, file_type, mode, rustix::fs::makedev(device.0, device.1))?;
        if device != (0, 0) || kind == Kind::Fifo {
            rustix::fs::chmodat(&*folder, name, mode, AtFlags::empty())?;
        }
        Ok(())
    }

    /// Removes what is at a path with all below it; where there is nothing, that is fine.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn remove_all(&self, path: &Path) -> io::Result<()> {
        let parent = match self.parent(path) {
            Err(error) if is_absent(&error) => return Ok(()),
            other => other,
        };
        let (folder, name) = parent?;
        self.forget();
        remove::remove_below(folder.as_fd(), name)
    }

    /// Gives what is at a path, a link itself, its owner, mode and time.
    ///
    /// # Errors
    /// When there is nothing, or they can't be set.
    pub fn set_attributes(&self, path: &Path, attributes: &Attributes) -> io::Result<()> {
        if names_the_root(path) {
            return set_attributes_of(self.resolver.root(), attributes);
        }
        let (folder, name) = self.parent(path)?;
        attributes::set_by_name(folder.as_fd(), name, attributes)
    }

    /// Gives a file or directory an extended attribute.
    ///
    /// # Errors
    /// When there is neither, or the file system does not take it.
    pub fn set_xattr(&self, path: &Path, name: &OsStr, value: &[u8]) -> io::Result<()> {
        let fd = self.file_itself(path)?;
        Ok(rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())?)
    }

    /// The extended attributes of a file or directory, by name; those of the overlay and of this engine, too.
    ///
    /// # Errors
    /// When there is neither, or they can't be read.
    pub fn xattrs(&self, path: &Path) -> io::Result<Vec<(OsString, Vec<u8>)>> {
        xattrs_of(self.file_itself(path)?.as_fd())
    }

    /// A file or directory, to give it attributes.
    pub(in crate::engine::embedded) fn file_itself(&self, path: &Path) -> io::Result<OwnedFd> {
        if names_the_root(path) {
            return self.resolver.open(Path::new("."), OFlags::RDONLY | OFlags::DIRECTORY);
        }
        let (folder, name) = self.parent(path)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(rustix::fs::openat(&*folder, name, flags, Mode::empty())?)
    }

    /// The directory that holds the last name of a path, and this name.
    fn parent<'p>(&self, path: &'p Path) -> io::Result<(Arc<OwnedFd>, &'p OsStr)> {
        // `file_name` sees no name before a last `..`, and looks through a last `.`.
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((open, fd)) = &*last
            && open == folder
        {
            return Ok((Arc::clone(fd), name));
        }
        let fd = Arc::new(self.resolver.open(folder, OFlags::PATH | OFlags::DIRECTORY)?);
        *last = Some((folder.to_owned(), Arc::clone(&fd)));
        Ok((fd, name))
    }

    /// A directory that is gone may come back as another one.
    fn forget(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.resolver.root()
    }
}

pub(super) fn directory_itself() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn names_the_root(path: &Path) -> bool {
    path.as_os_str().as_bytes().split(|byte| *byte == b'/').all(|name| name.is_empty() || name == b".")
}

fn absent_is_none<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
