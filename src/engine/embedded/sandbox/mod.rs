//! Where commands of a build run: a root file system made of layers, in namespaces of its own, with nothing of the
//! host but what the build mounts. It works as root, and as root of a user namespace, into which
//! [`enter_user_namespace`] takes a normal user's windlass.
//!
//! Nothing outlives windlass, whatever ends it: mounts are held by a file of the process ([`Workspace`]), and a
//! command's processes by a supervisor that kills them when windlass is gone.

mod attributes;
mod cgroup;
mod child;
mod command;
mod copied;
mod descendants;
mod mounts;
mod overlay;
mod place;
mod placed;
mod raw;
mod rights;
mod run;
mod snapshot;
mod stacked;
mod stop;
mod stub;
mod task;
pub(in crate::engine::embedded) mod tree;
mod user;
mod workspace;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountPropagationFlags, mount_change};

pub use child::enter_hidden_verb;
pub use command::{Command, Ended, Identity, Limits, Mount, Network, Source};
pub use stop::Stop;
pub use user::enter_user_namespace;
pub use workspace::{Beside, Workspace};

use super::layer::Overlay;

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
    /// Root in a container that may make no namespaces: a command only has another root folder, shares the container's
    /// processes and network, and finds copies where it would find mounts.
    Chroot,
}

/// What this machine lets windlass do. Clones are the same.
#[derive(Debug, Clone)]
pub struct Sandbox(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    mode: Mode,
    may_set_groups: bool,
    /// How overlays are mounted, or why they are not.
    overlay: Result<overlay::Options, String>,
    /// Why there are no namespaces, in chroot mode.
    no_namespaces: Option<String>,
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
            Ok(overlay::try_out(scratch, mode != Mode::Root).map_err(|error| format!("{error:#}")))
        });
        let (mode, overlay, no_namespaces) = match overlay {
            Ok(overlay) => (mode, overlay, None),
            Err(error) => {
                let why = format!("{error:#}");
                (Mode::Chroot, Err(why.clone()), Some(why))
            }
        };
        let may_set_groups = !fs::read_to_string("/proc/self/setgroups").is_ok_and(|text| text.trim() == "deny");
        Ok(Self(Arc::new(Inner { program: program.to_owned(), mode, may_set_groups, overlay, no_namespaces })))
    }

    /// By which rights commands are kept apart.
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// Which attributes folders of layers must have, and committed ones have.
    pub fn overlay(&self) -> Overlay {
        if self.0.mode == Mode::Root && self.has_overlay() { Overlay::Trusted } else { Overlay::User }
    }

    /// Whether layers are stacked by the kernel; else they are copied, and what changed is told by comparing.
    pub fn has_overlay(&self) -> bool {
        self.0.overlay.is_ok()
    }
}

impl fmt::Display for Sandbox {
    /// What works, and why not more, in one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.mode {
            Mode::Root => "namespaces as root",
            Mode::UserNamespace { single_id: false } => "a user namespace",
            Mode::UserNamespace { single_id: true } => "a user namespace with a single id: USER must be root",
            Mode::Chroot => "a chroot, without `--network=none`, `--security=insecure` and /proc",
        })?;
        match (&self.0.no_namespaces, &self.0.overlay) {
            (Some(why), _) => write!(f, "; no namespaces: {why}"),
            (None, Ok(_)) => f.write_str(", layers by overlay"),
            (None, Err(why)) => write!(f, ", layers by copying; no overlay: {why}"),
        }
    }
}

/// Tells what [`Sandbox::find_out`] would find for this user, who need not be root.
///
/// # Errors
/// When no command can be run at all.
pub fn describe(scratch: &Path) -> anyhow::Result<String> {
    if nix::unistd::geteuid().is_root() { Ok(Sandbox::find_out(scratch)?.to_string()) } else { user::describe(scratch) }
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

/// Does work on a thread with a network of its own, in which only the loopback is: what it runs with
/// [`Network::Host`] is there too. Where the machine gives no such network it is the machine's own.
pub fn with_own_network<T: Send>(work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
    on_a_thread(|| {
        if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
            raw::loopback_up().context("bringing the loopback up")?;
        }
        work()
    })
}

/// Whether this process is in the machine's own user namespace, as far as ids tell.
pub fn knows_all_users() -> bool {
    // Without /proc there are no namespaces to be in.
    fs::read_to_string("/proc/self/uid_map").map_or(true, |map| mode_of_map(&map) == Mode::Root)
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
