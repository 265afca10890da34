//! What the names of others' images stand for: by windlass.lock, else by the registry, else by the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

use super::{lock_file, remote_files, remote_refs};
use crate::config::{Lock, LockedBase};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::engine::{AnyEngine, Engine as _, StoredImage};
use crate::model::{ImageDigest, ImageId, Platform, Reference};
use crate::plan::{BaseId, KnownBase, MovingBase, Resolved};
use crate::registry::{self, Registry, RemoteManifests, RetryPolicy};
use crate::ui::words;

/// How many references are looked up at once.
const AT_ONCE: usize = 16;
/// How long the registries may take for all references together, before a plan goes on without what they have not
/// answered. Arbitrary: ten times what a slow one takes.
const ALL_WITHIN: Duration = Duration::from_secs(10);

/// The project with what the names of others' images stand for. Where that can't be told, the name alone counts, and
/// a note says so.
///
/// # Errors
/// With `--locked`, where the lock file does not say it all; when the engine fails.
pub(super) async fn settle(
    mut resolved: Resolved,
    containers: &Bases,
    lock: Option<&Lock>,
    engine: Option<&AnyEngine>,
    registry: Option<&Registry>,
) -> anyhow::Result<Settled> {
    let moving = with(resolved.moving_bases(), containers);
    let mut known: BTreeMap<Reference, KnownBase> = BTreeMap::new();
    let mut open = Vec::new();
    for reference in moving.keys() {
        match lock.and_then(|lock| lock.bases.get(reference)) {
            Some(LockedBase { digest, platforms: _ }) => drop(known.insert(reference.clone(), pinned(*digest))),
            None => open.push(reference.clone()),
        }
    }
    if !open.is_empty() {
        let mut found = ask(open, containers, engine, registry).await?;
        known.extend(found.iter().filter_map(|(reference, found)| Some((reference.clone(), found.base()?))));
        for reference in containers.keys() {
            if let Some(Found::Stored(_, Some(error)) | Found::Unknown(Some(error))) = found.remove(reference) {
                return Err(error.into());
            }
        }
        resolved.notes.extend(notes(&found, registry.is_none()));
    }
    let digest = |reference: &Reference| match known.get(reference) {
        Some(KnownBase { id: BaseId::Registry(digest), pinned: true }) => Some((reference.clone(), *digest)),
        Some(_) | None => None,
    };
    let containers = containers.keys().filter_map(digest).collect();
    Ok(Settled { resolved: locked(resolved, lock).with_bases(&known), containers })
}

/// The images of others, by the names that stand for them.
pub(super) type Bases = BTreeMap<Reference, MovingBase>;

/// A project of which it is known what the names of others stand for.
pub(super) struct Settled {
    pub(super) resolved: Resolved,
    /// What containers run, as far as a registry or the lock file tells.
    pub(super) containers: BTreeMap<Reference, ImageDigest>,
}

/// The images that others are made from together with those that containers run.
pub(super) fn with(mut bases: Bases, containers: &Bases) -> Bases {
    for (reference, MovingBase { platforms, images, containers, places }) in containers {
        let base = bases.entry(reference.clone()).or_default();
        base.platforms.extend(platforms.iter().cloned());
        base.images.extend(images.iter().cloned());
        base.containers.extend(containers.iter().cloned());
        base.places.extend(places.iter().cloned());
    }
    bases
}

/// The project with what the lock file says of what is fetched from elsewhere.
fn locked(resolved: Resolved, lock: Option<&Lock>) -> Resolved {
    match lock {
        Some(lock) => resolved.with_files(&lock.http).with_commits(&lock.git),
        None => resolved,
    }
}

/// The same by windlass.lock alone: nobody is asked.
pub(super) fn by_lock(resolved: Resolved, lock: Option<&Lock>) -> Resolved {
    let bases = lock.iter().flat_map(|lock| &lock.bases);
    let known = bases.map(|(reference, base)| (reference.clone(), pinned(base.digest))).collect();
    locked(resolved, lock).with_bases(&known)
}

fn pinned(digest: ImageDigest) -> KnownBase {
    KnownBase { id: BaseId::Registry(digest), pinned: true }
}

