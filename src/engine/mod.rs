//! What builds and tests images. The trait says what a pipeline needs of an engine; `docker`, `embedded` and
//! `simulated` provide it.

mod any;
mod context;
pub mod docker;
pub mod embedded;
mod lines;
pub mod simulated;
mod ssh;
mod test;

pub use any::AnyEngine;
pub use ssh::SshAgent;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use crate::event::Sink;
use crate::model::{
    ContentHash, ImageDigest, ImageId, ImageName, InjectedFile, LABEL_CONTENT_HASH, Platform, Reference, TestSpec, Tree,
};

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image itself is at fault: an instruction failed, a file is missing. Trying again gives the same.
    #[error("{message}")]
    Image {
        /// What went wrong, in one line.
        message: String,
        /// The line of the Dockerfile, from 1, where the builder tells it.
        line: Option<usize>,
        /// How to mend it, where that is known.
        hint: Option<String>,
    },
    /// The engine can't do what this image asks for; nothing came of it.
    #[error("{message}")]
    Unsupported {
        /// What is asked and by what it is refused.
        message: String,
        /// What to do instead.
        hint: String,
    },
    /// The engine or the registry behind it says no, for want of rights or because there is no such thing: trying
    /// again gives the same.
    #[error("{0:#}")]
    Refused(anyhow::Error),
    /// The engine or the registry behind it does not answer, or answers nonsense: trying again may help.
    #[error("{0:#}")]
    Unreachable(anyhow::Error),
    /// It took longer than it may.
    #[error("{what} took longer than {}s", limit.as_secs_f32())]
    TimedOut {
        /// What was being done.
        what: String,
        /// How long it may take.
        limit: Duration,
    },
}

/// A secret for `RUN --mount=type=secret`.
#[derive(Clone)]
pub struct Secret {
    /// The id that the Dockerfile mounts it by.
    pub id: String,
    /// The bytes; never shown, logged or stored.
    pub value: Vec<u8>,
}

/// A folder that stands behind a name in `FROM`, `COPY --from` and mounts.
#[derive(Debug, Clone, Copy)]
pub struct NamedContext<'a> {
    /// The folder that the tree's paths are relative to.
    pub root: &'a Path,
    /// What of it may be read.
    pub tree: &'a Tree,
}

/// Everything that one build needs.
pub struct BuildRequest<'a> {
    /// The image, for events.
    pub image: &'a ImageName,
    /// The folder that the tree's paths are relative to.
    pub context_root: &'a Path,
    /// What of the folder belongs to the context; nothing else may be read.
    pub context: &'a Tree,
    /// Folders that the Dockerfile calls by a name, in place of an image or a stage.
    pub named: &'a BTreeMap<&'a str, NamedContext<'a>>,
    /// Files that are added to the context and hide those of the tree.
    pub injected: &'a [InjectedFile],
    /// The Dockerfile's text with its references pinned. It is sent as it stands, not read from the context.
    pub dockerfile: &'a str,
    /// The stage to build; none means the last.
    pub target: Option<&'a str>,
    /// Build arguments.
    pub args: &'a BTreeMap<String, String>,
    /// Labels put on the image besides those of its Dockerfile.
    pub labels: &'a BTreeMap<String, String>,
    /// The platform to build for.
    pub platform: &'a Platform,
    /// Secrets for `RUN --mount=type=secret`.
    pub secrets: &'a [Secret],
    /// Agents for `RUN --mount=type=ssh`.
    pub ssh: &'a [SshAgent],
    /// The name that the built image gets.
    pub tag: &'a Reference,
    /// Whether nothing of earlier builds may be used.
    pub no_cache: bool,
    /// The time that every file of the context carries, in seconds since 1970.
    pub source_date_epoch: u64,
    /// How long the build may take.
    pub timeout: Duration,
}

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltImage {
    /// Its name in the project.
    pub image: ImageName,
    /// What the engine knows it by.
    pub id: ImageId,
}

/// What an engine tells of an image that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// What the engine knows it by.
    pub id: ImageId,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The manifests that registries serve it by, as the engine remembers them.
    pub repo_digests: Vec<Reference>,
}

impl StoredImage {
    /// The content hash in its labels, where it carries a readable one.
    pub fn content_hash(&self) -> Option<ContentHash> {
        self.labels.get(LABEL_CONTENT_HASH)?.parse().ok()
    }
}

/// What a run of tests showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestVerdict {
    /// Every test by name, in the order in which they ran, with why it failed where it did.
    pub results: Vec<(String, Option<String>)>,
    /// The container of the first failure, kept for inspection.
    pub kept: Option<String>,
}

impl TestVerdict {
    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.results.iter().all(|(_, failure)| failure.is_none())
    }
}

/// Builds, tests, names and publishes images.
///
/// Every future may be dropped: an engine then leaves no container of its own behind once
/// [`Engine::clean_up`] has run.
pub trait Engine: Send + Sync {
    /// Whether the builder takes `ADD --checksum` in a Dockerfile that names this frontend, or none.
    fn takes_checksums(&self, frontend: Option<&str>) -> bool;

    /// Builds an image and names it `request.tag`.
    fn build(
        &self,
        request: &BuildRequest<'_>,
        events: &dyn Sink,
    ) -> impl Future<Output = Result<BuiltImage, Error>> + Send;

    /// Runs an image's tests. A test that fails is a verdict, not an error.
    fn test(
        &self,
        image: &BuiltImage,
        spec: &TestSpec,
        timeout: Duration,
        events: &dyn Sink,
    ) -> impl Future<Output = Result<TestVerdict, Error>> + Send;

    /// Whether nothing has a name yet, so that none need be looked up.
    fn has_no_names(&self) -> impl Future<Output = Result<bool, Error>> + Send {
        std::future::ready(Ok(false))
    }

    /// Looks an image up by a name or digest, without asking a registry.
    fn find(&self, reference: &Reference) -> impl Future<Output = Result<Option<StoredImage>, Error>> + Send;

    /// Gives an image one more name; the name leaves whatever image had it.
    fn tag(&self, id: &ImageId, reference: &Reference) -> impl Future<Output = Result<(), Error>> + Send;

    /// Takes a name away; an image that has no other name goes with it. A name that is not there is fine.
    fn untag(&self, reference: &Reference) -> impl Future<Output = Result<(), Error>> + Send;

    /// Pulls a manifest by its reference, so that it can be built on and named.
    fn pull(&self, reference: &Reference, events: &dyn Sink)
    -> impl Future<Output = Result<StoredImage, Error>> + Send;

    /// Pushes what a name stands for, and tells the digest that the registry serves it by.
    fn push(
        &self,
        image: &ImageName,
        reference: &Reference,
        events: &dyn Sink,
    ) -> impl Future<Output = Result<ImageDigest, Error>> + Send;

    /// Removes what dropped futures left on the engine: their containers, not those kept for inspection.
    fn clean_up(&self) -> impl Future<Output = Result<(), Error>> + Send;
}
