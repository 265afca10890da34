//! A workspace's files as an overlay of its layers and a folder that takes the changes.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::mount::{MountFlags, UnmountFlags, unmount};

use super::command::Command;
use super::overlay::{Links, Options, Place};
use super::{attributes, stub};

/// What is mounted, and of what. All but [`Self::begin`], [`Self::commit`] and [`Self::stack`] are for threads that see
/// the workspace's mounts.
#[derive(Debug)]
pub(super) struct Stacked {
    scratch: PathBuf,
    merged: PathBuf,
    options: Options,
    links: Links,
    /// The topmost layer, whose root folder lends the next one its attributes.
    top: Option<PathBuf>,
    /// The folder that takes changes, once there is one.
    upper: Option<Upper>,
    mounted: Mounted,
    n_mounts: usize,
}

#[derive(Debug)]
struct Upper {
    folder: PathBuf,
    /// Mode, user and group of its root when it was made.
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

impl Stacked {
    pub(super) fn begin(scratch: &Path, merged: &Path, options: Options, lowers: &[PathBuf]) -> anyhow::Result<Self> {
        let links = link(scratch, lowers)?;
        Ok(Self {
            scratch: scratch.to_owned(),
            merged: merged.to_owned(),
            options,
            links,
            top: lowers.last().cloned(),
            upper: None,
            mounted: Mounted::Nothing,
            n_mounts: 0,
        })
    }

    /// Mounts the layers alone.
    pub(super) fn show(&mut self) -> anyhow::Result<()> {
        if self.mounted == Mounted::Plain { Ok(()) } else { self.mount(None) }
    }

    /// Mounts the layers so that every mount point of a command is there.
    pub(super) fn show_for(&mut self, command: &Command) -> anyhow::Result<()> {
        if self.mounted == Mounted::Nothing {
            self.mount(None)?;
        }
        let missing = stub::missing(&self.merged, command).context("looking for mount points")?;
        if missing.is_empty() {
            return Ok(());
        }
        if self.mounted == Mounted::WithMountPoints {
            // Points that others made may lie on the way to these.
            self.mount(None)?;
            return self.show_for(command);
        }
        let folder = self.scratch.join(format!("points-{}", self.n_mounts));
        fs::create_dir(&folder)?;
        stub::make(&folder, &self.merged, &missing).context("making mount points")?;
        self.mount(Some(&folder))
    }

    /// The folder with what changed, which is taken out; it must be unmounted.
    pub(super) fn commit(&mut self) -> anyhow::Result<Option<PathBuf>> {
        let Some(upper) = &self.upper else { return Ok(None) };
        let is_empty = fs::read_dir(&upper.folder)?.next().is_none();
        if is_empty && root_of(&upper.folder)? == upper.root {
            return Ok(None);
        }
        Ok(self.upper.take().map(|upper| upper.folder))
    }

    pub(super) fn stack(&mut self, layer: PathBuf) -> io::Result<()> {
        self.links.push(&layer)?;
        self.top = Some(layer);
        Ok(())
    }

    pub(super) fn unmount(&mut self) -> anyhow::Result<()> {
        if self.mounted != Mounted::Nothing {
            unmount(&self.merged, UnmountFlags::empty()).context("unmounting the root")?;
            self.mounted = Mounted::Nothing;
        }
        Ok(())
    }

    fn mount(&mut self, stub: Option<&Path>) -> anyhow::Result<()> {
        self.unmount()?;
        if self.upper.is_none() {
            let folder = self.scratch.join(format!("upper-{}", self.n_mounts));
            fs::create_dir(&folder)?;
            if let Some(top) = &self.top {
                attributes::copy(top, &folder)?;
            }
            let root = root_of(&folder)?;
            self.upper = Some(Upper { folder, root });
        }
        let upper = self.upper.as_ref().expect("it was just made");
        // An overlay that was not flushed marks its work folder, so that it is never used again.
        let work = self.scratch.join(format!("work-{}", self.n_mounts));
        fs::create_dir(&work)?;
        self.n_mounts += 1;
        let place = Place { stub, upper: &upper.folder, work: &work, merged: &self.merged };
        self.links.mount(&place, self.options, MountFlags::NODEV)?;
        self.mounted = if stub.is_some() { Mounted::WithMountPoints } else { Mounted::Plain };
        Ok(())
    }
}

/// Mounts layers at `folder/merged`; what is written there goes to `folder`, an empty one.
pub(super) fn show_in(folder: &Path, lowers: &[PathBuf], options: Options) -> anyhow::Result<()> {
    let (upper, work, merged) = (folder.join("upper"), folder.join("work"), folder.join("merged"));
    for folder in [&upper, &work, &merged] {
        fs::create_dir(folder)?;
    }
    let place = Place { stub: None, upper: &upper, work: &work, merged: &merged };
    link(folder, lowers)?.mount(&place, options, MountFlags::NODEV)
}

fn link(folder: &Path, lowers: &[PathBuf]) -> anyhow::Result<Links> {
    let mut links = Links::make(folder.join("l"))?;
    for layer in lowers {
        links.push(layer)?;
    }
    Ok(links)
}

/// Mode, user and group of a folder.
fn root_of(folder: &Path) -> io::Result<(u32, u32, u32)> {
    let metadata = fs::metadata(folder)?;
    Ok((metadata.mode(), metadata.uid(), metadata.gid()))
}
