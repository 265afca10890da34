//! `windlass doctor`.

use std::time::Duration;

use super::{Exit, Settings, block_on, until_interrupted};
use crate::docker;
use crate::ui;

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Tells which engines answer; fails where none does.
pub(super) fn run(settings: &Settings) -> anyhow::Result<Exit> {
    block_on(until_interrupted(settings, async {
        let mut exit = Exit::Unreachable;
        for host in &settings.hosts {
            let line = match docker::connect(host, ANSWERS_WITHIN).await {
                Ok(engine) => {
                    exit = Exit::Done;
                    // It greeted already: one that does not tell its version is there all the same.
                    let version = tokio::time::timeout(ANSWERS_WITHIN, engine.version()).await;
                    let version = version.ok().and_then(Result::ok).unwrap_or_default();
                    let name = version.platform.map_or_else(|| "engine".to_owned(), |platform| platform.name);
                    let name = if name.is_empty() { "engine" } else { &name };
                    let (engine, api) = (version.version.unwrap_or_default(), version.api_version.unwrap_or_default());
                    format!(
                        "{}  {host}  {name} {engine}, API {api}\n",
                        ui::paint("yes", ui::Paint::Good, settings.ui.color)
                    )
                }
                Err(error) => format!("{}   {host}  {error}\n", ui::paint("no", ui::Paint::Bad, settings.ui.color)),
            };
            ui::print(line.as_bytes())?;
        }
        Ok(exit)
    }))
}
