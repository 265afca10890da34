//! Finds a path below a folder as if the folder were the root: by the kernel's `openat2` (`RESOLVE_IN_ROOT`), and step
//! by step where a sandbox does not let that call through (gVisor, seccomp profiles older than it).

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// As many links the kernel follows (`MAXSYMLINKS`).
const LINKS_AT_MOST: usize = 40;

#[derive(Debug)]
pub(super) struct Resolver {
    root: OwnedFd,
    in_steps: AtomicBool,
}

impl Resolver {
    pub(super) fn new(root: OwnedFd) -> Self {
        Self { root, in_steps: AtomicBool::new(false) }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens what a path leads to.
    pub(super) fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = flags | OFlags::CLOEXEC;
        while !self.in_steps.load(Ordering::Relaxed) {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve) {
                // Something was renamed while a `..` was looked at.
                Err(Errno::AGAIN | Errno::INTR) => {}
                // The opening of a file has no such answer: who answers is a filter of calls.
                Err(Errno::NOSYS | Errno::PERM) => self.in_steps.store(true, Ordering::Relaxed),
                other => return Ok(other?),
            }
        }
        self.open_in_steps(path, flags)
    }

    fn open_in_steps(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let step = |folder: BorrowedFd<'_>, name: &OsStr, flags| {
            rustix::fs::openat(folder, name, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        };
        let is_slash_last = path.as_os_str().as_bytes().ends_with(b"/");
        let mut left: VecDeque<OsString> = names(path);
        // The way down; the root is below its beginning and never left.
        let mut way: Vec<OwnedFd> = Vec::new();
        let mut n_links = 0;
        while let Some(name) = left.pop_front() {
            if name == ".." {
                way.pop();
                continue;
            }
            let folder = way.last().unwrap_or(&self.root).as_fd();
            let found = step(folder, &name, OFlags::PATH)?;
            let file_type = FileType::from_raw_mode(rustix::fs::fstat(&found)?.st_mode);
            match file_type {
                FileType::Directory => way.push(found),
                FileType::Symlink => {
                    n_links += 1;
                    if n_links > LINKS_AT_MOST {
                        return Err(Errno::LOOP.into());
                    }
                    let target = rustix::fs::readlinkat(&found, "", Vec::new())?;
                    let target = OsString::from_vec(target.into_bytes());
                    if target.as_bytes().starts_with(b"/") {
                        way.clear();
                    }
                    let mut longer = names(Path::new(&target));
                    longer.append(&mut left);
                    left = longer;
                }
                _ if !left.is_empty() || is_slash_last || flags.contains(OFlags::DIRECTORY) => {
                    return Err(Errno::NOTDIR.into());
                }
                _ => return Ok(step(folder, &name, flags)?),
            }
        }
        let folder = way.last().unwrap_or(&self.root);
        if flags.contains(OFlags::PATH) && rustix::fs::statat(folder, ".", AtFlags::empty()).is_err() {
            return Err(Errno::ACCESS.into());
        }
        Ok(step(folder.as_fd(), OsStr::new("."), flags)?)
    }
}

fn names(path: &Path) -> VecDeque<OsString> {
    let names = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
    let names = names.filter(|name| !name.is_empty() && *name != b".");
    names.map(|name| OsStr::from_bytes(name).to_owned()).collect()
}
