//! Images as files: folders in the OCI image layout.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::super::store::Store;
use super::manifest::{Descriptor, MANIFEST, Manifest};
use super::{Image, load};
use crate::model::{Digest, ImageDigest, Platform, Reference};
use crate::registry;

pub(super) const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
pub(super) const LAYOUT_FILE: &str = "oci-layout";
const UNFINISHED_INDEX: &str = ".index.json";
pub(super) const INDEX_FILE: &str = "index.json";
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The annotation of an entry's name (OCI image layout specification, "index.json file").
const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// No index or manifest is longer, in bytes: registries cap them at 4 MiB.
const LONGEST_INDEX: u64 = 8 << 20;

/// An image with the name that it goes by elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The image.
    pub image: Image,
    /// Its name; an archive may have one without.
    pub name: Option<Reference>,
}

/// The list of a layout's images. An entry is kept as it is, whoever wrote it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    pub(super) schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) media_type: Option<String>,
    pub(super) manifests: Vec<Value>,
}

/// What is read of an entry.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    digest: String,
    platform: Option<EntryPlatform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct EntryPlatform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Whether images can be put into a folder, as [`write_oci`] does.
///
/// # Errors
/// When it holds something and is no layout, or can't be looked at.
pub fn check_layout(folder: &Path) -> anyhow::Result<()> {
    let in_context = || format!("looking into `{}`", folder.display());
    if folder.join(INDEX_FILE).try_exists().with_context(in_context)?
        || !folder.try_exists().with_context(in_context)?
    {
        return Ok(());
    }
    // What a writer leaves that is killed before it is done.
    let of_ours = ["blobs", LAYOUT_FILE, UNFINISHED_INDEX];
    for entry in fs::read_dir(folder).with_context(in_context)? {
        let name = entry.with_context(in_context)?.file_name();
        if !of_ours.iter().any(|known| name == *known) {
            bail!("`{}` holds something, and no OCI layout", folder.display());
        }
    }
    Ok(())
}

/// Makes a layout where there is none; who holds what is given back writes it alone.
pub(super) fn begin(folder: &Path) -> anyhow::Result<File> {
    fs::create_dir_all(folder.join("blobs/sha256"))?;
    let lock = File::open(folder)?;
    lock.lock()?;
    fs::write(folder.join(LAYOUT_FILE), LAYOUT)?;
    Ok(lock)
}

/// Puts images into a folder in the OCI image layout, which is made where it is not there. Of what is in it already,
/// an image of the same name is replaced, and all else stays.
///
/// # Errors
/// When the folder holds something else, a blob is not in the store, or a file can't be written.
pub fn write_oci(store: &Store, images: &[Named], folder: &Path) -> anyhow::Result<()> {
    let in_context = || format!("writing images to `{}`", folder.display());
    check_layout(folder)?;
    let _lock = begin(folder).with_context(in_context)?;
    let index_file = folder.join(INDEX_FILE);
    let is_new = !index_file.try_exists().with_context(in_context)?;
    let mut index = if is_new {
        Index { schema_version: 2, media_type: Some(INDEX.to_owned()), manifests: Vec::new() }
    } else {
        serde_json::from_slice(&fs::read(&index_file).with_context(in_context)?)
            .with_context(|| format!("`{}` is no index", index_file.display()))?
    };
    for (digest, size) in blobs_of(store, images)? {
        put_blob(store, folder, &digest, size).with_context(in_context)?;
    }
    for named in images {
        let name = named.name.as_ref().map(written_out);
        let is_same = |entry: &Value| match &name {
            Some(name) => entry["annotations"][REF_NAME] == name.as_str(),
            None => entry["digest"] == named.image.manifest.to_string() && entry["annotations"].is_null(),
        };
        index.manifests.retain(|entry| !is_same(entry));
        index.manifests.push(entry_of(store, named)?);
    }
    save_index(folder, &index).with_context(in_context)
}

/// Copies a blob of the store into a layout that does not have it yet.
pub(super) fn put_blob(store: &Store, folder: &Path, digest: &Digest, size: u64) -> anyhow::Result<()> {
    let path = folder.join(blob_name(digest));
    if !fs::metadata(&path).is_ok_and(|there| there.len() == size) {
        let unfinished = path.with_file_name(format!(".{}", digest.hex()));
        fs::copy(store.blob_path(digest), &unfinished)?;
        fs::rename(unfinished, path)?;
    }
    Ok(())
}

