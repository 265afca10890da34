//! What a command finds mounted, made by its first process in mounts of its own.

use std::ffi::CString;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::StatVfsMountFlags;
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};

use super::command::{Mount, Source};
use super::place::{self, Kind};
use super::task::Task;

const NO_PROGRAMS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// What is kept from a command (moby `oci/defaults.go`).
const MASKED: [&str; 10] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/sched_debug",
    "proc/scsi",
    "proc/timer_list",
    "sys/firmware",
];

/// What a command may only read (moby `oci/defaults.go`).
const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

/// Devices of the host that a command has.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// Links in /dev.
const LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("/proc/kcore", "core"),
    ("pts/ptmx", "ptmx"),
];

/// Mounts everything below `task.root` and makes that the root.
pub(super) fn set_up(task: &Task) -> anyhow::Result<()> {
    let Task { root, private, command, .. } = task;
    if !task.is_mounted {
        mount_bind(root, root).and_then(|()| restrict(root, MountFlags::NODEV)).context("mounting the root")?;
    }
    memory(private, "mode=0700", NO_PROGRAMS)?;
    processes(root)?;
    system(root, command.privileged)?;
    devices(root, command.privileged)?;
    if command.privileged {
        mount_remount(root, MountFlags::BIND, c"").context("allowing devices")?;
    } else {
        for path in MASKED {
            mask(&root.join(path), private)?;
        }
        for path in READ_ONLY {
            let path = root.join(path);
            if path.exists() {
                mount_bind_recursive(&path, &path).and_then(|()| restrict(&path, MountFlags::RDONLY))?;
            }
        }
    }
    for (name, content, target) in
        [("resolv.conf", &task.resolv_conf, "/etc/resolv.conf"), ("hosts", &task.hosts, "/etc/hosts")]
    {
        let file = private.join(name);
        fs::write(&file, content)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644))?;
        let at = target_of(root, target, Kind::File)?;
        mount_bind(&file, &at).with_context(|| format!("mounting `{target}`"))?;
    }
    let mut mounts: Vec<(usize, &Mount)> = command.mounts.iter().enumerate().collect();
    // What lies in another mount comes after it.
    mounts.sort_by_key(|(_, mount)| Path::new(&mount.target).components().count());
    for (i, mount) in mounts {
        one(root, private, i, mount).with_context(|| format!("mounting `{}`", mount.target))?;
    }
    enter(root)
}

/// Where something is to be mounted, made where it is not there.
fn target_of(root: &Path, target: &str, kind: Kind) -> anyhow::Result<PathBuf> {
    let place = place::find(root, Path::new(target)).with_context(|| format!("looking for `{target}`"))?;
    place::make(&root.join(&place.there), &place.missing, kind).with_context(|| format!("making `{target}`"))?;
    Ok(root.join(place.below_root()))
}

fn memory(at: &Path, options: &str, flags: MountFlags) -> anyhow::Result<()> {
    let options = CString::new(options)?;
    mount("tmpfs", at, "tmpfs", flags, &*options).with_context(|| format!("mounting memory at `{}`", at.display()))
}

fn processes(root: &Path) -> anyhow::Result<()> {
    let at = target_of(root, "/proc", Kind::Folder)?;
    match mount("proc", &at, "proc", NO_PROGRAMS, None) {
        // The kernel shows nobody more of it than they see already: in a container parts of it are hidden.
        Err(Errno::PERM) => mount_bind_recursive("/proc", &at).context("mounting the host's `/proc`")?,
        outcome => outcome.context("mounting `/proc`")?,
    }
    Ok(())
}

fn system(root: &Path, privileged: bool) -> anyhow::Result<()> {
    let at = target_of(root, "/sys", Kind::Folder)?;
    let flags = if privileged { NO_PROGRAMS } else { NO_PROGRAMS | MountFlags::RDONLY };
    match mount("sysfs", &at, "sysfs", flags, None) {
        // It belongs to the network namespace, which is the host's.
        Err(Errno::PERM) => {
            mount_bind_recursive("/sys", &at).context("mounting the host's `/sys`")?;
            restrict(&at, flags).context("making `/sys` read-only")
        }
        outcome => outcome.context("mounting `/sys`"),
    }
}

