//! Why an image is built, for programs: a part of the plan's JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::plan_reasons;
use crate::model::{Digest, GitCommit};
use crate::plan::{BaseId, Reason};

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
    /// An instruction was edited, added or removed; another value of a variable is none of these.
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
    /// The file at the address `subject` was locked as `old` and is locked as `new`; left away where it is not locked.
    RemoteFileChanged,
    /// The ref `subject` of a git repository was locked as the commit `old` and is locked as `new`; left away where it is
    /// not locked.
    RepositoryChanged,
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
        Reason::RemoteFileChanged { url, old, new } => {
            let text = |digest: &Option<Digest>| digest.map(|digest| digest.to_string());
            about(Kind::RemoteFileChanged, Some(url.without_query().to_owned()), text(old), text(new))
        }
        Reason::RepositoryChanged { pin, old, new } => {
            let text = |commit: &Option<GitCommit>| commit.as_ref().map(ToString::to_string);
            about(Kind::RepositoryChanged, Some(pin.to_string()), text(old), text(new))
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
