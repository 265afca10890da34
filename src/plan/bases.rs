//! The images of others that a project is made from: which of them may move, and what is known of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Location;
use crate::dockerfile::{self, RemoteFile};
use crate::hash::BaseId;
use crate::model::{ContainerName, Digest, GitCommit, GitPin, HttpUrl, ImageName, Platform, Reference};

use super::facts::is_secretive;
use super::fingerprint::{chain, name};
use super::image::{Outline, PinTo, PinnedReference, Resolved};
use super::resolve::Understood;

/// An image of others that is named without a digest: the name could stand for another image tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MovingBase {
    /// The platforms that are taken of it.
    pub platforms: BTreeSet<Platform>,
    /// The images that are made from it.
    pub images: BTreeSet<ImageName>,
    /// The containers that run it.
    pub containers: BTreeSet<ContainerName>,
    /// Where it is named, in the order of the images; a place that several images share is there once.
    pub places: Vec<Location>,
}

/// A file on a web server that an image fetches without saying its checksum: it could be another tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MovingFile {
    /// The images that fetch it.
    pub images: BTreeSet<ImageName>,
    /// Where it is named, as for a base.
    pub places: Vec<Location>,
}

/// A ref of a git repository that an image takes files of: it could mean another commit tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MovingRef {
    /// The images that take files of it.
    pub images: BTreeSet<ImageName>,
    /// Where it is named, as for a base.
    pub places: Vec<Location>,
}

/// What stands behind a name now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownBase {
    /// What counts for the content hash.
    pub id: BaseId,
    /// Whether builds take that very image from its registry, by its digest, whatever the engine has by the name.
    pub pinned: bool,
}

/// The images of others that are named without a digest.
fn moving<'a>(images: impl IntoIterator<Item = Outline<'a>>) -> BTreeMap<Reference, MovingBase> {
    let mut bases: BTreeMap<Reference, MovingBase> = BTreeMap::new();
    for image in images {
        for PinnedReference { span, platform, to } in image.references {
            let PinTo::External { name, digest: _ } = to else { continue };
            if name.digest().is_some() {
                continue;
            }
            let base = bases.entry(name.clone()).or_default();
            base.platforms.insert(platform.clone());
            base.images.insert(image.name.clone());
            let place = Location::new(image.dockerfile, *span);
            if !base.places.contains(&place) {
                base.places.push(place);
            }
        }
    }
    bases
}

/// The files on web servers whose checksum is not said. Where the value of what may be a secret is in an address, that
/// is nothing to be written down.
fn moving_files<'a>(images: impl IntoIterator<Item = Outline<'a>>) -> BTreeMap<HttpUrl, MovingFile> {
    let mut files: BTreeMap<HttpUrl, MovingFile> = BTreeMap::new();
    for image in images {
        for RemoteFile { url, variables, span, checksum_at: _ } in image.remote_files {
            if variables.iter().any(|name| is_secretive(name)) {
                continue;
            }
            let file = files.entry(url.clone()).or_default();
            file.images.insert(image.name.clone());
            let place = Location::new(image.dockerfile, *span);
            if !file.places.contains(&place) {
                file.places.push(place);
            }
        }
    }
    files
}

/// The refs of git repositories that are named in Dockerfiles.
fn moving_refs<'a>(images: impl IntoIterator<Item = Outline<'a>>) -> BTreeMap<GitPin, MovingRef> {
    let mut refs: BTreeMap<GitPin, MovingRef> = BTreeMap::new();
    for image in images {
        for repository in image.repositories {
            let found = refs.entry(repository.pin.clone()).or_default();
            found.images.insert(image.name.clone());
            let place = Location::new(image.dockerfile, repository.span);
            if !found.places.contains(&place) {
                found.places.push(place);
            }
        }
    }
    refs
}

impl Understood {
    /// The refs of git repositories that `ADD`s take files of.
    pub fn moving_refs(&self) -> BTreeMap<GitPin, MovingRef> {
        moving_refs(self.outlines())
    }

    /// The files on web servers that are fetched without a checksum.
    pub fn moving_files(&self) -> BTreeMap<HttpUrl, MovingFile> {
        moving_files(self.outlines())
    }

    /// The images of others that are named without a digest.
    pub fn moving_bases(&self) -> BTreeMap<Reference, MovingBase> {
        moving(self.outlines())
    }
}

impl Resolved {
    /// The images of others that are named without a digest.
    pub fn moving_bases(&self) -> BTreeMap<Reference, MovingBase> {
        moving(self.images.iter().map(|image| image.outline()))
    }

    /// The files on web servers that are fetched without a checksum.
    pub fn moving_files(&self) -> BTreeMap<HttpUrl, MovingFile> {
        moving_files(self.images.iter().map(|image| image.outline()))
    }

    /// The refs of git repositories that `ADD`s take files of.
    pub fn moving_refs(&self) -> BTreeMap<GitPin, MovingRef> {
        moving_refs(self.images.iter().map(|image| image.outline()))
    }

    /// The same with the commits of the refs that are locked: they count, and builds take them.
    #[must_use]
    pub fn with_commits(mut self, locked: &BTreeMap<GitPin, GitCommit>) -> Self {
        let mut any_is_new = false;
        for image in &mut self.images {
            let known = |named: &dockerfile::Repository| Some((named.pin.clone(), locked.get(&named.pin)?.clone()));
            let known: BTreeMap<GitPin, GitCommit> = image.repositories.iter().filter_map(known).collect();
            if !known.is_empty() {
                image.fingerprint.repositories = known;
                name(image);
                any_is_new = true;
            }
        }
        if any_is_new {
            chain(&mut self.images);
        }
        self
    }

    /// The same with the sha256 of the files that are locked: it counts, and builds check it where their builder can.
    #[must_use]
    pub fn with_files(mut self, locked: &BTreeMap<HttpUrl, Digest>) -> Self {
        if locked.is_empty() || self.images.iter().all(|image| image.remote_files.is_empty()) {
            return self;
        }
        for image in self.images.iter_mut().filter(|image| !image.remote_files.is_empty()) {
            let known = image.remote_files.iter().filter_map(|file| Some((file.url.clone(), *locked.get(&file.url)?)));
            image.fingerprint.remote_files = known.collect();
            name(image);
        }
        chain(&mut self.images);
        self
    }

    /// The same with what stands behind the names of others' images: it counts, and is built on where it is pinned.
    #[must_use]
    pub fn with_bases(mut self, known: &BTreeMap<Reference, KnownBase>) -> Self {
        let mut any_is_new = false;
        for image in &mut self.images {
            let mut is_new = false;
            for (base, id) in image.fingerprint.bases.iter_mut().filter(|(_, id)| id.is_none()) {
                *id = known.get(base).map(|base| base.id);
                is_new |= id.is_some();
            }
            if is_new {
                name(image);
                any_is_new = true;
            }
            for reference in &mut image.references {
                if let PinTo::External { name, digest } = &mut reference.to
                    && let Some(KnownBase { id: BaseId::Registry(known), pinned: true }) = known.get(name)
                {
                    *digest = Some(*known);
                }
            }
        }
        if any_is_new {
            chain(&mut self.images);
        }
        self
    }
}