fn devices(root: &Path, privileged: bool) -> anyhow::Result<()> {
    let at = target_of(root, "/dev", Kind::Folder)?;
    // A device that the command makes is none; those of the host are mounted one by one.
    let flags = if privileged { MountFlags::NOSUID } else { MountFlags::NOSUID | MountFlags::NODEV };
    memory(&at, "mode=0755,size=64m", flags | MountFlags::STRICTATIME)?;
    for name in DEVICES {
        let node = at.join(name);
        fs::File::create_new(&node)?;
        mount_bind(Path::new("/dev").join(name), &node).with_context(|| format!("mounting `/dev/{name}`"))?;
    }
    for (target, name) in LINKS {
        symlink(target, at.join(name))?;
    }
    for name in ["pts", "shm", "mqueue"] {
        fs::create_dir(at.join(name))?;
    }
    let terminals = at.join("pts");
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    match mount("devpts", &terminals, "devpts", flags, c"newinstance,ptmxmode=0666,mode=0620,gid=5") {
        // There is no group 5 where there is a single one.
        Err(Errno::INVAL) => mount("devpts", &terminals, "devpts", flags, c"newinstance,ptmxmode=0666,mode=0620"),
        outcome => outcome,
    }
    .context("mounting `/dev/pts`")?;
    memory(&at.join("shm"), "mode=1777,size=64m", NO_PROGRAMS)?;
    mount("mqueue", at.join("mqueue"), "mqueue", NO_PROGRAMS, None).context("mounting `/dev/mqueue`")
}

/// Puts nothing in the place of something.
fn mask(path: &Path, private: &Path) -> anyhow::Result<()> {
    let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
    if metadata.is_dir() {
        let nothing = private.join("nothing");
        if !nothing.exists() {
            fs::create_dir(&nothing)?;
        }
        mount_bind(&nothing, path).and_then(|()| restrict(path, NO_PROGRAMS | MountFlags::RDONLY))
    } else {
        mount_bind("/dev/null", path)
    }
    .with_context(|| format!("hiding `{}`", path.display()))
}

/// Adds flags to those that a mount has: in a user namespace none of the host's may be taken away.
fn restrict(path: &Path, flags: MountFlags) -> rustix::io::Result<()> {
    let has = rustix::fs::statvfs(path)?.f_flag;
    let known = [
        (StatVfsMountFlags::RDONLY, MountFlags::RDONLY),
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let kept = known.iter().filter(|(flag, _)| has.contains(*flag)).map(|(_, flag)| *flag).collect::<MountFlags>();
    mount_remount(path, MountFlags::BIND | kept | flags, c"")
}

/// Mounts what the command asks for.
fn one(root: &Path, private: &Path, i: usize, mount: &Mount) -> anyhow::Result<()> {
    let Mount { target, source, read_only } = mount;
    let read_only = if *read_only { MountFlags::RDONLY } else { MountFlags::empty() };
    let bind = |path: &Path| -> anyhow::Result<()> {
        let kind = if fs::metadata(path)?.is_dir() { Kind::Folder } else { Kind::File };
        let at = target_of(root, target, kind)?;
        mount_bind(path, &at)?;
        Ok(restrict(&at, MountFlags::NODEV | read_only)?)
    };
    match source {
        Source::Folder(path) | Source::Socket(path) => bind(path),
        Source::Layers { .. } => bail!("layers are not mounted yet"),
        Source::Tmpfs { size } => {
            let at = target_of(root, target, Kind::Folder)?;
            let size = size.map(|size| format!(",size={size}")).unwrap_or_default();
            memory(&at, &format!("mode=1777{size}"), MountFlags::NOSUID | MountFlags::NODEV | read_only)
        }
        Source::Secret { content, mode, uid, gid } => {
            let file = private.join(format!("secret-{i}"));
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file)?.write_all(content)?;
            std::os::unix::fs::chown(&file, Some(*uid), Some(*gid))?;
            fs::set_permissions(&file, fs::Permissions::from_mode(mode & 0o7777))?;
            bind(&file)
        }
    }
}

/// Makes `root`, which is a mount, the root, and lets go of what was.
fn enter(root: &Path) -> anyhow::Result<()> {
    rustix::process::chdir(root)?;
    rustix::process::pivot_root(".", ".").context("changing the root")?;
    // Nothing of this may show where the old root is mounted too.
    mount_change(".", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    unmount(".", UnmountFlags::DETACH).context("leaving the host's root")?;
    Ok(rustix::process::chdir("/")?)
}