/// Whether the lock file says all that a build, and the manifest that it writes, needs of what others provide.
///
/// # Errors
/// What is missing, where it is named.
pub(super) fn complete(resolved: &Resolved, containers: &Bases, lock: Option<&Lock>) -> Result<(), Diagnostics> {
    let moving = with(resolved.moving_bases(), containers);
    let file = lock_file::FILE;
    let missing = moving.iter().filter_map(|(reference, base)| {
        let message = match lock.and_then(|lock| lock.bases.get(reference)) {
            None => format!("`{reference}` is not in {file}"),
            Some(locked) => {
                let platform = base.platforms.iter().find(|platform| !locked.platforms.contains_key(platform))?;
                format!("{file} says nothing of `{reference}` for {platform}")
            }
        };
        Some(at_places(Diagnostic::error(message), &base.places).hint("`windlass lock` adds what is missing"))
    });
    let missing = missing.chain(remote_files::missing(&resolved.moving_files(), lock));
    let missing: Vec<Diagnostic> = missing.chain(remote_refs::missing(&resolved.moving_refs(), lock)).collect();
    if missing.is_empty() { Ok(()) } else { Err(Diagnostics(missing)) }
}

/// At how many places something is said that is so at all of them. Arbitrary.
const PLACES_AT_MOST: usize = 4;

/// What is said of something, where it is named.
pub(super) fn at_places(diagnostic: Diagnostic, places: &[Location]) -> Diagnostic {
    places.iter().take(PLACES_AT_MOST).fold(diagnostic, |diagnostic, place| match diagnostic.primary {
        None => diagnostic.at(&place.source, place.span, ""),
        Some(_) => diagnostic.related(&place.source, place.span, ""),
    })
}

/// What one look-up came to.
enum Found {
    /// The registry told.
    Registry(ImageDigest),
    /// The engine has it by this name, and from no registry.
    Local(ImageId),
    /// The registry could not be asked, or does not have it; this is where the engine once had it from.
    Stored(ImageDigest, Option<registry::Error>),
    /// Nobody told.
    Unknown(Option<registry::Error>),
}

impl Found {
    fn base(&self) -> Option<KnownBase> {
        match self {
            Self::Registry(digest) => Some(pinned(*digest)),
            Self::Local(id) => Some(KnownBase { id: BaseId::Engine(*id), pinned: false }),
            // By its digest, not every engine finds what it has under a name.
            Self::Stored(digest, _) => Some(KnownBase { id: BaseId::Registry(*digest), pinned: false }),
            Self::Unknown(_) => None,
        }
    }
}

/// Asks the engine, and the registries unless the engine alone can know: each once a reference. What is `needed` is
/// waited for, whatever it takes.
async fn ask(
    references: Vec<Reference>,
    needed: &Bases,
    engine: Option<&AnyEngine>,
    registry: Option<&Registry>,
) -> anyhow::Result<BTreeMap<Reference, Found>> {
    let patient = registry.map(|registry| registry.with_retry(RetryPolicy::default()));
    let deadline = Instant::now() + ALL_WITHIN;
    let ask = async |reference: Reference| {
        let stored = match engine {
            Some(engine) => engine.find(&reference).await?,
            None => None,
        };
        let (registry, deadline) = match needed.contains_key(&reference) {
            true => (patient.as_ref(), None),
            false => (registry, Some(deadline)),
        };
        let found = one(&reference, stored, registry, deadline).await;
        anyhow::Ok((reference, found))
    };
    futures_util::stream::iter(references).map(ask).buffer_unordered(AT_ONCE).try_collect().await
}

async fn one(
    reference: &Reference,
    stored: Option<StoredImage>,
    registry: Option<&Registry>,
    deadline: Option<Instant>,
) -> Found {
    let of_registry = stored.as_ref().map(|stored| digest_in(stored, reference));
    if let (Some(stored), Some(None)) = (&stored, of_registry) {
        return Found::Local(stored.id);
    }
    let error = match registry {
        None => None,
        Some(registry) => match by(deadline, registry.digest_of(reference)).await {
            Ok(Ok(Some(digest))) => return Found::Registry(digest),
            // Engines that keep what they build as registries do call it by a digest too.
            Ok(Ok(None)) => match stored {
                Some(stored) => return Found::Local(stored.id),
                None => Some(not_there(reference)),
            },
            Ok(Err(error)) => Some(error),
            Err(_elapsed) => Some(too_slow(reference)),
        },
    };
    match of_registry.flatten() {
        Some(digest) => Found::Stored(digest, error),
        None => Found::Unknown(error),
    }
}

async fn by<T>(deadline: Option<Instant>, answer: impl Future<Output = T>) -> Result<T, Elapsed> {
    match deadline {
        Some(deadline) => timeout_at(deadline, answer).await,
        None => Ok(answer.await),
    }
}

