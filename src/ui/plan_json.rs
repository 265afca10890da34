//! A plan for programs. The shape is an interface: `docs/plan-json.md` describes it.

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::plan_why::WhyJson;
use super::reason_json::{ReasonJson, reason};
use crate::diag::{Diagnostic, Location, Severity};
use crate::dockerfile::{self, RemoteFile};
use crate::plan::{BaseId, Edge, EdgeKind, GitOrigin, Plan, PlannedImage, Verdict};
use crate::source::Commit;

/// The version of the shape. It grows when something that is there changes its meaning or leaves, not when something
/// is added.
pub const VERSION: u32 = 1;

/// A plan: which images are built, in which order and why.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlanJson {
    /// The version of this shape: 1.
    pub version: u32,
    /// The project's name.
    pub project: String,
    /// What the images were compared with; left away without `--since`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<CommitJson>,
    /// What of one image changed; left away without `--why`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<WhyJson>,
    /// How many images have the verdict `build`.
    pub to_build: usize,
    /// The images: every one after its parents, one layer after another, by name within a layer.
    pub images: Vec<ImageJson>,
    /// What was inferred or assumed, a sentence each.
    pub notes: Vec<String>,
    /// What is likely not meant as it is written.
    pub warnings: Vec<WarningJson>,
}

/// A commit.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CommitJson {
    /// What it was called.
    pub name: String,
    /// Its id in hex; where the branch parted from the commit that was named.
    pub commit: String,
}

/// An image of the project.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ImageJson {
    /// Its name in the project.
    pub name: String,
    /// The length of the longest chain of parents; 0 for an image that is made from no other of the project.
    pub layer: usize,
    /// The hash of everything that can change it: `sha256:` and 64 hex digits.
    pub content_hash: String,
    /// Whether it is built.
    pub verdict: VerdictJson,
    /// Why it is built; empty where it isn't.
    pub reasons: Vec<ReasonJson>,
    /// Under which name it is there, tested; null where it is built.
    pub existing: Option<String>,
    /// Its repository, registry included unless that is Docker Hub.
    pub repository: String,
    /// The tags that it gets in its repository.
    pub tags: TagsJson,
    /// The path of its Dockerfile from the project's root.
    pub dockerfile: String,
    /// The stage that is built; null for the last.
    pub target: Option<String>,
    /// What it is for: `linux/amd64`.
    pub platform: String,
    /// The images of the project that it is made from, by name.
    pub parents: Vec<String>,
    /// The places that say so.
    pub edges: Vec<EdgeJson>,
    /// The images of others that it is made from.
    pub bases: Vec<BaseJson>,
    /// The ids of the secrets that it takes.
    pub secrets: Vec<String>,
    /// What of its contexts it can see: nothing else counts.
    pub context: ContextJson,
    /// The files that it fetches from web servers without saying their checksum.
    pub http: Vec<HttpJson>,
    /// The git repositories that it takes files of without saying a commit.
    pub repositories: Vec<RepositoryJson>,
    /// Where its files are kept; null where that is in the project.
    pub git: Option<GitJson>,
}

/// A file that an `ADD` fetches from a web server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct HttpJson {
    /// Its address, without the query.
    pub url: String,
    /// What windlass.lock says that it is: `sha256:` and 64 hex digits; null where it says nothing.
    pub digest: Option<String>,
}

/// A git repository that an `ADD` takes files of.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RepositoryJson {
    /// The repository's address.
    pub remote: String,
    /// What the Dockerfile names of it; `HEAD` where it names nothing.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit that windlass.lock says that this is; null where it says nothing.
    pub commit: Option<String>,
}

/// What of a git repository an image is made of.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct GitJson {
    /// The repository's address, without credentials.
    pub remote: String,
    /// What windlass.yaml names of it.
    #[serde(rename = "ref")]
    pub reference: String,
    /// The commit that this means.
    pub commit: String,
}

/// The files that an image can see.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ContextJson {
    /// How many files there are, those of named contexts and of the configuration included.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// Why all of its build context counts, where nobody can tell before the build what of it is read; else null.
    pub whole: Option<String>,
}

/// Whether an image is built.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictJson {
    /// It is there with this content hash, tested.
    Fresh,
    /// It is built.
    Build,
}

/// The tags of an image.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TagsJson {
    /// Built, not tested yet.
    pub testing: String,
    /// Tested last.
    pub latest: String,
    /// What was latest before.
    pub previous: String,
    /// The tag that never moves, made from the content hash.
    pub content: String,
}

/// A place that makes an image depend on another.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EdgeJson {
    /// The image that has to be there first.
    pub parent: String,
    /// By what.
    pub kind: EdgeKindJson,
    /// The file, from the project's root.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// What makes an image depend on another.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKindJson {
    /// `FROM`.
    From,
    /// `COPY --from`.
    CopyFrom,
    /// `RUN --mount=from`.
    Mount,
    /// A named context that is an image.
    NamedContext,
    /// `needs` in windlass.yaml.
    Needs,
}

