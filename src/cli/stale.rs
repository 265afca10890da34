//! `windlass plan --stale`: which names stand for something else than windlass.lock says.

use std::sync::Arc;

use super::bases::{Now, all_now};
use super::plan::Format;
use super::project::{self, Project, SelectionArgs};
use super::{Exit, Refusal, Settings, block_on, connect, lock_file, until_interrupted};
use crate::event::Sink;
use crate::registry::RetryPolicy;
use crate::ui::{self, Reporter, stale};

pub(super) fn run(selection: &SelectionArgs, format: Format, settings: &Settings) -> anyhow::Result<Exit> {
    let Project { resolved, lock, .. } = project::load(settings, selection, None)?;
    ui::warn(&resolved.warnings, &settings.ui);
    ui::notes(&resolved.notes, &settings.ui);
    let Some(lock) = lock else {
        let message = format!("there is no {} to compare with", lock_file::FILE);
        return Err(Refusal::usage_with_hint(message, "`windlass lock` writes it").into());
    };
    if settings.offline {
        return Err(Refusal::usage("`--stale` asks registries, and `--offline` asks none").into());
    }
    let bases = resolved.moving_bases();
    let reporter = Arc::new(Reporter::new(&settings.ui, 0));
    let events: Arc<dyn Sink> = Arc::<Reporter>::clone(&reporter);
    let wanted = bases.iter().map(|(reference, base)| (reference, base, lock.bases.get(reference))).collect();
    let found = block_on(until_interrupted(settings, async {
        let registry = connect::registry(settings, RetryPolicy::default(), events)?;
        Ok(all_now(&registry, wanted).await?)
    }));
    reporter.end();
    let names = found?.into_iter().filter_map(|(reference, now)| {
        let locked = lock.bases.get(&reference).map(|locked| locked.digest);
        let now = match now {
            Now::Same => return None,
            Now::Other(manifests) => Some(manifests.digest),
            Now::Gone => None,
        };
        let images = bases[&reference].images.iter().cloned().collect();
        Some(stale::Stale { name: reference.to_string(), locked: text(locked), now: text(now), images })
    });
    let names: Vec<stale::Stale> = names.collect();
    let answer = match format {
        Format::Text => stale::text(&names, settings.ui.color),
        Format::Json => serde_json::to_string_pretty(&stale::json(&names))? + "\n",
        Format::Dot | Format::Mermaid | Format::GithubMatrix | Format::Gitlab | Format::Travis => {
            return Err(Refusal::usage("`--stale` is told as `text` or `json`").into());
        }
    };
    ui::print(answer.as_bytes())?;
    Ok(if names.is_empty() { Exit::Done } else { Exit::Changes })
}

fn text(digest: Option<impl ToString>) -> Option<String> {
    digest.map(|digest| digest.to_string())
}
