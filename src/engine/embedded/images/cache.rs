//! Caches in the form of images: a configuration of another type, and layers that are each for themselves.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use super::super::layer::{Layer, Uncompressed};
use super::super::store::Store;
use super::layout::{self, INDEX_FILE, blob_name};
use super::manifest::{Descriptor, Manifest};
use super::registry::{Missing, fetch, send};
use crate::model::{Digest, Platform, Reference};
use crate::registry::Registry;

/// The type of a cache's configuration.
const CONFIG: &str = "application/vnd.windlass.cache.v1+json";
/// No configuration of a cache is longer, in bytes. Arbitrary: a hundred thousand steps.
const LONGEST_CONFIG: u64 = 64 << 20;

/// Where a cache is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// A name in a registry.
    Registry(Reference),
    /// A folder in the OCI image layout that holds nothing else.
    Folder(PathBuf),
}

impl FromStr for CachePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').filter(|(_, place)| !place.is_empty()) {
            Some(("registry", name)) => name.parse().map(Self::Registry).map_err(|error| format!("{error}")),
            Some(("dir", folder)) => Ok(Self::Folder(folder.into())),
            Some(_) | None => Err("expected `registry:NAME` or `dir:PATH`".to_owned()),
        }
    }
}

impl fmt::Display for CachePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(name) => write!(f, "registry:{name}"),
            Self::Folder(folder) => write!(f, "dir:{}", folder.display()),
        }
    }
}

/// The configuration of a cache; nothing where there is none yet.
///
/// # Errors
/// When the registry does not answer or refuses, the folder can't be read, or something else is there.
pub async fn read_cache(registry: &Registry, store: &Store, place: &CachePlace) -> anyhow::Result<Option<Vec<u8>>> {
    let config = match place {
        CachePlace::Registry(name) => of_registry(registry, store, name).await,
        CachePlace::Folder(folder) => of_folder(folder),
    };
    config.with_context(|| format!("reading the cache `{place}`"))
}

async fn of_registry(registry: &Registry, store: &Store, name: &Reference) -> anyhow::Result<Option<Vec<u8>>> {
    // A cache is for any platform: its steps are known by theirs.
    let Some(found) = registry.image_manifest(name, &Platform::linux_amd64()).await? else { return Ok(None) };
    let config = config_of(&found.bytes)?;
    fetch(registry, store, name.repository(), &config).await?;
    store.blob(&config.digest)
}

fn of_folder(folder: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    layout::check_layout(folder)?;
    if !folder.join(INDEX_FILE).try_exists()? {
        return Ok(None);
    }
    let manifest = layout::only_manifest(folder)?;
    let config = config_of(&layout::read_blob(folder, &manifest)?)?;
    layout::read_blob(folder, &config.digest).map(Some)
}

fn config_of(manifest: &[u8]) -> anyhow::Result<Descriptor> {
    let config = Manifest::read(manifest)?.config;
    if config.media_type != CONFIG {
        bail!("it is an image, and no cache");
    }
    if config.size > LONGEST_CONFIG {
        bail!("its configuration has {} bytes", config.size);
    }
    Ok(config)
}

/// Brings a layer of a cache into the store, and looks whether it is what the cache says.
///
/// # Errors
/// When it is not there any more, is something else, or the registry does not answer.
pub async fn fetch_layer(registry: &Registry, store: &Store, place: &CachePlace, layer: &Layer) -> anyhow::Result<()> {
    match place {
        CachePlace::Registry(name) => {
            fetch(registry, store, name.repository(), &Descriptor::of_layer(layer)).await.map(drop)?;
        }
        CachePlace::Folder(folder) => layout::take_blob(store, folder, &layer.blob, layer.size)?,
    }
    let mut hash = Sha256::new();
    let archive = File::open(store.blob_path(&layer.blob)).and_then(Uncompressed::new);
    archive.and_then(|mut archive| io::copy(&mut archive, &mut hash)).context("unpacking it")?;
    let found = Digest::from_bytes(hash.finalize().into());
    if found != layer.diff_id {
        bail!("the archive in `{}` has the digest `{found}`, not `{}`", layer.blob, layer.diff_id);
    }
    Ok(())
}

/// Whether a folder has the blob of a layer, as long as it should be.
pub fn has_layer(folder: &Path, layer: &Layer) -> bool {
    fs::metadata(folder.join(blob_name(&layer.blob))).is_ok_and(|there| there.len() == layer.size)
}

/// Puts a cache into its place instead of the one that is there. Layers that the store does not have are there already.
///
/// # Errors
/// When the registry does not answer or refuses, a layer is not there, or the folder can't be written.
pub async fn write_cache(
    registry: &Registry,
    store: &Store,
    place: &CachePlace,
    config: &[u8],
    layers: &[Layer],
) -> anyhow::Result<()> {
    let digest = store.put_blob(config)?;
    let manifest = Manifest::of(Descriptor::of(CONFIG, digest, config.len()), layers);
    match place {
        CachePlace::Registry(name) => {
            send(registry, store, &manifest.write(), name, Missing::IsThere, &|_| {}).await.map(drop)
        }
        CachePlace::Folder(folder) => to_folder(store, folder, &manifest, layers),
    }
}

fn to_folder(store: &Store, folder: &Path, manifest: &Manifest, layers: &[Layer]) -> anyhow::Result<()> {
    layout::check_layout(folder)?;
    let in_context = || format!("writing a cache to `{}`", folder.display());
    let bytes = manifest.write();
    let digest = store.put_blob(&bytes)?;
    let config = &manifest.config;
    let _lock = layout::begin(folder).with_context(in_context)?;
    let mut kept = BTreeSet::new();
    let parts = [(digest, bytes.len() as u64), (config.digest, config.size)];
    for (digest, size) in layers.iter().map(|layer| (layer.blob, layer.size)).chain(parts) {
        layout::put_blob(store, folder, &digest, size).with_context(in_context)?;
        kept.insert(blob_name(&digest));
    }
    layout::write_index(folder, digest, bytes.len()).with_context(in_context)?;
    for entry in fs::read_dir(folder.join("blobs/sha256")).with_context(in_context)? {
        let path = entry.with_context(in_context)?.path();
        if path.strip_prefix(folder).is_ok_and(|name| !kept.contains(&*name.to_string_lossy())) {
            fs::remove_file(path).with_context(in_context)?;
        }
    }
    Ok(())
}