/// An image of others.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct BaseJson {
    /// As the Dockerfile names it, its arguments filled in.
    pub reference: String,
    /// What it stands for: `sha256:` and the digest of its registry, or `image:sha256:` and the id of an image that
    /// only the engine has; null where neither is known.
    pub digest: Option<String>,
}

/// Something that is likely not meant as it is written.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct WarningJson {
    /// What.
    pub message: String,
    /// The file, from the project's root; null where it is about none.
    pub path: Option<String>,
    /// The line, from 1.
    pub line: Option<usize>,
    /// The column in characters, from 1.
    pub column: Option<usize>,
    /// How to mend it.
    pub hint: Option<String>,
}

/// The plan in its wire form.
pub fn json(plan: &Plan) -> PlanJson {
    let Plan { project, images, notes, warnings } = plan;
    PlanJson {
        version: VERSION,
        project: project.to_string(),
        since: None,
        why: None,
        to_build: plan.to_build(),
        images: images.iter().map(image).collect(),
        notes: notes.clone(),
        warnings: warnings.iter().filter(|warning| warning.severity == Severity::Warning).map(warning).collect(),
    }
}

/// A commit in its wire form.
pub fn since(commit: &Commit) -> CommitJson {
    CommitJson { name: commit.name.clone(), commit: commit.id.clone() }
}

/// The JSON Schema of [`PlanJson`].
pub fn schema() -> Schema {
    schemars::schema_for!(PlanJson)
}

fn image(planned: &PlannedImage) -> ImageJson {
    let PlannedImage { image, verdict, existing } = planned;
    let (verdict, reasons) = match verdict {
        Verdict::Fresh => (VerdictJson::Fresh, Vec::new()),
        Verdict::Build(reasons) => (VerdictJson::Build, reasons.iter().flat_map(reason).collect()),
    };
    let base = |(reference, digest): (_, &Option<BaseId>)| BaseJson {
        reference: ToString::to_string(reference),
        digest: digest.map(|digest| digest.to_string()),
    };
    let http = |file: &RemoteFile| HttpJson {
        url: file.url.without_query().to_owned(),
        digest: image.fingerprint.remote_files.get(&file.url).map(ToString::to_string),
    };
    let repository = |repository: &dockerfile::Repository| RepositoryJson {
        remote: repository.pin.remote().to_string(),
        reference: repository.pin.reference().to_string(),
        commit: image.fingerprint.repositories.get(&repository.pin).map(ToString::to_string),
    };
    let (files, bytes) = image.files_and_bytes();
    ImageJson {
        name: image.name.to_string(),
        layer: image.layer,
        content_hash: image.content_hash.to_string(),
        verdict,
        reasons,
        existing: existing.as_ref().map(ToString::to_string),
        repository: image.repository.to_string(),
        tags: TagsJson {
            testing: image.testing.to_string(),
            latest: image.latest.to_string(),
            previous: image.previous.to_string(),
            content: image.content.tag().map(ToString::to_string).unwrap_or_default(),
        },
        dockerfile: image.dockerfile.path().to_owned(),
        target: image.target.clone(),
        platform: image.platform.to_string(),
        parents: image.parents.iter().map(ToString::to_string).collect(),
        edges: image.edges.iter().map(edge).collect(),
        bases: image.fingerprint.bases.iter().map(base).collect(),
        secrets: image.secrets.iter().map(|secret| secret.id.clone()).collect(),
        http: image.remote_files.iter().map(http).collect(),
        repositories: image.repositories.iter().map(repository).collect(),
        git: image.git.as_ref().map(|GitOrigin { remote, reference, commit }| GitJson {
            remote: remote.to_string(),
            reference: reference.to_string(),
            commit: commit.to_string(),
        }),
        context: ContextJson { files, bytes, whole: image.whole_context.as_ref().map(ToString::to_string) },
    }
}

fn edge(edge: &Edge) -> EdgeJson {
    let Edge { parent, kind, location } = edge;
    let (path, line, column) = place(location);
    let kind = match kind {
        EdgeKind::From => EdgeKindJson::From,
        EdgeKind::CopyFrom => EdgeKindJson::CopyFrom,
        EdgeKind::Mount => EdgeKindJson::Mount,
        EdgeKind::NamedContext => EdgeKindJson::NamedContext,
        EdgeKind::Needs => EdgeKindJson::Needs,
    };
    EdgeJson { parent: parent.to_string(), kind, path, line, column }
}

fn warning(warning: &Diagnostic) -> WarningJson {
    let place = warning.primary.as_ref().map(|(location, _)| place(location));
    let (path, line, column) = place.map_or((None, None, None), |(p, l, c)| (Some(p), Some(l), Some(c)));
    WarningJson { message: warning.message.clone(), path, line, column, hint: warning.hint.clone() }
}

fn place(location: &Location) -> (String, usize, usize) {
    let (line, column) = location.source.line_column(location.span.start);
    (location.source.path().to_owned(), line, column)
}
