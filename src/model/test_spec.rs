//! What an image must show before it is promoted. The words are those of container-structure-test, whose files
//! are read into the same types (container-structure-test README, schema 2.0.0).

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A regular expression that does not compile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is no regular expression: {why}")]
pub struct PatternError {
    pattern: String,
    why: String,
}

/// A regular expression in RE2 syntax, searched anywhere in a text.
#[derive(Clone)]
pub struct Pattern(regex::Regex);

impl Pattern {
    /// Compiles a pattern; `^` and `$` match at the ends of the whole text, as in Go.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let why = |e: regex::Error| match e {
            regex::Error::Syntax(text) => {
                text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
            }
            other => other.to_string(),
        };
        regex::Regex::new(pattern).map(Self).map_err(|e| PatternError { pattern: pattern.to_owned(), why: why(e) })
    }

    /// Whether the pattern is found in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    /// The pattern as it is written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_str(), f)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

/// All that is asked of an image. Nothing asked means that the image passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestSpec {
    /// Commands that are run in containers of the image.
    pub commands: Vec<CommandTest>,
    /// Paths that must or must not be there.
    pub file_existence: Vec<FileExistenceTest>,
    /// Files whose content must match.
    pub file_content: Vec<FileContentTest>,
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
}

/// What a stream must and must not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamMatch {
    /// Each must be found.
    pub expected: Vec<Pattern>,
    /// None may be found.
    pub excluded: Vec<Pattern>,
}

/// One command, run in a container of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandTest {
    /// What the summary calls it.
    pub name: String,
    /// Shell-free commands run before it in the same container.
    pub setup: Vec<Vec<String>>,
    /// Shell-free commands run after it.
    pub teardown: Vec<Vec<String>>,
    /// The program and its arguments; the image's entrypoint is not used.
    pub command: Vec<String>,
    /// Environment, besides the image's own; `$NAME` refers to the image's.
    pub env: BTreeMap<String, String>,
    /// The exit code that is right.
    pub exit_code: i64,
    /// What standard output must show.
    pub stdout: StreamMatch,
    /// What standard error must show.
    pub stderr: StreamMatch,
    /// How long it may run; none means as long as the whole test may.
    pub timeout: Option<Duration>,
}

/// One path that must be there, or must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileExistenceTest {
    /// What the summary calls it.
    pub name: String,
    /// Absolute path in the image.
    pub path: String,
    /// Whether it must exist.
    pub should_exist: bool,
    /// Mode as `ls -l` writes it (`-rw-r--r--`); none means any.
    pub permissions: Option<String>,
    /// Numeric owner; none means any.
    pub uid: Option<u64>,
    /// Numeric group; none means any.
    pub gid: Option<u64>,
    /// Who may execute it: `owner`, `group`, `other` or `any`; none means that nobody needs to.
    pub is_executable_by: Option<String>,
}

/// One file whose content must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileContentTest {
    /// What the summary calls it.
    pub name: String,
    /// Absolute path in the image.
    pub path: String,
    /// What the content must show.
    pub content: StreamMatch,
}

/// What the image's configuration must say (container-structure-test `metadataTest`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MetadataTest {
    /// Environment variables; values are patterns where `true`.
    pub env: Vec<(String, String, bool)>,
    /// Environment variables that may not be set.
    pub unbound_env: Vec<String>,
    /// Labels; values are patterns where `true`.
    pub labels: Vec<(String, String, bool)>,
    /// The entrypoint, exactly.
    pub entrypoint: Option<Vec<String>>,
    /// The command, exactly.
    pub cmd: Option<Vec<String>>,
    /// Ports that are exposed.
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
