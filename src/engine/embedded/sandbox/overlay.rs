//! Layers and one folder that takes the changes, as one root file system: the kernel's overlay.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde::{Deserialize, Serialize};

/// How overlays are mounted on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Options {
    /// Whether the overlay's marks are in `user.` attributes: in a user namespace nobody may write others.
    pub(super) user_attributes: bool,
    /// Whether what is written need not be flushed at every `fsync`, and when it is unmounted (kernel 5.10).
    pub(super) volatile: bool,
}

impl Options {
    /// What makes an upper folder hold all of a change and nothing that only this machine can read.
    fn text(self) -> &'static str {
        match (self.user_attributes, self.volatile) {
            (false, false) => "redirect_dir=off,metacopy=off,index=off,xino=off",
            (false, true) => "redirect_dir=off,metacopy=off,index=off,xino=off,volatile",
            (true, false) => "userxattr",
            (true, true) => "userxattr,volatile",
        }
    }
}

/// A folder with a short name for each layer: an overlay's options must fit into one page.
#[derive(Debug)]
pub(super) struct Links {
    folder: PathBuf,
    n_links: usize,
}

/// How many layers the kernel takes (`OVL_MAX_STACK`), one of which is needed for mount points.
pub(super) const LAYERS_AT_MOST: usize = 499;

impl Links {
    /// Makes `folder`, which must not be there.
    pub(super) fn make(folder: PathBuf) -> io::Result<Self> {
        fs::create_dir(&folder)?;
        // Something must be at the bottom where an image has no layer.
        fs::create_dir(folder.join("e"))?;
        Ok(Self { folder, n_links: 0 })
    }

    /// Puts a layer on top.
    pub(super) fn push(&mut self, layer: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(layer, self.folder.join(name(self.n_links)))?;
        self.n_links += 1;
        Ok(())
    }

    /// Mounts the layers with `upper` on top of them at `merged`; a folder `stub` comes between the two.
    ///
    /// The calling thread must have a working directory of its own, which this changes.
    pub(super) fn mount(&self, place: &Place<'_>, options: Options, flags: MountFlags) -> anyhow::Result<()> {
        anyhow::ensure!(self.n_links <= LAYERS_AT_MOST, "{} layers are more than an overlay takes", self.n_links);
        let Place { stub, upper, work, merged } = place;
        let below = |path: &Path| -> anyhow::Result<String> {
            let parent = self.folder.parent().expect("the folder of links lies in another");
            let name = path.strip_prefix(parent).context("an overlay's folders lie beside its links")?;
            Ok(format!("../{}", name.to_str().context("the folders have names of our own")?))
        };
        let mut lowers = Vec::with_capacity(self.n_links + 2);
        if let Some(stub) = stub {
            lowers.push(below(stub)?);
        }
        lowers.extend((0..self.n_links).rev().map(name));
        if lowers.is_empty() {
            lowers.push("e".to_owned());
        }
        let (upper, work) = (below(upper)?, below(work)?);
        let data = format!("lowerdir={},upperdir={upper},workdir={work},{}", lowers.join(":"), options.text());
        let data = CString::new(data).expect("names of our own have no zero byte");
        rustix::process::chdir(&self.folder).with_context(|| format!("opening `{}`", self.folder.display()))?;
        let outcome = mount("overlay", *merged, "overlay", flags, &*data);
        rustix::process::chdir("/")?;
        outcome.with_context(|| format!("mounting {} layers as one", self.n_links))
    }
}

/// The folders that one overlay is mounted with, all beside its links.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) stub: Option<&'a Path>,
    pub(super) upper: &'a Path,
    pub(super) work: &'a Path,
    pub(super) merged: &'a Path,
}

fn name(mut number: usize) -> String {
    const DIGITS: &[u8; 26] = b"ghijklmnopqrstuvwxyzABCDEF";
    let mut name = String::new();
    loop {
        name.push(char::from(DIGITS[number % DIGITS.len()]));
        number /= DIGITS.len();
        if number == 0 {
            return name;
        }
    }
}

/// How overlays can be mounted within `folder` on this machine; why not, where they can't.
///
/// Mounts, so that the calling thread must have mounts and a working directory of its own.
pub(super) fn try_out(folder: &Path, user_attributes: bool) -> anyhow::Result<Options> {
    let folder = tempfile::Builder::new().prefix("overlay-").tempdir_in(folder)?;
    let mut links = Links::make(folder.path().join("l"))?;
    let lower = folder.path().join("lower");
    fs::create_dir(&lower)?;
    links.push(&lower)?;
    let attempt = |volatile: bool| -> anyhow::Result<Options> {
        let options = Options { user_attributes, volatile };
        let part = |name: &str| folder.path().join(format!("{name}{}", u8::from(volatile)));
        let (upper, work, merged) = (part("upper"), part("work"), part("merged"));
        for folder in [&upper, &work, &merged] {
            fs::create_dir(folder)?;
        }
        let place = Place { stub: None, upper: &upper, work: &work, merged: &merged };
        links.mount(&place, options, MountFlags::empty())?;
        let written = fs::create_dir(merged.join("written"));
        unmount(&merged, UnmountFlags::DETACH)?;
        written.context("writing to an overlay")?;
        Ok(options)
    };
    attempt(true).or_else(|_| attempt(false))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn names_are_short_and_differ() {
        let names: BTreeSet<String> = (0..super::LAYERS_AT_MOST).map(super::name).collect();
        assert_eq!(names.len(), super::LAYERS_AT_MOST);
        assert!(names.iter().all(|name| name.len() <= 2 && name != "e"));
    }
}
