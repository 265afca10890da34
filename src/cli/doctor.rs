//! `windlass doctor`.

use std::time::Duration;

use super::{Exit, Settings, block_on, until_interrupted};
use crate::docker;
use crate::engine::embedded::sandbox;
use crate::ui;

const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Tells which engines answer, and how far the one in the program comes on this machine; fails where there is nothing to
/// build with.
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
        // What works can differ from one file system to the next.
        let folder = match settings.store.as_deref().filter(|store| store.is_dir()).map(tempfile::tempdir_in) {
            Some(Ok(folder)) => folder,
            Some(Err(_)) | None => tempfile::tempdir()?,
        };
        let (answer, paint, told) = match sandbox::describe(folder.path()) {
            Ok(told) => {
                exit = Exit::Done;
                ("yes", ui::Paint::Good, told)
            }
            Err(error) => ("no", ui::Paint::Bad, format!("{error:#}")),
        };
        ui::print(
            format!("{}{}embedded  {told}\n", ui::paint(answer, paint, settings.ui.color), &"     "[answer.len()..])
                .as_bytes(),
        )?;
        Ok(exit)
    }))
}
