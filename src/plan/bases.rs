//! The images of others that a project is made from: which of them may move, and what is known of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::diag::Location;
use crate::hash::BaseId;
use crate::model::{ImageName, Platform, Reference};

use super::fingerprint::{chain, name};
use super::image::{Image, Outline, PinTo, PinnedReference, Resolved};
use super::resolve::Understood;

/// An image of others that is named without a digest: the name could stand for another image tomorrow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MovingBase {
    /// The platforms that are taken of it.
    pub platforms: BTreeSet<Platform>,
    /// The images that are made from it.
    pub images: BTreeSet<ImageName>,
    /// Where it is named, in the order of the images; a place that several images share is there once.
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

impl Understood {
    /// The images of others that are named without a digest.
    pub fn moving_bases(&self) -> BTreeMap<Reference, MovingBase> {
        moving(self.outlines())
    }
}

impl Resolved {
    /// The images of others that are named without a digest.
    pub fn moving_bases(&self) -> BTreeMap<Reference, MovingBase> {
        moving(self.images.iter().map(Image::outline))
    }

    /// The same with what stands behind the names of others' images: it counts, and is built on where it is pinned.
    #[must_use]
    pub fn with_bases(mut self, known: &BTreeMap<Reference, KnownBase>) -> Self {
        for image in &mut self.images {
            let mut is_new = false;
            for (base, id) in image.fingerprint.bases.iter_mut().filter(|(_, id)| id.is_none()) {
                *id = known.get(base).map(|base| base.id);
                is_new |= id.is_some();
            }
            if is_new {
                name(image);
            }
            for reference in &mut image.references {
                if let PinTo::External { name, digest } = &mut reference.to
                    && let Some(KnownBase { id: BaseId::Registry(known), pinned: true }) = known.get(name)
                {
                    *digest = Some(*known);
                }
            }
        }
        chain(&mut self.images);
        self
    }
}
