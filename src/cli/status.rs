//! `windlass status`.

use std::path::Path;

use super::deploy::{self, Format, HostArgs, StateArgs};
use super::sources::{self, Fetched};
use super::{Exit, Refusal, Settings, block_on, connect, until_interrupted};
use crate::apply::{self, ContainerStatus, History, Host as _, Verdict, undo};
use crate::manifest::Manifest;
use crate::model::ProjectName;
use crate::ui::{self, apply_report};

/// What `windlass status` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct StatusArgs {
    /// The deploy manifest to compare with [default: the last that was applied to its end].
    #[arg(value_name = "MANIFEST")]
    manifest: Option<String>,
    /// The project [default: the only one that was applied on this host, else that of the folder].
    #[arg(long, value_name = "NAME", conflicts_with = "manifest")]
    project: Option<ProjectName>,
    /// Exit with 10 where something is not as wanted.
    #[arg(long)]
    exit_code: bool,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// Shows what is wanted against what runs.
pub(super) fn run(args: &StatusArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (settings, state) = &deploy::host(&args.state, args.host, settings)?;
    let manifest = manifest(args, state, settings)?;
    let desired = deploy::desired(&manifest, settings)?;
    let containers = block_on(until_interrupted(settings, async {
        let observed = connect::host(settings, args.host.engine_timeout)
            .await?
            .observe(&desired)
            .await
            .map_err(apply::Error::Observe)?;
        Ok(apply::status(&desired, &observed))
    }))?;
    let answer = match args.format {
        Format::Text => apply_report::status_text(&containers, deploy::now(), settings.ui.color),
        Format::Json => apply_report::status_json(&desired.project, desired.serial, &containers),
    };
    ui::print(answer.as_bytes())?;
    let not_in_place = containers.iter().filter(|container| container.verdict == Verdict::NotInPlace);
    let notes = not_in_place.map(|ContainerStatus { name, .. }| {
        format!(
            "a run that failed, was cut off or is underway made `{name}`; the next lets it take its place or removes it"
        )
    });
    ui::notes(&notes.collect::<Vec<_>>(), &settings.ui);
    let as_wanted = containers.iter().all(|container| container.verdict.is_fine());
    Ok(if args.exit_code && !as_wanted { Exit::Changes } else { Exit::Done })
}

fn manifest(args: &StatusArgs, state: &Path, settings: &Settings) -> anyhow::Result<Manifest> {
    if let Some(path) = &args.manifest {
        return sources::read_one(path, &Fetched::default(), settings);
    }
    let project = deploy::project(args.project.as_ref(), state, settings)?;
    let history = History::new(state, &project);
    let entries = history.entries()?;
    // Where no run came to its end, the last attempt says what is wanted.
    let Some(wanted) = undo::current(&entries).or(entries.last()) else {
        let message = format!("no manifest of `{project}` was applied on this host");
        return Err(Refusal::usage_with_hint(message, "name the manifest to compare with").into());
    };
    deploy::recorded(&history, wanted)
}
