//! Carries `COPY` and `ADD` out on a canvas (moby/buildkit, `solver/llbsolver/file`, `docopy`; tonistiigi/fsutil,
//! `copy.Copy`).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::archive;
use super::chosen::{Chosen, Item};
use super::mode::Chmod;
use super::origin::{Files, OnDisk, Origin, Seen};
use crate::engine::embedded::canvas::{Attributes, Canvas};

/// Where something goes, and as what.
pub(super) struct Target<'a> {
    /// The destination, seen from the root.
    pub(super) path: &'a Path,
    /// Whether it was written as a directory: with a slash at its end.
    pub(super) is_folder: bool,
    /// The owner, where one was named.
    pub(super) owner: Option<(u32, u32)>,
    pub(super) chmod: Option<&'a Chmod>,
    /// Whether archives are unpacked.
    pub(super) unpack: bool,
}

impl Target<'_> {
    fn changed(&self, attributes: Attributes, is_folder: bool) -> Attributes {
        let mode = self.chmod.map_or(attributes.mode, |chmod| chmod.apply(attributes.mode, is_folder));
        Attributes { mode, owner: self.owner.unwrap_or(attributes.owner), ..attributes }
    }

    fn maker(&self) -> (u32, u32) {
        self.owner.unwrap_or((0, 0))
    }
}

/// Copies what was chosen.
pub(super) fn copy(
    canvas: &mut Canvas,
    origin: &Origin<'_>,
    chosen: &Chosen,
    target: &Target<'_>,
) -> anyhow::Result<()> {
    let Some((first, below)) = chosen.items.split_first() else { return Ok(()) };
    if target.unpack && matches!(first.seen, Seen::File) {
        let mut files = origin.reader();
        if let Some(tar) = archive::open(files.open(&first.from)?)? {
            let folder = canvas.create_folders(target.path, target.maker())?;
            return archive::unpack(canvas, tar, &folder);
        }
    }
    let mut copier = Copier { canvas, origin, files: origin.reader(), target, linked: BTreeMap::new() };
    if matches!(first.seen, Seen::Directory) {
        let folder = copier.canvas.create_folders(target.path, target.maker())?;
        return below.iter().try_for_each(|item| copier.item(item, &folder.join(&item.below)));
    }
    let place = place_of_file(copier.canvas, &chosen.name, target)?;
    copier.item(first, &place)
}

/// Writes a file that is not copied from anywhere.
pub(super) fn write(
    canvas: &mut Canvas,
    name: &str,
    mut content: impl io::Read,
    (mode, modified): (u32, (i64, i64)),
    target: &Target<'_>,
) -> anyhow::Result<()> {
    let place = place_of_file(canvas, Path::new(name), target)?;
    let mut file = canvas.create_file(&place)?;
    io::copy(&mut content, &mut file).with_context(|| format!("writing `/{}`", place.display()))?;
    let attributes = Attributes { mode, owner: (0, 0), modified };
    canvas.finish(&place, target.changed(attributes, false))
}

/// Where a file goes that has a name: into the destination where that is a directory, else in its place.
fn place_of_file(canvas: &mut Canvas, name: &Path, target: &Target<'_>) -> anyhow::Result<PathBuf> {
    if target.is_folder {
        return Ok(canvas.create_folders(target.path, target.maker())?.join(name));
    }
    let parent = canvas.create_folders(target.path.parent().unwrap_or(Path::new("")), target.maker())?;
    let Some(last) = target.path.file_name() else { return Ok(parent.join(name)) };
    let place = canvas.view().resolve(&parent.join(last), true)?;
    match canvas.view().look(&place)? {
        Some(found) if found.metadata.is_dir() => Ok(place.join(name)),
        _ => {
            canvas.create_folders(place.parent().unwrap_or(Path::new("")), target.maker())?;
            Ok(place)
        }
    }
}

struct Copier<'c, 'o, 't> {
    canvas: &'c mut Canvas,
    origin: &'o Origin<'o>,
    files: Files<'o>,
    target: &'t Target<'t>,
    /// Files with more names than one, by what they are on the disk: the first name that they got here.
    linked: BTreeMap<(u64, u64), PathBuf>,
}

impl Copier<'_, '_, '_> {
    fn item(&mut self, item: &Item, place: &Path) -> anyhow::Result<()> {
        let Item { from, below: _, seen, is_on_the_way } = item;
        match seen {
            Seen::Nothing => Ok(()),
            Seen::Directory => {
                let (attributes, on_disk) = self.origin.attributes(from)?;
                match self.canvas.view().look(place)? {
                    Some(found) if !found.metadata.is_dir() => {
                        anyhow::bail!("`/{}` is no directory, and one can't take its place", place.display())
                    }
                    Some(_) if *is_on_the_way => return Ok(()),
                    _ => {}
                }
                self.canvas.set_folder(place, self.target.changed(attributes, true))?;
                self.extended(on_disk.as_ref(), place)
            }
            Seen::File => self.file(from, place),
            Seen::Symlink(to) => {
                let (attributes, _) = self.origin.attributes(from)?;
                let owner = self.target.owner.unwrap_or(attributes.owner);
                self.canvas.symlink(place, to, Attributes { owner, ..attributes })
            }
            Seen::Special(metadata) => {
                let (attributes, _) = self.origin.attributes(from)?;
                self.canvas.node(place, metadata, self.target.changed(attributes, false))
            }
        }
    }

    fn file(&mut self, from: &Path, place: &Path) -> anyhow::Result<()> {
        let (attributes, on_disk) = self.origin.attributes(from)?;
        let shared = on_disk.as_ref().and_then(|on_disk| on_disk.shared);
        if let Some(first) = shared.and_then(|shared| self.linked.get(&shared)) {
            return self.canvas.hard_link(place, first);
        }
        let mut file = self.canvas.create_file(place)?;
        match &on_disk {
            // The kernel copies from file to file, without a copy of ours between.
            Some(on_disk) => io::copy(&mut std::fs::File::open(&on_disk.path)?, &mut file),
            None => io::copy(&mut self.files.open(from)?, &mut file),
        }
        .with_context(|| format!("copying `/{}`", from.display()))?;
        drop(file);
        self.extended(on_disk.as_ref(), place)?;
        self.canvas.finish(place, self.target.changed(attributes, false))?;
        if let Some(shared) = shared {
            self.linked.insert(shared, place.to_owned());
        }
        Ok(())
    }

    fn extended(&mut self, from: Option<&OnDisk>, place: &Path) -> anyhow::Result<()> {
        if let Some(on_disk) = from {
            self.canvas.copy_attributes(place, &on_disk.path)?;
        }
        Ok(())
    }
}
