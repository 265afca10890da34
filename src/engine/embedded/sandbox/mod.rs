//! Where commands of a build run: a root file system made of layers, in namespaces of its own, with nothing of the
//! host but what the build mounts. It works as root, and as root of a user namespace, into which
//! [`enter_user_namespace`] takes a normal user's windlass.
//!
//! Nothing outlives windlass, whatever ends it: mounts are held by a file of the process ([`Workspace`]), and a
//! command's processes by a supervisor that kills them when windlass is gone.

mod attributes;
mod child;
mod command;
mod mounts;
mod overlay;
mod place;
mod raw;
mod rights;
mod run;
mod stop;
mod stub;
mod task;
mod workspace;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountPropagationFlags, mount_change};

pub use child::enter_hidden_verb;
pub use command::{Command, DEFAULT_PATH, Ended, Identity, Limits, Mount, Network, Source};
pub use stop::Stop;
pub use workspace::Workspace;

/// By which rights commands are kept apart from the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Root of the machine: namespaces.
    Root,
    /// Root of a user namespace: namespaces.
    UserNamespace {
        /// Whether the namespace has one user and one group, so that no file can belong to another and no command
        /// run as another.
        single_id: bool,
    },
}

/// In which extended attributes a folder says that it hides what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// `trusted.overlay.opaque`.
    Trusted,
    /// `user.overlay.opaque`.
    User,
}

/// What this machine lets windlass do. Clones are the same.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    mode: Mode,
    overlay: overlay::Options,
}

impl Sandbox {
    /// Finds out what works: takes a millisecond. `scratch` is a folder on the file system that workspaces will be on.
    ///
    /// # Errors
    /// When this process is not root, of the machine or of a user namespace, or can't make namespaces or overlays.
    pub fn find_out(scratch: &Path) -> anyhow::Result<Self> {
        Self::find_out_with(Path::new("/proc/self/exe"), scratch)
    }

    /// The same for a process that is not `program`, which must call [`enter_hidden_verb`] first of all.
    ///
    /// # Errors
    /// The same.
    pub fn find_out_with(program: &Path, scratch: &Path) -> anyhow::Result<Self> {
        anyhow::ensure!(nix::unistd::geteuid().is_root(), "commands can only be run as root, or in a user namespace");
        let map = fs::read_to_string("/proc/self/uid_map").context("looking at the user namespace")?;
        let mode = mode_of_map(&map);
        let overlay = on_a_thread(|| {
            own_mounts().context("taking mounts of our own")?;
            unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)
                .context("making namespaces")?;
            overlay::try_out(scratch, mode != Mode::Root)
        })?;
        Ok(Self(Arc::new(Inner { program: program.to_owned(), mode, overlay })))
    }

    /// By which rights commands are kept apart.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// Which attributes folders of layers must have, and committed ones have.
    pub fn overlay(&self) -> Overlay {
        if self.0.overlay.user_attributes { Overlay::User } else { Overlay::Trusted }
    }
}

/// The whole range of ids is the machine's own.
fn mode_of_map(map: &str) -> Mode {
    let lines: Vec<Vec<u64>> =
        map.lines().map(|line| line.split_whitespace().filter_map(|word| word.parse().ok()).collect()).collect();
    match &lines[..] {
        [line] if line[..] == [0, 0, u64::from(u32::MAX)] => Mode::Root,
        [line] => Mode::UserNamespace { single_id: line.get(2) == Some(&1) },
        _ => Mode::UserNamespace { single_id: false },
    }
}

/// Gives the calling thread mounts of its own, of which nothing shows elsewhere, and a working directory of its own.
fn own_mounts() -> anyhow::Result<()> {
    unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(())
}

/// Does work that changes what the thread it runs on is.
fn on_a_thread<T: Send>(work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sandbox".to_owned()).spawn_scoped(scope, work)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_of_users_tells_the_namespace() {
        for (map, mode) in [
            ("         0          0 4294967295\n", Mode::Root),
            ("         0       1000          1\n", Mode::UserNamespace { single_id: true }),
            ("         0     100000      65536\n", Mode::UserNamespace { single_id: false }),
            ("0 1000 1\n1 100000 65536\n", Mode::UserNamespace { single_id: false }),
            ("", Mode::UserNamespace { single_id: false }),
        ] {
            assert_eq!(mode_of_map(map), mode, "{map}");
        }
    }
}
