//! What is run in a workspace, and how it ended.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A command, with all that it sees besides the workspace's files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Command {
    /// The program and its arguments. A program without a slash is looked for in `PATH` of `env`, else in
    /// [`DEFAULT_PATH`](crate::dockerfile::DEFAULT_PATH).
    pub argv: Vec<String>,
    /// The whole environment. Of a name that is there twice the last value holds.
    pub env: Vec<(String, String)>,
    /// Where it starts, absolute; made (root's, 0755) where it is not there, as runc does.
    pub cwd: String,
    /// Who runs it.
    pub user: Identity,
    /// What is mounted besides /proc, /sys, /dev, /etc/resolv.conf and /etc/hosts.
    pub mounts: Vec<Mount>,
    /// What it reaches of the network.
    pub network: Network,
    /// Whether it has every capability, and nothing of /proc and /sys is kept from it.
    pub privileged: bool,
    /// Capabilities besides Docker's usual ones, as `NET_ADMIN`; nothing where `privileged`.
    pub capabilities: Vec<String>,
    /// What `hostname` tells.
    pub hostname: String,
    /// What it may use.
    pub limits: Limits,
}

/// Who a process is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Ids of further groups.
    pub groups: Vec<u32>,
}

impl Identity {
    /// The user 0 with the group 0 alone.
    pub const ROOT: Self = Self { uid: 0, gid: 0, groups: Vec::new() };
}

/// What a command reaches of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// What nobody asked to be different: the host's, as there is nothing that would lay a bridge.
    Default,
    /// A loopback of its own and nothing else.
    None,
    /// The host's.
    Host,
}

/// What a command may use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// How long it may run.
    pub time: Option<Duration>,
    /// Bytes of memory: of all processes together where control groups can be used, else of each.
    pub memory: Option<u64>,
    /// Processes and threads at one time.
    pub pids: Option<u64>,
}

/// Something that a command finds at a path of its root.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mount {
    /// Where, absolute; links in it are followed within the root. It is made where it is not there, and the committed
    /// layer shows nothing of that.
    pub target: String,
    /// What.
    pub source: Source,
    /// Whether writing to it is refused.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Serialize, Deserialize)]
pub enum Source {
    /// A folder or file of the host, by its path there. Writes go to it.
    Folder(PathBuf),
    /// A folder or file of another root file system. Writes are discarded when the command ends.
    Layers {
        /// Its layers as folders, lowest first.
        lowers: Vec<PathBuf>,
        /// The path in it, links followed within it.
        subpath: String,
    },
    /// An empty folder in memory, 1777.
    Tmpfs {
        /// How many bytes it may hold; none means what the kernel gives: half of the memory.
        size: Option<u64>,
    },
    /// A file that is nowhere but in memory.
    Secret {
        /// What it holds.
        content: Vec<u8>,
        /// Its permissions.
        mode: u32,
        /// Its owner.
        uid: u32,
        /// Its group.
        gid: u32,
    },
    /// A socket of the host: an ssh agent's.
    Socket(PathBuf),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "Folder({})", path.display()),
            Self::Layers { lowers, subpath } => write!(f, "Layers({} layers, {subpath})", lowers.len()),
            Self::Tmpfs { size } => write!(f, "Tmpfs({size:?})"),
            Self::Secret { content, .. } => write!(f, "Secret({} bytes)", content.len()),
            Self::Socket(path) => write!(f, "Socket({})", path.display()),
        }
    }
}

/// How a command ended. Whatever it was, nothing of it runs any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ended {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It took longer than its limit and was killed.
    TimedOut,
    /// It was killed because [`super::Stop::stop`] was called.
    Stopped,
    /// It never ran: what was wrong, in the words that Docker has for it. A shell's exit codes for the two cases are
    /// 127 (`not found`, `no such file or directory`) and 126 (anything else).
    NotStarted(String),
}
