//! What `windlass.yaml` says, validated. Places are kept where a later layer may have to point at them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::deploy::Deploy;
use super::git::GitSource;
use super::path::ProjectPath;
use super::read::Spanned;
use crate::diag::{Diagnostic, SourceText, Span};
use crate::model::{CommandTest, ImageName, Platform, ProjectName, RepositoryPrefix, Tag, TreePath};

/// The version of `windlass.yaml` that this program reads and writes.
pub const VERSION: i64 = 1;

/// The whole file.
#[derive(Debug, Clone)]
pub struct Config {
    /// The text that the places are in.
    pub source: Arc<SourceText>,
    /// The project's name; none means that of the root folder.
    pub project: Option<Spanned<ProjectName>>,
    /// What stands before the images' names in a registry.
    pub registry: Option<Spanned<RepositoryPrefix>>,
    /// Where Dockerfiles are no images unless `images` says so, as patterns of a `.gitignore` at the root.
    pub ignore: Vec<String>,
    /// What the channels are called, where an image does not say otherwise.
    pub tags: ChannelTags,
    /// What holds where an image does not say otherwise.
    pub defaults: Defaults,
    /// What the file says of images. Discovery may find more than these.
    pub images: BTreeMap<ImageName, ImageConfig>,
    /// What runs on hosts.
    pub deploy: Deploy,
    /// What is likely not meant so.
    pub warnings: Vec<Diagnostic>,
}

/// The names of the channels; no two are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelTags {
    /// Built, not tested yet: `testing`.
    pub testing: Tag,
    /// Tested last: `latest`.
    pub latest: Tag,
    /// What was `latest` before: `previous`.
    pub previous: Tag,
}

/// What holds for every image that does not say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// What is built for.
    pub platform: Platform,
    /// How long a build may take; the tests of an image too.
    pub timeout: Duration,
    /// How often a build is tried again when the engine could not be reached.
    pub retries: u32,
}

/// One image, defaults written out.
#[derive(Debug, Clone)]
pub struct ImageConfig {
    /// Where its name is written.
    pub span: Span,
    /// The folder that is sent to the builder; none means that of the Dockerfile that discovery finds for the name.
    pub context: Option<Spanned<ProjectPath>>,
    /// Where the files are, where that is not in the project; only without a `context`.
    pub git: Option<GitSource>,
    /// The Dockerfile, from the project's root, or from that of the git repository; only with `context` or `git`. None
    /// means the one that stands in the context.
    pub dockerfile: Option<Spanned<ProjectPath>>,
    /// The stage to build; none means the last.
    pub target: Option<Spanned<String>>,
    /// Build arguments.
    pub args: BTreeMap<String, Spanned<String>>,
    /// Named contexts: what `FROM name` and `COPY --from=name` take in place of an image of that name.
    pub contexts: BTreeMap<String, Spanned<NamedContext>>,
    /// Secrets for `RUN --mount=type=secret`; no two have one id.
    pub secrets: Vec<SecretConfig>,
    /// Files that are added to the context; no two have one path.
    pub files: Vec<FileConfig>,
    /// Images that must be built before for reasons that the Dockerfile does not show.
    pub needs: Vec<Spanned<ImageName>>,
    /// What it is built for.
    pub platform: Platform,
    /// How long its build may take; its tests too.
    pub timeout: Duration,
    /// How often its build is tried again when the engine could not be reached.
    pub retries: u32,
    /// What its channels are called.
    pub tags: ChannelTags,
    /// Labels besides those of its Dockerfile.
    pub labels: BTreeMap<String, String>,
    /// What it must show before it is promoted.
    pub test: TestConfig,
}

/// What a named context stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedContext {
    /// Another image of the project.
    Image(ImageName),
    /// A folder of the project.
    Folder(ProjectPath),
}

/// A secret that a build may read, and where its value is; the value itself is never in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretConfig {
    /// What the Dockerfile calls it.
    pub id: Spanned<String>,
    /// Where its value is.
    pub from: SecretFrom,
}

/// Where the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// In an environment variable.
    Env(String),
    /// In a file, as a path from the project's root or an absolute one.
    File(String),
}

/// A file that is added to an image's context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// Where in the context.
    pub path: Spanned<TreePath>,
    /// Where its content is.
    pub from: FileFrom,
    /// Permission bits, 0 to 0o7777.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
}

/// Where the content of an added file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFrom {
    /// In an environment variable.
    Env(String),
    /// In a file, as a path from the project's root or an absolute one.
    File(String),
    /// Here.
    Text(String),
}

/// What an image must show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestConfig {
    /// Commands.
    pub run: Vec<CommandTest>,
    /// Files of container-structure-test.
    pub structure: Vec<Spanned<ProjectPath>>,
    /// The image, started as it is, must be healthy within this time.
    pub healthy: Option<Duration>,
}

impl Default for ChannelTags {
    fn default() -> Self {
        let tag = |text: &str| text.parse().expect("a lower-case word is a tag");
        Self { testing: tag("testing"), latest: tag("latest"), previous: tag("previous") }
    }
}

impl Default for Defaults {
    /// Half an hour, no second try: a failure is shown as soon as it is there.
    fn default() -> Self {
        Self { platform: Platform::linux_amd64(), timeout: Duration::from_secs(30 * 60), retries: 0 }
    }
}

impl Config {
    /// What holds for a project without a `windlass.yaml`, which would stand at `path`.
    pub fn without_file(path: &str) -> Self {
        Self {
            source: SourceText::new(path, ""),
            project: None,
            registry: None,
            ignore: Vec::new(),
            tags: ChannelTags::default(),
            defaults: Defaults::default(),
            images: BTreeMap::new(),
            deploy: Deploy::default(),
            warnings: Vec::new(),
        }
    }

    /// What holds for an image that the file does not name.
    pub fn unnamed_image(&self) -> ImageConfig {
        ImageConfig {
            span: Span::new(0, 0),
            context: None,
            git: None,
            dockerfile: None,
            target: None,
            args: BTreeMap::new(),
            contexts: BTreeMap::new(),
            secrets: Vec::new(),
            files: Vec::new(),
            needs: Vec::new(),
            platform: self.defaults.platform.clone(),
            timeout: self.defaults.timeout,
            retries: self.defaults.retries,
            tags: self.tags.clone(),
            labels: BTreeMap::new(),
            test: TestConfig::default(),
        }
    }
}
