//! Names and registries: pushes what passed its tests, and moves the channels of all images at the end.

use super::drive::{Made, Run};
use super::{Channel, TagMove, promote};
use crate::engine::{self, Engine, TestVerdict};
use crate::event::{Event, Failure, Phase};
use crate::model::{ImageDigest, ImageId, Reference, Tag};
use crate::plan::Image;
use crate::registry::{self, Again, Registry};

/// An image that could not be made.
#[derive(Debug)]
pub(super) struct Broken {
    /// What is told of it.
    pub(super) failure: Failure,
    /// Whether an engine or registry that can't be reached is at fault, so that trying again may help.
    pub(super) unreachable: bool,
}

impl Broken {
    pub(super) fn is_unreachable(error: &engine::Error) -> bool {
        match error {
            engine::Error::Unreachable(_) => true,
            engine::Error::Image { .. }
            | engine::Error::Unsupported { .. }
            | engine::Error::Refused(_)
            | engine::Error::TimedOut { .. } => false,
        }
    }

    pub(super) fn of_engine(image: &Image, phase: Phase, error: engine::Error) -> Self {
        let unreachable = Self::is_unreachable(&error);
        let message = error.to_string();
        let (line, hint) = match error {
            engine::Error::Image { line, hint, .. } => (line, hint),
            engine::Error::Unsupported { hint, .. } => (None, Some(hint)),
            engine::Error::Refused(_) if phase == Phase::Push => {
                let registry = image.repository.registry();
                (None, Some(format!("where it is a matter of who you are, log in with `docker login {registry}`")))
            }
            engine::Error::Refused(_) | engine::Error::Unreachable(_) | engine::Error::TimedOut { .. } => (None, None),
        };
        let place = Some((image.dockerfile.path().to_owned(), line));
        Self { failure: Failure { phase, message, place, hint }, unreachable }
    }

    pub(super) fn of_registry(image: &Image, error: &registry::Error) -> Self {
        let place = Some((image.dockerfile.path().to_owned(), None));
        let failure = Failure { phase: Phase::Push, message: error.to_string(), place, hint: error.hint() };
        Self { failure, unreachable: error.again() != Again::Never }
    }

    pub(super) fn of_tests(image: &Image, verdict: &TestVerdict) -> Self {
        let n_failed = verdict.results.iter().filter(|(_, failure)| failure.is_some()).count();
        let message = format!("{n_failed} of {} tests failed", verdict.results.len());
        let place = Some((image.dockerfile.path().to_owned(), None));
        Self { failure: Failure { phase: Phase::Test, message, place, hint: None }, unreachable: false }
    }

    /// The image was there when the plan was made.
    pub(super) fn gone(image: &Image, reference: &Reference) -> Self {
        let message = format!("`{reference}` was there when the plan was made, and is gone");
        let place = Some((image.dockerfile.path().to_owned(), None));
        let hint = Some("run again: it will be built".to_owned());
        Self { failure: Failure { phase: Phase::Build, message, place, hint }, unreachable: false }
    }
}

/// Makes sure that the registry has this very image, under the name that says which tests it passed too, and tells by
/// which digest.
pub(super) async fn publish<E: Engine>(
    run: &Run<'_, E>,
    image: &Image,
    id: ImageId,
) -> Result<Option<ImageDigest>, Broken> {
    let digest = under_content_tag(run, image, id).await?;
    if let (Some(registry), Some(digest), Some(tag)) = (run.registry, digest, image.tested.tag())
        && image.tested != image.content
    {
        let refused = |error: registry::Error| Broken::of_registry(image, &error);
        if !registry.exists(&image.tested).await.map_err(refused)? {
            registry.retag(&image.repository, digest, tag).await.map_err(refused)?;
        }
    }
    Ok(digest)
}

async fn under_content_tag<E: Engine>(
    run: &Run<'_, E>,
    image: &Image,
    id: ImageId,
) -> Result<Option<ImageDigest>, Broken> {
    let Some(registry) = run.registry else { return Ok(None) };
    let refused = |error: registry::Error| Broken::of_registry(image, &error);
    if let Some(digest) = registry.digest_of(&image.content).await.map_err(refused)? {
        // The same inputs may have been built elsewhere, or again by force: what counts is what was tested here.
        let stored = run.engine.find(&image.content).await;
        let stored = stored.map_err(|error| Broken::of_engine(image, Phase::Push, error))?;
        let pushed = image.repository.with_digest(digest);
        if stored.is_some_and(|stored| stored.repo_digests.contains(&pushed)) {
            return Ok(Some(digest));
        }
        let remote = registry.look_up(&pushed, &image.platform).await.map_err(refused)?;
        if remote.is_some_and(|remote| remote.id == id) {
            return Ok(Some(digest));
        }
    }
    run.events.send(Event::Started { image: image.name.clone(), phase: Phase::Push });
    let pushed = run.engine.push(&image.name, &image.content, run.events).await;
    let digest = pushed.map_err(|error| Broken::of_engine(image, Phase::Push, error))?;
    registry.retag(&image.repository, digest, &image.testing).await.map_err(refused)?;
    Ok(Some(digest))
}

/// Moves the channels of an image to what passed its tests: on the engine, and in the registry where it was pushed. What
/// was moved is to be told, whatever came of the rest.
pub(super) async fn promote_image<'a, E: Engine>(
    run: &Run<'_, E>,
    image: &'a Image,
    made: &Made,
) -> (&'a Image, Vec<Event>, Result<(), Broken>) {
    let mut moved = Vec::new();
    let result = promote_everywhere(run, image, made, &mut moved).await;
    (image, moved, result)
}

async fn promote_everywhere<E: Engine>(
    run: &Run<'_, E>,
    image: &Image,
    made: &Made,
    moved: &mut Vec<Event>,
) -> Result<(), Broken> {
    if made.local {
        promote_on_engine(run, image, made, moved).await?;
    }
    match (run.push, run.registry, made.digest) {
        (true, Some(registry), Some(digest)) => promote_in_registry(registry, image, digest, moved).await,
        _ => Ok(()),
    }
}

async fn promote_on_engine<E: Engine>(
    run: &Run<'_, E>,
    image: &Image,
    made: &Made,
    moved: &mut Vec<Event>,
) -> Result<(), Broken> {
    let broken = |error| Broken::of_engine(image, Phase::Push, error);
    let latest = run.engine.find(&image.latest_reference()).await.map_err(broken)?;
    for TagMove { channel, to } in promote(latest.map(|stored| stored.id), made.id) {
        let reference = image.repository.with_tag(tag_of(image, channel));
        run.engine.tag(&to, &reference).await.map_err(broken)?;
        moved.push(Event::Promoted { image: image.name.clone(), reference, to: *to.digest() });
    }
    Ok(())
}

async fn promote_in_registry(
    registry: &Registry,
    image: &Image,
    digest: ImageDigest,
    moved: &mut Vec<Event>,
) -> Result<(), Broken> {
    let refused = |error: registry::Error| Broken::of_registry(image, &error);
    let latest = registry.digest_of(&image.latest_reference()).await.map_err(refused)?;
    for TagMove { channel, to } in promote(latest, digest) {
        let tag = tag_of(image, channel);
        registry.retag(&image.repository, to, tag).await.map_err(refused)?;
        let reference = image.repository.with_tag(tag);
        moved.push(Event::Promoted { image: image.name.clone(), reference, to: *to.digest() });
    }
    Ok(())
}

fn tag_of(image: &Image, channel: Channel) -> &Tag {
    match channel {
        Channel::Previous => &image.previous,
        Channel::Latest => &image.latest,
    }
}