/// Makes a manifest without a name the only one of a layout.
pub(super) fn write_index(folder: &Path, manifest: Digest, size: usize) -> anyhow::Result<()> {
    let entry = serde_json::json!({ "mediaType": MANIFEST, "digest": manifest.to_string(), "size": size });
    let index = Index { schema_version: 2, media_type: Some(INDEX.to_owned()), manifests: vec![entry] };
    save_index(folder, &index)
}

fn save_index(folder: &Path, index: &Index) -> anyhow::Result<()> {
    let unfinished = folder.join(UNFINISHED_INDEX);
    fs::write(&unfinished, serde_json::to_vec(index)?)?;
    Ok(fs::rename(unfinished, folder.join(INDEX_FILE))?)
}

/// The manifest of a layout that has only one.
pub(super) fn only_manifest(folder: &Path) -> anyhow::Result<Digest> {
    match entries_of(&read_at_most(&folder.join(INDEX_FILE))?)?.as_slice() {
        [entry] => Ok(*entry.digest.parse::<ImageDigest>()?.digest()),
        entries => bail!("it has {} images", entries.len()),
    }
}

pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// The blobs of images with their lengths, all of which are in the store.
pub(super) fn blobs_of(store: &Store, images: &[Named]) -> anyhow::Result<BTreeMap<Digest, u64>> {
    let mut blobs = BTreeMap::new();
    for Named { image, name: _ } in images {
        let digest = image.manifest.digest();
        let manifest = store.blob(digest)?.with_context(|| format!("the image `{digest}` is not in the store"))?;
        blobs.insert(*digest, manifest.len() as u64);
        let Manifest { config, layers, .. } = Manifest::read(&manifest)?;
        for Descriptor { digest, size, .. } in layers.into_iter().chain([config]) {
            if !store.has(&digest, size)? {
                bail!("the blob `{digest}` is not in the store");
            }
            blobs.insert(digest, size);
        }
    }
    Ok(blobs)
}

pub(super) fn entry_of(store: &Store, Named { image, name }: &Named) -> anyhow::Result<Value> {
    let bytes = store.blob(image.manifest.digest())?.context("its manifest is not in the store")?;
    let Platform { os, architecture, variant } = image.config.platform();
    let mut entry = serde_json::json!({
        "mediaType": Manifest::read(&bytes)?.written_type(),
        "digest": image.manifest.to_string(),
        "size": bytes.len(),
        "platform": { "architecture": architecture, "os": os },
    });
    if let Some(variant) = variant {
        entry["platform"]["variant"] = variant.into();
    }
    if let Some(name) = name {
        entry["annotations"] = serde_json::json!({ REF_NAME: written_out(name) });
    }
    Ok(entry)
}

/// With the registry, as Podman takes a short name for one of its own.
fn written_out(name: &Reference) -> String {
    let repository = name.repository();
    let tag = name.tag_or_latest().map_or_else(String::new, |tag| format!(":{tag}"));
    format!("{}/{}{tag}", repository.registry(), repository.path())
}

/// Whether two names are one, in whichever form each is written.
fn is_same_name(a: &str, b: &str) -> bool {
    let written_out = |name: &str| name.parse::<Reference>().map(|name| written_out(&name));
    a == b || matches!((written_out(a), written_out(b)), (Ok(a), Ok(b)) if a == b)
}

/// Which image of a layout is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen<'a> {
    /// The only one.
    Only,
    /// The one of this name.
    Name(&'a str),
    /// The one, or the index, with this digest.
    Digest(ImageDigest),
}

/// Copies an image of a folder in the OCI image layout into the store, for a platform where there are several.
///
/// # Errors
/// When the folder is no layout, does not have the image, or a blob is not what its digest says.
pub fn load_oci(store: &Store, folder: &Path, chosen: Chosen<'_>, platform: &Platform) -> anyhow::Result<Image> {
    let in_context = || format!("reading the OCI layout `{}`", folder.display());
    let index = read_at_most(&folder.join(INDEX_FILE)).with_context(in_context)?;
    let entries = entries_of(&index).with_context(in_context)?;
    let is_chosen = |entry: &&Entry| match chosen {
        Chosen::Only => true,
        Chosen::Name(name) => entry.annotations.get(REF_NAME).is_some_and(|there| is_same_name(there, name)),
        Chosen::Digest(digest) => entry.digest == digest.to_string(),
    };
    let found: Vec<&Entry> = entries.iter().filter(is_chosen).collect();
    let digest = match (found.as_slice(), chosen) {
        ([entry], _) => entry.digest.parse::<ImageDigest>()?,
        // It may be named in an index only.
        ([], Chosen::Digest(digest)) => digest,
        ([], Chosen::Name(name)) => bail!("the OCI layout `{}` has no image `{name}`", folder.display()),
        ([], Chosen::Only) => bail!("the OCI layout `{}` has no image", folder.display()),
        (found, _) => choose(found.iter().copied(), platform)?
            .with_context(|| format!("the OCI layout `{}` has several such images", folder.display()))?,
    };
    let manifest = take(store, folder, digest, platform).with_context(in_context)?;
    load(store, manifest)
}

