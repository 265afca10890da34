//! What the embedded engine keeps: blobs, layers as folders, names, and what builds remember. One folder, that several
//! processes use at the same time:
//!
//! ```text
//! blobs/sha256/HEX      layers, configurations and manifests as registries have them
//! layers/HEX            layers as folders, by the first 24 digits of the archive's digest: mount options are short.
//!                       `layers-user` in user namespaces, `layers-single` in those with one user
//! names/HEX             what names stand for; ids/HEX: the manifests of configurations
//! origins/HEX           in which repositories of registries a blob is
//! cache/HEX             what builds remember
//! mounts/HEX            the folders of cache mounts
//! scratch/NAME          what is being made; locked by who makes it
//! locks/HEX             held while a layer is unpacked; its time says when the layer was used last. `locks/mount-HEX`
//!                       the same of cache mounts
//! ```
//!
//! Everything is made under another name and renamed when it is whole, so that nobody sees half of it, whoever is
//! killed when.

mod blob;
mod cache_mounts;
mod gc;
mod names;
mod origins;
mod scratch;
mod usage;

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

pub use blob::NewBlob;
pub use cache_mounts::{CacheMount, cache_mount_name};
pub use gc::{Collected, GcLimits};
pub use scratch::Scratch;

use super::beneath;
use super::layer::{Layer, Limits, Overlay, apply};
use crate::model::Digest;

/// Where layers are as folders: of root, of user namespaces, of those with one user.
const LAYERS: [&str; 3] = ["layers", "layers-user", "layers-single"];
/// Where cache mounts are.
const MOUNTS: &str = "mounts";

/// A folder of blobs, layers and names. Copies share it.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
    overlay: Overlay,
    layers: PathBuf,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// For files that are being written.
    unfinished: Scratch,
    /// When the store was opened, by the file system's clock. What is younger was used since.
    since: SystemTime,
}

impl Store {
    /// Opens a store, makes it where there is none, and removes what killed processes left in it. Layers are kept in
    /// the form of `overlay`.
    ///
    /// # Errors
    /// When the folder can't be made or written.
    pub fn open(folder: &Path, overlay: Overlay) -> anyhow::Result<Self> {
        let in_context = || format!("opening the store `{}`", folder.display());
        fs::create_dir_all(folder).with_context(in_context)?;
        // Mounts and unpacked links need a path without links in it.
        let folder = fs::canonicalize(folder).with_context(in_context)?;
        let parts = ["blobs/sha256", "names", "ids", "origins", "cache", "scratch", "locks"];
        for part in parts.into_iter().chain(LAYERS).chain([MOUNTS]) {
            fs::create_dir_all(folder.join(part)).with_context(in_context)?;
        }
        scratch::sweep(&folder.join("scratch")).with_context(in_context)?;
        let unfinished = Scratch::new(&folder.join("scratch")).with_context(in_context)?;
        let since = usage::begin(unfinished.path()).with_context(in_context)?;
        Ok(Self::with_layers(Arc::new(Inner { folder, unfinished, since }), overlay))
    }

    /// The same store with layers in another form.
    pub fn in_form(&self, overlay: Overlay) -> Self {
        if overlay == self.overlay { self.clone() } else { Self::with_layers(Arc::clone(&self.inner), overlay) }
    }

    fn with_layers(inner: Arc<Inner>, overlay: Overlay) -> Self {
        let [of_root, of_users, of_one] = LAYERS;
        let layers = inner.folder.join(match overlay {
            Overlay::Trusted => of_root,
            Overlay::User if beneath::knows_one_user_only() => of_one,
            Overlay::User => of_users,
        });
        Self { inner, overlay, layers }
    }

    /// The form of the layers.
    pub fn overlay(&self) -> Overlay {
        self.overlay
    }

