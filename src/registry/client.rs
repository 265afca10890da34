//! What is asked of registries.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

use super::manifest::{self, Manifest};
use super::session::{Access, Session};
use super::transport::{About, Answer, Body, Request, Transport};
use super::{Again, Credentials, Error, Keychain, RemoteManifest, Retry, RetryPolicy};
use crate::model::{Digest, ImageDigest, ImageId, Platform, Reference, Repository, Tag};

/// How registries are talked to.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who we are.
    pub keychain: Keychain,
    /// Registries (host and port) on plain HTTP besides those of this machine, which always are.
    pub plain_http: BTreeSet<String>,
    /// How long one request and its answer may take.
    pub deadline: Duration,
    /// How often something is tried again.
    pub retry: RetryPolicy,
}

impl Options {
    /// What suits most: HTTPS off this machine, half a minute for an answer (arbitrary: none is longer than a
    /// manifest).
    pub fn new(keychain: Keychain) -> Self {
        let deadline = Duration::from_secs(30);
        Self { keychain, plain_http: BTreeSet::new(), deadline, retry: RetryPolicy::default() }
    }
}

/// The image behind a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteImage {
    /// What the reference stands for: an image's manifest, or an index of several.
    pub digest: ImageDigest,
    /// The manifest of the platform's image; the same as `digest` where there is no index.
    pub manifest: ImageDigest,
    /// What engines know the image by.
    pub id: ImageId,
    /// The image's labels.
    pub labels: BTreeMap<String, String>,
}

/// What a reference stands for, with the image for each platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteManifests {
    /// What the reference stands for: an index of several images, or the manifest of one.
    pub digest: ImageDigest,
    /// The manifests of an index, with the platform of each; none where there is no index.
    index: Option<Vec<(ImageDigest, Option<Platform>)>>,
}

impl RemoteManifests {
    /// The manifest of the image for a platform. An image without an index is taken for any: builders do so too.
    pub fn for_platform(&self, platform: &Platform) -> Option<ImageDigest> {
        match &self.index {
            Some(entries) => manifest::choose(entries, platform),
            None => Some(self.digest),
        }
    }
}

/// A client of all registries. Every call is tried again where that may help, and ends in bounded time.
pub struct Registry {
    session: Arc<Session>,
    retry: RetryPolicy,
    tell: Arc<dyn Fn(Retry) + Send + Sync>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("keychain", self.session.keychain()).finish_non_exhaustive()
    }
}

impl Registry {
    /// A client; `tell` hears of each further try.
    pub fn new(options: Options, tell: impl Fn(Retry) + Send + Sync + 'static) -> Self {
        let Options { keychain, plain_http, deadline, retry } = options;
        let session = Arc::new(Session::new(Transport::new(plain_http, deadline), keychain));
        Self { session, retry, tell: Arc::new(tell) }
    }