/// The digest by which the engine had an image from the reference's own repository; of several the first, so that it
/// is the same each time.
fn digest_in(stored: &StoredImage, reference: &Reference) -> Option<ImageDigest> {
    let of_repository = stored.repo_digests.iter().filter(|digest| digest.repository() == reference.repository());
    of_repository.filter_map(Reference::digest).min()
}

fn not_there(reference: &Reference) -> registry::Error {
    let registry = reference.repository().registry().to_owned();
    registry::Error::NotFound { registry, doing: format!("looking up `{reference}`") }
}

fn too_slow(reference: &Reference) -> registry::Error {
    registry::Error::Unreachable {
        registry: reference.repository().registry().to_owned(),
        doing: format!("looking up `{reference}`"),
        why: format!("nothing came within {}s", ALL_WITHIN.as_secs()),
    }
}

/// The names of one registry that it did not tell of.
#[derive(Default)]
struct Untold<'a> {
    references: Vec<&'a Reference>,
    /// Why, where it was asked.
    error: Option<&'a registry::Error>,
}

/// What was assumed of whom, a sentence for each registry and assumption.
fn notes(found: &BTreeMap<Reference, Found>, offline: bool) -> Vec<String> {
    let mut local = Vec::new();
    let mut untold: BTreeMap<(&str, bool), Untold<'_>> = BTreeMap::new();
    for (reference, found) in found {
        let (error, is_stored) = match found {
            Found::Registry(_) => continue,
            Found::Local(_) => {
                local.push(reference);
                continue;
            }
            Found::Stored(_, error) => (error, true),
            Found::Unknown(error) => (error, false),
        };
        let group = untold.entry((reference.repository().registry(), is_stored)).or_default();
        group.error = group.error.or(error.as_ref());
        group.references.push(reference);
    }
    let mut notes = Vec::new();
    if !local.is_empty() {
        notes.push(format!("of {} counts what this machine's engine has: no registry has it", words::these(&local)));
    }
    for ((_, is_stored), Untold { references, error }) in &untold {
        let what = match is_stored {
            true => "counts what the engine has",
            false => "the name alone counts",
        };
        let why = match error {
            Some(error) => format!("{error}; "),
            None if offline => "no registry is asked: ".to_owned(),
            None => String::new(),
        };
        notes.push(format!("{why}of {} {what}", words::these(references)));
    }
    notes
}

/// What stands behind a locked name now.
pub(super) enum Now {
    /// What the lock file says, for the platforms that are wanted.
    Same,
    /// Something else, or for more platforms than the lock file tells.
    Other(RemoteManifests),
    /// Nothing.
    Gone,
}

/// Looks up what stands behind a name now. An index that moved for other platforms alone is the same for us, as long
/// as the registry keeps the one that is locked.
pub(super) async fn now(
    registry: &Registry,
    reference: &Reference,
    platforms: &BTreeSet<Platform>,
    locked: Option<&LockedBase>,
) -> Result<Now, registry::Error> {
    let locked = locked.filter(|locked| platforms.iter().all(|platform| locked.platforms.contains_key(platform)));
    if let Some(locked) = locked {
        match registry.digest_of(reference).await? {
            None => return Ok(Now::Gone),
            Some(digest) if digest == locked.digest => return Ok(Now::Same),
            Some(_) => {}
        }
    }
    let Some(manifests) = registry.manifests_of(reference).await? else { return Ok(Now::Gone) };
    let is_same = |locked: &LockedBase| {
        platforms.iter().all(|platform| manifests.for_platform(platform).as_ref() == locked.platforms.get(platform))
    };
    match locked.filter(|locked| is_same(locked)) {
        Some(locked) if registry.exists(&reference.repository().with_digest(locked.digest)).await? => Ok(Now::Same),
        Some(_) | None => Ok(Now::Other(manifests)),
    }
}

/// [`now`] for many references, several at a time.
pub(super) async fn all_now(
    registry: &Registry,
    wanted: Vec<(&Reference, &MovingBase, Option<&LockedBase>)>,
) -> Result<BTreeMap<Reference, Now>, registry::Error> {
    let look_up = async |(reference, base, locked): (&Reference, &MovingBase, Option<&LockedBase>)| {
        Ok((reference.clone(), now(registry, reference, &base.platforms, locked).await?))
    };
    futures_util::stream::iter(wanted).map(look_up).buffer_unordered(AT_ONCE).try_collect().await
}
