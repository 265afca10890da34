//! Images from registries and to them. Blobs go by several at a time, and only those that are not there yet.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use sha2::{Digest as _, Sha256};

use super::super::store::Store;
use super::manifest::{Descriptor, Manifest, MediaTypes};
use super::{Image, load};
use crate::model::{Digest, ImageDigest, Platform, Reference, Repository};
use crate::registry::{Brought, Registry};

/// So many blobs of an image are under way at once. Arbitrary: more do not fill a line better.
const AT_ONCE: usize = 4;

/// No configuration is longer, in bytes: registries cap manifests at 4 MiB.
const LONGEST_CONFIG: u64 = 8 << 20;

/// A blob that is where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Its digest.
    pub blob: Digest,
    /// Its length in bytes.
    pub size: u64,
    /// How it came there.
    pub how: Brought,
}

/// Gets the image that a reference stands for on a platform, with all its blobs; `told` hears of each. What a digest
/// stands for is not asked twice.
///
/// # Errors
/// When there is no such image, the registry does not answer, refuses or sends something else (then a
/// [`crate::registry::Error`] is in the chain), or the store can't be written.
pub async fn pull(
    registry: &Registry,
    store: &Store,
    reference: &Reference,
    platform: &Platform,
    told: &(dyn Fn(Moved) + Send + Sync),
) -> anyhow::Result<Image> {
    let key = reference.digest().map(|digest| key_of(digest, platform));
    if let Some(key) = &key
        && let Some(image) = pulled_before(store, key)?
    {
        return Ok(image);
    }
    let found = registry.image_manifest(reference, platform).await?;
    let found = found.with_context(|| format!("there is no image `{reference}` for {platform}"))?;
    let in_context = || format!("pulling `{reference}`");
    let manifest = Manifest::read(&found.bytes).with_context(in_context)?;
    if manifest.config.size > LONGEST_CONFIG {
        bail!("pulling `{reference}`: its configuration has {} bytes", manifest.config.size);
    }
    let repository = reference.repository();
    let blobs: BTreeMap<Digest, &Descriptor> =
        manifest.layers.iter().chain([&manifest.config]).map(|blob| (blob.digest, blob)).collect();
    let fetches = blobs.into_values().map(|blob| async {
        let how = fetch(registry, store, repository, blob).await?;
        told(Moved { blob: blob.digest, size: blob.size, how });
        anyhow::Ok(())
    });
    // Collected first: a stream of a closure's futures is `Send` for no lifetime that the compiler can name.
    let fetches: Vec<_> = fetches.collect();
    stream::iter(fetches).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    store.put_blob(&found.bytes)?;
    store.set_id(&found.config, found.manifest)?;
    let image = load(store, found.manifest).with_context(in_context)?;
    if let Some(key) = &key {
        store.remember(key, found.manifest.to_string().as_bytes())?;
    }
    Ok(image)
}

/// Puts an image where a reference says, and tells the digest that the registry serves it by, which is another one
/// in other words; `told` hears of each blob. A blob that the registry has in another repository that it was pulled from or pushed to is not sent again.
///
/// # Errors
/// When a blob is not in the store, the registry does not answer or refuses (then a [`crate::registry::Error`] is in
/// the chain).
pub async fn push(
    registry: &Registry,
    store: &Store,
    image: &Image,
    reference: &Reference,
    media_types: MediaTypes,
    told: &(dyn Fn(Moved) + Send + Sync),
) -> anyhow::Result<ImageDigest> {
    let in_context = || format!("pushing `{reference}`");
    let bytes = store.blob(image.manifest.digest())?.context("its manifest is not in the store");
    let mut bytes = bytes.with_context(in_context)?;
    if media_types == MediaTypes::Docker {
        bytes = Manifest::read(&bytes).and_then(Manifest::for_docker).with_context(in_context)?.write();
    }
    send(registry, store, &bytes, reference, Missing::IsWrong, told).await
}

/// What it means that a blob is not in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It can't be sent.
    IsWrong,
    /// The repository has it.
    IsThere,
}

/// Puts a manifest with its blobs where a reference says.
pub(super) async fn send(
    registry: &Registry,
    store: &Store,
    bytes: &[u8],
    reference: &Reference,
    missing: Missing,
    told: &(dyn Fn(Moved) + Send + Sync),
) -> anyhow::Result<ImageDigest> {
    let manifest = Manifest::read(bytes).with_context(|| format!("pushing `{reference}`"))?;
    let repository = reference.repository();
    let blobs: BTreeMap<Digest, &Descriptor> =
        manifest.layers.iter().chain([&manifest.config]).map(|blob| (blob.digest, blob)).collect();
    let uploads = blobs.into_values().map(|blob| async {
        let path = store.blob_path(&blob.digest);
        if !store.has(&blob.digest, blob.size)? {
            if missing == Missing::IsThere {
                return Ok(());
            }
            bail!("pushing `{reference}`: the blob `{}` is not in the store", blob.digest);
        }
        let others = store.origins(&blob.digest)?;
        let how = registry.upload(repository, &blob.digest, blob.size, &path, &others).await?;
        store.add_origin(&blob.digest, repository)?;
        told(Moved { blob: blob.digest, size: blob.size, how });
        anyhow::Ok(())
    });
    let uploads: Vec<_> = uploads.collect();
    stream::iter(uploads).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(registry.put_manifest(reference, manifest.written_type(), bytes).await?)
}

/// Brings a blob into the store.
pub(super) async fn fetch(
    registry: &Registry,
    store: &Store,
    repository: &Repository,
    blob: &Descriptor,
) -> anyhow::Result<Brought> {
    let how = if store.has(&blob.digest, blob.size)? {
        Brought::WasThere
    } else {
        let mut new = store.new_blob()?;
        registry.download(repository, &blob.digest, blob.size, new.file()).await?;
        store.keep_blob(new, &blob.digest)?;
        Brought::Sent
    };
    store.add_origin(&blob.digest, repository)?;
    Ok(how)
}

/// Under what the store remembers which image an index has for a platform.
fn key_of(digest: ImageDigest, platform: &Platform) -> Digest {
    Digest::from_bytes(Sha256::digest(format!("pulled 1\n{digest}\n{platform}\n")).into())
}

fn pulled_before(store: &Store, key: &Digest) -> anyhow::Result<Option<Image>> {
    let Some(value) = store.cached(key)? else { return Ok(None) };
    let digest: Option<ImageDigest> = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
    let Some(digest) = digest.filter(|digest| matches!(store.blob(digest.digest()), Ok(Some(_)))) else {
        return Ok(None);
    };
    let image = load(store, digest)?;
    for layer in &image.layers {
        if !store.has_blob(layer)? {
            return Ok(None);
        }
    }
    Ok(Some(image))
}
