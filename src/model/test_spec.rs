//! What an image must show before it is promoted. The words are those of container-structure-test, whose files
//! are read into the same types (container-structure-test README, schema 2.0.0).

use std::collections::BTreeMap;
use std::time::Duration;

use super::Pattern;

/// All that is asked of an image. Nothing asked means that the image passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestSpec {
    /// Commands that are run in containers of the image.
    pub commands: Vec<CommandTest>,
    /// Files whose content must match.
    pub file_content: Vec<FileContentTest>,
    /// Paths that must or must not be there.
    pub file_existence: Vec<FileExistenceTest>,
    /// Files that must not name certain licences.
    pub licenses: Vec<LicenseTest>,
    /// What the image's configuration must say.
    pub metadata: Vec<MetadataTest>,
    /// The image, started as it is, must be `healthy` by its own HEALTHCHECK within this time.
    pub healthy_within: Option<Duration>,
}

impl TestSpec {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Asks for all that `other` asks for, besides what is asked already. Of two times to become healthy in, the
    /// shorter one stays.
    pub fn append(&mut self, other: Self) {
        let Self { commands, file_content, file_existence, licenses, metadata, healthy_within } = other;
        self.commands.extend(commands);
        self.file_content.extend(file_content);
        self.file_existence.extend(file_existence);
        self.licenses.extend(licenses);
        self.metadata.extend(metadata);
        self.healthy_within = self.healthy_within.into_iter().chain(healthy_within).min();
    }
}

/// What a stream or a file must and must not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamMatch {
    /// Each must be found.
    pub expected: Vec<Pattern>,
    /// None may be found.
    pub excluded: Vec<Pattern>,
}

/// Environment variables by name. A value's `$NAME` and `${NAME}` stand for what is set already, and for nothing
/// where nothing is set.
pub type Environment = BTreeMap<String, String>;

/// One command, run in a container of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTest {
    /// What the summary calls it.
    pub name: String,
    /// Shell-free commands that change the image before, each in a container of its own. Their exit codes do not
    /// count.
    pub setup: Vec<Vec<String>>,
    /// The program and its arguments; the image's entrypoint is not used.
    pub command: Vec<String>,
    /// Whether `$NAME` and `${NAME}` in `command` stand for variables of the environment, which files of
    /// container-structure-test rely on. Else the command is taken as it is.
    pub expand: bool,
    /// Environment that all tests of a file have, on top of the image's.
    pub global_env: Environment,
    /// Environment of this test alone, on top of `global_env`.
    pub env: Environment,
    /// How its containers differ from a plain `docker run`.
    pub options: ContainerOptions,
    /// The exit code that is right.
    pub exit_code: i64,
    /// What standard output must show.
    pub stdout: StreamMatch,
    /// What standard error must show.
    pub stderr: StreamMatch,
    /// How long it may run, its setup included; none means as long as all tests of the image together may.
    pub timeout: Option<Duration>,
}

impl CommandTest {
    /// A command that must exit with 0, with nothing else asked of it.
    pub fn new(name: String, command: Vec<String>) -> Self {
        Self {
            name,
            setup: Vec::new(),
            command,
            expand: false,
            global_env: Environment::new(),
            env: Environment::new(),
            options: ContainerOptions::default(),
            exit_code: 0,
            stdout: StreamMatch::default(),
            stderr: StreamMatch::default(),
            timeout: None,
        }
    }
}

/// How a test's container differs from a plain `docker run` (container-structure-test `containerRunOptions`, less
/// what would make a verdict depend on the host).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerOptions {
    /// The user in place of the image's.
    pub user: Option<String>,
    /// Whether it has all rights.
    pub privileged: bool,
    /// Whether it has a terminal, which makes one stream of both: standard output.
    pub tty: bool,
    /// Capabilities besides the usual ones: `NET_ADMIN`.
    pub capabilities: Vec<String>,
}

/// One path that must be there, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileExistenceTest {
    /// What the summary calls it.
    pub name: String,
    /// Absolute path in the image; `$NAME` and `${NAME}` stand for variables of the environment.
    pub path: String,
    /// Environment that the path may name, on top of the image's.
    pub global_env: Environment,
    /// Whether it must exist.
    pub should_exist: bool,
    /// Type and mode as Go's `FileMode` writes them: `-rw-r--r--`, `dtrwxrwxrwx`; none means any.
    pub permissions: Option<String>,
    /// Numeric owner; none means any.
    pub uid: Option<u64>,
    /// Numeric group; none means any.
    pub gid: Option<u64>,
    /// Who may execute it; none means that nobody needs to.
    pub executable_by: Option<ExecutableBy>,
}

/// Whose executable bit is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutableBy {
    /// The owner's.
    Owner,
    /// The group's.
    Group,
    /// Everybody else's.
    Other,
    /// One of the three.
    Any,
}

/// One file whose content must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContentTest {
    /// What the summary calls it.
    pub name: String,
    /// Absolute path in the image, taken as it is.
    pub path: String,
    /// What the content must show.
    pub content: StreamMatch,
}

/// Files that must be there and not name a licence of container-structure-test's list (AGPL, WTFPL).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseTest {
    /// Absolute paths in the image.
    pub files: Vec<String>,
}

/// What the value of a variable or a label must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueMatch {
    /// This text.
    Exactly(String),
    /// A text in which this is found.
    Pattern(Pattern),
}

/// What the image's configuration must say (container-structure-test `metadataTest`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataTest {
    /// Environment variables that are set.
    pub env: Vec<(String, ValueMatch)>,
    /// Environment variables that are not.
    pub unbound_env: Vec<String>,
    /// Labels.
    pub labels: Vec<(String, ValueMatch)>,
    /// The entrypoint, exactly.
    pub entrypoint: Option<Vec<String>>,
    /// The command, exactly.
    pub cmd: Option<Vec<String>>,
    /// Ports that are exposed: `8080` for any protocol, `53/udp` for that one.
    pub exposed_ports: Vec<String>,
    /// Ports that are not.
    pub unexposed_ports: Vec<String>,
    /// Mount points that are declared.
    pub volumes: Vec<String>,
    /// Mount points that are not.
    pub unmounted_volumes: Vec<String>,
    /// The working directory.
    pub workdir: Option<String>,
    /// The user.
    pub user: Option<String>,
}
