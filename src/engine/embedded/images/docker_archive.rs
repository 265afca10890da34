//! Archives that `docker load` and `podman load` read.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};

use anyhow::bail;

use super::super::layer::{Layer, MediaType, Uncompressed, header_of_file};
use super::super::store::Store;
use super::layout::{INDEX, INDEX_FILE, Index, LAYOUT, LAYOUT_FILE, Named, blob_name, blobs_of, entry_of};
use crate::model::Digest;

/// Writes images as an archive that `docker load` reads (20.10 and later), `podman load`, and whoever reads an OCI
/// layout in an archive: both descriptions name the same blobs.
///
/// # Errors
/// When a blob is not in the store, or the archive can't be written.
pub fn write_docker_archive(store: &Store, images: &[Named], to: &mut dyn Write) -> anyhow::Result<()> {
    let blobs = blobs_of(store, images)?;
    for (digest, size) in &blobs {
        let mut blob = File::open(store.blob_path(digest))?;
        put_file(to, &blob_name(digest), *size, &mut blob)?;
    }
    let mut written: BTreeSet<Digest> = blobs.keys().copied().collect();
    let mut list = Vec::new();
    for Named { image, name } in images {
        let mut layers = Vec::new();
        for layer in &image.layers {
            layers.push(blob_name(&put_for_docker(store, layer, &mut written, to)?));
        }
        // Docker reads no name with a digest.
        let name = name.as_ref().and_then(|name| Some(format!("{}:{}", name.repository(), name.tag_or_latest()?)));
        let tags: Vec<String> = name.into_iter().collect();
        list.push(serde_json::json!({ "Config": blob_name(image.id.digest()), "RepoTags": tags, "Layers": layers }));
    }
    let entries = images.iter().map(|named| entry_of(store, named)).collect::<anyhow::Result<_>>()?;
    let index = Index { schema_version: 2, media_type: Some(INDEX.to_owned()), manifests: entries };
    let texts = [
        (INDEX_FILE, serde_json::to_vec(&index)?),
        ("manifest.json", serde_json::to_vec(&list)?),
        (LAYOUT_FILE, LAYOUT.as_bytes().to_vec()),
    ];
    for (name, text) in texts {
        put_file(to, name, text.len() as u64, &mut text.as_slice())?;
    }
    Ok(to.write_all(&[0; 1024])?)
}

/// The file that Docker reads a layer from: its blob, unpacked where Docker before 23 could not.
fn put_for_docker(
    store: &Store,
    layer: &Layer,
    written: &mut BTreeSet<Digest>,
    to: &mut dyn Write,
) -> anyhow::Result<Digest> {
    if layer.media_type != MediaType::Zstd {
        return Ok(layer.blob);
    }
    if written.insert(layer.diff_id) {
        let mut plain = store.new_blob()?;
        let size = io::copy(&mut Uncompressed::new(File::open(store.blob_path(&layer.blob))?)?, plain.file())?;
        io::Seek::rewind(plain.file())?;
        put_file(to, &blob_name(&layer.diff_id), size, plain.file())?;
    }
    Ok(layer.diff_id)
}

fn put_file(to: &mut dyn Write, name: &str, size: u64, from: &mut dyn Read) -> anyhow::Result<()> {
    to.write_all(&header_of_file(name, size)?)?;
    if io::copy(&mut from.take(size), to)? != size {
        bail!("`{name}` is shorter than it should be");
    }
    let padding = (512 - size % 512) % 512;
    Ok(to.write_all(&[0; 512][..usize::try_from(padding).expect("it is less than 512")])?)
}
