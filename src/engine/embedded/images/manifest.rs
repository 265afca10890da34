//! Manifests (OCI image specification, "Image Manifest"; Docker's "manifest V2 schema 2" has the same fields).

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::super::layer::{Layer, MediaType, text};
use crate::model::Digest;

/// The type of manifests that are written.
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// In whose words manifests are published. The blobs that they name are the same ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MediaTypes {
    /// Those of the OCI image specification; an image of others, which was pulled, stays in those that it has.
    #[default]
    Oci,
    /// Those of Docker ("Image Manifest Version 2, Schema 2"), for registries that take no others. A layer that is packed
    /// with zstd gets the type that BuildKit gives it.
    Docker,
}

/// The manifest of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
}

/// What a manifest says of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    #[serde(with = "text")]
    pub(super) digest: Digest,
    pub(super) size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

impl Descriptor {
    pub(super) fn of(media_type: &str, digest: Digest, size: usize) -> Self {
        Self { media_type: media_type.to_owned(), digest, size: size as u64, annotations: BTreeMap::new() }
    }

    pub(super) fn of_config(digest: Digest, size: usize) -> Self {
        Self::of(CONFIG, digest, size)
    }

    pub(super) fn of_layer(layer: &Layer) -> Self {
        let media_type = layer.media_type.as_str().to_owned();
        Self { media_type, digest: layer.blob, size: layer.size, annotations: BTreeMap::new() }
    }

    /// How a layer is packed: by the type's end, as there are those of Docker and those that may not be given away.
    pub(super) fn layer_type(&self) -> anyhow::Result<MediaType> {
        let types = [(".tar.gzip", MediaType::Gzip), ("tar+gzip", MediaType::Gzip), ("tar+zstd", MediaType::Zstd)];
        let types = types.into_iter().chain([(".tar.zstd", MediaType::Zstd), (".tar", MediaType::Tar)]);
        let found = types.into_iter().find(|(end, _)| self.media_type.ends_with(end));
        found.map(|(_, found)| found).with_context(|| format!("`{}` is no type of layers", self.media_type))
    }
}

impl Manifest {
    pub(super) fn of(config: Descriptor, layers: &[Layer]) -> Self {
        let layers = layers.iter().map(Descriptor::of_layer).collect();
        Self { schema_version: 2, media_type: Some(MANIFEST.to_owned()), config, layers }
    }

    /// The same image in Docker's words.
    pub(super) fn for_docker(mut self) -> anyhow::Result<Self> {
        self.media_type = Some(DOCKER_MANIFEST.to_owned());
        DOCKER_CONFIG.clone_into(&mut self.config.media_type);
        for layer in &mut self.layers {
            layer.layer_type()?.as_docker_str().clone_into(&mut layer.media_type);
        }
        Ok(self)
    }

    pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let manifest: Self = serde_json::from_slice(bytes).context("it is no manifest of an image")?;
        if manifest.schema_version != 2 {
            bail!("a manifest of schema version {} is not supported", manifest.schema_version);
        }
        match manifest.media_type.as_deref() {
            None | Some(MANIFEST | DOCKER_MANIFEST) => Ok(manifest),
            Some(other) => bail!("a manifest of type `{}` is not supported", other.escape_debug()),
        }
    }

    /// The type to publish it as: the one that it was read with, as its bytes are.
    pub(super) fn written_type(&self) -> &'static str {
        match self.media_type.as_deref() {
            Some(DOCKER_MANIFEST) => DOCKER_MANIFEST,
            // Docker's must name its type, so one without is none.
            _ => MANIFEST,
        }
    }

    pub(super) fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("it holds texts and numbers")
    }
}
