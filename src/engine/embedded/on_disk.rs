//! What overlayfs and we ourselves keep in extended attributes of a layer's files.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Uid, XattrFlags, chownat, lgetxattr, llistxattr, lsetxattr};
use rustix::io::Errno;

use super::beneath::{OWNER_ATTRIBUTE, parse_owner};
use super::layer::Overlay;

impl Overlay {
    /// Whether a directory hides what lower layers have in its place.
    pub(super) fn is_opaque(self, folder: &Path) -> io::Result<bool> {
        Ok(attribute(folder, self.opaque())?.is_some_and(|value| value == b"y"))
    }

    /// Lets a directory hide what lower layers have in its place.
    pub(super) fn make_opaque(self, folder: &Path) -> io::Result<()> {
        Ok(lsetxattr(folder, self.opaque(), b"y", XattrFlags::empty())?)
    }

    /// Owner and group that something has in the image.
    pub(super) fn owner(self, path: &Path, metadata: &Metadata) -> io::Result<(u32, u32)> {
        let own = (metadata.uid(), metadata.gid());
        if self == Self::Trusted || metadata.is_symlink() {
            return Ok(own);
        }
        let written = attribute(path, OWNER_ATTRIBUTE)?.and_then(|value| parse_owner(&value));
        Ok(written.unwrap_or(own))
    }

    /// Gives something an owner; one that the file system can't hold is written down.
    pub(super) fn set_owner(self, path: &Path, (uid, gid): (u32, u32)) -> io::Result<()> {
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        match chownat(CWD, path, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::INVAL | Errno::PERM) if self == Self::User => match path.symlink_metadata()?.is_symlink() {
                // A link holds no attribute, and who owns it matters to nobody.
                true => Ok(()),
                false => Ok(lsetxattr(path, OWNER_ATTRIBUTE, format!("{uid}:{gid}").as_bytes(), XattrFlags::empty())?),
            },
            done => Ok(done?),
        }
    }

    /// Gives a file those extended attributes of another that belong to the image.
    pub(super) fn copy_xattrs(self, from: &Path, to: &Path) -> io::Result<()> {
        for name in attributes(from)? {
            let text = String::from_utf8_lossy(name.as_bytes());
            if text.starts_with("trusted.overlay.") || text.starts_with("user.overlay.") || text == OWNER_ATTRIBUTE {
                continue;
            }
            let Some(value) = attribute_os(from, &name)? else { continue };
            match lsetxattr(to, &name, &value, XattrFlags::empty()) {
                // What the file system or the kernel keeps for itself is not the image's.
                Err(Errno::PERM | Errno::NOTSUP | Errno::ACCESS) if !text.starts_with("user.") => {}
                done => done?,
            }
        }
        Ok(())
    }
}

fn attribute(path: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    attribute_os(path, OsStr::new(name))
}

fn attribute_os(path: &Path, name: &OsStr) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; 256];
    loop {
        match lgetxattr(path, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                return Ok(Some(value));
            }
            Err(Errno::RANGE) => value.resize(value.len() * 4, 0),
            Err(Errno::NODATA | Errno::NOTSUP) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn attributes(path: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let mut names = vec![0; 1024];
    loop {
        match llistxattr(path, &mut names[..]) {
            Ok(length) => {
                let parts = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
                return Ok(parts.map(|name| OsStr::from_bytes(name).to_owned()).collect());
            }
            Err(Errno::RANGE) => names.resize(names.len() * 4, 0),
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
    }
}
