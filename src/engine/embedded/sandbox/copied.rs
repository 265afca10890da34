//! A workspace's files as a copy of its layers, where no overlay can be mounted: what changed is told by comparing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::command::Command;
use super::placed::{self, Placed};
use super::snapshot::Snapshot;
use super::task::Task;
use super::{Overlay, attributes, place, stub, tree};

/// The copy, and what it looked like after the last commit.
#[derive(Debug)]
pub(super) struct Copied {
    scratch: PathBuf,
    root: PathBuf,
    overlay: Overlay,
    before: Option<Snapshot>,
    /// What was made for a command and is to be removed after it.
    points: Vec<PathBuf>,
    /// What was put in the place of files of the copy for a command.
    placed: Vec<Placed>,
    n_layers: usize,
    n_commands: usize,
}

impl Copied {
    pub(super) fn begin(scratch: &Path, root: &Path, overlay: Overlay, lowers: &[PathBuf]) -> anyhow::Result<Self> {
        for layer in lowers {
            tree::lay_on(layer, root, overlay)?;
        }
        let (scratch, root) = (scratch.to_owned(), root.to_owned());
        Ok(Self {
            scratch,
            root,
            overlay,
            before: None,
            points: Vec::new(),
            placed: Vec::new(),
            n_layers: 0,
            n_commands: 0,
        })
    }

    /// Must be called before anything can change.
    pub(super) fn remember(&mut self) -> anyhow::Result<()> {
        if self.before.is_none() {
            self.before = Some(Snapshot::take(&self.root).context("looking at all files")?);
        }
        Ok(())
    }

    /// Makes every mount point of a command.
    pub(super) fn make_points(&mut self, command: &Command) -> anyhow::Result<()> {
        self.remember()?;
        for (path, (there, kind)) in stub::missing(&self.root, command).context("looking for mount points")? {
            // Another mount point may have made a part of it.
            let mut made = self.root.join(&there);
            let mut rest: Vec<_> = path.strip_prefix(&there)?.iter().map(ToOwned::to_owned).collect();
            while !rest.is_empty() && made.join(&rest[0]).is_dir() {
                made.push(rest.remove(0));
            }
            let folder = made.clone();
            let times = fs::symlink_metadata(&folder)?;
            place::make(&folder, &rest, kind).with_context(|| format!("making `{}`", path.display()))?;
            for name in &rest {
                made.push(name);
                self.points.push(made.clone());
            }
            self.restore(&folder, &times)?;
        }
        Ok(())
    }

    /// Puts in place what a command finds besides these files, where nothing can be mounted.
    pub(super) fn put(&mut self, task: &Task) -> anyhow::Result<()> {
        self.n_commands += 1;
        let folder = self.scratch.join(format!("aside-{}", self.n_commands));
        let outcome = placed::put(task, &folder, &mut self.placed);
        let folders: Vec<_> = self.placed.iter().map(|placed| (placed.at.clone(), placed.folder.clone())).collect();
        for (at, times) in folders.iter().rev() {
            self.restore(at.parent().expect("it lies in the root"), times)?;
        }
        outcome
    }

    /// Removes what was made and put in place for a command.
    pub(super) fn clear(&mut self) -> anyhow::Result<()> {
        while let Some(placed) = self.placed.pop() {
            let folder = placed.at.parent().expect("it lies in the root").to_owned();
            let times = fs::symlink_metadata(&folder)?;
            placed.take_back()?;
            self.restore(&folder, &times)?;
            if let Some(before) = &mut self.before {
                before.accept(&self.root, placed.at.strip_prefix(&self.root)?)?;
            }
        }
        self.remove_points()
    }

    /// Removes the mount points in which nothing was put.
    fn remove_points(&mut self) -> anyhow::Result<()> {
        while let Some(point) = self.points.pop() {
            let Ok(metadata) = fs::symlink_metadata(&point) else { continue };
            let folder = point.parent().expect("a mount point lies in the root").to_owned();
            let times = fs::symlink_metadata(&folder)?;
            let removed = if metadata.is_dir() {
                fs::remove_dir(&point).is_ok()
            } else {
                metadata.len() == 0 && fs::remove_file(&point).is_ok()
            };
            if removed {
                self.restore(&folder, &times)?;
            }
        }
        Ok(())
    }

    /// Gives a folder the times that it had before we changed what is in it.
    fn restore(&mut self, folder: &Path, times: &fs::Metadata) -> anyhow::Result<()> {
        attributes::copy_times(times, folder)?;
        let path = folder.strip_prefix(&self.root).expect("it lies in the root");
        if let Some(before) = &mut self.before {
            before.accept(&self.root, path)?;
        }
        Ok(())
    }

    /// A folder with what changed.
    pub(super) fn commit(&mut self) -> anyhow::Result<Option<PathBuf>> {
        let Some(before) = &self.before else { return Ok(None) };
        let now = Snapshot::take(&self.root).context("looking at all files")?;
        let layer = self.scratch.join(format!("layer-{}", self.n_layers));
        fs::create_dir(&layer)?;
        self.n_layers += 1;
        let has_changes = before.write_layer(&now, &self.root, &layer, self.overlay).context("writing a layer")?;
        self.before = Some(now);
        if !has_changes {
            fs::remove_dir(&layer)?;
        }
        Ok(has_changes.then_some(layer))
    }
}
