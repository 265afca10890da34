//! What the names of others' images stand for: by windlass.lock, else by the registry, else by the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::time::{Instant, timeout_at};

use super::{Settings, connect, lock_file, lookups};
use crate::config::{Lock, LockedBase};
use crate::diag::{Diagnostic, Diagnostics};
use crate::engine::docker::DockerEngine;
use crate::engine::{Engine as _, StoredImage};
use crate::event::Sink;
use crate::model::{ImageDigest, ImageId, Platform, Reference};
use crate::plan::{BaseId, KnownBase, MovingBase, Resolved};
use crate::registry::{self, Registry, RemoteManifests};
use crate::ui::{Reporter, words};

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
    lock: Option<&Lock>,
    engine: Option<&DockerEngine>,
    settings: &Settings,
    reporter: &Arc<Reporter>,
) -> anyhow::Result<Resolved> {
    let moving = resolved.moving_bases();
    if settings.locked {
        complete(&moving, lock)?;
    }
    let mut known: BTreeMap<Reference, KnownBase> = BTreeMap::new();
    let mut open = Vec::new();
    for reference in moving.keys() {
        match lock.and_then(|lock| lock.bases.get(reference)) {
            Some(LockedBase { digest, platforms: _ }) => drop(known.insert(reference.clone(), pinned(*digest))),
            None => open.push(reference.clone()),
        }
    }
    if !open.is_empty() {
        let found = ask(open, engine, settings, reporter).await?;
        known.extend(found.iter().filter_map(|(reference, found)| Some((reference.clone(), found.base()?))));
        resolved.notes.extend(notes(&found, settings.offline));
    }
    Ok(resolved.with_bases(&known))
}

/// The same by windlass.lock alone: nobody is asked.
pub(super) fn by_lock(resolved: Resolved, lock: Option<&Lock>) -> Resolved {
    let locked = lock.iter().flat_map(|lock| &lock.bases);
    let known = locked.map(|(reference, base)| (reference.clone(), pinned(base.digest))).collect();
    resolved.with_bases(&known)
}

fn pinned(digest: ImageDigest) -> KnownBase {
    KnownBase { id: BaseId::Registry(digest), pinned: true }
}

/// Whether the lock file says all that a build needs of the bases.
fn complete(moving: &BTreeMap<Reference, MovingBase>, lock: Option<&Lock>) -> Result<(), Diagnostics> {
    let file = lock_file::FILE;
    let missing = moving.iter().filter_map(|(reference, base)| {
        let message = match lock.and_then(|lock| lock.bases.get(reference)) {
            None => format!("`{reference}` is not in {file}"),
            Some(locked) => {
                let platform = base.platforms.iter().find(|platform| !locked.platforms.contains_key(platform))?;
                format!("{file} says nothing of `{reference}` for {platform}")
            }
        };
        Some(at_places(Diagnostic::error(message), base).hint("`windlass lock` adds what is missing"))
    });
    let missing: Vec<Diagnostic> = missing.collect();
    if missing.is_empty() { Ok(()) } else { Err(Diagnostics(missing)) }
}

/// At how many places something is said that is so at all of them. Arbitrary.
const PLACES_AT_MOST: usize = 4;

/// What is said of a base, where it is named.
pub(super) fn at_places(diagnostic: Diagnostic, base: &MovingBase) -> Diagnostic {
    base.places.iter().take(PLACES_AT_MOST).fold(diagnostic, |diagnostic, place| match diagnostic.primary {
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

/// Asks the engine, and the registries unless the engine alone can know: each once a reference.
async fn ask(
    references: Vec<Reference>,
    engine: Option<&DockerEngine>,
    settings: &Settings,
    reporter: &Arc<Reporter>,
) -> anyhow::Result<BTreeMap<Reference, Found>> {
    let events: Arc<dyn Sink> = Arc::<Reporter>::clone(reporter);
    let registry = match settings.offline {
        true => None,
        false => Some(connect::registry(settings, lookups::impatient(), events)?),
    };
    let deadline = Instant::now() + ALL_WITHIN;
    let ask = async |reference: Reference| {
        let stored = match engine {
            Some(engine) => engine.find(&reference).await?,
            None => None,
        };
        let found = one(&reference, stored, registry.as_ref(), deadline).await;
        anyhow::Ok((reference, found))
    };
    futures_util::stream::iter(references).map(ask).buffer_unordered(AT_ONCE).try_collect().await
}

async fn one(
    reference: &Reference,
    stored: Option<StoredImage>,
    registry: Option<&Registry>,
    deadline: Instant,
) -> Found {
    let of_registry = stored.as_ref().map(|stored| digest_in(stored, reference));
    if let (Some(stored), Some(None)) = (&stored, of_registry) {
        return Found::Local(stored.id);
    }
    let error = match registry {
        None => None,
        Some(registry) => match timeout_at(deadline, registry.digest_of(reference)).await {
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
