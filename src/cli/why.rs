//! `windlass plan --why`: what an image and its parents are compared with.

use std::collections::BTreeMap;
use std::path::Path;

use super::last_build;
use super::past::{Present, Then};
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::{ImageName, Reference};
use crate::plan::{self, Explained, Facts, Image, Known, KnownBase, Labelled, Plan};
use crate::source::Commit;
use crate::ui::plan_why::Against;

/// Explains an image against a commit.
pub(super) fn since_commit(
    image: &ImageName,
    commit: &Commit,
    present: Present<'_>,
) -> anyhow::Result<(Vec<Explained>, Against)> {
    let Then { resolved, broken } = present.at(commit)?;
    if !broken.is_empty() {
        let then = |error: Diagnostic| Diagnostic {
            message: format!("{}, as it was at `{}`", error.message, commit.name),
            ..error
        };
        return Err(Diagnostics(broken.into_values().map(then).collect()).into());
    }
    let explained = plan::why(image, &facts(boxed(&present.now().images)), &facts(boxed(&resolved.images)));
    Ok((explained, Against::Commit { name: commit.name.clone(), id: commit.id.clone() }))
}

/// Explains an image against what was built last: as this machine remembers it, else as the commit was that the image
/// which is there was built from, else as far as its labels tell. `state` is where past builds are remembered.
pub(super) fn since_last_build(
    image: &ImageName,
    plan: &Plan,
    known: &Known,
    state: Option<&Path>,
    present: Present<'_>,
) -> anyhow::Result<(Vec<Explained>, Against)> {
    let now: Vec<&Image> = plan.images.iter().map(|planned| &*planned.image).collect();
    let mut remembered = match state {
        Some(state) => last_build::read(&last_build::folder(state, &plan.project))?,
        None => BTreeMap::new(),
    };
    let bases = bases_then(known);
    let mut commits: BTreeMap<String, Vec<Box<Image>>> = BTreeMap::new();
    let mut then = BTreeMap::new();
    for Image { name, .. } in &now {
        let there = known.get(name).and_then(|known| known.latest.as_ref().or(known.testing.as_ref()));
        let facts = match (there, remembered.remove(name)) {
            (None, build) => build.map(|build| build.facts),
            (Some(there), Some(build)) if build.content_hash == there.content_hash => Some(build.facts),
            (Some(there), _) => of_commit(name, there, &bases, &mut commits, present)
                .or_else(|| Some(Facts { fingerprint: there.fingerprint.clone()?, details: None })),
        };
        then.extend(facts.map(|facts| (name.clone(), facts)));
    }
    Ok((plan::why(image, &facts(now), &then), Against::LastBuild))
}

/// What the names of others' images stood for when the images that are there were built.
fn bases_then(known: &Known) -> BTreeMap<Reference, KnownBase> {
    let there = known.values().flat_map(|known| known.latest.iter().chain(&known.testing));
    let bases = there.filter_map(|there| there.fingerprint.as_ref()).flat_map(|fingerprint| &fingerprint.bases);
    bases.filter_map(|(reference, id)| Some((reference.clone(), KnownBase { id: (*id)?, pinned: false }))).collect()
}

/// What an image was made of at the commit that its label names, where that gives this very image.
fn of_commit(
    name: &ImageName,
    there: &Labelled,
    bases: &BTreeMap<Reference, KnownBase>,
    commits: &mut BTreeMap<String, Vec<Box<Image>>>,
    present: Present<'_>,
) -> Option<Facts> {
    let id = there.commit.as_ref()?;
    let images = commits.entry(id.clone()).or_insert_with(|| {
        let commit = Commit::find(&present.settings.root, id).map_err(anyhow::Error::from);
        // Where the commit is not here, or can't be planned, less is known; that is no error.
        commit
            .and_then(|commit| present.at(&commit))
            .map(|then| then.resolved.with_bases(bases).images)
            .unwrap_or_default()
    });
    let image = images.iter().find(|image| image.name == *name && image.content_hash == there.content_hash)?;
    Some(Facts::of(image))
}

fn boxed(images: &[Box<Image>]) -> impl Iterator<Item = &Image> {
    images.iter().map(|image| &**image)
}

fn facts<'a>(images: impl IntoIterator<Item = &'a Image>) -> BTreeMap<ImageName, Facts> {
    images.into_iter().map(|image| (image.name.clone(), Facts::of(image))).collect()
}
