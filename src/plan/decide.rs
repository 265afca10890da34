//! The verdicts: which images are built, and why.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::diag::Diagnostic;
use crate::hash::{Fingerprint, Reason};
use crate::model::{
    ContentHash, ImageName, LABEL_CONTENT_HASH, LABEL_FINGERPRINT, LABEL_REVISION, Platform, ProjectName, Reference,
};

use super::{Image, Resolved};

/// Whether an image has to be built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is there with this content hash, tested.
    Fresh,
    /// It has to be built, for these reasons; never none.
    Build(Vec<Reason>),
}

/// What the labels of an image that is there say of its inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelled {
    /// The content hash that it was built for.
    pub content_hash: ContentHash,
    /// What the hash was made of, where this version can read it.
    pub fingerprint: Option<Fingerprint>,
    /// The commit that it was built from, where the work tree was as the commit.
    pub commit: Option<String>,
}

impl Labelled {
    /// Reads the labels of an image; none where it is not one of ours.
    pub fn read(labels: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            content_hash: labels.get(LABEL_CONTENT_HASH)?.parse().ok()?,
            fingerprint: labels.get(LABEL_FINGERPRINT).and_then(|text| Fingerprint::from_label(text)),
            commit: labels.get(LABEL_REVISION).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit())).cloned(),
        })
    }
}

/// What is there of one image. The default is: nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownImage {
    /// Whether the tag of the content hash ([`Lookup::content`]) is there; an image gets it once tests passed.
    pub content: bool,
    /// Whether those were the tests that are asked of it now ([`Lookup::tested`]).
    pub tested: bool,
    /// What the `latest` channel names.
    pub latest: Option<Labelled>,
    /// What the `testing` channel names.
    pub testing: Option<Labelled>,
}

/// What is there of each image; an image that is missing here is not there at all.
pub type Known = BTreeMap<ImageName, KnownImage>;

/// What to look up of one image, in an engine or a registry, to make its [`KnownImage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    /// The image.
    pub image: ImageName,
    /// It is there if the image is there and tested.
    pub content: Reference,
    /// It is there if the tests that are asked now have passed; the same as `content` where none are.
    pub tested: Reference,
    /// The channel `latest`.
    pub latest: Reference,
    /// The channel `testing`.
    pub testing: Reference,
    /// What the image is for.
    pub platform: Platform,
}

impl Lookup {
    /// Whether anything is asked of the image.
    pub fn has_tests(&self) -> bool {
        self.tested != self.content
    }
}

impl Resolved {
    /// What to look up before [`decide`], in the order of the images.
    pub fn lookups(&self) -> Vec<Lookup> {
        let lookup = |image: &Image| Lookup {
            image: image.name.clone(),
            content: image.content.clone(),
            tested: image.tested.clone(),
            latest: image.repository.with_tag(&image.latest),
            testing: image.repository.with_tag(&image.testing),
            platform: image.platform.clone(),
        };
        self.images.iter().map(|image| lookup(image)).collect()
    }
}

/// An image and whether it has to be built.
#[derive(Debug, Clone)]
pub struct PlannedImage {
    /// The image.
    pub image: Box<Image>,
    /// Whether it has to be built.
    pub verdict: Verdict,
    /// Under which name the fresh image is there: the tag of its content hash, or `latest` where that tag was
    /// removed. None for an image that has to be built.
    pub existing: Option<Reference>,
}

impl PlannedImage {
    /// Whether somebody asked for it to be built, whatever is there.
    pub fn is_forced(&self) -> bool {
        match &self.verdict {
            Verdict::Fresh => false,
            Verdict::Build(reasons) => reasons.contains(&Reason::Forced),
        }
    }
}

/// What a run does: every image, in an order in which it can be done, with a verdict.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The project's name.
    pub project: ProjectName,
    /// The images: every one after its parents, one layer after another, by name within a layer.
    pub images: Vec<PlannedImage>,
    /// What the user should hear: what was inferred or assumed.
    pub notes: Vec<String>,
    /// What is likely not meant as it is written.
    pub warnings: Vec<Diagnostic>,
}

impl Plan {
    /// How many images have to be built.
    pub fn to_build(&self) -> usize {
        self.images.iter().filter(|planned| planned.verdict != Verdict::Fresh).count()
    }
}

/// Gives every image its verdict. `forced` are built whatever is there. An image that was not chosen, and would have to
/// be built though no image of the plan needs that, is left out.
pub fn decide(resolved: Resolved, known: &Known, forced: &BTreeSet<ImageName>) -> Plan {
    let Resolved { project, images, chosen, notes, warnings } = resolved;
    let nothing = KnownImage::default();
    let plan = |image: Box<Image>| {
        let known = known.get(&image.name).unwrap_or(&nothing);
        let existing = existing(&image, known).filter(|_| !forced.contains(&image.name));
        let verdict = match existing {
            Some(_) => Verdict::Fresh,
            None => Verdict::Build(reasons(&image, known, forced.contains(&image.name))),
        };
        PlannedImage { image, verdict, existing }
    };
    let mut images: Vec<PlannedImage> = images.into_par_iter().map(plan).collect();
    let needed = needed(&images, &chosen);
    images.retain(|planned| planned.verdict == Verdict::Fresh || needed.contains(&planned.image.name));
    Plan { project, images, notes, warnings }
}

/// The chosen images, and those that something is built on.
fn needed(images: &[PlannedImage], chosen: &BTreeSet<ImageName>) -> BTreeSet<ImageName> {
    let mut needed = chosen.clone();
    for PlannedImage { image, verdict, existing: _ } in images.iter().rev() {
        if *verdict != Verdict::Fresh && needed.contains(&image.name) {
            needed.extend(image.parents.iter().cloned());
        }
    }
    needed
}

/// The name under which the image is there, tested.
fn existing(image: &Image, known: &KnownImage) -> Option<Reference> {
    let KnownImage { content, tested, latest, testing: _ } = known;
    let tested = *tested || image.test.is_empty();
    if *content || !tested {
        // Which tests an image passed that lost its content's tag is not known any more.
        return (*content && tested).then(|| image.content.clone());
    }
    let is_latest = latest.as_ref().is_some_and(|latest| latest.content_hash == image.content_hash);
    is_latest.then(|| image.repository.with_tag(&image.latest))
}

fn reasons(image: &Image, known: &KnownImage, forced: bool) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if forced {
        reasons.push(Reason::Forced);
    }
    let is_this = |labelled: &Labelled| labelled.content_hash == image.content_hash;
    let has_tests = !image.test.is_empty();
    if known.content && has_tests && !known.tested {
        reasons.push(Reason::TestsChanged);
        return reasons;
    }
    if known.content || (known.latest.as_ref().is_some_and(is_this) && !has_tests) {
        return reasons;
    }
    if known.testing.as_ref().is_some_and(is_this) {
        reasons.push(Reason::NotPromoted);
        return reasons;
    }
    let last = known.latest.as_ref().or(known.testing.as_ref());
    match last.map(|labelled| &labelled.fingerprint) {
        None => reasons.push(Reason::NeverBuilt),
        Some(None) => reasons.push(Reason::NotComparable),
        Some(Some(last)) => {
            let changes = image.fingerprint.reasons_since(last);
            // Labels that contradict each other: another hash over the same inputs.
            reasons.extend(if changes.is_empty() { vec![Reason::NotComparable] } else { changes });
        }
    }
    reasons
}
