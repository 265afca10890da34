//! A layer becomes a folder. It may be anybody's: nothing outside of the folder is written, whatever it says.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufReader, Read, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::XattrFlags;
use sha2::{Digest as _, Sha256};

use super::super::beneath::{Attributes, Kind, Metadata, Root, set_attributes_of};
use super::{
    Archive, Entry, EntryKind, GONE, LONGEST_PATH, OPAQUE_WHITEOUT, Overlay, Uncompressed, WHITEOUT, is_of_an_image,
    path_of, shown,
};
use crate::model::Digest;

/// How much a layer may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of the uncompressed archive, in bytes.
    pub bytes: u64,
    /// How many entries it has.
    pub entries: u64,
}

impl Limits {
    /// More than the greatest images known have in all their layers. Arbitrary: it ends what would fill any disk.
    pub const OF_ANY_LAYER: Self = Self { bytes: 256 << 30, entries: 20_000_000 };
}

/// What a directory gets that no entry describes.
const UNDESCRIBED: Attributes = Attributes { owner: (0, 0), mode: 0o755, mtime: 0 };

/// Unpacks a layer, compressed or not, into an empty folder, in the form of `overlay`, and tells the digest of the
/// uncompressed archive. Links are resolved with the folder as the root. Of the extended attributes those of an image
/// are taken, where the file system does; a device that may not be made is left out, as Docker does in a user
/// namespace.
///
/// # Errors
/// When it is no archive, is greater than `limits`, names a path outside of the folder, or can't be written. Then the
/// folder holds a part of it.
pub fn apply(tar: impl Read, folder: &Path, overlay: Overlay, limits: &Limits) -> anyhow::Result<Digest> {
    let hashed = Hashed { from: Uncompressed::new(tar)?, hash: Sha256::new(), left: limits.bytes };
    let mut archive = Archive::new(BufReader::with_capacity(128 << 10, hashed));
    let root = Root::open(folder).with_context(|| format!("opening `{}`", folder.display()))?;
    let mut to = Folder { root, overlay, directories: BTreeMap::new(), buffer: vec![0; 128 << 10] };
    to.root.set_attributes(Path::new("."), &UNDESCRIBED)?;
    let mut n_entries = 0;
    while let Some(entry) = archive.next_entry()? {
        n_entries += 1;
        if n_entries > limits.entries {
            bail!("the layer has more than {} files", limits.entries);
        }
        to.put(&entry, &mut archive).with_context(|| format!("unpacking `{}`", shown(&entry.path)))?;
    }
    let hash = archive.finish()?.into_inner().hash;
    // Each file that was made in a directory changed its time.
    for (path, attributes) in &to.directories {
        if let Some(Metadata { kind: Kind::Directory, .. }) = to.root.metadata(path)? {
            to.root.set_attributes(path, attributes).with_context(|| format!("unpacking `{}`", path.display()))?;
        }
    }
    Ok(Digest::from_bytes(hash.finalize().into()))
}

/// Hashes what passes, and lets no more than so much pass.
struct Hashed<R> {
    from: R,
    hash: Sha256,
    left: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n_read = self.from.read(buffer)?;
        self.left = self.left.checked_sub(n_read as u64).ok_or_else(|| {
            io::Error::new(io::ErrorKind::FileTooLarge, "the layer holds more bytes than any layer may")
        })?;
        self.hash.update(&buffer[..n_read]);
        Ok(n_read)
    }
}

struct Folder {
    root: Root,
    overlay: Overlay,
    /// The directories made so far. What became something else is no directory when it is looked for.
    directories: BTreeMap<PathBuf, Attributes>,
    buffer: Vec<u8>,
}