    /// The same client, connections and tokens included, that tries again as another policy says.
    #[must_use]
    pub fn with_retry(&self, retry: RetryPolicy) -> Self {
        Self { session: Arc::clone(&self.session), retry, tell: Arc::clone(&self.tell) }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Does something of which `again` says whether it is tried again.
    pub(super) async fn again<T, E, F>(
        &self,
        doing: &str,
        again: impl Fn(&E) -> Again,
        attempt: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        E: fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        self.retry.run(doing, again, &*self.tell, attempt).await
    }

    /// Who we are to a registry (host and port): what an engine needs that pulls or pushes for us.
    ///
    /// # Errors
    /// As [`Keychain::credentials_for`].
    pub async fn credentials_for(&self, registry: &str) -> Result<Credentials, Error> {
        self.session.keychain().credentials_for(registry).await
    }

    /// The digest of what a reference stands for, without reading it; nothing where it stands for nothing.
    ///
    /// # Errors
    /// When the registry does not answer, or refuses.
    pub async fn digest_of(&self, reference: &Reference) -> Result<Option<ImageDigest>, Error> {
        let doing = format!("looking up `{reference}`");
        self.trying(&doing, || self.digest_once(reference, &doing)).await
    }

    /// What a reference stands for, with the image for each platform; nothing where it stands for nothing.
    ///
    /// # Errors
    /// When the registry does not answer, refuses, or answers what is no image or has another digest.
    pub async fn manifests_of(&self, reference: &Reference) -> Result<Option<RemoteManifests>, Error> {
        let doing = format!("looking up `{reference}`");
        self.trying(&doing, || self.manifests_once(reference, &doing)).await
    }

    /// Whether a reference stands for anything.
    ///
    /// # Errors
    /// When the registry does not answer, or refuses.
    pub async fn exists(&self, reference: &Reference) -> Result<bool, Error> {
        Ok(self.digest_of(reference).await?.is_some())
    }

    /// The image behind a reference, through an index to the image for `platform`; nothing where the reference stands
    /// for nothing or has no image for the platform.
    ///
    /// # Errors
    /// When the registry does not answer, refuses, or answers what is no image or has another digest.
    pub async fn look_up(&self, reference: &Reference, platform: &Platform) -> Result<Option<RemoteImage>, Error> {
        let doing = format!("reading `{reference}`");
        self.trying(&doing, || self.look_up_once(reference, platform, &doing)).await
    }

    /// Gives a manifest of the repository one more tag; the tag leaves whatever had it. The same bytes are written
    /// under the tag, so no layer moves and the digest stays, which is checked.
    ///
    /// # Errors
    /// When the registry does not answer, refuses, has no such manifest, or has another one under the tag afterwards.
    pub async fn retag(&self, repository: &Repository, digest: ImageDigest, tag: &Tag) -> Result<(), Error> {
        let doing = format!("tagging `{}` as `{tag}`", repository.with_digest(digest));
        self.trying(&doing, || self.retag_once(repository, digest, tag, &doing)).await
    }

    pub(super) async fn trying<T, F>(&self, doing: &str, attempt: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.again(doing, Error::again, attempt).await
    }

    async fn digest_once(&self, reference: &Reference, doing: &str) -> Result<Option<ImageDigest>, Error> {
        let about = About { registry: reference.repository().registry(), doing };
        let Some(answer) = self.manifest(about, Method::HEAD, reference, &Access::Pull).await? else { return Ok(None) };
        let digest = match written_digest(about, &answer.headers)? {
            Some(digest) => digest,
            // The header is optional, the bytes are not.
            None => match self.verified_manifest(about, reference).await? {
                Some((digest, bytes)) => {
                    manifest::read(&bytes).map_err(|why| about.protocol(why))?;
                    digest
                }
                None => return Ok(None),
            },
        };
        same_digest(about, reference.digest(), digest)?;
        Ok(Some(digest))
    }

    async fn manifests_once(&self, reference: &Reference, doing: &str) -> Result<Option<RemoteManifests>, Error> {
        let about = About { registry: reference.repository().registry(), doing };
        let Some((digest, bytes)) = self.verified_manifest(about, reference).await? else { return Ok(None) };
        let index = match manifest::read(&bytes).map_err(|why| about.protocol(why))? {
            Manifest::Image { config: _ } => None,
            Manifest::Index(entries) => Some(entries),
        };
        Ok(Some(RemoteManifests { digest, index }))
    }

    async fn look_up_once(
        &self,
        reference: &Reference,
        platform: &Platform,
        doing: &str,
    ) -> Result<Option<RemoteImage>, Error> {
        let repository = reference.repository();
        let about = About { registry: repository.registry(), doing };
        let Some(found) = self.image_manifest_once(about, reference, platform).await? else { return Ok(None) };
        let RemoteManifest { digest, manifest, config: id, bytes: _ } = found;
        let bytes = self.blob(about, repository, id.digest()).await?;
        let config = manifest::read_config(&bytes).map_err(|why| about.protocol(why))?;
        if config.platform.is_some_and(|built_for| !manifest::runs_as(&built_for, platform)) {
            return Ok(None);
        }
        Ok(Some(RemoteImage { digest, manifest, id, labels: config.labels }))
    }

    async fn retag_once(
        &self,
        repository: &Repository,
        digest: ImageDigest,
        tag: &Tag,
        doing: &str,
    ) -> Result<(), Error> {
        let about = About { registry: repository.registry(), doing };
        let source = repository.with_digest(digest);
        // One token for both, the one that may write.
        let answer =
            self.manifest(about, Method::GET, &source, &Access::Push).await?.ok_or_else(|| about.not_found())?;
        same_digest(about, Some(digest), digest_of(&answer.body))?;
        let media_type = answer.headers.get(CONTENT_TYPE).cloned();
        let media_type = media_type.ok_or_else(|| about.protocol("it is a manifest without a type"))?;
        let target = repository.with_tag(tag);
        let written = self
            .session
            .ask(
                about,
                repository,
                &Access::Push,
                &Request {
                    method: Method::PUT,
                    url: self.session.transport().url(about, &manifest_path(&target))?,
                    headers: vec![(CONTENT_TYPE, media_type)],
                    body: Body::Bytes(answer.body),
                },
            )
            .await?;
        match written_digest(about, &written.headers)? {
            Some(found) => same_digest(about, Some(digest), found),
            None => match self.digest_once(&target, doing).await? {
                Some(found) => same_digest(about, Some(digest), found),
                None => Err(about.protocol("the tag is not there after it was written")),
            },
        }
    }

    /// What a reference stands for, its digest checked.
    pub(super) async fn verified_manifest(
        &self,
        about: About<'_>,
        reference: &Reference,
    ) -> Result<Option<(ImageDigest, Vec<u8>)>, Error> {
        let Some(Answer { headers, body, .. }) = self.manifest(about, Method::GET, reference, &Access::Pull).await?
        else {
            return Ok(None);
        };
        let digest = digest_of(&body);
        same_digest(about, reference.digest(), digest)?;
        same_digest(about, written_digest(about, &headers)?, digest)?;
        Ok(Some((digest, body)))
    }

    async fn manifest(
        &self,
        about: About<'_>,
        method: Method,
        reference: &Reference,
        access: &Access,
    ) -> Result<Option<Answer>, Error> {
        let url = self.session.transport().url(about, &manifest_path(reference))?;
        let accept = HeaderValue::from_str(&manifest::MEDIA_TYPES.join(", ")).expect("media types are ASCII");
        let request = Request { method, url, headers: vec![(ACCEPT, accept)], body: Body::EMPTY };
        match self.session.ask(about, reference.repository(), access, &request).await {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn blob(
        &self,
        about: About<'_>,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<Vec<u8>, Error> {
        let url = self.session.transport().url(about, &format!("/v2/{}/blobs/{digest}", repository.path()))?;
        let request = Request { method: Method::GET, url, headers: Vec::new(), body: Body::EMPTY };
        let answer = self.session.ask(about, repository, &Access::Pull, &request).await?;
        same_digest(about, Some(ImageDigest::new(*digest)), digest_of(&answer.body))?;
        Ok(answer.body)
    }
}

pub(super) fn manifest_path(reference: &Reference) -> String {
    let path = reference.repository().path();
    match (reference.digest(), reference.tag_or_latest()) {
        (Some(digest), _) => format!("/v2/{path}/manifests/{digest}"),
        (None, tag) => format!("/v2/{path}/manifests/{}", tag.unwrap_or("latest")),
    }
}

/// The digest that the registry says its answer has.
pub(super) fn written_digest(about: About<'_>, headers: &HeaderMap) -> Result<Option<ImageDigest>, Error> {
    let Some(value) = headers.get("docker-content-digest") else { return Ok(None) };
    let digest = value.to_str().ok().and_then(|text| text.parse().ok());
    digest.map(Some).ok_or_else(|| about.protocol("its digest is no sha256"))
}

pub(super) fn digest_of(bytes: &[u8]) -> ImageDigest {
    ImageDigest::new(Digest::from_bytes(Sha256::digest(bytes).into()))
}

pub(super) fn same_digest(about: About<'_>, expected: Option<ImageDigest>, found: ImageDigest) -> Result<(), Error> {
    match expected {
        Some(expected) if expected != found => Err(about.protocol(format!("its digest is {found}, not {expected}"))),
        _ => Ok(()),
    }
}