    /// A folder of its own on the file system of the layers; it is removed when it is dropped, or by the next process
    /// that opens the store where this one is killed.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn scratch(&self) -> anyhow::Result<Scratch> {
        Scratch::new(&self.part("scratch")).context("making a folder in the store")
    }

    /// Puts bytes in, and tells their digest.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn put_blob(&self, bytes: &[u8]) -> anyhow::Result<Digest> {
        let digest = Digest::from_bytes(Sha256::digest(bytes).into());
        if !self.has(&digest, bytes.len() as u64)? {
            self.write_whole(&self.blob_path(&digest), bytes)?;
        }
        Ok(digest)
    }

    /// A small blob; nothing where it is not there, or not what its name says, as after a loss of power.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn blob(&self, digest: &Digest) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.blob_path(digest);
        let bytes = self.read_used(&path).with_context(|| format!("reading `{}`", path.display()))?;
        Ok(bytes.filter(|bytes| Sha256::digest(bytes).as_slice() == digest.as_bytes()))
    }

    /// Where a blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.part("blobs/sha256").join(digest.hex())
    }

    /// Whether the blob of a layer is there, as long as it should be.
    ///
    /// # Errors
    /// When that can't be looked at.
    pub fn has_blob(&self, layer: &Layer) -> anyhow::Result<bool> {
        self.has(&layer.blob, layer.size)
    }

    pub(in crate::engine::embedded) fn has(&self, blob: &Digest, size: u64) -> anyhow::Result<bool> {
        let path = self.blob_path(blob);
        let found = self.uses(&path).with_context(|| format!("looking at `{}`", path.display()))?;
        Ok(found.is_some_and(|found| found.len() == size))
    }

    /// Takes a folder over as that of a layer, and tells where it is now; where there is one, ours is removed.
    ///
    /// # Errors
    /// When it can't be moved.
    pub fn adopt(&self, folder: &Path, layer: &Layer) -> anyhow::Result<PathBuf> {
        let path = self.layer_path(layer);
        let mark = gc::mark_of(self, &layer.diff_id);
        File::options().create(true).write(true).truncate(false).open(&mark)?;
        self.uses(&mark)?;
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(rustix::fs::CWD, folder, rustix::fs::CWD, &path, flags) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => beneath::remove_tree(folder)?,
            Err(error) => {
                return Err(error).with_context(|| format!("moving a layer to `{}`", path.display()));
            }
        }
        Ok(path)
    }

    /// The folder of a layer, unpacked from its blob where it is not there yet: once, whoever asks at the same time.
    ///
    /// # Errors
    /// When the blob is not there, is not what the layer says, or can't be unpacked.
    pub fn unpacked(&self, layer: &Layer) -> anyhow::Result<PathBuf> {
        let path = self.layer_path(layer);
        let mark = gc::mark_of(self, &layer.diff_id);
        // Said first: what is there after it stays.
        let lock = loop {
            let lock = File::options().create(true).write(true).truncate(false).open(&mark)?;
            // Nothing of it, where a collection removed it meanwhile.
            if self.uses(&mark)?.is_some() {
                break lock;
            }
        };
        if path.is_dir() {
            return Ok(path);
        }
        lock.lock().context("waiting for who unpacks the same layer")?;
        if path.is_dir() {
            return Ok(path);
        }
        let in_context = || format!("unpacking the layer `{}`", layer.diff_id);
        let blob = File::open(self.blob_path(&layer.blob)).with_context(in_context)?;
        let scratch = self.scratch()?;
        let folder = scratch.path().join("layer");
        fs::create_dir(&folder)?;
        // A root that the archive says nothing of is everybody's to look at, whatever the umask.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        let found =
            apply(BufReader::new(blob), &folder, self.overlay(), &Limits::OF_ANY_LAYER).with_context(in_context)?;
        if found != layer.diff_id {
            bail!("unpacking the layer `{}`: the archive has the digest `{found}`", layer.diff_id);
        }
        self.adopt(&folder, layer)
    }

    /// The folders of layers, the lowest first. Of a layer that is there more than once only the topmost counts, as it
    /// covers all that the others show; overlayfs takes no folder twice.
    ///
    /// # Errors
    /// As [`Store::unpacked`].
    pub fn folders(&self, layers: &[Layer]) -> anyhow::Result<Vec<PathBuf>> {
        let shown = |place: usize| !layers[place + 1..].iter().any(|above| above.diff_id == layers[place].diff_id);
        let layers = layers.iter().enumerate().filter(|(place, _)| shown(*place));
        layers.map(|(_, layer)| self.unpacked(layer)).collect()
    }

    /// What was remembered under a key; nothing where nothing was, or where it was lost in part.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn cached(&self, key: &Digest) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.part("cache").join(key.hex());
        let Some(mut bytes) = self.read_used(&path).context("reading the cache")? else { return Ok(None) };
        if bytes.len() < 32 {
            return Ok(None);
        }
        let value = bytes.split_off(32);
        Ok((Sha256::digest(&value).as_slice() == bytes).then_some(value))
    }

    /// Remembers a value under a key, instead of an earlier one.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn remember(&self, key: &Digest, value: &[u8]) -> anyhow::Result<()> {
        let bytes = [Sha256::digest(value).as_slice(), value].concat();
        self.write_whole(&self.part("cache").join(key.hex()), &bytes)
    }

    fn part(&self, name: &str) -> PathBuf {
        self.inner.folder.join(name)
    }

    fn layer_path(&self, layer: &Layer) -> PathBuf {
        self.layers.join(short(&layer.diff_id))
    }

    /// Writes a file under another name and renames it.
    fn write_whole(&self, path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let in_context = || format!("writing `{}`", path.display());
        let (unfinished, mut file) = self.inner.unfinished.new_file().with_context(in_context)?;
        io::Write::write_all(&mut file, bytes).with_context(in_context)?;
        fs::rename(unfinished, path).with_context(in_context)
    }
}

/// 96 bits name a layer among those of one machine.
fn short(diff_id: &Digest) -> String {
    diff_id.hex()[..24].to_owned()
}

fn absent_is_none<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
