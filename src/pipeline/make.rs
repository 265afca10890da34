//! Makes one image: found or built, tested, and named by its content.

use std::collections::BTreeMap;

use super::drive::{Made, Run};
use super::publish::Broken;
use crate::engine::{self, BuildRequest, BuiltImage, Engine, NamedContext, Secret};
use crate::event::{Event, Outcome, Phase};
use crate::model::{ImageId, Reference};
use crate::plan::{Image, PlannedImage, Reason, Verdict};
use crate::registry::{self, Registry, RemoteImage};

/// Makes one image whose parents are there. What is there already costs look-ups alone.
pub(super) async fn make<E: Engine>(run: &Run<'_, E>, planned: &PlannedImage) -> Result<(Made, Outcome), Broken> {
    match &planned.verdict {
        Verdict::Fresh => fresh(run, planned).await.map(|made| (made, Outcome::Unchanged)),
        Verdict::Build(_) => anew(run, planned).await.map(|made| (made, Outcome::Built)),
    }
}

/// Takes what is there: on the engine, else in the registry.
async fn fresh<E: Engine>(run: &Run<'_, E>, planned: &PlannedImage) -> Result<Made, Broken> {
    let image = &planned.image;
    let broken = |error| Broken::of_engine(image, Phase::Build, error);
    let existing = planned.existing.as_ref().unwrap_or(&image.content);
    if let Some(stored) = run.engine.find(existing).await.map_err(broken)? {
        if *existing != image.content {
            run.engine.tag(&stored.id, &image.content).await.map_err(broken)?;
        }
        return Ok(Made { id: stored.id, digest: None, local: true });
    }
    let remote = match run.registry {
        Some(registry) => published(registry, image, existing).await,
        None => Ok(None),
    };
    match remote.map_err(|error| Broken::of_registry(image, &error))? {
        Some(remote) => Ok(Made { id: remote.id, digest: Some(remote.digest), local: false }),
        None => Err(Broken::gone(image, existing)),
    }
}

/// The image in the registry. Where its content tag was removed and `latest` still names it, the tag is set again:
/// children are built on it.
async fn published(
    registry: &Registry,
    image: &Image,
    existing: &Reference,
) -> Result<Option<RemoteImage>, registry::Error> {
    let remote = registry.look_up(existing, &image.platform).await?;
    if let (Some(remote), Some(tag), false) = (&remote, image.content.tag(), *existing == image.content) {
        registry.retag(&image.repository, remote.digest, tag).await?;
    }
    Ok(remote)
}

/// Builds, unless the very image is there and only its tests are missing; then tests.
async fn anew<E: Engine>(run: &Run<'_, E>, planned: &PlannedImage) -> Result<Made, Broken> {
    let image = &planned.image;
    let built = match untested(run, planned).await? {
        Some(id) => BuiltImage { image: image.name.clone(), id },
        None => {
            let built = build(run, image, &image.testing_reference()).await;
            built.map_err(|error| Broken::of_engine(image, Phase::Build, error))?
        }
    };
    test(run, image, &built).await?;
    let also = (image.tested != image.content).then_some(&image.tested);
    for name in also.into_iter().chain([&image.content]) {
        let tagged = run.engine.tag(&built.id, name).await;
        tagged.map_err(|error| Broken::of_engine(image, Phase::Test, error))?;
    }
    Ok(Made { id: built.id, digest: None, local: true })
}

/// The image that was built from these very inputs and whose tests did not pass, or were others; none where somebody
/// asked for another.
async fn untested<E: Engine>(run: &Run<'_, E>, planned: &PlannedImage) -> Result<Option<ImageId>, Broken> {
    let image = &planned.image;
    if run.no_cache || planned.is_forced() {
        return Ok(None);
    }
    let broken = |error| Broken::of_engine(image, Phase::Build, error);
    let passed_others = planned.verdict == Verdict::Build(vec![Reason::TestsChanged]);
    let name = if passed_others { image.content.clone() } else { image.testing_reference() };
    let mut stored = run.engine.find(&name).await.map_err(broken)?;
    if stored.is_none() && passed_others {
        run.engine.pull(&name, run.events).await.map_err(broken)?;
        stored = run.engine.find(&name).await.map_err(broken)?;
    }
    Ok(stored.filter(|stored| stored.content_hash() == Some(image.content_hash)).map(|stored| stored.id))
}

/// Builds an image whose parents are there, whatever is there of itself, under a name of its own. Its tests are not run.
///
/// # Errors
/// When it can't be built.
pub async fn build<E: Engine>(run: &Run<'_, E>, image: &Image, name: &Reference) -> Result<BuiltImage, engine::Error> {
    run.events.send(Event::Started { image: image.name.clone(), phase: Phase::Build });
    let mut parents = BTreeMap::new();
    for parent in run.plan.images.iter().map(|planned| &planned.image).filter(|p| image.parents.contains(&p.name)) {
        if run.engine.find(&parent.content).await?.is_none() {
            run.engine.pull(&parent.content, run.events).await?;
        }
        parents.insert(parent.name.clone(), parent.content.clone());
    }
    let takes_checksums = run.engine.takes_checksums(image.frontend.as_deref());
    let dockerfile = match takes_checksums {
        true => image.pinned_dockerfile_with_checksums(&parents),
        false => image.pinned_dockerfile(&parents),
    };
    for url in image.unchecked(takes_checksums) {
        let message = format!(
            "`{}` of the image `{}` is fetched without a look at its checksum",
            url.without_query(),
            image.name
        );
        run.events.send(Event::Warning(message));
    }
    for pin in image.unpinned() {
        let message = format!("`{pin}` of the image `{}` is taken as it is now, whatever is locked", image.name);
        run.events.send(Event::Warning(message));
    }
    let labels = run.labels.clone().into_iter().chain(image.all_labels()).collect();
    let nothing: Vec<Secret> = Vec::new();
    let named = image.named_contexts.iter();
    let named = named.map(|(name, folder)| (name.as_str(), NamedContext { root: &folder.root, tree: &folder.tree }));
    let request = BuildRequest {
        image: &image.name,
        context_root: &image.context_root,
        context: &image.context,
        named: &named.collect(),
        injected: &image.injected,
        dockerfile: &dockerfile,
        target: image.target.as_deref(),
        args: &image.args,
        labels: &labels,
        platform: &image.platform,
        secrets: run.secrets.get(&image.name).unwrap_or(&nothing),
        ssh: run.ssh,
        tag: name,
        no_cache: run.no_cache,
        source_date_epoch: run.source_date_epoch,
        timeout: image.timeout,
    };
    for attempt in 2..=image.retries.saturating_add(1) {
        match run.engine.build(&request, run.events).await {
            Err(error) if Broken::is_unreachable(&error) => run.events.send(Event::Retrying {
                what: format!("building `{}`", image.name),
                why: error.to_string(),
                attempt,
            }),
            outcome => return outcome,
        }
    }
    run.engine.build(&request, run.events).await
}

async fn test<E: Engine>(run: &Run<'_, E>, image: &Image, built: &BuiltImage) -> Result<(), Broken> {
    if image.test.is_empty() {
        return Ok(());
    }
    run.events.send(Event::Started { image: image.name.clone(), phase: Phase::Test });
    let verdict = run.engine.test(built, &image.test, image.timeout, run.events).await;
    let verdict = verdict.map_err(|error| Broken::of_engine(image, Phase::Test, error))?;
    if verdict.passed() { Ok(()) } else { Err(Broken::of_tests(image, &verdict)) }
}
