//! Images: manifests, configurations and layers, in a store.

mod cache;
mod config;
mod docker_archive;
mod layout;
mod manifest;
mod registry;

use anyhow::{Context as _, bail};

pub use cache::{CachePlace, fetch_layer, has_layer, read_cache, write_cache};
pub use config::{ContainerConfig, Empty, Healthcheck, History, ImageConfig};
pub use docker_archive::write_docker_archive;
pub use layout::{Chosen, Named, check_layout, load_oci, write_oci};
pub use manifest::MediaTypes;
use manifest::{Descriptor, Manifest};
pub use registry::{Moved, pull, push};

use super::layer::Layer;
use super::store::Store;
use crate::model::{Digest, ImageDigest, ImageId};

/// An image of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The digest of its manifest.
    pub manifest: ImageDigest,
    /// The digest of its configuration.
    pub id: ImageId,
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, the lowest first.
    pub layers: Vec<Layer>,
}

/// Reads an image by the digest of its manifest.
///
/// # Errors
/// When manifest or configuration are not in the store, or can't be read.
pub fn load(store: &Store, digest: ImageDigest) -> anyhow::Result<Image> {
    let in_context = || format!("reading the image `{digest}`");
    let bytes = store.blob(digest.digest())?.context("its manifest is not in the store").with_context(in_context)?;
    let Manifest { config, layers, .. } = Manifest::read(&bytes).with_context(in_context)?;
    let id = ImageId::new(config.digest);
    let bytes = store.blob(id.digest())?.context("its configuration is not in the store").with_context(in_context)?;
    let config = ImageConfig::read(&bytes).with_context(in_context)?;
    let layers = layers_of(&layers, &config.diff_ids()).with_context(in_context)?;
    Ok(Image { manifest: digest, id, config, layers })
}

/// Puts an image together, of a configuration and layers whose blobs are in the store already; the lowest is first.
/// The same configuration and layers give the same digest.
///
/// # Errors
/// When the history does not tell of as many layers as there are, or the store can't be written.
pub fn save(store: &Store, config: &ImageConfig, layers: &[Layer]) -> anyhow::Result<Image> {
    let mut config = config.clone();
    config.set_diff_ids(layers.iter().map(|layer| layer.diff_id).collect());
    let n_told = config.history.iter().filter(|step| !step.empty_layer).count();
    if !config.history.is_empty() && n_told != layers.len() {
        bail!("the history of an image tells of {n_told} layers, and it has {}", layers.len());
    }
    let bytes = config.write();
    let id = ImageId::new(store.put_blob(&bytes)?);
    let manifest = Manifest::of(Descriptor::of_config(*id.digest(), bytes.len()), layers).write();
    let manifest = ImageDigest::new(store.put_blob(&manifest)?);
    store.set_id(&id, manifest)?;
    Ok(Image { manifest, id, config, layers: layers.to_vec() })
}

/// The blobs that a manifest names; nothing where the bytes are no manifest.
pub(in crate::engine::embedded) fn parts_of(manifest: &[u8]) -> Option<Vec<Digest>> {
    let Manifest { config, layers, .. } = Manifest::read(manifest).ok()?;
    Some(layers.iter().chain([&config]).map(|blob| blob.digest).collect())
}

/// The layers of a manifest with the digests of their archives, which only the configuration has.
fn layers_of(blobs: &[Descriptor], diff_ids: &[Digest]) -> anyhow::Result<Vec<Layer>> {
    if blobs.len() != diff_ids.len() {
        bail!("its manifest has {} layers, its configuration {}", blobs.len(), diff_ids.len());
    }
    let layer = |(blob, diff_id): (&Descriptor, &Digest)| {
        let media_type = blob.layer_type()?;
        Ok(Layer { diff_id: *diff_id, blob: blob.digest, size: blob.size, media_type })
    };
    blobs.iter().zip(diff_ids).map(layer).collect()
}
