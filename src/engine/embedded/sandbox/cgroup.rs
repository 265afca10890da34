//! Limits of all processes of a command together, where this process may make control groups.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::command::Limits;

/// Control groups of one command, one in each hierarchy that limits something. They are removed when it is dropped,
/// which must be after the command's end.
#[derive(Debug)]
pub(super) struct Group {
    folders: Vec<PathBuf>,
}

/// The beginning of our groups' names, before the id of the process that made them.
const PREFIX: &str = "windlass-";

static N_MADE: AtomicUsize = AtomicUsize::new(0);

impl Group {
    /// Makes groups for what is limited; none where there is nothing to limit.
    ///
    /// # Errors
    /// When this process may make none, or the controllers are not there.
    pub(super) fn make(limits: &Limits) -> io::Result<Option<Self>> {
        if limits.memory.is_none() && limits.pids.is_none() {
            return Ok(None);
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo")?;
        let own = fs::read_to_string("/proc/self/cgroup")?;
        let mut group = Self { folders: Vec::new() };
        let name = format!("{PREFIX}{}-{}", std::process::id(), N_MADE.fetch_add(1, Ordering::Relaxed));
        let wanted = [("memory", limits.memory), ("pids", limits.pids)];
        for (controller, limit) in wanted.into_iter().filter_map(|(controller, limit)| Some((controller, limit?))) {
            let place = place_of(controller, &mounts, &own)
                .ok_or_else(|| io::Error::other(format!("there is no controller `{controller}`")))?;
            sweep(&place.parent);
            let folder = place.parent.join(&name);
            if !group.folders.contains(&folder) {
                fs::create_dir(&folder)?;
                group.folders.push(folder.clone());
            }
            let file = match (controller, place.is_unified) {
                ("memory", true) => "memory.max",
                ("memory", false) => "memory.limit_in_bytes",
                _ => "pids.max",
            };
            fs::write(folder.join(file), limit.to_string())?;
            if controller == "memory" {
                let swap = folder.join("memory.swap.max");
                if swap.exists() {
                    fs::write(swap, "0")?;
                }
            }
        }
        Ok(Some(group))
    }

    /// Puts a process, and all that it will start, in the groups.
    pub(super) fn add(&self, pid: u32) -> io::Result<()> {
        self.folders.iter().try_for_each(|folder| fs::write(folder.join("cgroup.procs"), pid.to_string()))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for folder in &self.folders {
            // One that stays is removed by the next who makes one.
            let _removed = fs::remove_dir(folder);
        }
    }
}

/// Removes the groups of processes that are gone.
fn sweep(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Where something still runs in it this is refused.
            let _removed = fs::remove_dir(entry.path());
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Place {
    parent: PathBuf,
    is_unified: bool,
}

/// In which folder a group with a controller is to be made: of version 1 in this process's own; of version 2 beside it,
/// as a group with processes has no groups that limit.
fn place_of(controller: &str, mounts: &str, own: &str) -> Option<Place> {
    let group = |is_it: &dyn Fn(&str) -> bool| {
        own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            is_it(controllers).then(|| path.trim_start_matches('/').to_owned())
        })
    };
    let mount = |kind: &str, option: Option<&str>| {
        mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut after = after.split(' ');
            let (is_kind, options) = (after.next()? == kind, after.nth(1)?);
            let has_option = option.is_none_or(|option| options.split(',').any(|has| has == option));
            (is_kind && has_option).then(|| PathBuf::from(before.split(' ').nth(4).unwrap_or_default()))
        })
    };
    if let Some(at) = mount("cgroup", Some(controller)) {
        let own = group(&|controllers| controllers.split(',').any(|one| one == controller))?;
        return Some(Place { parent: at.join(own), is_unified: false });
    }
    let own = mount("cgroup2", None)?.join(group(&str::is_empty)?);
    let parent = own.parent().filter(|parent| parent.join("cgroup.subtree_control").exists())?.to_owned();
    Some(Place { parent, is_unified: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_made_where_the_kernel_takes_them() {
        let old = "1 2 0:3 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n\
                   1 2 0:3 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                   1 2 0:3 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let own = "9:name=systemd:/\n8:pids:/a\n4:cpu,memory:/b/c\n0::/d\n";
        let place = |path: &str| Some(Place { parent: path.into(), is_unified: false });
        assert_eq!(place_of("memory", old, own), place("/sys/fs/cgroup/memory/b/c"));
        assert_eq!(place_of("pids", old, own), place("/sys/fs/cgroup/pids/a"));
        // Nothing of this path is there, so that nothing limits in it.
        let new = "1 2 0:3 / /nowhere/cgroup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(place_of("pids", new, "0::/user.slice/a.scope\n"), None);
        assert_eq!(place_of("pids", "", own), None);
    }
}
