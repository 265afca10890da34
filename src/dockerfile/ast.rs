//! A Dockerfile as a value: what is written, read but not expanded, every word with its place.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::diag::{SourceText, Span};

/// A piece of text that is written in the Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// What it says: continuations joined, a flag's quotes and a JSON string's escapes undone, variables untouched.
    pub text: String,
    /// Where it stands, its quotes included except those around a flag's value.
    pub span: Span,
}

/// A Dockerfile, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The text it was read from; all spans are its.
    pub source: Arc<SourceText>,
    /// The comments at the top that say how to read it.
    pub directives: Directives,
    /// The `ARG`s before the first `FROM`, in order.
    pub global_args: Vec<ArgDeclaration>,
    /// The stages, in order; none only where that was said as an error.
    pub stages: Vec<Stage>,
}

/// The parser directives: `# name=value` before everything else, each once (Dockerfile reference, "Parser directives").
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directives {
    /// `# syntax=`: the image of the frontend that reads the file for BuildKit.
    pub syntax: Option<Word>,
    /// `# escape=`.
    pub escape: Escape,
    /// `# check=`: which build checks are skipped or fatal.
    pub check: Option<Word>,
}

/// The character that escapes, and that continues a line at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Escape {
    /// `\`, unless another is said.
    #[default]
    Backslash,
    /// `` ` ``, for Windows paths.
    Backtick,
}

impl Escape {
    /// The character itself.
    pub const fn char(self) -> char {
        match self {
            Self::Backslash => '\\',
            Self::Backtick => '`',
        }
    }
}

/// One `name` or `name=default` of an `ARG`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgDeclaration {
    /// The name.
    pub name: Word,
    /// The default, quotes and variables as written.
    pub default: Option<Word>,
}

/// A stage: a `FROM` and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// The name after `AS`, in lower case: names are compared without case.
    pub name: Option<Word>,
    /// What follows `FROM`, as written.
    pub base: Word,
    /// The value of `--platform`, as written.
    pub platform: Option<Word>,
    /// The `FROM` instruction.
    pub span: Span,
    /// The instructions, in order.
    pub instructions: Vec<Instruction>,
}

impl Stage {
    /// What to call the stage in a message: its name or its place among the stages, from 0.
    pub fn label(&self, index: usize) -> String {
        self.name.as_ref().map_or_else(|| index.to_string(), |name| name.text.clone())
    }
}

/// One instruction of a stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// From the keyword to the end of the last line, heredocs included.
    pub span: Span,
    /// The flags in their order, as written; the command holds what they say.
    pub flags: Vec<Flag>,
    /// What it does.
    pub command: Command,
}

/// A flag: `--name` or `--name=value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The name without `--`.
    pub name: Word,
    /// The value, if a `=` stands behind the name.
    pub value: Option<Word>,
}

/// An instruction by kind (Dockerfile reference, "Overview"); `FROM` opens a [`Stage`] instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the instruction of its name")]
pub enum Command {
    Add(Add),
    Arg(Vec<ArgDeclaration>),
    Cmd(CommandLine),
    Copy(Copy),
    Entrypoint(CommandLine),
    Env(Vec<Pair>),
    Expose(Vec<Word>),
    Healthcheck(Healthcheck),
    Label(Vec<Pair>),
    Maintainer(Word),
    Onbuild(Box<Instruction>),
    Run(Run),
    Shell(Vec<Word>),
    Stopsignal(Word),
    User(Word),
    Volume(Vec<Word>),
    Workdir(Word),
}

impl Command {
    /// The keyword, in capitals.
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Cmd(_) => "CMD",
            Self::Copy(_) => "COPY",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Env(_) => "ENV",
            Self::Expose(_) => "EXPOSE",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Label(_) => "LABEL",
            Self::Maintainer(_) => "MAINTAINER",
            Self::Onbuild(_) => "ONBUILD",
            Self::Run(_) => "RUN",
            Self::Shell(_) => "SHELL",
            Self::Stopsignal(_) => "STOPSIGNAL",
            Self::User(_) => "USER",
            Self::Volume(_) => "VOLUME",
            Self::Workdir(_) => "WORKDIR",
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.keyword())
    }
}

/// A command in one of its two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// Text for the shell, as written, lines joined; empty for none.
    Shell(Word),
    /// A JSON array: a program and its arguments.
    Exec(Vec<Word>),
}

/// A name and a value of `ENV` or `LABEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The name, as written.
    pub name: Word,
    /// The value, quotes and variables as written.
    pub value: Word,
    /// Whether they are parted by `=`; else it is the old form `NAME value`.
    pub assigned: bool,
}

