//! `windlass completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Exit};
use crate::ui;

#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "windlass", &mut script);
    ui::print(&script)?;
    Ok(Exit::Done)
}
