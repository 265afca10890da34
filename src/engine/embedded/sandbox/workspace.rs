//! A root file system that is being changed, step by step.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::Mode as Permissions;
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, unmount};

use super::command::{Command, Ended, Network, Source};
use super::overlay::{Links, Place};
use super::task::Task;
use super::{Mode, Sandbox, Stop, attributes, on_a_thread, own_mounts, place, run, stub};
use crate::event::Stream;

/// A root file system made of layers, with what was changed since the last of them. Its mounts are seen by its own
/// threads and commands alone, and are gone when it is dropped or the process ends, in whatever way; its files are all
/// in the scratch folder, which whoever gave it removes.
#[derive(Debug)]
pub struct Workspace {
    sandbox: Sandbox,
    scratch: PathBuf,
    /// The namespace of its mounts.
    mounts: OwnedFd,
    view: Mutex<View>,
    n_steps: usize,
}

/// What is mounted, and of what.
#[derive(Debug)]
struct View {
    links: Links,
    /// The topmost layer, whose root folder lends the next one its attributes.
    top: Option<PathBuf>,
    /// The folder that takes changes, once there is one, with what its root was when it was made.
    upper: Option<Upper>,
    mounted: Mounted,
    n_mounts: usize,
}

#[derive(Debug)]
struct Upper {
    folder: PathBuf,
    /// Mode, user and group of its root.
    root: (u32, u32, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mounted {
    Nothing,
    /// The layers alone.
    Plain,
    /// With a folder of mount points.
    WithMountPoints,
}

impl Workspace {
    /// Begins on top of `lowers`, the folders of layers, lowest first. All that the workspace needs is made in
    /// `scratch`, an empty folder.
    ///
    /// # Errors
    /// When the file system or the kernel refuse.
    pub fn begin(sandbox: &Sandbox, scratch: &Path, lowers: &[PathBuf]) -> anyhow::Result<Self> {
        let scratch = fs::canonicalize(scratch).context("looking at the scratch folder")?;
        for name in ["merged", "private"] {
            fs::create_dir(scratch.join(name))?;
        }
        let mut links = Links::make(scratch.join("l"))?;
        for layer in lowers {
            links.push(layer)?;
        }
        let mounts = on_a_thread(|| {
            own_mounts().context("taking mounts of our own")?;
            Ok(OwnedFd::from(fs::File::open("/proc/thread-self/ns/mnt")?))
        })?;
        let top = lowers.last().cloned();
        let view = View { links, top, upper: None, mounted: Mounted::Nothing, n_mounts: 0 };
        Ok(Self { sandbox: sandbox.clone(), scratch, mounts, view: Mutex::new(view), n_steps: 0 })
    }

    /// Changes the files: `work` gets the path of the merged root, which only the thread that it runs on sees.
    ///
    /// # Errors
    /// Those of `work`, and when the root can't be mounted.
    pub fn change<T: Send>(&mut self, work: impl FnOnce(&Path) -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        self.look(work)
    }

    /// Looks at the files: `work` gets the path of the merged root, which only the thread that it runs on sees, and
    /// must change nothing there.
    ///
    /// # Errors
    /// Those of `work`, and when the root can't be mounted.
    pub fn look<T: Send>(&self, work: impl FnOnce(&Path) -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        self.within(|| {
            let merged = self.scratch.join("merged");
            let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
            if view.mounted != Mounted::Plain {
                self.mount(&mut view, None)?;
            }
            drop(view);
            work(&merged)
        })
    }

    /// Runs a command in the root, alone in namespaces of its own, with nothing on its standard input. `said` gets what
    /// it writes as it comes, in chunks; while `said` is not done the command waits when it has more.
    ///
    /// # Errors
    /// When the sandbox can't be made, not when the command fails.
    pub fn run(
        &mut self,
        command: &Command,
        said: &(dyn Fn(Stream, &[u8]) + Sync),
        stop: &Stop,
    ) -> anyhow::Result<Ended> {
        self.n_steps += 1;
        let merged = self.scratch.join("merged");
        let sources = self.scratch.join(format!("sources-{}", self.n_steps));
        let mut command = command.clone();
        let ready = self.within(|| {
            self.mount_sources(&mut command, &sources)?;
            let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
            self.mount_with_points(&mut view, &merged, &command)
        });
        let host = command.network != Network::None;
        let ended = ready.and_then(|()| {
            let task = Task {
                root: merged,
                private: self.scratch.join("private"),
                may_set_groups: self.sandbox.mode() != Mode::UserNamespace { single_id: true },
                resolv_conf: if host { read_if_there("/etc/resolv.conf")? } else { Vec::new() },
                hosts: hosts(&command.hostname, host)?,
                command,
            };
            self.within(|| {
                // What is mounted from here on is this run's alone.
                unshare(CloneFlags::CLONE_NEWNS).context("taking mounts of our own")?;
                run::run(&self.sandbox.0.program, &task, said, stop)
            })
        });
        self.within(|| unmount_sources(&sources))?;
        ended
    }

    /// What changed since the workspace began, or since the last call, as the upper folder of an overlay; none where
    /// nothing did. The folder is the caller's, who puts it back with [`Self::stack`] before anything else is done.
    ///
    /// # Errors
    /// When the root can't be unmounted.
    pub fn commit(&mut self) -> anyhow::Result<Option<PathBuf>> {
        self.within(|| {
            let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
            self.unmount(&mut view)
        })?;
        let view = self.view.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(upper) = view.upper.take() else { return Ok(None) };
        let is_empty = fs::read_dir(&upper.folder)?.next().is_none();
        if is_empty && root_of(&upper.folder)? == upper.root {
            view.upper = Some(upper);
            return Ok(None);
        }
        Ok(Some(upper.folder))
    }

    /// Puts a committed layer, under the path that it has now, on top of the others.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn stack(&mut self, layer: PathBuf) -> anyhow::Result<()> {
        let view = self.view.get_mut().unwrap_or_else(PoisonError::into_inner);
        view.links.push(&layer).with_context(|| format!("stacking `{}`", layer.display()))?;
        view.top = Some(layer);
        Ok(())
    }

    /// Does work on a thread that sees the workspace's mounts, has a working directory of its own and the usual umask.
    fn within<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        on_a_thread(|| {
            unshare(CloneFlags::CLONE_FS)?;
            setns(&self.mounts, CloneFlags::CLONE_NEWNS).context("entering the workspace")?;
            rustix::process::umask(Permissions::WGRP | Permissions::WOTH);
            work()
        })
    }

