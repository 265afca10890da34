//! Manifests as bytes: what pulls an image, and what publishes one.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};

use super::client::{digest_of, manifest_path, same_digest, written_digest};
use super::manifest::{self, Manifest};
use super::session::Access;
use super::transport::{About, Body, Request};
use super::{Error, Registry};
use crate::model::{ImageDigest, ImageId, Platform, Reference};

/// The manifest of an image as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteManifest {
    /// What the reference stands for: this manifest, or an index of several.
    pub digest: ImageDigest,
    /// The digest of the manifest.
    pub manifest: ImageDigest,
    /// What engines know the image by.
    pub config: ImageId,
    /// The manifest.
    pub bytes: Vec<u8>,
}

impl Registry {
    /// The manifest behind a reference, through an index to that of the image for `platform`; nothing where the
    /// reference stands for nothing or the index has no image for the platform.
    ///
    /// # Errors
    /// When the registry does not answer, refuses, or answers what is no manifest or has another digest.
    pub async fn image_manifest(
        &self,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Option<RemoteManifest>, Error> {
        let doing = format!("reading `{reference}`");
        let about = About { registry: reference.repository().registry(), doing: &doing };
        self.trying(&doing, || self.image_manifest_once(about, reference, platform)).await
    }

    pub(super) async fn image_manifest_once(
        &self,
        about: About<'_>,
        reference: &Reference,
        platform: &Platform,
    ) -> Result<Option<RemoteManifest>, Error> {
        let Some((digest, bytes)) = self.verified_manifest(about, reference).await? else { return Ok(None) };
        let entries = match manifest::read(&bytes).map_err(|why| about.protocol(why))? {
            Manifest::Image { config } => {
                return Ok(Some(RemoteManifest { digest, manifest: digest, config, bytes }));
            }
            Manifest::Index(entries) => entries,
        };
        let Some(manifest) = manifest::choose(&entries, platform) else { return Ok(None) };
        let found = self.verified_manifest(about, &reference.repository().with_digest(manifest)).await?;
        let (_, bytes) = found.ok_or_else(|| about.not_found())?;
        match manifest::read(&bytes).map_err(|why| about.protocol(why))? {
            Manifest::Image { config } => Ok(Some(RemoteManifest { digest, manifest, config, bytes })),
            Manifest::Index(_) => Err(about.protocol("it is an index within an index")),
        }
    }

    /// Puts a manifest of `media_type` where a reference says, and tells its digest. All that it names must be there.
    ///
    /// # Errors
    /// When the registry does not answer, refuses, or says that it has another digest.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &'static str,
        bytes: &[u8],
    ) -> Result<ImageDigest, Error> {
        let doing = format!("pushing `{reference}`");
        let about = About { registry: reference.repository().registry(), doing: &doing };
        self.trying(&doing, || async {
            let request = Request {
                method: Method::PUT,
                url: self.session().transport().url(about, &manifest_path(reference))?,
                headers: vec![(CONTENT_TYPE, HeaderValue::from_static(media_type))],
                body: Body::Bytes(bytes.to_vec()),
            };
            let answer = self.session().ask(about, reference.repository(), &Access::Push, &request).await?;
            let digest = digest_of(bytes);
            same_digest(about, written_digest(about, &answer.headers)?, digest)?;
            Ok(digest)
        })
        .await
    }
}
