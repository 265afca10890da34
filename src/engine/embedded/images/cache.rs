//! Caches in the form of images: a configuration of another type, and layers that are each for themselves.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use sha2::{Digest as _, Sha256};

use super::super::layer::{Layer, Uncompressed};
use super::super::store::Store;
use super::layout::{self, INDEX_FILE, blob_name};
use super::manifest::{Descriptor, Manifest};
use super::registry::{Missing, fetch, send};
use crate::model::{Digest, Platform, Reference, Repository};
use crate::registry::Registry;

/// The type of a cache's configuration.
const CONFIG: &str = "application/vnd.windlass.cache.v1+json";
/// No configuration of a cache is longer, in bytes. Arbitrary: a hundred thousand steps.
const LONGEST_CONFIG: u64 = 64 << 20;

/// Where the layers of a cache are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheAt {
    /// In a repository of a registry.
    Repository(Repository),
    /// In a folder in the OCI image layout.
    Folder(PathBuf),
}

/// The configuration of the cache that a name stands for; nothing where it stands for nothing.
///
/// # Errors
/// When the registry does not answer or refuses, or the name stands for something else.
pub async fn cache_of_registry(
    registry: &Registry,
    store: &Store,
    name: &Reference,
) -> anyhow::Result<Option<Vec<u8>>> {
    // A cache is for any platform: its steps are known by theirs.
    let Some(found) = registry.image_manifest(name, &Platform::linux_amd64()).await? else { return Ok(None) };
    let config = config_of(&found.bytes)?;
    fetch(registry, store, name.repository(), &config).await?;
    store.blob(&config.digest)
}

/// The configuration of the cache in a folder; nothing where the folder is not there or empty.
///
/// # Errors
/// When it can't be read, or holds something else.
pub fn cache_of_folder(folder: &Path) -> anyhow::Result<Option<Vec<u8>>> {
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
pub async fn fetch_layer(registry: &Registry, store: &Store, at: &CacheAt, layer: &Layer) -> anyhow::Result<()> {
    match at {
        CacheAt::Repository(repository) => {
            fetch(registry, store, repository, &Descriptor::of_layer(layer)).await.map(drop)?;
        }
        CacheAt::Folder(folder) => layout::take_blob(store, folder, &layer.blob, layer.size)?,
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

/// Puts a cache where a name says. Layers that the store does not have are there already.
///
/// # Errors
/// When the registry does not answer or refuses.
pub async fn push_cache(
    registry: &Registry,
    store: &Store,
    name: &Reference,
    config: &[u8],
    layers: &[Layer],
) -> anyhow::Result<()> {
    let manifest = manifest(store, config, layers)?;
    send(registry, store, &manifest, name, Missing::IsThere, &|_| {}).await.map(drop)
}

/// Puts a cache into a folder instead of the one that is there. Layers that the store does not have are there already.
///
/// # Errors
/// When a layer is not there, or the folder can't be written.
pub fn write_cache(store: &Store, folder: &Path, config: &[u8], layers: &[Layer]) -> anyhow::Result<()> {
    layout::check_layout(folder)?;
    let in_context = || format!("writing a cache to `{}`", folder.display());
    let bytes = manifest(store, config, layers)?;
    let manifest_digest = store.put_blob(&bytes)?;
    let Manifest { config, .. } = Manifest::read(&bytes)?;
    let _lock = layout::begin(folder).with_context(in_context)?;
    let mut kept = BTreeSet::new();
    let parts = [(manifest_digest, bytes.len() as u64), (config.digest, config.size)];
    for (digest, size) in layers.iter().map(|layer| (layer.blob, layer.size)).chain(parts) {
        layout::put_blob(store, folder, &digest, size).with_context(in_context)?;
        kept.insert(blob_name(&digest));
    }
    layout::write_index(folder, manifest_digest, bytes.len()).with_context(in_context)?;
    for entry in fs::read_dir(folder.join("blobs/sha256")).with_context(in_context)? {
        let path = entry.with_context(in_context)?.path();
        if path.strip_prefix(folder).is_ok_and(|name| !kept.contains(&*name.to_string_lossy())) {
            fs::remove_file(path).with_context(in_context)?;
        }
    }
    Ok(())
}

fn manifest(store: &Store, config: &[u8], layers: &[Layer]) -> anyhow::Result<Vec<u8>> {
    let digest: Digest = store.put_blob(config)?;
    Ok(Manifest::of(Descriptor::of(CONFIG, digest, config.len()), layers).write())
}
