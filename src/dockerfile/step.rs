//! Instructions as whoever carries them out needs them: typed, every variable replaced, nothing left to look up.

use super::ast::{Healthcheck, MountType, Network, Security};
use crate::diag::Span;

/// An instruction, ready to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `ADD` and `COPY`.
    Transfer(TransferStep),
    /// `ARG`: the variables that got a value.
    Arg(Vec<(String, Option<String>)>),
    /// `CMD`.
    Cmd(CommandText),
    /// `ENTRYPOINT`.
    Entrypoint(CommandText),
    /// `ENV`.
    Env(Vec<(String, String)>),
    /// `EXPOSE`: ports as [`PORT[-PORT]/PROTOCOL`].
    Expose(Vec<String>),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `LABEL`.
    Label(Vec<(String, String)>),
    /// `MAINTAINER`.
    Maintainer(String),
    /// `ONBUILD`: the instruction as it is written, on one line.
    Onbuild(String),
    /// `RUN`.
    Run(RunStep),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `STOPSIGNAL`.
    Stopsignal(String),
    /// `USER`.
    User(String),
    /// `VOLUME`.
    Volume(Vec<String>),
    /// `WORKDIR`: as written, not yet joined with the former one.
    Workdir(String),
}

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandText {
    /// A text for the shell.
    Shell(String),
    /// A program and its arguments.
    Exec(Vec<String>),
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunStep {
    /// The command; heredocs are part of its text.
    pub command: CommandText,
    /// A script that begins with `#!`: its name and content. It lies at `/dev/pipes/NAME` while it runs, and the command
    /// is that path.
    pub script: Option<(String, String)>,
    /// The mounts, in order.
    pub mounts: Vec<MountStep>,
    /// `--network`.
    pub network: Network,
    /// `--security`.
    pub security: Security,
}

/// A mount of `RUN`; what is not said is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountStep {
    /// Its type.
    pub kind: MountType,
    /// `from`, where it is said.
    pub from: Option<String>,
    /// `source`.
    pub source: Option<String>,
    /// `target`.
    pub target: Option<String>,
    /// `id`.
    pub id: Option<String>,
    /// `env`: the variable that a secret is given in.
    pub env: Option<String>,
    /// Whether it can't be written to; by default a bind mount can't.
    pub read_only: bool,
    /// Whether the build fails where it is not there.
    pub required: bool,
    /// `sharing` of a cache mount.
    pub sharing: Sharing,
    /// `size` of a tmpfs, in bytes.
    pub size: Option<u64>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Where it is written.
    pub span: Span,
}

/// How a cache mount is used by several at a time (Dockerfile reference, "RUN --mount=type=cache").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// By all at once.
    Shared,
    /// Each has one of its own.
    Private,
    /// One after the other.
    Locked,
}

/// `ADD` or `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferStep {
    /// Whether it is `ADD`, which fetches and unpacks.
    pub is_add: bool,
    /// `--from`: a stage, named context or image.
    pub from: Option<String>,
    /// What is copied.
    pub sources: Vec<TransferOf>,
    /// Where to.
    pub destination: String,
    /// `--chown`.
    pub chown: Option<String>,
    /// `--chmod`.
    pub chmod: Option<String>,
    /// `--link`.
    pub link: bool,
    /// `--parents`.
    pub parents: bool,
    /// `--exclude`.
    pub excludes: Vec<String>,
    /// `--checksum`.
    pub checksum: Option<String>,
    /// `--unpack`.
    pub unpack: Option<bool>,
    /// `--keep-git-dir`.
    pub keep_git_dir: bool,
}

/// One source of `ADD` or `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferOf {
    /// A path or a pattern; of `ADD` maybe a URL.
    Path(String),
    /// A file that is written out in the Dockerfile.
    File {
        /// Its name.
        name: String,
        /// What it holds.
        content: String,
    },
}

impl TransferOf {
    /// Whether `ADD` fetches it from elsewhere: a URL, or a git repository in the short form of SSH.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Path(path) if super::reads::is_remote(path))
    }

    /// Whether what `ADD` fetches is a git repository.
    pub fn is_repository(&self) -> bool {
        matches!(self, Self::Path(path) if super::reads::is_repository(path))
    }
}

/// Why an instruction can't be carried out: where and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    /// Where it is written.
    pub span: Span,
    /// What is wrong, in one line.
    pub message: String,
}
