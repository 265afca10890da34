//! What a command finds besides the image's files where nothing can be mounted: copies, put in the place of what is
//! there, and taken away after it.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::command::{Mount, Source};
use super::place::{self, Kind};
use super::stub::kind_of;
use super::task::Task;
use super::tree::{self, Links};

/// The devices of a command: name, major and minor number (Linux `Documentation/admin-guide/devices.txt`).
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// One thing that was put in its place.
#[derive(Debug)]
pub(super) struct Placed {
    /// Where it is.
    pub(super) at: PathBuf,
    /// What its folder was before.
    pub(super) folder: fs::Metadata,
    /// Where that is now which was there.
    aside: PathBuf,
    /// Where what became of it goes.
    back: Option<PathBuf>,
}

/// Puts everything in place that a command finds besides the image's files. Every mount point must be there. What was
/// put there is told in `placed` even when something fails.
pub(super) fn put(task: &Task, aside: &Path, placed: &mut Vec<Placed>) -> anyhow::Result<()> {
    fs::create_dir(aside)?;
    let made = aside.join("made");
    fs::create_dir(&made)?;
    devices(&made.join("dev"))?;
    fs::write(made.join("resolv.conf"), &task.resolv_conf)?;
    fs::write(made.join("hosts"), &task.hosts)?;
    let mut put = |target: &str, kind: Kind, make: &dyn Fn(&Path) -> anyhow::Result<()>, back: Option<PathBuf>| {
        let place = place::find(&task.root, Path::new(target))?;
        place::make(&task.root.join(&place.there), &place.missing, kind)?;
        let at = task.root.join(place.below_root());
        let aside = aside.join(placed.len().to_string());
        let folder = fs::symlink_metadata(at.parent().unwrap_or(&task.root))?;
        fs::rename(&at, &aside)?;
        placed.push(Placed { at: at.clone(), folder, aside, back });
        make(&at).with_context(|| format!("putting something at `{target}`"))
    };
    let moved = |name: &'static str| {
        let from = made.join(name);
        move |at: &Path| Ok(fs::rename(&from, at)?)
    };
    put("/dev", Kind::Folder, &moved("dev"), None)?;
    put("/etc/resolv.conf", Kind::File, &moved("resolv.conf"), None)?;
    put("/etc/hosts", Kind::File, &moved("hosts"), None)?;
    let mut mounts: Vec<&Mount> = task.command.mounts.iter().collect();
    mounts.sort_by_key(|mount| Path::new(&mount.target).components().count());
    for mount in mounts {
        let back = match &mount.source {
            Source::Folder(path) if !mount.read_only => Some(path.clone()),
            _ => None,
        };
        put(&mount.target, kind_of(mount)?, &|at| one(&mount.source, at), back)?;
    }
    Ok(())
}

fn one(source: &Source, at: &Path) -> anyhow::Result<()> {
    match source {
        Source::Folder(path) => Ok(tree::copy_all(path, at, &mut Links::new())?),
        Source::Layers { .. } => anyhow::bail!("layers are copied before"),
        Source::Tmpfs { .. } => {
            fs::create_dir(at)?;
            Ok(fs::set_permissions(at, fs::Permissions::from_mode(0o1777))?)
        }
        Source::Secret { content, mode, uid, gid } => {
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(at)?.write_all(content)?;
            std::os::unix::fs::chown(at, Some(*uid), Some(*gid))?;
            Ok(fs::set_permissions(at, fs::Permissions::from_mode(mode & 0o7777))?)
        }
        Source::Socket(path) => Ok(fs::hard_link(path, at)?),
    }
}

fn devices(folder: &Path) -> anyhow::Result<()> {
    fs::DirBuilder::new().mode(0o755).create(folder)?;
    for (name, major, minor) in DEVICES {
        let node = folder.join(name);
        mknodat(CWD, &node, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(major, minor))
            .with_context(|| format!("making `/dev/{name}`"))?;
        fs::set_permissions(&node, fs::Permissions::from_mode(0o666))?;
    }
    for (target, name) in [("/proc/self/fd", "fd"), ("fd/0", "stdin"), ("fd/1", "stdout"), ("fd/2", "stderr")] {
        symlink(target, folder.join(name))?;
    }
    fs::create_dir(folder.join("shm"))?;
    Ok(fs::set_permissions(folder.join("shm"), fs::Permissions::from_mode(0o1777))?)
}

impl Placed {
    /// Takes it away, and puts back what was there.
    pub(super) fn take_back(&self) -> anyhow::Result<()> {
        if let Some(back) = &self.back
            && fs::symlink_metadata(&self.at).is_ok()
        {
            replace(back, &self.at).with_context(|| format!("keeping `{}`", back.display()))?;
        }
        match tree::remove(&self.at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
        Ok(fs::rename(&self.aside, &self.at)?)
    }
}

/// Gives `old`, which stays where it is, the content of `new`.
fn replace(old: &Path, new: &Path) -> io::Result<()> {
    if !fs::metadata(old)?.is_dir() {
        return fs::copy(new, old).map(|_| ());
    }
    for entry in fs::read_dir(old)? {
        tree::remove(&entry?.path())?;
    }
    let mut links = Links::new();
    for entry in fs::read_dir(new)? {
        let entry = entry?;
        tree::copy_all(&entry.path(), &old.join(entry.file_name()), &mut links)?;
    }
    Ok(())
}