/// What `ADD` and `COPY` share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The sources in order: paths, and the heredocs among them.
    pub sources: Vec<TransferSource>,
    /// The destination.
    pub destination: Word,
    /// Whether the words were a JSON array.
    pub json: bool,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--exclude`, each in order.
    pub excludes: Vec<Word>,
}

/// One source of `ADD` or `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferSource {
    /// A path, a pattern or (for `ADD`) a URL; which of them is known only when variables are expanded.
    Path(Word),
    /// A file written out in the Dockerfile.
    Heredoc(Heredoc),
}

/// `ADD`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// Sources, destination and the flags shared with `COPY`.
    pub transfer: Transfer,
    /// `--keep-git-dir`, where it is said.
    pub keep_git_dir: Option<bool>,
    /// `--checksum`.
    pub checksum: Option<Word>,
    /// `--unpack`, where it is said.
    pub unpack: Option<bool>,
}

/// `COPY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Sources, destination and the flags shared with `ADD`.
    pub transfer: Transfer,
    /// `--from`: a stage's name or index, a named context, or an image.
    pub from: Option<Word>,
    /// `--parents`.
    pub parents: bool,
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The command; of a heredoc it holds the line that opens it.
    pub command: CommandLine,
    /// The heredocs that the command's line opens, in order.
    pub heredocs: Vec<Heredoc>,
    /// `--mount`, each in order.
    pub mounts: Vec<Mount>,
    /// `--network`.
    pub network: Option<Network>,
    /// `--security`.
    pub security: Option<Security>,
    /// `--device`, each in order.
    pub devices: Vec<Device>,
}

/// A text written out below the instruction that opens it with `<<NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The delimiter without quotes; for `ADD` and `COPY` the file's name.
    pub name: String,
    /// The word that opens it: `<<-"EOF"`.
    pub opener: Word,
    /// The file descriptor before `<<`; 0 where none is.
    pub file_descriptor: u32,
    /// Whether variables in it are expanded: the delimiter has no quotes.
    pub expand: bool,
    /// Whether leading tabs are taken off: `<<-`.
    pub chomp: bool,
    /// The lines between, as written, each with its line end.
    pub content: Word,
}

/// A `--mount` of `RUN`, its options as written: their variables are expanded only in `resolve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The flag's value.
    pub span: Span,
    /// The options in order.
    pub options: Vec<MountOption>,
}

impl Mount {
    /// The last value given under a key: as BuildKit has it, a later option replaces an earlier one.
    pub fn value(&self, key: MountKey) -> Option<&Word> {
        self.options.iter().rev().find(|option| option.key == key).and_then(|option| option.value.as_ref())
    }
}

/// One option of a mount: `key=value`, or a key alone for yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOption {
    /// Which.
    pub key: MountKey,
    /// The key as written.
    pub written: Word,
    /// The value behind `=`.
    pub value: Option<Word>,
}

/// The options of all mount types (Dockerfile reference, "RUN --mount"); spellings of one meaning are one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the option of its name")]
pub enum MountKey {
    Env,
    From,
    Gid,
    Id,
    Mode,
    /// `readonly`, `ro`.
    ReadOnly,
    /// `readwrite`, `rw`.
    ReadWrite,
    Required,
    Sharing,
    Size,
    /// `source`, `src`.
    Source,
    /// `target`, `dst`, `destination`.
    Target,
    Type,
    Uid,
}

/// The types of mounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the type of its name")]
pub enum MountType {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

/// `RUN --network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the mode of its name")]
pub enum Network {
    Default,
    None,
    Host,
}

/// `RUN --security`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the mode of its name")]
pub enum Security {
    Sandbox,
    Insecure,
}

/// `RUN --device`: a CDI device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name: `vendor.com/class=device`; empty for all.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
    /// The flag's value.
    pub span: Span,
}

/// `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`: the base image's check is off.
    None,
    /// `HEALTHCHECK … CMD …`.
    Check {
        /// The command that tells.
        command: CommandLine,
        /// The flags; what is not said is Docker's to choose.
        timing: HealthcheckTiming,
    },
}

/// The flags of `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HealthcheckTiming {
    /// `--interval`: time between two checks.
    pub interval: Option<Duration>,
    /// `--timeout`: how long one check may take.
    pub timeout: Option<Duration>,
    /// `--start-period`: time in which failures do not count.
    pub start_period: Option<Duration>,
    /// `--start-interval`: time between two checks in the start period.
    pub start_interval: Option<Duration>,
    /// `--retries`: failures in a row that make the container unhealthy.
    pub retries: Option<u32>,
}
