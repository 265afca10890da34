//! What a Dockerfile means once a target and arguments are given.

use std::collections::{BTreeMap, BTreeSet};

use super::ast::Escape;
use crate::diag::{Diagnostic, Span};
use crate::model::{GitAddress, GitCommit, GitPin, HttpUrl, Platform};

/// What a Dockerfile is resolved with.
#[derive(Debug, Clone, Copy)]
pub struct ResolveInputs<'a> {
    /// The build arguments that are given.
    pub args: &'a BTreeMap<String, String>,
    /// The stage that is built, by name; the last one where none is said.
    pub target: Option<&'a str>,
    /// The platform that the image is for.
    pub target_platform: &'a Platform,
    /// The platform of the machine that builds.
    pub build_platform: &'a Platform,
    /// The names of the named contexts: a stage of such a name is replaced by the context.
    pub contexts: &'a BTreeSet<String>,
}

/// What a Dockerfile means for one target: only what that target reaches.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resolved {
    /// The stages that are reached, in the order of the file; the last one is the target. Empty only with errors.
    pub stages: Vec<ResolvedStage>,
    /// The references that leave the Dockerfile, in the order of the reached stages.
    pub edges: Vec<Edge>,
    /// The variables that count: declared by `ARG` in a reached stage or used by its `FROM`, with the value that is in
    /// force there. Where stages disagree on one, it is the first one's; the others' is in their instructions' text.
    pub args: BTreeMap<String, String>,
    /// The given build arguments that nothing reached declares or uses.
    pub unused_args: BTreeSet<String>,
    /// What the reached `ADD`, `COPY` and bind mounts read from the build context and from named contexts.
    pub sources: Vec<ContextSource>,
    /// The files that the reached `ADD`s fetch from web servers without saying their checksum, as far as the address is
    /// known before the build and holds no credentials.
    pub remote_files: Vec<RemoteFile>,
    /// The git repositories that the reached `ADD`s take files of by a name that may move, without saying a checksum, as
    /// far as the address is known before the build and holds no credentials.
    pub repositories: Vec<Repository>,
    /// The secrets that reached instructions mount.
    pub secrets: Vec<NeededId>,
    /// The SSH agents or keys that reached instructions mount.
    pub ssh: Vec<NeededId>,
    /// The `ONBUILD` triggers that the image leaves to those built on it, in order.
    pub triggers: Vec<ResolvedInstruction>,
    /// Whether one of the triggers reads the build context of whoever is built on the image.
    pub triggers_read: bool,
    /// Errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

impl Resolved {
    /// The instructions that count for the content hash, in order.
    pub fn instructions(&self) -> impl Iterator<Item = &ResolvedInstruction> {
        self.stages.iter().flat_map(|stage| &stage.instructions).chain(&self.triggers)
    }
}

/// A stage that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedStage {
    /// Its place among all stages of the file, from 0.
    pub index: usize,
    /// Its name, in lower case.
    pub name: Option<String>,
    /// The line of its `FROM`, from 1.
    pub line: usize,
    /// Its `FROM`.
    pub span: Span,
    /// What it is built on.
    pub base: Base,
    /// The platform it runs on.
    pub platform: Platform,
    /// `FROM` and the instructions, those that `ONBUILD` of an earlier stage triggers first.
    pub instructions: Vec<ResolvedInstruction>,
}

/// What a stage is built on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// Nothing.
    Scratch,
    /// The stage of this index in the file.
    Stage(usize),
    /// An image or a named context, by its reference; its edge says the same.
    Outside(String),
}

/// A file that an `ADD` fetches from a web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Its address.
    pub url: HttpUrl,
    /// The variables whose values are in the address.
    pub variables: BTreeSet<String>,
    /// Where the address is written.
    pub span: Span,
    /// Where in the text a `--checksum` can be added; nowhere where the instruction has more than this source
    /// (BuildKit, `dispatchCopy`: "checksum can't be specified for multiple sources"), or stands for several addresses.
    pub checksum_at: Option<usize>,
}

