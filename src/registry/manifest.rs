//! The little of manifests, indexes and configurations that is read (OCI image specification; Docker's
//! "manifest V2 schema 2" has the same fields).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::{Digest, ImageDigest, ImageId, Platform};

/// The media types of manifests and indexes.
pub(super) const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// What a manifest's bytes are.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// An image for one platform.
    Image { config: ImageId },
    /// Images for several platforms.
    Index(Vec<(ImageDigest, Option<Platform>)>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    schema_version: u64,
    media_type: Option<String>,
    config: Option<Descriptor>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<WirePlatform>,
}

#[derive(Deserialize)]
struct WirePlatform {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

impl WirePlatform {
    fn platform(self) -> Option<Platform> {
        let variant = self.variant.filter(|variant| !variant.is_empty());
        Some(Platform { os: self.os?, architecture: self.architecture?, variant })
    }
}

/// Reads a manifest; the error says what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<Manifest, String> {
    let Wire { schema_version, media_type, config, manifests } =
        serde_json::from_slice(bytes).map_err(|_| "it is no manifest")?;
    if schema_version != 2 {
        return Err(format!("a manifest of schema version {schema_version} is not supported"));
    }
    if let Some(unknown) = media_type.filter(|media_type| !MEDIA_TYPES.contains(&media_type.as_str())) {
        return Err(format!("a manifest of type `{}` is not supported", super::text::shown(&unknown)));
    }
    let digest = |text: &str| text.parse::<Digest>().map_err(|_| "it names a digest that is no sha256".to_owned());
    match (config, manifests) {
        (Some(config), None) => Ok(Manifest::Image { config: ImageId::new(digest(&config.digest)?) }),
        (None, Some(entries)) => {
            let entry = |entry: Descriptor| {
                Ok((ImageDigest::new(digest(&entry.digest)?), entry.platform.and_then(WirePlatform::platform)))
            };
            entries.into_iter().map(entry).collect::<Result<_, String>>().map(Manifest::Index)
        }
        _ => Err("it is neither a manifest nor an index".to_owned()),
    }
}

/// The entry for a platform: the exact one, else one of the same system and architecture whose variant is what that
/// architecture has where none is written.
pub fn choose(entries: &[(ImageDigest, Option<Platform>)], wanted: &Platform) -> Option<ImageDigest> {
    let mut platforms = entries.iter().filter_map(|(digest, platform)| Some((*digest, platform.as_ref()?)));
    let exact = platforms.clone().find(|(_, platform)| *platform == wanted);
    exact.or_else(|| platforms.find(|(_, platform)| runs_as(platform, wanted))).map(|(digest, _)| digest)
}

/// Whether an image for `platform` is one for `wanted`.
pub(super) fn runs_as(platform: &Platform, wanted: &Platform) -> bool {
    platform.os == wanted.os && platform.architecture == wanted.architecture && variant(platform) == variant(wanted)
}

/// The variant, with what containerd takes where none is written.
fn variant(platform: &Platform) -> Option<&str> {
    let usual = match platform.architecture.as_str() {
        "arm64" => Some("v8"),
        "arm" => Some("v7"),
        "amd64" => Some("v1"),
        _ => None,
    };
    platform.variant.as_deref().or(usual)
}

/// What of an image's configuration is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// Where it says so: old builders do not.
    pub(super) platform: Option<Platform>,
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct WireConfig {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
    config: Option<WireConfigConfig>,
}

#[derive(Deserialize)]
struct WireConfigConfig {
    #[serde(rename = "Labels")]
    labels: Option<BTreeMap<String, String>>,
}

/// Reads an image's configuration.
pub(super) fn read_config(bytes: &[u8]) -> Result<Config, &'static str> {
    let WireConfig { os, architecture, variant, config } =
        serde_json::from_slice(bytes).map_err(|_| "it is no image configuration")?;
    let platform = WirePlatform { os, architecture, variant };
    let labels = config.and_then(|config| config.labels).unwrap_or_default();
    Ok(Config { platform: platform.platform(), labels })
}
