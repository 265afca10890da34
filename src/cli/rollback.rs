//! `windlass rollback`.

use super::audit::NotifyArgs;
use super::deploy::{self, Deployment, ExitCode, Format, HostArgs, StateArgs};
use super::hosts_file::HostsFileArgs;
use super::image_gc::KeepArgs;
use super::policy::PolicyArgs;
use super::{Exit, Refusal, Settings};
use crate::apply::undo::{self, Entry};
use crate::apply::{Emptying, History};
use crate::model::ProjectName;

/// What `windlass rollback` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct RollbackArgs {
    /// The serial to go to [default: the highest below the one that the host runs].
    #[arg(long, value_name = "SERIAL")]
    to: Option<u64>,
    /// The project [default: the only one that was applied on this host, else that of the folder].
    #[arg(long, value_name = "NAME")]
    project: Option<ProjectName>,
    /// Tell what would be done, and do nothing.
    #[arg(long, short = 'n')]
    dry_run: bool,
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
}

/// Brings the host back to a manifest that it ran before.
pub(super) fn run(args: &RollbackArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let (settings, state) = &deploy::host(&args.state, args.host, settings)?;
    let project = deploy::project(args.project.as_ref(), state, settings)?;
    let history = History::new(state, &project);
    let entries = history.entries()?;
    let entry = target(args.to, &entries, &project)?;
    let manifest = deploy::recorded(&history, entry)?;
    let deployment = Deployment {
        manifest: &manifest,
        state,
        emptying: Emptying::Refused,
        dry_run: args.dry_run.then_some(ExitCode::Success),
        format: args.format,
        host: args.host,
        policy: &args.policy,
        hosts_file: &args.hosts_file,
        notify: &args.notify,
        keep: args.keep,
        tells_of_nothing: true,
    };
    deploy::deploy(&deployment, settings, |now| deploy::refuse_other(now, &entries))
}

fn target<'a>(to: Option<u64>, entries: &'a [Entry], project: &ProjectName) -> anyhow::Result<&'a Entry> {
    let found = match to {
        Some(serial) => undo::of_serial(entries, serial),
        None => undo::former(entries),
    };
    found.ok_or_else(|| {
        let message = match to {
            Some(serial) => format!("serial {serial} of `{project}` never ran on this host"),
            None => format!("there is nothing to go back to: no earlier serial of `{project}` ran on this host"),
        };
        Refusal::usage_with_hint(message, "`windlass history` tells what there is").into()
    })
}