impl Folder {
    fn put(&mut self, entry: &Entry, content: &mut impl Read) -> anyhow::Result<()> {
        let attributes = Attributes { owner: entry.owner, mode: entry.mode, mtime: entry.mtime };
        let path = inside(&entry.path)?;
        let Some(name) = path.file_name() else {
            if entry.kind == EntryKind::Directory {
                self.directories.insert(PathBuf::from("."), attributes);
                return Ok(());
            }
            bail!("the root is no directory");
        };
        if let Some(name) = name.as_bytes().strip_prefix(WHITEOUT) {
            return self.hide(&path, name);
        }
        let mut parents = path.iter().map(OsStr::as_bytes).filter_map(|name| name.strip_prefix(WHITEOUT));
        if let Some(name) = parents.next() {
            // What the file system aufs kept for itself.
            if name.starts_with(WHITEOUT) {
                return Ok(());
            }
            bail!("it is below a name that hides another");
        }
        if entry.kind == EntryKind::Directory {
            self.make_directory(&path)?;
            self.put_xattrs(self.root.file_itself(&path)?, entry, Xattrs::All)?;
            self.root.set_attributes(&path, &attributes)?;
            self.directories.insert(path, attributes);
            return Ok(());
        }
        self.directories.remove(&path);
        match &entry.kind {
            EntryKind::Directory => {}
            EntryKind::File => {
                let mut file = self.make(&path, |root, path| root.create_file(path, 0o600))?;
                self.copy(content, &mut file)?;
                self.put_xattrs(&file, entry, Xattrs::Users)?;
                set_attributes_of(&file, &attributes)?;
                // A change of the owner takes capabilities away.
                self.put_xattrs(&file, entry, Xattrs::Capabilities)?;
            }
            EntryKind::Symlink(target) => {
                self.make(&path, |root, path| root.symlink(path_of(target), path))?;
                self.root.set_attributes(&path, &attributes)?;
            }
            EntryKind::HardLink(target) => {
                let target = inside(target)?;
                if target == path {
                    bail!("it is a link to itself");
                }
                self.make(&path, |root, path| root.hard_link(&target, path))
                    .with_context(|| format!("linking it to `{}`", target.display()))?;
            }
            EntryKind::CharacterDevice(major, minor) => {
                self.make_device(&path, Kind::CharacterDevice, (*major, *minor), &attributes)?;
            }
            EntryKind::BlockDevice(major, minor) => {
                self.make_device(&path, Kind::BlockDevice, (*major, *minor), &attributes)?;
            }
            EntryKind::Fifo => self.make_device(&path, Kind::Fifo, (0, 0), &attributes)?,
        }
        Ok(())
    }

    fn make_device(
        &mut self,
        path: &Path,
        kind: Kind,
        device: (u32, u32),
        attributes: &Attributes,
    ) -> anyhow::Result<()> {
        match self.make(path, |root, path| root.make_node(path, kind, attributes.mode, device)) {
            Err(error) if self.overlay == Overlay::User && error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            Err(error) => Err(error.into()),
            Ok(()) => Ok(self.root.set_attributes(path, attributes)?),
        }
    }

    /// Makes something that is no directory, instead of what is there.
    fn make<T>(&mut self, path: &Path, make: impl Fn(&Root, &Path) -> io::Result<T>) -> io::Result<T> {
        match make(&self.root, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.root.remove_all(path)?,
            Err(error) if is_no_way(&error) => self.make_parents(path)?,
            other => return other,
        }
        make(&self.root, path)
    }

