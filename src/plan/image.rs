//! An image with everything that is known of it before anybody asks what is already built.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::diag::{Diagnostic, Location, SourceText, Span};
use crate::dockerfile::{self, RemoteFile, pin};
use crate::hash::Fingerprint;
use crate::model::{
    ContentHash, GitCommit, GitPin, GitRef, GitRemote, HttpUrl, ImageDigest, ImageName, InjectedFile,
    LABEL_CONTENT_HASH, LABEL_FINGERPRINT, LABEL_IMAGE, Node, Platform, ProjectName, Reference, Repository, Tag,
    TestSpec, Tree,
};

use super::wanted::WhyWhole;

/// How one image comes to be made from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// `FROM`.
    From,
    /// `COPY --from=`.
    CopyFrom,
    /// `RUN --mount=…,from=`.
    Mount,
    /// A named context that is an image.
    NamedContext,
    /// `needs` in windlass.yaml.
    Needs,
}

impl fmt::Display for EdgeKind {
    /// As the user writes it: `FROM`, `COPY --from`, `needs`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::From => "FROM",
            Self::CopyFrom => "COPY --from",
            Self::Mount => "RUN --mount from",
            Self::NamedContext => "named context",
            Self::Needs => "needs",
        })
    }
}

/// One place that makes an image depend on another of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The image that has to be there first.
    pub parent: ImageName,
    /// By what.
    pub kind: EdgeKind,
    /// Where it is written.
    pub location: Location,
}

/// What a reference in a Dockerfile is replaced by when the image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinTo {
    /// The tested result of an image of the project.
    Parent(ImageName),
    /// An image of others.
    External {
        /// As it is written, its arguments filled in.
        name: Reference,
        /// What builds take in its place from its registry, where that is known.
        digest: Option<ImageDigest>,
    },
}

/// A reference to an image in a Dockerfile, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedReference {
    /// The reference's bytes in the Dockerfile.
    pub span: Span,
    /// The platform that is taken of it.
    pub platform: Platform,
    /// What it stands for.
    pub to: PinTo,
}

/// Where a secret's value comes from. The value itself is read when the image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// An environment variable.
    Env(String),
    /// A file; relative to the project's root.
    File(PathBuf),
}

/// A secret that an image takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    /// The id that `RUN --mount=type=secret` names.
    pub id: String,
    /// Where its value comes from.
    pub from: SecretValue,
}

/// A folder that a Dockerfile names beside its context.
#[derive(Debug, Clone)]
pub struct NamedFolder {
    /// The folder that the tree's paths are relative to; absolute.
    pub root: PathBuf,
    /// What of the folder the image can see.
    pub tree: Tree,
}

