//! `windlass apply`.

use std::path::PathBuf;

use super::deploy::{self, Deployment, ExitCode, Format, StateArgs};
use super::{Exit, Settings};
use crate::apply::Emptying;

/// What `windlass apply` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct ApplyArgs {
    /// The deploy manifest; `-` reads it from standard input.
    #[arg(value_name = "MANIFEST", default_value = "deploy.json", env = "WINDLASS_MANIFEST")]
    manifest: PathBuf,
    /// Tell what would be done, and do nothing.
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// With `--dry-run`: exit with 10 where there is something to do.
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// Let a manifest without containers remove all containers of the project.
    #[arg(long)]
    allow_empty: bool,
    /// Apply a manifest though the host runs a later one.
    #[arg(long)]
    allow_older: bool,
    /// How the steps are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    state: StateArgs,
}

/// Brings the host to a manifest.
pub(super) fn run(args: &ApplyArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let manifest = deploy::read_manifest(&args.manifest, settings)?;
    let state = args.state.folder(settings)?;
    let exit_code = if args.exit_code { ExitCode::Changes } else { ExitCode::Success };
    let deployment = Deployment {
        manifest: &manifest,
        state: &state,
        emptying: if args.allow_empty { Emptying::Allowed } else { Emptying::Refused },
        dry_run: args.dry_run.then_some(exit_code),
        format: args.format,
    };
    deploy::deploy(&deployment, settings, |entries| {
        if args.allow_older { Ok(()) } else { deploy::refuse_older(&manifest, entries) }
    })
}
