//! What `build --cache-from` and `build --cache-to` do: steps of builds that other machines did already.

use super::{Refusal, Settings};
use crate::engine::AnyEngine;
use crate::engine::embedded::EmbeddedEngine;
use crate::engine::embedded::images::CachePlace;
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
        events.send(match engine.write_cache(&place).await {
            Ok(0) => Event::Note(format!("nothing was built that the cache `{place}` could have a use for")),
            Ok(n_steps) => Event::Note(format!("the cache `{place}` has {n_steps} steps")),
            Err(error) => Event::Warning(format!("the cache `{place}` is not written: {error:#}")),
        });
    }
    Ok(())
}

fn embedded<'a>(args: &CacheArgs, engine: &'a AnyEngine) -> anyhow::Result<Option<&'a EmbeddedEngine>> {
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
