//! A plan for programs. The shape is an interface: `docs/plan-json.md` describes it.

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::plan_reasons;
use super::plan_why::WhyJson;
use crate::diag::{Diagnostic, Location, Severity};
use crate::plan::{BaseId, Edge, EdgeKind, Plan, PlannedImage, Reason, Verdict};
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

/// One reason for building an image.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReasonJson {
    /// What kind of reason it is.
    pub kind: ReasonKind,
    /// The reason in words, for people.
    pub text: String,
    /// What changed: the name of an argument, context, image, label, or the path of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it was at the last build, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// What it is, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
}

/// The kinds of reasons.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasonKind {
    /// It was asked for.
    Forced,
    /// No image of this name is there.
    NeverBuilt,
    /// It is there, but its tests have not passed.
    NotPromoted,
    /// It is there and passed tests, but others than are asked of it now: it is tested again, not built.
    TestsChanged,
    /// What is there says nothing of its inputs that can be compared.
    NotComparable,
    /// An instruction changed, and no build argument did.
    DockerfileChanged,
    /// A file of the context changed.
    ContextChanged,
    /// The named context `subject` changed.
    NamedContextChanged,
    /// The build argument `subject` came, went or changed.
    ArgChanged,
    /// The platform changed from `old` to `new`.
    PlatformChanged,
    /// It is now made from the image `subject` of others.
    BaseAdded,
    /// It is not made from the image `subject` of others any more.
    BaseRemoved,
    /// The image `subject` of others had the digest `old` and has `new`.
    BaseChanged,
    /// It is now made from the image `subject` of the project.
    ParentAdded,
    /// It is not made from the image `subject` of the project any more.
    ParentRemoved,
    /// The image `subject` of the project had the content hash `old` and has `new`.
    ParentChanged,
    /// It now takes the secret `subject`.
    SecretAdded,
    /// It does not take the secret `subject` any more.
    SecretRemoved,
    /// The file `subject`, which the configuration adds, came, went or changed.
    FileChanged,
    /// The label `subject`, which the configuration adds, came, went or changed.
    LabelChanged,
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

/// A reason as one object for each thing that changed.
pub(super) fn reason(reason: &Reason) -> Vec<ReasonJson> {
    use ReasonKind as Kind;
    let text = plan_reasons::reason(reason);
    let about = |kind, subject: Option<String>, old: Option<String>, new: Option<String>| {
        vec![ReasonJson { kind, text: text.clone(), subject, old, new }]
    };
    let plain = |kind| about(kind, None, None, None);
    let of = |kind, subject: &dyn ToString| about(kind, Some(subject.to_string()), None, None);
    let each = |kind, subjects: Vec<String>| subjects.iter().flat_map(|subject| of(kind, subject)).collect::<Vec<_>>();
    let digest = |digest: &Option<BaseId>| digest.map(|digest| digest.to_string());
    match reason {
        Reason::Forced => plain(Kind::Forced),
        Reason::NeverBuilt => plain(Kind::NeverBuilt),
        Reason::NotPromoted => plain(Kind::NotPromoted),
        Reason::TestsChanged => plain(Kind::TestsChanged),
        Reason::NotComparable => plain(Kind::NotComparable),
        Reason::DockerfileChanged => plain(Kind::DockerfileChanged),
        Reason::ContextChanged => plain(Kind::ContextChanged),
        Reason::NamedContextChanged { name } => of(Kind::NamedContextChanged, name),
        Reason::ArgChanged { name } => of(Kind::ArgChanged, name),
        Reason::PlatformChanged { old, new } => {
            about(Kind::PlatformChanged, None, Some(old.to_string()), Some(new.to_string()))
        }
        Reason::BaseAdded { reference } => of(Kind::BaseAdded, reference),
        Reason::BaseRemoved { reference } => of(Kind::BaseRemoved, reference),
        Reason::BaseChanged { reference, old, new } => {
            about(Kind::BaseChanged, Some(reference.to_string()), digest(old), digest(new))
        }
        Reason::ParentAdded { parent } => of(Kind::ParentAdded, parent),
        Reason::ParentRemoved { parent } => of(Kind::ParentRemoved, parent),
        Reason::ParentChanged { parent, old, new } => {
            about(Kind::ParentChanged, Some(parent.to_string()), Some(old.to_string()), Some(new.to_string()))
        }
        Reason::SecretsChanged { added, removed } => {
            let mut reasons = each(Kind::SecretAdded, added.iter().cloned().collect());
            reasons.extend(each(Kind::SecretRemoved, removed.iter().cloned().collect()));
            reasons
        }
        Reason::FilesChanged { paths } => each(Kind::FileChanged, paths.iter().map(ToString::to_string).collect()),
        Reason::LabelChanged { name } => of(Kind::LabelChanged, name),
    }
}
