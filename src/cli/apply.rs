//! `windlass apply`.

use std::path::{Path, PathBuf};

use super::deploy::{self, Deployment, ExitCode, Format, HostArgs, StateArgs};
use super::policy::PolicyArgs;
use super::watch::{self, WatchArgs};
use super::{Exit, Refusal, Settings};
use crate::apply::undo::{self, Outcome};
use crate::apply::{Emptying, History};
use crate::manifest::Manifest;

/// What `windlass apply` is asked.
#[derive(Debug, Clone, clap::Args)]
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
    /// Do not try again what was tried and was not good: keep the host at what it ran before, and exit with 4. For timers.
    #[arg(long, conflicts_with_all = ["dry_run", "allow_older"])]
    skip_bad: bool,
    /// How the steps are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    host: HostArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    policy: PolicyArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

/// Brings the host to a manifest, once or again and again.
pub(super) fn run(args: &ApplyArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if !args.watch.watch {
        return once(args, &deploy::read_manifest(&args.manifest, settings)?, settings);
    }
    if args.manifest == Path::new("-") {
        return Err(Refusal::usage("standard input can't be read again: `--watch` needs a file").into());
    }
    let (args_of_all, settings_of_all) = (args.clone(), settings.clone());
    watch::run(&args.watch, args.host, settings, move || {
        match deploy::read_manifest(&args_of_all.manifest, &settings_of_all) {
            Ok(manifest) => {
                let outcome = once(&args_of_all, &manifest, &settings_of_all);
                (Some(manifest.project), outcome)
            }
            Err(error) => (None, Err(error)),
        }
    })
}

fn once(args: &ApplyArgs, manifest: &Manifest, settings: &Settings) -> anyhow::Result<Exit> {
    let (settings, state) = &deploy::host(&args.state, args.host, settings)?;
    let history = History::new(state, &manifest.project);
    if (args.skip_bad || args.watch.watch) && history.last_outcome(manifest)?.is_some_and(Outcome::is_bad) {
        return keep(args, settings, state, manifest.serial, &history);
    }
    let exit_code = if args.exit_code { ExitCode::Changes } else { ExitCode::Success };
    let deployment = Deployment {
        manifest,
        state,
        emptying: if args.allow_empty { Emptying::Allowed } else { Emptying::Refused },
        dry_run: args.dry_run.then_some(exit_code),
        format: args.format,
        host: args.host,
        policy: &args.policy,
        tells_of_nothing: !args.watch.watch,
    };
    deploy::deploy(&deployment, settings, |entries| {
        if args.allow_older { Ok(()) } else { deploy::refuse_older(manifest, entries) }
    })
}

/// Keeps the host at what it last ran, because what is wanted is known to be bad.
fn keep(args: &ApplyArgs, settings: &Settings, state: &Path, bad: u64, history: &History) -> anyhow::Result<Exit> {
    let entries = history.entries()?;
    let Some(former) = undo::current(&entries) else {
        return Err(Refusal::KnownBad { serial: bad, kept: None }.into());
    };
    let manifest = &deploy::recorded(history, former)?;
    let deployment = Deployment {
        manifest,
        state,
        emptying: Emptying::Refused,
        dry_run: None,
        format: args.format,
        host: args.host,
        policy: &args.policy,
        tells_of_nothing: !args.watch.watch,
    };
    deploy::deploy(&deployment, settings, |now| deploy::refuse_other(now, &entries))?;
    Err(Refusal::KnownBad { serial: bad, kept: Some(manifest.serial) }.into())
}
