//! What `build --cache-from` and `build --cache-to` do: steps of builds that other machines did already.

use super::{Refusal, Settings};
use crate::engine::AnyEngine;
use crate::engine::embedded::images::CachePlace;
use crate::engine::embedded::{EmbeddedEngine, Written};
use crate::event::{Event, Sink};

/// What `build` and `ci github build` are asked.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct CacheArgs {
    /// Use what the steps of builds came to that wrote a cache there: `registry:NAME`, or `dir:PATH` (embedded engine). May
    /// be said several times; one that is not there yet is none.
    #[arg(long, value_name = "KIND:PLACE", env = "WINDLASS_CACHE_FROM")]
    cache_from: Vec<CachePlace>,
    /// Write what the steps of this build came to there, with their layers. May be said several times.
    #[arg(long, value_name = "KIND:PLACE", env = "WINDLASS_CACHE_TO")]
    cache_to: Vec<CachePlace>,
    /// Put what is in the folders of `RUN --mount=type=cache` that the build used there as well. A build that reads the
    /// cache begins with it where it has no such folder yet.
    #[arg(long, requires = "cache_to")]
    cache_mounts: bool,
}

/// Reads the caches. One that can't be read is told: everything can be built without.
pub(super) async fn read(
    args: &CacheArgs,
    engine: &AnyEngine,
    settings: &Settings,
    events: &dyn Sink,
) -> anyhow::Result<()> {
    let Some(engine) = embedded(args, engine)? else { return Ok(()) };
    for place in usable(&args.cache_from, settings, events) {
        match engine.read_cache(&place).await {
            Ok(true) => {}
            Ok(false) => events.send(Event::Note(format!("the cache `{place}` is not there yet"))),
            Err(error) => events.send(Event::Warning(format!("a cache is not used: {error:#}"))),
        }
    }
    Ok(())
}

/// Writes the caches, whatever became of the build. One that can't be written is told: what was built is built.
pub(super) async fn write(
    args: &CacheArgs,
    engine: &AnyEngine,
    settings: &Settings,
    events: &dyn Sink,
) -> anyhow::Result<()> {
    let Some(engine) = embedded(args, engine)? else { return Ok(()) };
    for place in usable(&args.cache_to, settings, events) {
        events.send(match engine.write_cache(&place, args.cache_mounts).await {
            Ok(Written { n_steps: 0, n_mounts: _ }) => {
                Event::Note(format!("nothing was built that the cache `{place}` could have a use for"))
            }
            Ok(Written { n_steps, n_mounts: 0 }) => Event::Note(format!("the cache `{place}` has {n_steps} steps")),
            Ok(Written { n_steps, n_mounts }) => {
                Event::Note(format!("the cache `{place}` has {n_steps} steps and {n_mounts} cache mounts"))
            }
            Err(error) => Event::Warning(format!("the cache `{place}` is not written: {error:#}")),
        });
    }
    Ok(())
}

fn embedded<'a>(args: &CacheArgs, engine: &'a AnyEngine) -> anyhow::Result<Option<&'a EmbeddedEngine>> {
    let is_fixed = |place: &&CachePlace| matches!(place, CachePlace::Registry(name) if name.digest().is_some());
    if let Some(place) = args.cache_to.iter().find(is_fixed) {
        let message = format!("the cache `{place}` can't be written: a digest names what is there already");
        return Err(Refusal::usage_with_hint(message, "name it by a tag").into());
    }
    match (engine, args.cache_from.first().or(args.cache_to.first())) {
        (_, None) => Ok(None),
        (AnyEngine::Embedded(engine), Some(_)) => Ok(Some(engine)),
        (AnyEngine::Docker(_), Some(place)) => {
            let message = format!("the cache `{place}` needs the embedded engine");
            Err(Refusal::usage_with_hint(message, "add `--engine embedded`").into())
        }
    }
}

/// The places as this run finds them: folders below the root, and no registry where none may be asked.
fn usable(places: &[CachePlace], settings: &Settings, events: &dyn Sink) -> Vec<CachePlace> {
    let mut usable = Vec::new();
    for place in places {
        match place {
            CachePlace::Folder(folder) => usable.push(CachePlace::Folder(settings.root.join(folder))),
            CachePlace::Registry(_) if settings.offline => {
                events.send(Event::Note(format!("the cache `{place}` is left alone, as no registry may be asked")));
            }
            CachePlace::Registry(_) => usable.push(place.clone()),
        }
    }
    usable
}
