//! `windlass man`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;

use super::{Cli, Exit, Settings};

#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The folder to write `windlass.1` and a page a command into.
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

pub(super) fn run(args: &ManArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let folder = settings.root.join(&args.folder);
    let written = std::fs::create_dir_all(&folder).and_then(|()| clap_mangen::generate_to(Cli::command(), &folder));
    written.with_context(|| format!("writing the manual pages into `{}`", folder.display()))?;
    Ok(Exit::Done)
}
