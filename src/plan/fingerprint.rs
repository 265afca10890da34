//! Fingerprints of images: each from its own inputs and from the content hashes of its parents.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::NamedContext;
use crate::hash::{self, BaseId, Fingerprint, InputHash, Trees};
use crate::model::{ContentHash, Digest, ImageName, Reference, Repository, Tag, TestSpec};

use super::draft::Draft;
use super::image::Image;
use super::visible::ImageTrees;

/// The fingerprint of an image as far as it is its own: parents are added by [`chain`].
pub(super) fn own(
    draft: &Draft,
    bases: &BTreeSet<Reference>,
    ImageTrees { context, named, injected }: &ImageTrees,
    trees: &mut Trees,
) -> Fingerprint {
    let Draft { inputs, args: _, declared: _, syntax: _, instructions: (dockerfile, written), stages: _, resolved } =
        draft;
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

/// Gives every image the content hashes of its parents, and what follows from its own. Parents come first.
pub(super) fn chain(images: &mut [Box<Image>]) {
    let mut hashes: BTreeMap<ImageName, ContentHash> = BTreeMap::new();
    for image in images {
        let parents = image.parents.iter().filter_map(|parent| Some((parent.clone(), *hashes.get(parent)?))).collect();
        if image.fingerprint.parents != parents {
            image.fingerprint.parents = parents;
            name(image);
        }
        hashes.insert(image.name.clone(), image.content_hash);
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