/// An image of the project: what it is made of, what it is called, what is asked of it.
#[derive(Debug, Clone)]
pub struct Image {
    /// Its name.
    pub name: ImageName,
    /// The length of the longest chain of parents: 0 for an image that is made from no other of the project.
    pub layer: usize,
    /// Where it is kept.
    pub repository: Repository,
    /// The tag that it gets when it is built, before its tests.
    pub testing: Tag,
    /// The tag that it gets once its tests passed.
    pub latest: Tag,
    /// The tag of the image that was latest before.
    pub previous: Tag,
    /// The tag that never moves: `content-` and the first 16 hex digits of the content hash.
    pub content: Reference,
    /// The name that it gets when the tests that are asked of it now have passed: `tested-` and 16 hex digits of the
    /// content hash and the tests together. The content's tag where nothing is asked.
    pub tested: Reference,
    /// The Dockerfile as it is written.
    pub dockerfile: Arc<SourceText>,
    /// The folder that the context's paths are relative to; absolute.
    pub context_root: PathBuf,
    /// What of the folder the image can see: nothing else is hashed, and nothing else may be sent to a builder.
    pub context: Tree,
    /// Why that is the whole context, where nobody can tell before the build what of it is read.
    pub whole_context: Option<WhyWhole>,
    /// The folders that stand behind names in `FROM`, `COPY --from` and mounts.
    pub named_contexts: BTreeMap<String, NamedFolder>,
    /// Files that the configuration adds to the context, as far as the image can see them.
    pub injected: Vec<InjectedFile>,
    /// The stage that is built; none means the last.
    pub target: Option<String>,
    /// The names that stand for folders and images in the Dockerfile.
    pub context_names: BTreeSet<String>,
    /// The variables that the instructions use, with their values.
    pub used_args: BTreeMap<String, String>,
    /// Build arguments as the configuration gives them.
    pub args: BTreeMap<String, String>,
    /// What it is for.
    pub platform: Platform,
    /// The secrets that it takes.
    pub secrets: Vec<SecretSource>,
    /// Every reference to an image in the Dockerfile, in the order of their places.
    pub references: Vec<PinnedReference>,
    /// The files that it fetches from web servers; which of them are locked is in the fingerprint.
    pub remote_files: Vec<RemoteFile>,
    /// The git repositories that its `ADD`s take files of by a name that may move, but for those whose address may hold a
    /// secret; which of them are locked is in the fingerprint.
    pub repositories: Vec<dockerfile::Repository>,
    /// The frontend that BuildKit reads the Dockerfile with, where it names one.
    pub frontend: Option<String>,
    /// Where its files are kept, if not in the project.
    pub git: Option<GitOrigin>,
    /// The images of the project that it is made from.
    pub parents: BTreeSet<ImageName>,
    /// Why each of `parents` is one, and where that is written.
    pub edges: Vec<Edge>,
    /// Everything that can change it.
    pub fingerprint: Fingerprint,
    /// The hash of the fingerprint.
    pub content_hash: ContentHash,
    /// What it must show before it is promoted.
    pub test: TestSpec,
    /// How long the build, and then the tests, may take.
    pub timeout: Duration,
    /// How often its build is tried again when the engine could not be reached.
    pub retries: u32,
    /// Labels that the configuration gives it.
    pub labels: BTreeMap<String, String>,
}

/// A folder of a git repository elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitOrigin {
    /// The repository.
    pub remote: GitRemote,
    /// What is named of it.
    pub reference: GitRef,
    /// The commit that this means.
    pub commit: GitCommit,
}

/// The images of a project, hashed and in order, before anybody asked what is already built.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The project's name.
    pub project: ProjectName,
    /// The images: every one after its parents, one layer after another, by name within a layer.
    pub images: Vec<Box<Image>>,
    /// Those of them that were chosen; the others are there because chosen ones may need them.
    pub chosen: BTreeSet<ImageName>,
    /// What the user should hear: what was inferred or assumed.
    pub notes: Vec<String>,
    /// What is likely not meant as it is written.
    pub warnings: Vec<Diagnostic>,
}

/// What an image is made from, as its Dockerfile tells: no file of its contexts has to be there for that.
#[derive(Debug, Clone, Copy)]
pub struct Outline<'a> {
    /// Its name.
    pub name: &'a ImageName,
    /// The length of the longest chain of parents.
    pub layer: usize,
    /// The Dockerfile as it is written.
    pub dockerfile: &'a Arc<SourceText>,
    /// Every reference to an image in the Dockerfile.
    pub references: &'a [PinnedReference],
    /// The files that it fetches from web servers.
    pub remote_files: &'a [RemoteFile],
    /// The git repositories that its `ADD`s take files of by a name that may move.
    pub repositories: &'a [dockerfile::Repository],
    /// The images of the project that it is made from, and where that is written.
    pub edges: &'a [Edge],
}

impl<'a> Outline<'a> {
    /// The images of others that it is made from, as they are written.
    pub fn bases(&self) -> impl Iterator<Item = &'a Reference> + use<'a> {
        self.references.iter().filter_map(|reference| match &reference.to {
            PinTo::External { name, digest: _ } => Some(name),
            PinTo::Parent(_) => None,
        })
    }
}