/// Copies an image, or that of an index for the platform, and tells the digest of its manifest.
fn take(store: &Store, folder: &Path, digest: ImageDigest, platform: &Platform) -> anyhow::Result<ImageDigest> {
    let bytes = read_blob(folder, digest.digest())?;
    let Ok(manifest) = Manifest::read(&bytes) else {
        let entries = entries_of(&bytes)?;
        let inner = choose(entries.iter(), platform)?.with_context(|| format!("it has no image for {platform}"))?;
        let bytes = read_blob(folder, inner.digest())?;
        return take_image(store, folder, inner, &bytes, &Manifest::read(&bytes)?);
    };
    take_image(store, folder, digest, &bytes, &manifest)
}

fn take_image(
    store: &Store,
    folder: &Path,
    digest: ImageDigest,
    bytes: &[u8],
    manifest: &Manifest,
) -> anyhow::Result<ImageDigest> {
    for Descriptor { digest, size, .. } in manifest.layers.iter().chain([&manifest.config]) {
        take_blob(store, folder, digest, *size)?;
    }
    store.put_blob(bytes)?;
    store.set_id(&crate::model::ImageId::new(manifest.config.digest), digest)?;
    Ok(digest)
}

/// Copies a blob of a layout into the store, where it is not there yet.
pub(super) fn take_blob(store: &Store, folder: &Path, digest: &Digest, size: u64) -> anyhow::Result<()> {
    if store.has(digest, size)? {
        return Ok(());
    }
    let mut from = File::open(folder.join(blob_name(digest))).with_context(|| format!("the blob `{digest}`"))?;
    let mut blob = store.new_blob()?;
    let mut hashed = Hashed { to: blob.file(), hash: Sha256::new() };
    let length = io::copy(&mut Read::by_ref(&mut from).take(size.saturating_add(1)), &mut hashed)?;
    if length != size || Digest::from_bytes(hashed.hash.finalize().into()) != *digest {
        bail!("the blob `{digest}` is not what its name says");
    }
    store.keep_blob(blob, digest)
}

struct Hashed<'a> {
    to: &'a mut File,
    hash: Sha256,
}

impl Write for Hashed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n_written = self.to.write(bytes)?;
        self.hash.update(&bytes[..n_written]);
        Ok(n_written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

fn entries_of(index: &[u8]) -> anyhow::Result<Vec<Entry>> {
    let Index { manifests, .. } = serde_json::from_slice(index).context("it is no index of images")?;
    manifests.into_iter().map(|entry| serde_json::from_value(entry).context("an entry of the index")).collect()
}

fn choose<'a>(entries: impl Iterator<Item = &'a Entry>, platform: &Platform) -> anyhow::Result<Option<ImageDigest>> {
    let mut platforms = Vec::new();
    for Entry { digest, platform, .. } in entries {
        let platform = platform.as_ref().map(|EntryPlatform { os, architecture, variant }| Platform {
            os: os.clone(),
            architecture: architecture.clone(),
            variant: variant.clone().filter(|variant| !variant.is_empty()),
        });
        platforms.push((digest.parse()?, platform));
    }
    Ok(registry::choose(&platforms, platform))
}

pub(super) fn read_blob(folder: &Path, digest: &Digest) -> anyhow::Result<Vec<u8>> {
    let bytes = read_at_most(&folder.join(blob_name(digest))).with_context(|| format!("the blob `{digest}`"))?;
    if Sha256::digest(&bytes).as_slice() != digest.as_bytes() {
        bail!("the blob `{digest}` is not what its name says");
    }
    Ok(bytes)
}

fn read_at_most(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST_INDEX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