    fn mount(&self, view: &mut View, stub: Option<&Path>) -> anyhow::Result<()> {
        self.unmount(view)?;
        if view.upper.is_none() {
            let folder = self.scratch.join(format!("upper-{}", view.n_mounts));
            fs::create_dir(&folder)?;
            if let Some(top) = &view.top {
                attributes::copy(top, &folder)?;
            }
            let root = root_of(&folder)?;
            view.upper = Some(Upper { folder, root });
        }
        let upper = view.upper.as_ref().expect("it was just made");
        // An overlay that was not flushed marks its work folder, so that it is never used again.
        let work = self.scratch.join(format!("work-{}", view.n_mounts));
        fs::create_dir(&work)?;
        view.n_mounts += 1;
        let merged = self.scratch.join("merged");
        let place = Place { stub, upper: &upper.folder, work: &work, merged: &merged };
        view.links.mount(&place, self.sandbox.0.overlay, MountFlags::NODEV)?;
        view.mounted = if stub.is_some() { Mounted::WithMountPoints } else { Mounted::Plain };
        Ok(())
    }

    fn unmount(&self, view: &mut View) -> anyhow::Result<()> {
        if view.mounted != Mounted::Nothing {
            unmount(self.scratch.join("merged"), UnmountFlags::empty()).context("unmounting the root")?;
            view.mounted = Mounted::Nothing;
        }
        Ok(())
    }

    /// Mounts the root so that every mount point of a command is there.
    fn mount_with_points(&self, view: &mut View, merged: &Path, command: &Command) -> anyhow::Result<()> {
        if view.mounted == Mounted::Nothing {
            self.mount(view, None)?;
        }
        let missing = stub::missing(merged, command).context("looking for mount points")?;
        if missing.is_empty() {
            return Ok(());
        }
        if view.mounted == Mounted::WithMountPoints {
            // Points that others made may lie on the way to these.
            self.mount(view, None)?;
            return self.mount_with_points(view, merged, command);
        }
        let folder = self.scratch.join(format!("points-{}", view.n_mounts));
        fs::create_dir(&folder)?;
        stub::make(&folder, merged, &missing).context("making mount points")?;
        self.mount(view, Some(&folder))
    }

    /// Mounts the other file systems that a command sees parts of, each in a folder of its own in `sources`.
    fn mount_sources(&self, command: &mut Command, sources: &Path) -> anyhow::Result<()> {
        for (i, mount) in command.mounts.iter_mut().enumerate() {
            let Source::Layers { lowers, subpath } = &mount.source else { continue };
            let folder = sources.join(i.to_string());
            let (upper, work, merged) = (folder.join("upper"), folder.join("work"), folder.join("merged"));
            for folder in [&upper, &work, &merged] {
                fs::create_dir_all(folder)?;
            }
            let mut links = Links::make(folder.join("l"))?;
            for layer in lowers {
                links.push(layer)?;
            }
            let place = Place { stub: None, upper: &upper, work: &work, merged: &merged };
            links.mount(&place, self.sandbox.0.overlay, MountFlags::NODEV)?;
            let place = place::find(&merged, Path::new(subpath))?;
            anyhow::ensure!(place.missing.is_empty(), "`{subpath}` is not there to be mounted on `{}`", mount.target);
            mount.source = Source::Folder(merged.join(place.there));
        }
        Ok(())
    }
}

/// Unmounts what was mounted in `sources`, and removes what was written there.
fn unmount_sources(sources: &Path) -> anyhow::Result<()> {
    let entries = match fs::read_dir(sources) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        match unmount(entry?.path().join("merged"), UnmountFlags::DETACH) {
            // It was not mounted any more when something went wrong.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            Err(error) => return Err(error).context("unmounting what a command saw"),
        }
    }
    Ok(fs::remove_dir_all(sources)?)
}

/// Mode, user and group of a folder.
fn root_of(folder: &Path) -> io::Result<(u32, u32, u32)> {
    let metadata = fs::metadata(folder)?;
    Ok((metadata.mode(), metadata.uid(), metadata.gid()))
}

fn read_if_there(path: &str) -> anyhow::Result<Vec<u8>> {
    match fs::read(path) {
        Ok(content) => Ok(content),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("reading `{path}`")),
    }
}

/// What /etc/hosts says: the command's own name, and where it has the host's network what the host knows.
fn hosts(hostname: &str, host: bool) -> anyhow::Result<Vec<u8>> {
    let mut text = format!("127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n").into_bytes();
    if host {
        text.extend(read_if_there("/etc/hosts")?);
    }
    Ok(text)
}