impl Image {
    /// What it is made from.
    pub fn outline(&self) -> Outline<'_> {
        let Self { name, layer, dockerfile, references, remote_files, repositories, edges, .. } = self;
        Outline { name, layer: *layer, dockerfile, references, remote_files, repositories, edges }
    }

    /// All labels that it gets: besides the configuration's its name, its content hash and its fingerprint.
    pub fn all_labels(&self) -> BTreeMap<String, String> {
        let ours = [
            (LABEL_IMAGE, self.name.to_string()),
            (LABEL_CONTENT_HASH, self.content_hash.to_string()),
            (LABEL_FINGERPRINT, self.fingerprint.to_label()),
        ];
        self.labels.clone().into_iter().chain(ours.map(|(name, value)| (name.to_owned(), value))).collect()
    }

    /// The name that the image has from when it is built until another is.
    pub fn testing_reference(&self) -> Reference {
        self.repository.with_tag(&self.testing)
    }

    /// The name of the image that passed its tests last.
    pub fn latest_reference(&self) -> Reference {
        self.repository.with_tag(&self.latest)
    }

    /// How many files of its contexts it can see, those that the configuration adds included, and their bytes.
    pub fn files_and_bytes(&self) -> (usize, u64) {
        let trees = std::iter::once(&self.context).chain(self.named_contexts.values().map(|folder| &folder.tree));
        let sizes = trees.flat_map(|tree| tree.iter()).filter_map(|(_, node)| match node {
            Node::File { size, .. } => Some(*size),
            Node::Directory | Node::Symlink { .. } => None,
        });
        let injected = self.injected.iter().map(|file| file.content.len() as u64);
        sizes.chain(injected).fold((0, 0), |(files, bytes), size| (files + 1, bytes + size))
    }

    /// The text of the Dockerfile with every reference to a parent, to an image from elsewhere whose digest is known, and
    /// to a repository whose commit is locked, in the place of what is written there. Parents that are not given stay as
    /// they are written.
    pub fn pinned_dockerfile(&self, parents: &BTreeMap<ImageName, Reference>) -> String {
        pin(self.dockerfile.text(), &self.pinned(parents))
    }

    /// The same for a builder that takes `ADD --checksum`, with one for each file whose checksum is locked.
    pub fn pinned_dockerfile_with_checksums(&self, parents: &BTreeMap<ImageName, Reference>) -> String {
        let locked = self.remote_files.iter().filter_map(|file| {
            let (at, digest) = (file.checksum_at?, self.fingerprint.remote_files.get(&file.url)?);
            Some((Span::new(at, at), format!(" --checksum={digest}")))
        });
        let pinned: Vec<_> = self.pinned(parents).into_iter().chain(locked).collect();
        pin(self.dockerfile.text(), &pinned)
    }

    /// The files that are locked, and that a builder does not compare with the lock: it takes no checksums, or an
    /// instruction has no place for one.
    pub fn unchecked(&self, takes_checksums: bool) -> impl Iterator<Item = &HttpUrl> {
        let is_unchecked = move |file: &&RemoteFile| !takes_checksums || file.checksum_at.is_none();
        let is_locked = |file: &&RemoteFile| self.fingerprint.remote_files.contains_key(&file.url);
        self.remote_files.iter().filter(is_unchecked).filter(is_locked).map(|file| &file.url)
    }

    /// The refs that are locked, and that a builder takes as they are now: the lock's commit can't be written in their
    /// place.
    pub fn unpinned(&self) -> BTreeSet<&GitPin> {
        let locked = |repository: &dockerfile::Repository| self.fingerprint.repositories.get(&repository.pin);
        let is_left = |repository: &&dockerfile::Repository| {
            locked(repository).is_some_and(|commit| repository.pinned(commit).is_none())
        };
        self.repositories.iter().filter(is_left).map(|repository| &repository.pin).collect()
    }

    fn pinned(&self, parents: &BTreeMap<ImageName, Reference>) -> Vec<(Span, String)> {
        let pinned = self.references.iter().filter_map(|reference| match &reference.to {
            PinTo::Parent(parent) => Some((reference.span, parents.get(parent)?.to_string())),
            PinTo::External { name, digest: Some(digest) } => {
                Some((reference.span, name.repository().with_digest(*digest).to_string()))
            }
            PinTo::External { name, digest: None } => Some((reference.span, name.to_string())),
        });
        let repositories = self.repositories.iter().filter_map(|repository| {
            let commit = self.fingerprint.repositories.get(&repository.pin)?;
            Some((repository.span, repository.pinned(commit)?))
        });
        pinned.chain(repositories).collect()
    }
}
