//! What windlass tells a command's supervisor, and what it is told.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::command::Command;

/// All that a supervisor needs to run one command.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    /// Where the root file system is.
    pub(super) root: PathBuf,
    /// Whether something is mounted there, as it must be in the end.
    pub(super) is_mounted: bool,
    /// Whether there are namespaces and mounts. Without them all is in place already.
    pub(super) has_namespaces: bool,
    /// Whether limits are not a control group's.
    pub(super) limit_each: bool,
    /// An empty folder, for what the command finds in memory.
    pub(super) private: PathBuf,
    /// What is run. Its mounts have no `Source::Layers` any more.
    pub(super) command: Command,
    /// Whether groups can be chosen: a user namespace with a single id forbids it.
    pub(super) may_set_groups: bool,
    /// Whose namespaces it runs in, instead of some of its own.
    pub(super) joins: Option<First>,
    /// What is in /etc/resolv.conf.
    pub(super) resolv_conf: Vec<u8>,
    /// What is in /etc/hosts.
    pub(super) hosts: Vec<u8>,
}

/// The first process of a command, which has executed its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct First {
    pub(super) pid: i32,
    /// Its parent. As long as nobody has waited for that one, the id is no other process's.
    pub(super) supervisor: u32,
}

/// What came of it. The first of several counts.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The first process, of this id, has executed the program or ended. Nothing has come of it yet.
    Started(i32),
    /// The namespaces, mounts or rights could not be made.
    Trouble(String),
    /// The program could not be executed.
    NotStarted(String),
    /// It ended with this exit code.
    Exited(i32),
    /// It ended by this signal.
    Signalled(i32),
}

impl Task {
    pub(super) fn send(&self, to: &mut impl Write) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        to.write_all(&(text.len() as u64).to_le_bytes())?;
        to.write_all(&text)
    }

    pub(super) fn receive(from: &mut impl Read) -> io::Result<Self> {
        let mut n_bytes = [0; 8];
        from.read_exact(&mut n_bytes)?;
        let mut text = Vec::new();
        from.take(u64::from_le_bytes(n_bytes)).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

impl Report {
    pub(super) fn send(&self, to: &mut impl Write) -> io::Result<()> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        to.write_all(&line)
    }

    /// The first of what was sent that tells what came of it.
    pub(super) fn first(sent: &[u8]) -> Option<Self> {
        Self::all(sent).find(|report| !matches!(report, Self::Started(_)))
    }

    /// The id of the first process, if it was sent.
    pub(super) fn started(sent: &[u8]) -> Option<i32> {
        Self::all(sent).find_map(|report| if let Self::Started(pid) = report { Some(pid) } else { None })
    }

    fn all(sent: &[u8]) -> impl Iterator<Item = Self> {
        sent.split_inclusive(|byte| *byte == b'\n').map_while(|line| serde_json::from_slice(line).ok())
    }
}
