//! One file as an artifact of a registry (OCI image specification, "Guidelines for Artifact Usage"): the manifest of an image
//! whose configuration is empty and whose only layer is the file.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::client::digest_of;
use super::manifest::MEDIA_TYPES;
use super::transport::{About, Body};
use super::{Error, Registry};
use crate::model::{Digest, ImageDigest, Reference};

/// The configuration of what needs none, with its media type ("Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// The media type of the manifest.
const MANIFEST_TYPE: &str = MEDIA_TYPES[0];

/// What clients of artifacts call the file ("Pre-Defined Annotation Keys").
const TITLE: &str = "org.opencontainers.image.title";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    schema_version: u32,
    media_type: &'a str,
    artifact_type: &'a str,
    config: WrittenPart<'a>,
    layers: [WrittenPart<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenPart<'a> {
    media_type: &'a str,
    digest: String,
    size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    #[serde(default)]
    layers: Vec<ReadPart>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReadPart {
    media_type: String,
    digest: String,
}

impl Registry {
    /// The file of `media_type` that a reference stands for, with the digest of its manifest; nothing where it stands for
    /// nothing.
    ///
    /// # Errors
    /// When the registry does not answer, refuses, or has something else there.
    pub async fn artifact(
        &self,
        reference: &Reference,
        media_type: &str,
    ) -> Result<Option<(ImageDigest, Vec<u8>)>, Error> {
        let doing = format!("reading `{reference}`");
        let about = About { registry: reference.repository().registry(), doing: &doing };
        self.trying(&doing, || async {
            let Some((digest, bytes)) = self.verified_manifest(about, reference).await? else { return Ok(None) };
            let Read { layers } = serde_json::from_slice(&bytes).map_err(|_| about.protocol("it is no manifest"))?;
            let layer = layers.iter().find(|layer| layer.media_type == media_type);
            let layer = layer.ok_or_else(|| about.protocol(format!("it has no file of type `{media_type}`")))?;
            let at = layer.digest.parse().map_err(|_| about.protocol("it names a digest that is no sha256"))?;
            Ok(Some((digest, self.blob(about, reference.repository(), &at).await?)))
        })
        .await
    }

    /// Puts a file where a reference says, as an artifact of `media_type` that is the same for the same file, and tells the
    /// digest of its manifest.
    ///
    /// # Errors
    /// When the registry does not answer, or refuses.
    pub async fn put_artifact(
        &self,
        reference: &Reference,
        media_type: &str,
        name: &str,
        file: &[u8],
    ) -> Result<ImageDigest, Error> {
        let doing = format!("pushing `{reference}`");
        let about = About { registry: reference.repository().registry(), doing: &doing };
        for bytes in [EMPTY, file] {
            let digest = Digest::from_bytes(Sha256::digest(bytes).into());
            let body = Body::Bytes(bytes.to_vec());
            let attempt = || self.upload_once(about, reference.repository(), &digest, &body, &[]);
            self.trying(&doing, attempt).await?;
        }
        self.put_manifest(reference, MANIFEST_TYPE, &manifest(media_type, name, file)).await
    }
}

fn manifest(media_type: &str, name: &str, file: &[u8]) -> Vec<u8> {
    let part = |media_type, bytes: &[u8], annotations| WrittenPart {
        media_type,
        digest: digest_of(bytes).to_string(),
        size: bytes.len(),
        annotations,
    };
    let written = Written {
        schema_version: 2,
        media_type: MANIFEST_TYPE,
        artifact_type: media_type,
        config: part(EMPTY_TYPE, EMPTY, None),
        layers: [part(media_type, file, Some(serde_json::json!({ TITLE: name })))],
    };
    serde_json::to_vec(&written).expect("texts and numbers are JSON")
}
