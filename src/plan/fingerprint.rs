//! Fingerprints of images: each from its own inputs and from the content hashes of its parents.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::config::NamedContext;
use crate::hash::{self, BaseId, Fingerprint, InputHash, Trees};
use crate::model::{ContentHash, Digest, ImageName, Reference, Repository, Tag, TestSpec};

use super::draft::Draft;
use super::image::Image;
use super::visible::ImageTrees;

/// The fingerprint of an image as far as it is its own, without parents.
pub(super) fn own(
    draft: &Draft,
    bases: &BTreeSet<Reference>,
    ImageTrees { context, named, injected }: &ImageTrees,
    trees: &mut Trees,
) -> Fingerprint {
    let Draft {
        inputs,
        args: _,
        declared: _,
        syntax: _,
        instructions: (dockerfile, written),
        stages: _,
        references: _,
        resolved,
    } = draft;
    let mounted = |id: &&String| resolved.secrets.iter().any(|needed| needed.id == **id);
    Fingerprint {
        dockerfile: *dockerfile,
        written: Some(*written),
        context: trees.hash(context),
        named_contexts: named
            .iter()
            .map(|(name, tree)| (name.clone(), trees.hash(tree)))
            .chain(named_images(draft))
            .collect(),
        args: resolved.args.iter().map(|(name, value)| (name.clone(), hash::argument(name, value))).collect(),
        platform: inputs.config.platform.clone(),
        bases: bases.iter().map(|base| (base.clone(), base.digest().map(BaseId::Registry))).collect(),
        remote_files: BTreeMap::new(),
        repositories: BTreeMap::new(),
        parents: BTreeMap::new(),
        secrets: inputs.config.secrets.iter().map(|secret| &secret.id.value).filter(mounted).cloned().collect(),
        files: injected.iter().map(|file| (file.path.clone(), hash::injected(file))).collect(),
        labels: inputs.config.labels.clone(),
    }
}

/// Which image each named context stands for: two that change places change neither instructions nor parents.
fn named_images(draft: &Draft) -> impl Iterator<Item = (String, InputHash)> {
    let used = |name: &String| draft.resolved.edges.iter().any(|edge| edge.reference == *name);
    draft.inputs.config.contexts.iter().filter_map(move |(name, context)| match &context.value {
        NamedContext::Image(image) if used(name) => Some((name.clone(), hash::instructions([image.as_str()]))),
        NamedContext::Image(_) | NamedContext::Folder(_) => None,
    })
}

/// So many images are hashed by one thread at least: neighbours mostly share folders, which a thread hashes once.
pub(super) const BLOCK: usize = 64;

/// The content hashes of images that others are made from.
#[derive(Default)]
pub(super) struct Hashes(BTreeMap<ImageName, ContentHash>);

impl Hashes {
    /// Those of an image's parents.
    pub(super) fn of(&self, parents: &BTreeSet<ImageName>) -> BTreeMap<ImageName, ContentHash> {
        parents.iter().filter_map(|parent| Some((parent.clone(), *self.0.get(parent)?))).collect()
    }

    /// Notes those of a layer.
    pub(super) fn add(&mut self, layer: &[Box<Image>]) {
        self.0.extend(layer.iter().map(|image| (image.name.clone(), image.content_hash)));
    }
}

/// Gives every image the content hashes of its parents, and what follows from its own. Parents are in layers before.
pub(super) fn chain(images: &mut [Box<Image>]) {
    let mut hashes = Hashes::default();
    for layer in images.chunk_by_mut(|one, other| one.layer == other.layer) {
        layer.par_iter_mut().with_min_len(BLOCK).for_each(|image| {
            let parents = hashes.of(&image.parents);
            if image.fingerprint.parents != parents {
                image.fingerprint.parents = parents;
                name(image);
            }
        });
        hashes.add(layer);
    }
}

/// Gives an image the hash of its fingerprint, and the names that follow from it.
pub(super) fn name(image: &mut Image) {
    image.content_hash = image.fingerprint.content_hash();
    (image.content, image.tested) = names(&image.repository, &image.content_hash, &image.test);
}

/// The names of an image that passed its tests, and that passed just these tests. 16 hex digits are enough that no two
/// images of a repository share them, and readable.
pub(super) fn names(repository: &Repository, hash: &ContentHash, test: &TestSpec) -> (Reference, Reference) {
    let name = |kind: &str, digest: Digest| {
        let tag: Tag =
            format!("{kind}-{}", &digest.hex()[..16]).parse().expect("letters, `-` and hex digits make a tag");
        repository.with_tag(&tag)
    };
    let content = name("content", *hash.digest());
    let tested = match test.is_empty() {
        true => content.clone(),
        false => name("tested", Digest::from_bytes(*hash::tests(hash, test).as_bytes())),
    };
    (content, tested)
}
