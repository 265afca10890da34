//! `windlass history`.

use super::deploy::{self, Format, HostArgs, StateArgs};
use super::{Exit, Settings};
use crate::apply::{History, undo};
use crate::model::ProjectName;
use crate::ui::{self, apply_report};

/// What `windlass history` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// The project [default: the only one that was applied on this host, else that of the folder].
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// Tells what was applied.
pub(super) fn run(args: &HistoryArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let state = match deploy::host(&args.state, args.host, settings) {
        Ok((_, state)) => state,
        // What was applied can be told without an engine: that of the first one that something was applied to.
        Err(error) => deploy::remembered(&args.state, settings)?.ok_or(error)?,
    };
    let project = deploy::project(args.project.as_ref(), &state, settings)?;
    let entries = History::new(&state, &project).entries()?;
    let current = undo::current(&entries);
    let answer = match args.format {
        Format::Text => apply_report::history_text(&entries, current, settings.ui.color),
        Format::Json => apply_report::history_json(&project, &entries, current),
    };
    ui::print(answer.as_bytes())?;
    Ok(Exit::Done)
}