/// A git repository that an `ADD` takes files of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The repository, and what of it.
    pub address: GitAddress,
    /// The name that may come to mean another commit.
    pub pin: GitPin,
    /// The variables whose values are in the address.
    pub variables: BTreeSet<String>,
    /// Where the address is written.
    pub span: Span,
    /// How another can be written there; none where what is written there stands for several addresses, as with a variable
    /// in an `ONBUILD` that several stages trigger.
    pub form: Option<WordForm>,
}

/// How a word of an instruction is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WordForm {
    /// Between white space.
    Plain(Escape),
    /// As a string of a JSON array.
    Json(Escape),
}

impl WordForm {
    /// A word that says a text; none where it can't be said so.
    fn word(self, text: &str) -> Option<String> {
        let (Self::Plain(escape) | Self::Json(escape)) = self;
        let mut word = String::with_capacity(text.len());
        for character in text.chars() {
            if matches!(character, '$' | '"' | '\'') || character == escape.char() {
                word.push(escape.char());
            }
            word.push(character);
        }
        match self {
            Self::Plain(_) if word.contains(|c: char| c.is_whitespace() || c.is_control()) => None,
            Self::Plain(_) => Some(word),
            Self::Json(_) => serde_json::to_string(&word).ok(),
        }
    }
}

impl Repository {
    /// What names a commit in the place of the address; none where nothing can be written there.
    pub fn pinned(&self, commit: &GitCommit) -> Option<String> {
        self.form?.word(&self.address.at(commit))
    }
}

/// An instruction as it counts for the content hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedInstruction {
    /// The instruction in one form for all ways to write it: variables expanded, comments, line breaks and idle white
    /// space gone, every text quoted. What only the base image can tell stays as `${NAME}`.
    pub text: String,
    /// The same with every variable as it is written, where there is one: it changes with an edit, and with no value.
    pub written: Option<String>,
    /// Where it is written.
    pub span: Span,
}

impl ResolvedInstruction {
    /// The text that changes with an edit alone.
    pub fn as_written(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.text)
    }
}

/// A reference that leaves the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// What refers.
    pub kind: EdgeKind,
    /// What is referred to, expanded: an image reference or the name of a named context.
    pub reference: String,
    /// The platform that is taken of it.
    pub platform: Platform,
    /// The stage that refers, by its index in the file.
    pub stage: usize,
    /// The words that say the reference: what `pin` replaces.
    pub span: Span,
}

/// What refers to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EdgeKind {
    /// `FROM`.
    From,
    /// `COPY --from`.
    CopyFrom,
    /// `RUN --mount=from=`.
    MountFrom,
}

/// Something that an instruction reads from the build context, or that stands in the place of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextSource {
    /// The stage, by its index in the file.
    pub stage: usize,
    /// The named context that it is read from; none is the build context.
    pub context: Option<String>,
    /// What reads it.
    pub reader: Reader,
    /// What is read.
    pub what: SourceKind,
    /// The patterns of `--exclude`.
    pub excludes: Vec<String>,
    /// `--parents`: the path's folders are kept, and `/./` in it says from where.
    pub parents: bool,
    /// `--chmod`, expanded: the files' own modes then do not matter.
    pub chmod: Option<String>,
    /// Where it is written.
    pub span: Span,
}

/// What reads from the build context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    /// `COPY`.
    Copy,
    /// `ADD`, which unpacks local archives.
    Add,
    /// A bind mount of `RUN`.
    Mount,
}

/// What an instruction reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceKind {
    /// A path or a pattern in the context.
    Path(String),
    /// A path that depends on what only the base image can tell, as far as it is known.
    UnknownPath(String),
    /// A URL or a git reference.
    Remote(String),
    /// A heredoc, by its file name.
    Inline(String),
}

/// A secret or an SSH agent that an instruction needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededId {
    /// The id.
    pub id: String,
    /// Whether the build fails without it.
    pub required: bool,
    /// The stage, by its index in the file.
    pub stage: usize,
    /// The mount.
    pub span: Span,
}
