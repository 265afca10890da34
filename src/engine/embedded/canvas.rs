//! A layer in the making: what `COPY`, `ADD` and `WORKDIR` put over the layers below. It is written as overlayfs would
//! write its upper directory, and nothing is mounted for it.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, utimensat};

use super::sandbox::tree::make_whiteout;
use super::view::{Directory, Found, View};

/// What something in a layer has besides its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) mode: u32,
    pub(super) owner: (u32, u32),
    /// Seconds since 1970, and nanoseconds.
    pub(super) modified: (i64, i64),
}

impl Attributes {
    pub(super) fn of(found: &Found) -> Self {
        let metadata = &found.metadata;
        Self { mode: metadata.mode() & 0o7777, owner: found.owner, modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// A layer that is being written.
pub(super) struct Canvas {
    folder: PathBuf,
    /// All layers, this one on top.
    view: View,
    /// The time that what is made anew gets, in seconds since 1970.
    epoch: i64,
    is_touched: bool,
    /// The directory that something was put into last, as the layers below show it.
    last: Option<Directory>,
}

impl Canvas {
    /// An empty layer in an empty folder.
    pub(super) fn new(folder: PathBuf, below: &View, epoch: u64) -> Self {
        let view = below.under(folder.clone());
        Self { folder, view, epoch: i64::try_from(epoch).unwrap_or(i64::MAX), is_touched: false, last: None }
    }

    /// Gives the root what it has below: the topmost layer's is the one that is seen.
    pub(super) fn set_root(&mut self, below: &View) -> anyhow::Result<()> {
        let found = below.look(Path::new(""))?;
        let attributes = found.as_ref().map_or(self.plain_folder((0, 0)), Attributes::of);
        self.finish(Path::new(""), attributes)
    }

    /// What is there, this layer included.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Whether anything was written.
    pub(super) fn is_touched(&self) -> bool {
        self.is_touched
    }

    /// What a directory has that nobody says anything of.
    pub(super) fn plain_folder(&self, owner: (u32, u32)) -> Attributes {
        Attributes { mode: 0o755, owner, modified: (self.epoch, 0) }
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    /// Makes a directory and those above it, links on the way followed; gives back where it is.
    ///
    /// # Errors
    /// When something else is in its place.
    pub(super) fn create_folders(&mut self, path: &Path, owner: (u32, u32)) -> anyhow::Result<PathBuf> {
        let path = self.view.resolve(path, true)?;
        for folder in ancestors(&path) {
            match self.view.look(folder)? {
                Some(found) if found.metadata.is_dir() => {}
                Some(_) => anyhow::bail!("`/{}` is no directory", folder.display()),
                None => {
                    let attributes = self.plain_folder(owner);
                    self.make_folder(folder, attributes)?;
                }
            }
        }
        Ok(path)
    }

    /// Makes a directory where there is none; one that is there gets the attributes.
    pub(super) fn set_folder(&mut self, path: &Path, attributes: Attributes) -> anyhow::Result<()> {
        if self.view.look(path)?.is_some_and(|found| found.metadata.is_dir()) {
            self.bring_up(path)?;
            self.finish(path, attributes)
        } else {
            self.make_folder(path, attributes)
        }
    }

    fn make_folder(&mut self, path: &Path, attributes: Attributes) -> anyhow::Result<()> {
        self.bring_up_parent(path)?;
        // What lower layers had here stays hidden.
        let hides = self.remove_own(path)?;
        let at = self.at(path);
        fs::DirBuilder::new().mode(0o700).create(&at).with_context(|| format!("making `/{}`", path.display()))?;
        if hides {
            self.view.overlay().make_opaque(&at)?;
        }
        self.is_touched = true;
        self.finish(path, attributes)
    }

    /// Makes a file, whatever was there but a directory, and gives it back to be written to; [`Canvas::finish`] ends it.
    pub(super) fn create_file(&mut self, path: &Path) -> anyhow::Result<File> {
        self.make_room(path)?;
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.at(path));
        opened.with_context(|| format!("making `/{}`", path.display()))
    }

    /// Makes a symbolic link, whatever was there but a directory.
    pub(super) fn symlink(&mut self, path: &Path, target: &Path, attributes: Attributes) -> anyhow::Result<()> {
        self.make_room(path)?;
        std::os::unix::fs::symlink(target, self.at(path)).with_context(|| format!("making `/{}`", path.display()))?;
        self.set_attributes(path, attributes, true)
    }

    /// Gives a file of this layer one more name.
    pub(super) fn hard_link(&mut self, path: &Path, existing: &Path) -> anyhow::Result<()> {
        self.make_room(path)?;
        fs::hard_link(self.at(existing), self.at(path)).with_context(|| format!("making `/{}`", path.display()))
    }

    /// Makes a device or a pipe as another one is.
    pub(super) fn node(&mut self, path: &Path, like: &Metadata, attributes: Attributes) -> anyhow::Result<()> {
        let device = (rustix::fs::major(like.rdev()), rustix::fs::minor(like.rdev()));
        self.device(path, FileType::from_raw_mode(like.mode()), device, attributes)
    }

    /// Makes a device or a pipe.
    pub(super) fn device(
        &mut self,
        path: &Path,
        kind: FileType,
        (major, minor): (u32, u32),
        attributes: Attributes,
    ) -> anyhow::Result<()> {
        if kind == FileType::CharacterDevice && (major, minor) == (0, 0) {
            anyhow::bail!("`/{}` is the device 0:0, which means in a layer that nothing is there", path.display());
        }
        self.make_room(path)?;
        let device = rustix::fs::makedev(major, minor);
        let made = rustix::fs::mknodat(CWD, self.at(path), kind, Mode::from_raw_mode(0o600), device);
        made.with_context(|| format!("making `/{}`", path.display()))?;
        self.finish(path, attributes)
    }

    /// Gives a file one more name; one that lies in a lower layer is copied.
    pub(super) fn link_or_copy(&mut self, path: &Path, existing: &Path) -> anyhow::Result<()> {
        let existing = self.view.resolve(existing, false)?;
        let found = self.view.look(&existing)?.filter(|found| !found.metadata.is_dir());
        let found = found.with_context(|| format!("`/{}` is no file to link to", existing.display()))?;
        if found.at == self.at(&existing) {
            return self.hard_link(path, &existing);
        }
        let attributes = Attributes::of(&found);
        if found.metadata.is_symlink() {
            return self.symlink(path, &fs::read_link(&found.at)?, attributes);
        }
        let mut file = self.create_file(path)?;
        io::copy(&mut found.open()?, &mut file)?;
        self.copy_attributes(path, &found.at)?;
        self.finish(path, attributes)
    }

    /// Removes what is at a path, a directory with all that is in it.
    pub(super) fn remove(&mut self, path: &Path) -> anyhow::Result<()> {
        self.bring_up_parent(path)?;
        self.is_touched = true;
        if self.remove_own(path)? {
            make_whiteout(&self.at(path))?;
        }
        Ok(())
    }

    /// Gives what was made, and is no link, its attributes.
    pub(super) fn finish(&mut self, path: &Path, attributes: Attributes) -> anyhow::Result<()> {
        self.set_attributes(path, attributes, false)
    }

    fn set_attributes(&self, path: &Path, attributes: Attributes, is_link: bool) -> anyhow::Result<()> {
        let Attributes { mode, owner, modified: (tv_sec, tv_nsec) } = attributes;
        let at = self.at(path);
        self.view
            .overlay()
            .set_owner(&at, owner)
            .with_context(|| format!("giving `/{}` to {}:{}", path.display(), owner.0, owner.1))?;
        if !is_link {
            // After the owner: a change of it takes set-user-ID bits away.
            fs::set_permissions(&at, fs::Permissions::from_mode(mode))?;
        }
        let time = Timespec { tv_sec, tv_nsec };
        utimensat(CWD, &at, &Timestamps { last_access: time, last_modification: time }, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok(())
    }

    /// Copies the extended attributes of a file that are the image's.
    pub(super) fn copy_attributes(&self, path: &Path, from: &Path) -> io::Result<()> {
        self.view.overlay().copy_xattrs(from, &self.at(path))
    }

    /// Takes what is at a path out of the way for something that is no directory.
    fn make_room(&mut self, path: &Path) -> anyhow::Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            anyhow::bail!("a file can't take the place of `/`");
        };
        if self.last.as_ref().is_none_or(|last| last.path() != parent) {
            self.bring_up(parent)?;
            self.last = Some(self.view.directory(parent)?.below());
        }
        let at = self.at(path);
        let is_folder = match fs::symlink_metadata(&at) {
            Ok(own) if own.is_dir() => true,
            // A whiteout too.
            Ok(_) => fs::remove_file(&at).map(|()| false)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let below = self.last.as_ref().map(|last| last.look(name, self.view.overlay())).transpose()?.flatten();
                below.is_some_and(|found| found.metadata.is_dir())
            }
            Err(error) => return Err(error.into()),
        };
        if is_folder {
            anyhow::bail!("`/{}` is a directory, and a file can't take its place", path.display());
        }
        self.is_touched = true;
        Ok(())
    }

    /// Removes what this layer has at a path, a whiteout included; tells whether lower layers have something there.
    fn remove_own(&mut self, path: &Path) -> anyhow::Result<bool> {
        // What the layers below show may change with it.
        self.last = None;
        let at = self.at(path);
        match fs::symlink_metadata(&at) {
            Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(&at)?,
            Ok(_) => fs::remove_file(&at)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.view.look(path)?.is_some())
    }

    /// Has the directories above a path in this layer, as they are below.
    fn bring_up_parent(&mut self, path: &Path) -> anyhow::Result<()> {
        path.parent().map_or(Ok(()), |parent| self.bring_up(parent))
    }

    /// Has a directory in this layer, as it is below: as overlayfs copies it up.
    fn bring_up(&mut self, path: &Path) -> anyhow::Result<()> {
        if path.as_os_str().is_empty() || self.at(path).is_dir() {
            return Ok(());
        }
        self.bring_up_parent(path)?;
        let found = self.view.look(path)?.with_context(|| format!("`/{}` is not there", path.display()))?;
        let at = self.at(path);
        fs::DirBuilder::new().mode(0o700).create(&at)?;
        self.view.overlay().copy_xattrs(&found.at, &at)?;
        self.is_touched = true;
        self.finish(path, Attributes::of(&found))
    }
}

/// The directories on the way to a path, itself last.
fn ancestors(path: &Path) -> Vec<&Path> {
    let mut all: Vec<&Path> = path.ancestors().filter(|path| !path.as_os_str().is_empty()).collect();
    all.reverse();
    all
}
