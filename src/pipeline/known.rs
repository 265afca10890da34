//! Asks the engine and the registry what is there already.

use futures_util::{StreamExt as _, TryStreamExt as _};

use crate::engine::{self, Engine};
use crate::plan::{Known, KnownImage, Labelled, Lookup};
use crate::registry::{self, Registry};

/// How many look-ups are under way at once.
const AT_ONCE: usize = 16;

/// A look-up that was refused.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The engine did not answer.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// The registry did not answer.
    #[error(transparent)]
    Registry(#[from] registry::Error),
}

/// What is there of every image: on the engine first, and in the registry where the engine does not have it.
///
/// # Errors
/// When one of them can't be asked.
pub async fn look_up<E: Engine>(
    lookups: Vec<Lookup>,
    engine: Option<&E>,
    registry: Option<&Registry>,
) -> Result<Known, LookupError> {
    let engine = match engine {
        // On a machine that has built nothing yet ten thousand questions have one answer.
        Some(engine) if engine.has_no_names().await? => None,
        engine => engine,
    };
    if engine.is_none() && registry.is_none() {
        return Ok(Known::new());
    }
    let look_up = async |lookup: Lookup| {
        let known = one(&lookup, engine, registry).await?;
        Ok((lookup.image, known))
    };
    futures_util::stream::iter(lookups).map(look_up).buffer_unordered(AT_ONCE).try_collect().await
}

async fn one<E: Engine>(
    lookup: &Lookup,
    engine: Option<&E>,
    registry: Option<&Registry>,
) -> Result<KnownImage, LookupError> {
    let mut known = KnownImage::default();
    if let Some(engine) = engine {
        known.content = engine.find(&lookup.content).await?.is_some();
        known.tested = known.content && (!lookup.has_tests() || engine.find(&lookup.tested).await?.is_some());
        known.latest = engine.find(&lookup.latest).await?.and_then(|stored| Labelled::read(&stored.labels));
        known.testing = engine.find(&lookup.testing).await?.and_then(|stored| Labelled::read(&stored.labels));
    }
    if let (false, Some(registry)) = (known.tested, registry) {
        let content = registry.exists(&lookup.content).await?;
        known.content |= content;
        known.tested = content && (!lookup.has_tests() || registry.exists(&lookup.tested).await?);
        if !known.content && known.latest.is_none() {
            let remote = registry.look_up(&lookup.latest, &lookup.platform).await?;
            known.latest = remote.and_then(|remote| Labelled::read(&remote.labels));
        }
    }
    Ok(known)
}
