//! What is there already, asked of the engine and of the registry.

use std::sync::Arc;

use super::{Settings, connect};
use crate::config::Config;
use crate::engine::AnyEngine;
use crate::event::{Event, Sink};
use crate::pipeline::{self, LookupError};
use crate::plan::{Known, Resolved};
use crate::registry::{Registry, RetryPolicy};
use crate::ui::Reporter;

/// How often a registry is asked that one can do without: nobody waits for it as long as for one that is pushed to.
fn impatient() -> RetryPolicy {
    RetryPolicy { attempts: 3, ..RetryPolicy::default() }
}

/// The one client of a command, that asks all registries; none where none may be asked.
pub(super) fn registry(settings: &Settings, reporter: &Arc<Reporter>) -> anyhow::Result<Option<Registry>> {
    if settings.offline {
        return Ok(None);
    }
    let events: Arc<dyn Sink> = Arc::<Reporter>::clone(reporter);
    connect::registry(settings, impatient(), events).map(Some)
}

/// The same for the project's own images. Without a registry of its own its names mean something on the engine alone.
pub(super) fn of_project<'a>(registry: Option<&'a Registry>, config: &Config) -> Option<&'a Registry> {
    registry.filter(|_| config.registry.is_some())
}

/// What is there of every image. Unless it is `needed`, for a push, the registry is only a place to find things, which
/// one can do without.
pub(super) async fn known(
    resolved: &Resolved,
    engine: Option<&AnyEngine>,
    registry: Option<&Registry>,
    needed: bool,
    events: &dyn Sink,
) -> anyhow::Result<Known> {
    match pipeline::look_up(resolved.lookups(), engine, registry).await {
        Err(LookupError::Registry(error)) if !needed => {
            events.send(Event::Warning(format!("{error}; images are looked for on the engine alone")));
            Ok(pipeline::look_up(resolved.lookups(), engine, None).await?)
        }
        outcome => Ok(outcome?),
    }
}
