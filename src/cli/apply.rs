//! `windlass apply`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::audit::NotifyArgs;
use super::deploy::{self, Deployment, ExitCode, Format, HostArgs, StateArgs};
use super::hosts_file::HostsFileArgs;
use super::image_gc::KeepArgs;
use super::policy::PolicyArgs;
use super::sources::{self, Fetched};
use super::watch::{self, WatchArgs};
use super::{Exit, Refusal, Settings, dockerup, ec2};
use crate::apply::undo::{self, Outcome};
use crate::apply::{Emptying, History};
use crate::manifest::{Manifest, UserData};
use crate::model::ProjectName;

/// What `windlass apply` is asked.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("of_dockerup").args(["dockerup", "ec2"]).multiple(true))]
pub(super) struct ApplyArgs {
    /// The deploy manifest, or several that are one together: a file, `-` for standard input, an artifact of a registry,
    /// `oci://registry/repository:tag`, or an address with what is there, `https://host/deploy.json#sha256:…`.
    #[arg(value_name = "MANIFEST", default_value = "deploy.json", env = "WINDLASS_MANIFEST")]
    #[arg(default_value_if("ec2", clap::builder::ArgPredicate::Equals("true".into()), None))]
    manifest: Vec<String>,
    /// Take what the EC2 instance was started with, its user-data: a deploy manifest, the address of one, or dockerup's
    /// `{"containers": […]}`. It is one together with what else is named.
    #[arg(long)]
    ec2: bool,
    /// Take the containers from dockerup's files instead: `dockerup.conf` and `containers.d` in this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "manifest")]
    dockerup: Option<PathBuf>,
    /// The project that dockerup's containers become [default: `dockerup`].
    #[arg(long, value_name = "NAME", requires = "of_dockerup")]
    project: Option<ProjectName>,
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
    hosts_file: HostsFileArgs,
    #[command(flatten)]
    notify: NotifyArgs,
    #[command(flatten)]
    keep: KeepArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

/// Brings the host to a manifest, once or again and again.
pub(super) fn run(args: &ApplyArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let said = args.dockerup.as_ref().map(|folder| dockerup::said(folder, settings)).transpose()?.unwrap_or_default();
    let ec2 = args.ec2 || said.aws;
    let settings = &match said.remote {
        Some(address) if !settings.host_is_named => Settings { hosts: vec![address], ..settings.clone() },
        _ => settings.clone(),
    };
    if !args.watch.watch && (!said.server || args.dry_run) {
        return once(args, &read(args, ec2, &Fetched::default(), settings)?, settings);
    }
    if args.dockerup.is_none() && args.manifest.iter().any(|source| source == "-") {
        return Err(Refusal::usage("standard input can't be read again: `--watch` needs a file").into());
    }
    let (args_of_all, settings_of_all) = (args.clone(), settings.clone());
    let interval = said.interval;
    let (fetched, good) = (Arc::new(Fetched::default()), Arc::new(Mutex::new(None)));
    watch::run(&args.watch, interval, args.host, settings, move || {
        let mut good = good.lock().unwrap_or_else(PoisonError::into_inner);
        match read(&args_of_all, ec2, &fetched, &settings_of_all) {
            Ok(manifest) => {
                let outcome = once(&args_of_all, &manifest, &settings_of_all);
                let project = manifest.project.clone();
                *good = Some(manifest);
                (Some(project), outcome)
            }
            Err(error) => {
                // What can't be read now is no reason to leave what was wanted last unmended; its own errors were told.
                let _mended = good.as_ref().map(|last| once(&args_of_all, last, &settings_of_all));
                (None, Err(error))
            }
        }
    })
}

/// What is wanted, wherever it is written; where `ec2` says so, in the instance's user-data too.
fn read(args: &ApplyArgs, ec2: bool, fetched: &Fetched, settings: &Settings) -> anyhow::Result<Manifest> {
    let user_data = ec2.then(|| ec2::user_data(settings)).transpose()?;
    let of_dockerup = match (&args.dockerup, user_data) {
        (None, Some(UserData::Dockerup(text))) if args.manifest.is_empty() => Some(text),
        (None, Some(UserData::Manifest(_) | UserData::Address(_))) if args.project.is_some() => {
            let message =
                "`--project` is for containers of dockerup, and the user-data is a manifest, which names its own";
            return Err(Refusal::usage(message).into());
        }
        (None, user_data) => return sources::read(&args.manifest, user_data, fetched, settings),
        (Some(_), None) => None,
        (Some(_), Some(UserData::Dockerup(text))) => Some(text),
        (Some(_), Some(UserData::Manifest(_) | UserData::Address(_))) => {
            let message = "the user-data is no `{\"containers\": […]}` of dockerup";
            return Err(Refusal::usage_with_hint(message, "leave `--dockerup` away").into());
        }
    };
    let (settings, state) = deploy::host(&args.state, args.host, settings)?;
    let project = args.project.clone().map_or_else(|| dockerup::PROJECT.parse(), Ok).expect("it is a project's name");
    dockerup::manifest(args.dockerup.as_deref(), of_dockerup, &project, &state, &settings)
}

fn once(args: &ApplyArgs, manifest: &Manifest, settings: &Settings) -> anyhow::Result<Exit> {
    let (settings, state) = &deploy::host(&args.state, args.host, settings)?;
    let history = History::new(state, &manifest.project);
    if (args.skip_bad || args.watch.watch) && history.last_outcome(manifest)?.is_some_and(Outcome::is_bad) {
        return keep(args, settings, state, manifest.serial, &history);
    }
    if (args.dockerup.is_some() || args.ec2) && !args.dry_run {
        dockerup::make_log_folders(manifest)?;
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
        hosts_file: &args.hosts_file,
        notify: &args.notify,
        keep: args.keep,
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
        hosts_file: &args.hosts_file,
        notify: &args.notify,
        keep: args.keep,
        tells_of_nothing: !args.watch.watch,
    };
    deploy::deploy(&deployment, settings, |now| deploy::refuse_other(now, &entries))?;
    Err(Refusal::KnownBad { serial: bad, kept: Some(manifest.serial) }.into())
}
