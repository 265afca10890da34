//! A root file system that is being changed, step by step.

use std::cell::OnceCell;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use nix::sched::{CloneFlags, setns, unshare};
use rustix::fs::Mode as Permissions;
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use super::cgroup::Group;
use super::command::{Command, Ended, Network, Source};
use super::copied::Copied;
use super::run::Started;
use super::stacked::{self, Stacked};
use super::task::{First, Task};
use super::{Mode, Sandbox, Stop, on_a_thread, own_mounts, place, run, tree};
use crate::event::Stream;

/// A root file system made of layers, with what was changed since the last of them. Its mounts are seen by its own
/// threads and commands alone, and are gone when it is dropped or the process ends, in whatever way; its files are all
/// in the scratch folder, which whoever gave it removes.
#[derive(Debug)]
pub struct Workspace {
    sandbox: Sandbox,
    scratch: PathBuf,
    /// The namespace of its mounts; none in chroot mode.
    mounts: Option<OwnedFd>,
    files: Mutex<Files>,
    n_steps: usize,
}

#[derive(Debug)]
enum Files {
    Stacked(Stacked),
    Copied(Copied),
}

/// What runs while a command runs, on the same files.
pub struct Beside<'a> {
    workspace: &'a Workspace,
    has_ended: &'a dyn Fn() -> bool,
    /// Hears of the command's first process, or that it will have none any more.
    told: Receiver<First>,
    first: OnceCell<Option<First>>,
}

