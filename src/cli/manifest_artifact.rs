//! Deploy manifests in registries, where they are artifacts: `oci://registry/repository:tag`.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;

use super::{Refusal, Settings, connect};
use crate::diag::SourceText;
use crate::event::NoSink;
use crate::manifest::{self, ContainerSpec, FileContent, Manifest};
use crate::model::{ContainerName, ImageDigest, Reference};
use crate::registry::{Registry, RetryPolicy};

/// What an address in a registry begins with.
const SCHEME: &str = "oci://";

/// The type of a deploy manifest as an artifact, and as the file in it.
const MEDIA_TYPE: &str = "application/vnd.windlass.deploy.v1+json";

/// What clients of artifacts write the manifest to.
const FILE_NAME: &str = "deploy.json";

/// The reference that an address in a registry stands for; nothing where it is none.
pub(super) fn reference(address: &str) -> Result<Option<Reference>, Refusal> {
    let Some(text) = address.strip_prefix(SCHEME) else { return Ok(None) };
    let host = text.split('/').next().unwrap_or_default();
    if !host.contains(['.', ':']) && host != "localhost" {
        let message = format!("`{address}` does not begin with a registry");
        return Err(Refusal::usage_with_hint(message, "say which: `oci://registry.example.com/shop/deploy:main`"));
    }
    text.parse().map(Some).map_err(|error| Refusal::usage(format!("{error}")))
}

/// The address of what a reference stands for, with its digest.
pub(super) fn address(reference: &Reference, digest: ImageDigest) -> String {
    match reference.tag() {
        Some(tag) => format!("{SCHEME}{}@{digest}", reference.repository().with_tag(tag)),
        None => format!("{SCHEME}{}", reference.repository().with_digest(digest)),
    }
}

/// What a reference stands for, and its digest; nothing where it stands for nothing. What is `known` already is not read again:
/// a tag is asked for its digest, and a digest for nothing.
pub(super) async fn read(
    reference: &Reference,
    known: Option<&(ImageDigest, Vec<u8>)>,
    settings: &Settings,
) -> anyhow::Result<Option<(ImageDigest, Vec<u8>)>> {
    if settings.offline {
        return Err(Refusal::usage(format!("`{reference}` can't be asked for with `--offline`")).into());
    }
    let registry = client(settings)?;
    let now = match (known, reference.digest()) {
        (None, _) => None,
        (Some(_), Some(digest)) => Some(digest),
        (Some(_), None) => registry.digest_of(reference).await?,
    };
    match known.filter(|(digest, _)| now == Some(*digest)) {
        Some(known) => Ok(Some(known.clone())),
        None => Ok(registry.artifact(reference, MEDIA_TYPE).await?),
    }
}

/// The manifest that a new one follows there.
///
/// # Errors
/// When the registry does not answer or refuses, or has there what is no manifest.
pub(super) async fn former(reference: &Reference, settings: &Settings) -> anyhow::Result<Option<Manifest>> {
    let Some((_, bytes)) = read(reference, None, settings).await? else { return Ok(None) };
    let text = String::from_utf8(bytes).with_context(|| format!("reading `{reference}`"))?;
    Ok(Some(manifest::parse(&SourceText::new(format!("{SCHEME}{reference}"), text))?))
}

/// Puts a manifest into a registry, and tells its digest there.
pub(super) async fn write(
    reference: &Reference,
    manifest: &Manifest,
    settings: &Settings,
) -> anyhow::Result<ImageDigest> {
    let text = manifest::to_json(manifest);
    Ok(client(settings)?.put_artifact(reference, MEDIA_TYPE, FILE_NAME, text.as_bytes()).await?)
}

/// Refuses containers that take files from beside the manifest: in a registry nothing is beside it.
pub(super) fn check(containers: &BTreeMap<ContainerName, ContainerSpec>) -> Result<(), Refusal> {
    for (name, spec) in containers {
        let beside = spec.files.values().find_map(|file| match &file.content {
            FileContent::File(path) => Some(path),
            FileContent::Text(_) | FileContent::Env(_) => None,
        });
        if let Some(path) = beside.or(spec.env_file.first()) {
            let message =
                format!("the container `{name}` takes `{path}` from beside the manifest, and in a registry nothing is");
            return Err(Refusal::usage_with_hint(
                message,
                "say `content` or `env` instead, or write the manifest to a file",
            ));
        }
    }
    Ok(())
}

/// A client of registries, whose credentials are read now.
fn client(settings: &Settings) -> anyhow::Result<Registry> {
    connect::registry(settings, RetryPolicy::default(), Arc::new(NoSink))
}