    fn make_directory(&mut self, path: &Path) -> io::Result<()> {
        match self.root.create_dir(path, 0o755) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) if is_no_way(&error) => {
                self.make_parents(path)?;
                return self.make_directory(path);
            }
            other => return other,
        }
        match self.root.metadata(path)? {
            Some(Metadata { kind: Kind::Directory, .. }) => Ok(()),
            there => {
                let was_hidden = there.is_some_and(|there| self.is_whiteout(path, &there));
                self.root.remove_all(path)?;
                self.root.create_dir(path, 0o755)?;
                // It was hidden from the layers below, and so is all in it.
                if was_hidden { self.make_opaque(path) } else { Ok(()) }
            }
        }
    }

    /// Makes the directories above a path that no entry described.
    fn make_parents(&mut self, path: &Path) -> io::Result<()> {
        let parents: Vec<&Path> = path.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty()).collect();
        for parent in parents.into_iter().rev() {
            match self.root.metadata(parent)? {
                Some(Metadata { kind: Kind::Directory, .. }) => continue,
                Some(Metadata { kind: Kind::Symlink, .. }) => {
                    let led = self.root.followed_metadata(parent)?;
                    if led.is_some_and(|led| led.kind == Kind::Directory) {
                        continue;
                    }
                    let why = format!("`{}` is a link to no directory", parent.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                None => {}
                Some(there) if self.is_whiteout(parent, &there) => {}
                Some(_) => {
                    let why = format!("`{}` is no directory", parent.display());
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
            self.make_directory(parent)?;
            self.root.set_attributes(parent, &UNDESCRIBED)?;
            self.directories.insert(parent.to_owned(), UNDESCRIBED);
        }
        Ok(())
    }

    /// Hides what the layers below have: at the name, or in the directory.
    fn hide(&mut self, path: &Path, name: &[u8]) -> anyhow::Result<()> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if path.as_os_str().as_bytes().ends_with(OPAQUE_WHITEOUT) && name == &OPAQUE_WHITEOUT[WHITEOUT.len()..] {
            if self.root.metadata(parent)?.is_none() {
                self.make_parents(path)?;
            }
            return Ok(self.make_opaque(parent)?);
        }
        // What the file system aufs kept for itself.
        if name.starts_with(WHITEOUT) {
            return Ok(());
        }
        if matches!(name, b"" | b"." | b"..") {
            bail!("it hides no name");
        }
        let hidden = parent.join(OsStr::from_bytes(name));
        match self.root.metadata(&hidden)? {
            // A layer hides what is below it, never what it brings itself.
            Some(Metadata { kind: Kind::Directory, .. }) => self.make_opaque(&hidden)?,
            Some(_) => {}
            None => self.make(&hidden, make_whiteout)?,
        }
        Ok(())
    }

    fn is_whiteout(&self, path: &Path, there: &Metadata) -> bool {
        let is_marked = || self.root.xattrs(path).is_ok_and(|all| all.iter().any(|(name, _)| name == GONE));
        there.kind == Kind::CharacterDevice && there.device == (0, 0) || there.kind == Kind::File && is_marked()
    }

    fn make_opaque(&self, path: &Path) -> io::Result<()> {
        self.root.set_xattr(path, OsStr::new(self.overlay.opaque()), b"y")
    }

    fn copy(&mut self, content: &mut impl Read, file: &mut File) -> io::Result<()> {
        loop {
            match content.read(&mut self.buffer)? {
                0 => return Ok(()),
                n => file.write_all(&self.buffer[..n])?,
            }
        }
    }

    fn put_xattrs(&self, fd: impl std::os::fd::AsFd, entry: &Entry, which: Xattrs) -> io::Result<()> {
        use rustix::io::Errno;
        for (name, value) in entry.xattrs.iter().filter(|(name, _)| is_of_an_image(name.as_bytes())) {
            let is_capability = name.as_bytes().starts_with(b"security.");
            let is_wanted = match which {
                Xattrs::All => true,
                Xattrs::Users => !is_capability,
                Xattrs::Capabilities => is_capability,
            };
            if is_wanted {
                match rustix::fs::fsetxattr(&fd, name.as_os_str(), value, XattrFlags::empty()) {
                    Ok(()) | Err(Errno::NOTSUP | Errno::PERM) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// Which extended attributes are set now.
#[derive(Clone, Copy)]
enum Xattrs {
    All,
    Users,
    Capabilities,
}

/// Makes what says that what is below the layer is gone.
fn make_whiteout(root: &Root, path: &Path) -> io::Result<()> {
    match root.make_node(path, Kind::CharacterDevice, 0, (0, 0)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            root.create_file(path, 0)?;
            root.set_xattr(path, OsStr::new(GONE), b"y")
        }
        outcome => outcome,
    }
}

fn is_no_way(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// A path below the root: without `.` and `..`, and without the `/` that it may begin with.
fn inside(path: &[u8]) -> anyhow::Result<PathBuf> {
    if path.len() > LONGEST_PATH {
        bail!("its path is longer than {LONGEST_PATH} bytes");
    }
    if path.contains(&0) {
        bail!("its path has a zero byte");
    }
    let mut inside = PathBuf::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if inside.pop() => {}
            b".." => bail!("its path leads out of the root"),
            name => inside.push(OsStr::from_bytes(name)),
        }
    }
    Ok(inside)
}