impl Beside<'_> {
    /// Whether the command ended by itself.
    pub fn has_ended(&self) -> bool {
        (self.has_ended)()
    }

    /// Runs one more command, whose mounts must be none, once the first one has begun: among its processes, with its
    /// mounts. In chroot mode, where there are none of these, it sees its files. What it leaves running ends with the
    /// first command.
    ///
    /// # Errors
    /// When the sandbox can't be made, not when the command fails.
    pub fn run(&self, command: Command, said: &(dyn Fn(Stream, &[u8]) + Sync), stop: &Stop) -> anyhow::Result<Ended> {
        match self.first.get_or_init(|| self.told.recv().ok()) {
            Some(first) => self.workspace.run_now(command, Some(*first), said, None, stop),
            None => Ok(Ended::NotStarted("what it belongs to has ended".to_owned())),
        }
    }
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
        let merged = scratch.join("merged");
        let mounts = match sandbox.mode() {
            Mode::Chroot => None,
            Mode::Root | Mode::UserNamespace { .. } => Some(on_a_thread(|| {
                own_mounts().context("taking mounts of our own")?;
                Ok(OwnedFd::from(fs::File::open("/proc/thread-self/ns/mnt")?))
            })?),
        };
        let files = match sandbox.0.overlay {
            Ok(options) => Files::Stacked(Stacked::begin(&scratch, &merged, options, lowers)?),
            Err(_) => Files::Copied(Copied::begin(&scratch, &merged, sandbox.overlay(), lowers)?),
        };
        Ok(Self { sandbox: sandbox.clone(), scratch, mounts, files: Mutex::new(files), n_steps: 0 })
    }

    /// Changes the files: `work` gets the path of the merged root, which only the thread that it runs on sees.
    ///
    /// # Errors
    /// Those of `work`, and when the root can't be mounted.
    pub fn change<T: Send>(&mut self, work: impl FnOnce(&Path) -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        self.within(|| {
            match &mut *self.files() {
                Files::Stacked(files) => files.show()?,
                Files::Copied(files) => files.remember()?,
            }
            work(&self.scratch.join("merged"))
        })
    }

    /// Looks at the files: `work` gets the path of the merged root, which only the thread that it runs on sees, and
    /// must change nothing there.
    ///
    /// # Errors
    /// Those of `work`, and when the root can't be mounted.
    pub fn look<T: Send>(&self, work: impl FnOnce(&Path) -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        self.within(|| {
            if let Files::Stacked(files) = &mut *self.files() {
                files.show()?;
            }
            work(&self.scratch.join("merged"))
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
        self.prepared(command, |workspace, command| workspace.run_now(command, None, said, None, stop))
    }

    /// Runs a command, and `beside` meanwhile, which may run more commands on the same files. When `beside` is done the
    /// command is killed, if it still runs.
    ///
    /// # Errors
    /// Those of `beside`, and when the sandbox can't be made.
    pub fn run_beside<T>(
        &mut self,
        command: &Command,
        said: &(dyn Fn(Stream, &[u8]) + Sync),
        beside: impl FnOnce(&Beside<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<(Ended, T)> {
        self.prepared(command, |workspace, command| {
            let stop = Stop::new()?;
            let (tell, told) = mpsc::channel();
            let stopped = &stop;
            std::thread::scope(|scope| {
                let main = scope.spawn(move || {
                    let started = |first| {
                        let _nobody_asks = tell.send(first);
                    };
                    workspace.run_now(command, None, said, Some(&started), stopped)
                });
                let has_ended = || main.is_finished();
                let outcome = beside(&Beside { workspace, has_ended: &has_ended, told, first: OnceCell::new() });
                stop.stop();
                let ended = main.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                Ok((ended?, outcome?))
            })
        })
    }

    /// Puts what a command finds at its mounts in place, and takes it away again.
    fn prepared<T>(
        &mut self,
        command: &Command,
        work: impl FnOnce(&Self, Command) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.n_steps += 1;
        let sources = self.scratch.join(format!("sources-{}", self.n_steps));
        let mut command = command.clone();
        let ready = self.within(|| {
            self.show_sources(&mut command, &sources)?;
            match &mut *self.files() {
                Files::Stacked(files) => files.show_for(&command),
                Files::Copied(files) => files.make_points(&command),
            }
        });
        let ended = ready.and_then(|()| work(self, command));
        if let Files::Copied(files) = self.files.get_mut().unwrap_or_else(PoisonError::into_inner) {
            files.clear()?;
        }
        self.within(|| remove_sources(&sources))?;
        ended
    }

    fn run_now(
        &self,
        command: Command,
        joins: Option<First>,
        said: &(dyn Fn(Stream, &[u8]) + Sync),
        started: Option<Started<'_>>,
        stop: &Stop,
    ) -> anyhow::Result<Ended> {
        let host = command.network != Network::None;
        let has_namespaces = self.mounts.is_some();
        if !has_namespaces {
            anyhow::ensure!(host, "a command without network needs namespaces, which this machine does not give");
            anyhow::ensure!(!command.privileged, "this machine has no more rights to give to a command");
        }
        let group = Group::make(&command.limits);
        let task = Task {
            root: self.scratch.join("merged"),
            is_mounted: self.sandbox.has_overlay(),
            has_namespaces,
            limit_each: group.is_err(),
            private: self.scratch.join("private"),
            joins: joins.filter(|_| has_namespaces),
            may_set_groups: self.sandbox.0.may_set_groups,
            resolv_conf: if host { read_if_there("/etc/resolv.conf")? } else { Vec::new() },
            hosts: hosts(&command.hostname, host)?,
            command,
        };
        if !has_namespaces && let Files::Copied(files) = &mut *self.files() {
            files.put(&task)?;
        }
        self.within(|| {
            if has_namespaces {
                // What is mounted from here on is this run's alone.
                unshare(CloneFlags::CLONE_NEWNS).context("taking mounts of our own")?;
            }
            run::run(&self.sandbox.0.program, &task, group.ok().flatten().as_ref(), said, started, stop)
        })
    }

    /// What changed since the workspace began, or since the last call, as the upper folder of an overlay; none where
    /// nothing did. The folder is the caller's, who puts it back with [`Self::stack`] before anything else is done.
    ///
    /// # Errors
    /// When the root can't be unmounted, or files not be copied.
    pub fn commit(&mut self) -> anyhow::Result<Option<PathBuf>> {
        self.within(|| match &mut *self.files() {
            Files::Stacked(files) => {
                files.unmount()?;
                files.commit()
            }
            Files::Copied(files) => files.commit(),
        })
    }

    /// Puts a committed layer, under the path that it has now, on top of the others.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn stack(&mut self, layer: PathBuf) -> anyhow::Result<()> {
        match self.files.get_mut().unwrap_or_else(PoisonError::into_inner) {
            Files::Stacked(files) => Ok(files.stack(layer)?),
            // Its files are where they were.
            Files::Copied(_) => Ok(()),
        }
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does work on a thread that sees the workspace's mounts, has a working directory and the usual umask
    /// of its own where there are any.
    fn within<T: Send>(&self, work: impl FnOnce() -> anyhow::Result<T> + Send) -> anyhow::Result<T> {
        on_a_thread(|| {
            if let Some(mounts) = &self.mounts {
                unshare(CloneFlags::CLONE_FS)?;
                setns(mounts, CloneFlags::CLONE_NEWNS).context("entering the workspace")?;
                rustix::process::umask(Permissions::WGRP | Permissions::WOTH);
            }
            work()
        })
    }

    /// Shows the other file systems that a command sees parts of, each in a folder of its own in `sources`.
    fn show_sources(&self, command: &mut Command, sources: &Path) -> anyhow::Result<()> {
        for (i, mount) in command.mounts.iter_mut().enumerate() {
            let Source::Layers { lowers, subpath } = &mount.source else { continue };
            let folder = sources.join(i.to_string());
            fs::create_dir_all(&folder)?;
            let merged = folder.join("merged");
            match self.sandbox.0.overlay {
                Ok(options) => stacked::show_in(&folder, lowers, options)?,
                Err(_) => {
                    fs::create_dir(&merged)?;
                    for layer in lowers {
                        tree::lay_on(layer, &merged, self.sandbox.overlay())?;
                    }
                }
            }
            let place = place::find(&merged, Path::new(subpath))?;
            anyhow::ensure!(place.missing.is_empty(), "`{subpath}` is not there to be mounted on `{}`", mount.target);
            mount.source = Source::Folder(merged.join(place.there));
        }
        Ok(())
    }
}

/// Unmounts what was shown in `sources`, and removes what was written there.
fn remove_sources(sources: &Path) -> anyhow::Result<()> {
    let entries = match fs::read_dir(sources) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        match unmount(entry?.path().join("merged"), UnmountFlags::DETACH) {
            // It is a copy, or was not mounted when something went wrong.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT | Errno::PERM) => {}
            Err(error) => return Err(error).context("unmounting what a command saw"),
        }
    }
    Ok(fs::remove_dir_all(sources)?)
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
