//! What the commands that look after a host share: which host, which manifest, which history, which exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use jiff::Timestamp;

use super::audit::{Audit, NotifyArgs};
use super::hosts_file::HostsFileArgs;
use super::image_gc::KeepArgs;
use super::policy::PolicyArgs;
use super::settings::EngineChoice;
use super::{Environment, Exit, Refusal, Settings, block_on, connect, until_interrupted, until_stopped};
use crate::apply::undo::{self, Entry, Outcome};
use crate::apply::{
    self, Desired, DesiredError, Emptying, History, Host as _, HostError, Lock, LockError, Noting, Pulled, Step,
    StepFailure,
};
use crate::diag::{Diagnostic, SourceText};
use crate::manifest::{self, Manifest};
use crate::model::{ProjectName, parse_duration};
use crate::ui::{self, Progress, Reporter, Ui, apply_report};

/// Where windlass keeps what it has to remember on a machine.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct StateArgs {
    /// Where history and locks are, and what images were last built from [default: `$XDG_STATE_HOME/windlass`; for root `/var/lib/windlass`].
    #[arg(long, value_name = "DIR", env = "WINDLASS_STATE_DIR")]
    state_dir: Option<PathBuf>,
}

impl StateArgs {
    /// The folder, absolute.
    pub(super) fn folder(&self, settings: &Settings) -> anyhow::Result<PathBuf> {
        let environment: &Environment = &settings.environment;
        if let Some(folder) = &self.state_dir {
            return Ok(settings.root.join(folder));
        }
        if let Some(folder) = environment.get("XDG_STATE_HOME").map(Path::new).filter(|folder| folder.is_absolute()) {
            return Ok(folder.join("windlass"));
        }
        if super::settings::is_root() {
            return Ok(PathBuf::from("/var/lib/windlass"));
        }
        let home = environment.get("HOME").map(|home| Path::new(home).join(".local/state/windlass"));
        home.ok_or_else(|| Refusal::usage_with_hint("nobody says where to keep state", "use `--state-dir`").into())
    }
}

/// How the host's engine is talked to.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct HostArgs {
    /// How long the engine may take to answer a call; stopping a container may take its grace on top.
    #[arg(long, value_name = "TIME", default_value = "60s", env = "WINDLASS_ENGINE_TIMEOUT", value_parser = parse_duration)]
    pub(super) engine_timeout: Duration,
}

/// The host that is meant, the only one that the settings name then, and the folder of what is remembered of it. Where
/// there is one engine to choose from it is not asked.
pub(super) fn host(state: &StateArgs, host: HostArgs, settings: &Settings) -> anyhow::Result<(Settings, PathBuf)> {
    if settings.engine == EngineChoice::Embedded {
        let message = "the embedded engine builds and tests, and runs no containers";
        return Err(
            Refusal::usage_with_hint(message, "name another with `--engine docker` or `--engine podman`").into()
        );
    }
    let address = match settings.hosts.as_slice() {
        [only] => only.clone(),
        _ => block_on(until_interrupted(settings, connect::address(settings, host.engine_timeout)))?,
    };
    let folder = of_host(&state.folder(settings)?, &address);
    Ok((Settings { hosts: vec![address], ..settings.clone() }, folder))
}

/// The folder of the first of the engines that something is remembered of.
pub(super) fn remembered(state: &StateArgs, settings: &Settings) -> anyhow::Result<Option<PathBuf>> {
    let state = state.folder(settings)?;
    Ok(settings.hosts.iter().map(|address| of_host(&state, address)).find(|folder| folder.is_dir()))
}

/// The folder of what is remembered of a host.
fn of_host(state: &Path, address: &str) -> PathBuf {
    apply::host_folder(state, &canonical(address))
}

/// The address of a host without symbolic links, by which a socket has many paths.
fn canonical(address: &str) -> String {
    let socket = address.strip_prefix("unix://").and_then(|path| std::fs::canonicalize(path).ok());
    socket.map_or_else(|| address.to_owned(), |path| format!("unix://{}", path.display()))
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// The project that is meant: the one that is named, else the only one that has a history, else the one whose folder
/// this is.
pub(super) fn project(named: Option<&ProjectName>, state: &Path, settings: &Settings) -> anyhow::Result<ProjectName> {
    if let Some(project) = named {
        return Ok(project.clone());
    }
    let projects = History::projects(state)?;
    match projects.as_slice() {
        [project] => Ok(project.clone()),
        [] => Err(Refusal::usage_with_hint("nothing was applied on this host yet", "`windlass apply` does").into()),
        several => {
            let of_folder = super::config::project(&super::config::read(settings)?, settings);
            if several.contains(&of_folder) {
                return Ok(of_folder);
            }
            let names: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            let message = format!("several projects were applied on this host: {}", names.join(", "));
            Err(Refusal::usage_with_hint(message, "choose one with `--project`").into())
        }
    }
}

/// The manifest of a record of the history.
pub(super) fn recorded(history: &History, entry: &Entry) -> anyhow::Result<Manifest> {
    let (path, text) = history.text(entry)?;
    Ok(manifest::parse(&SourceText::new(path.display().to_string(), text))?)
}

/// What a host shall run; offline, nothing is pulled.
pub(super) fn desired(manifest: &Manifest, settings: &Settings) -> anyhow::Result<Desired> {
    let mut manifest = manifest.clone();
    if settings.offline {
        manifest.containers.values_mut().for_each(|container| container.update.pull = false);
    }
    let usage = |error: DesiredError| anyhow::Error::from(Refusal::usage(error.to_string()));
    Desired::new(&manifest).map_err(usage)
}

/// How a manifest is brought to a host.
pub(super) struct Deployment<'a> {
    pub(super) manifest: &'a Manifest,
    pub(super) state: &'a Path,
    pub(super) emptying: Emptying,
    /// Only tell what would be done, and whether that is anything by the exit code.
    pub(super) dry_run: Option<ExitCode>,
    pub(super) format: Format,
    pub(super) host: HostArgs,
    pub(super) policy: &'a PolicyArgs,
    pub(super) hosts_file: &'a HostsFileArgs,
    pub(super) notify: &'a NotifyArgs,
    pub(super) keep: KeepArgs,
    /// Whether it is told that nothing was to be done.
    pub(super) tells_of_nothing: bool,
}

/// What a dry run says by its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitCode {
    /// That it went well.
    Success,
    /// That there are changes to make.
    Changes,
}

/// Brings a host to a manifest. `check` may refuse it once nobody else can change the history.
pub(super) fn deploy(
    deployment: &Deployment<'_>,
    settings: &Settings,
    check: impl FnOnce(&[Entry]) -> anyhow::Result<()>,
) -> anyhow::Result<Exit> {
    let Deployment {
        manifest,
        state,
        emptying,
        dry_run,
        format,
        host,
        policy,
        hosts_file,
        notify,
        keep,
        tells_of_nothing,
    } = deployment;
    policy.check(manifest)?;
    let desired = desired(manifest, settings)?;
    if let Some(exit_code) = dry_run {
        let steps = block_on(until_interrupted(settings, async {
            let observed = connect::host(settings, host.engine_timeout)
                .await?
                .observe(&desired)
                .await
                .map_err(apply::Error::Observe)?;
            Ok(apply::diff(&desired, &observed, *emptying).map_err(apply::Error::Refused)?)
        }))?;
        print_steps(&desired, &steps, *format, &apply_report::steps_text(&steps))?;
        let has_changes = steps.iter().any(|step| step.action.is_change());
        return Ok(if has_changes && *exit_code == ExitCode::Changes { Exit::Changes } else { Exit::Done });
    }
    let history = History::new(state, &desired.project);
    history.make_folder()?;
    let address = settings.hosts.first().map(|address| canonical(address)).unwrap_or_default();
    let _lock = Lock::take(history.folder(), &address, &desired.project)?;
    check(&history.entries()?)?;
    // The live view counts images, of which there are none here.
    let progress = match settings.ui.progress {
        Progress::Tty => Progress::Plain,
        other => other,
    };
    let reporter = Reporter::new(&Ui { progress, ..settings.ui.clone() }, 0);
    let audit = Audit::new(&reporter, &history, &desired.project, desired.serial);
    let pulled = Pulled::new(&history);
    let outcome = block_on(until_stopped(settings, |told| async {
        let mut stop = pin!(told.map(drop));
        let host = tokio::select! {
            host = connect::host(settings, host.engine_timeout) => host?,
            () = &mut stop => return Ok((Err(apply::Error::Stopped { is_undone: true }), None, None)),
        };
        let noting = Noting::new(&host, &pulled);
        let outcome = apply::converge(&noting, &desired, *emptying, &audit, stop).await;
        let unnoted = noting.failure();
        let is_found = desired.containers.values().any(|wanted| !wanted.spec.hosts_file.is_empty());
        let names = match is_found {
            // What the engine does not tell now, the next run tells.
            true => host.observe(&desired).await.ok().map(|observed| apply::host_names(&desired, &observed)),
            false => Some(BTreeMap::new()),
        };
        Ok((outcome, names, unnoted))
    }));
    reporter.end();
    let ((outcome, names, unnoted), stopped) = outcome?;
    if let Some(names) = names
        && hosts_file.update(&desired.project, &names)?
    {
        ui::notes(&[format!("`{}` says where its containers are", hosts_file.path().display())], &settings.ui);
    }
    let recorded = recorded_outcome(&outcome);
    let (said, why) = (recorded.map_or("undone".to_owned(), |outcome| outcome.to_string()), outcome.as_ref().err());
    let mut warnings = audit.ended(&said, why.map(ToString::to_string).as_deref(), notify, settings);
    warnings.extend(
        unnoted.map(|error| format!("images stay on the host, as it can't be noted that they are ours: {error}")),
    );
    ui::warn(&warnings.into_iter().map(Diagnostic::warning).collect::<Vec<_>>(), &settings.ui);
    if let Some(recorded) = recorded {
        history.record(manifest, now(), recorded).context("what was done on the host can't be remembered")?;
    }
    let steps = match (outcome, stopped) {
        (Err(apply::Error::Stopped { .. }), Some(why)) => return Err(why),
        (Err(apply::Error::Step(failure)), _)
            if !failure.is_undone() && undo::current(&history.entries()?).is_none() =>
        {
            return Err(FirstFailure(failure).into());
        }
        (outcome, _) => outcome?,
    };
    let has_changed = steps.iter().any(|step| step.action.is_change());
    if has_changed && let Err(error) = keep.remove_needless(state, &history, manifest, *host, settings) {
        let warning = format!("images that nothing needs any more stay on the host: {error:#}");
        ui::warn(&[Diagnostic::warning(warning)], &settings.ui);
    }
    let done = match steps.iter().filter(|step| step.action.is_change()).count() {
        0 => "nothing to do".to_owned(),
        n => format!("done in {}", ui::words::changes(n)),
    };
    let summary = format!("{done}: the host runs serial {} of `{}`\n", desired.serial, desired.project);
    if *tells_of_nothing || has_changed {
        print_steps(&desired, &steps, *format, &summary)?;
    }
    Ok(Exit::Done)
}

fn print_steps(desired: &Desired, steps: &[Step], format: Format, text: &str) -> anyhow::Result<()> {
    let answer = match format {
        Format::Text => text.to_owned(),
        Format::Json => apply_report::steps_json(&desired.project, desired.serial, steps),
    };
    Ok(ui::print(answer.as_bytes())?)
}

/// What the history is told; nothing where nothing was touched.
fn recorded_outcome(outcome: &Result<Vec<Step>, apply::Error>) -> Option<Outcome> {
    match outcome {
        Ok(_) => Some(Outcome::Done),
        Err(apply::Error::Refused(_) | apply::Error::Observe(_) | apply::Error::Stopped { is_undone: true }) => None,
        Err(apply::Error::Step(failure)) => match (exit_of(&failure.error), failure.is_undone()) {
            (Exit::Unreachable, true) => None,
            (Exit::Unreachable, false) => Some(Outcome::Cut),
            (_, true) => Some(Outcome::Restored),
            (_, false) => Some(Outcome::Failed),
        },
        Err(apply::Error::NotConverged(_) | apply::Error::Stopped { is_undone: false }) => Some(Outcome::Cut),
    }
}

/// Refuses to go on where another run changed the history after it was chosen from.
pub(super) fn refuse_other(now: &[Entry], then: &[Entry]) -> anyhow::Result<()> {
    if now == then { Ok(()) } else { Err(Refusal::usage("another run has just changed the host").into()) }
}

/// Refuses a manifest that is older than what the host runs.
pub(super) fn refuse_older(manifest: &Manifest, entries: &[Entry]) -> anyhow::Result<()> {
    match undo::current(entries) {
        Some(current) if manifest.serial < current.serial => {
            let message =
                format!("the host runs serial {}, and this manifest is serial {}", current.serial, manifest.serial);
            let hint = format!("`windlass rollback --to {}` goes back, `--allow-older` applies it", manifest.serial);
            Err(Refusal::usage_with_hint(message, hint).into())
        }
        _ => Ok(()),
    }
}

#[expect(clippy::disallowed_methods, reason = "this is where the clock enters")]
pub(super) fn now() -> Timestamp {
    Timestamp::now()
}

/// A step failed, and nothing that was ever done is known to go back to.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct FirstFailure(Box<StepFailure>);

/// The exit code of an error of `apply`, and how to mend it, where it is one.
pub(super) fn meaning(error: &(dyn std::error::Error + 'static)) -> Option<(Exit, Option<String>)> {
    if let Some(lock) = error.downcast_ref::<LockError>() {
        return Some(match lock {
            LockError::Held { .. } => (Exit::Locked, Some("wait for it, and try again".to_owned())),
            LockError::File { .. } => (Exit::Failed, Some("choose another folder with `--state-dir`".to_owned())),
        });
    }
    if let Some(FirstFailure(failure)) = error.downcast_ref() {
        return Some((exit_of(&failure.error), Some(of_first(&failure.error))));
    }
    Some(match error.downcast_ref::<apply::Error>()? {
        apply::Error::Refused(refusal) => of_refusal(refusal),
        apply::Error::Observe(error) => (exit_of(error), None),
        // Whether what served before serves again is no news where the new one was never seen: trying again may help.
        apply::Error::Step(failure) if failure.is_undone() => match exit_of(&failure.error) {
            Exit::Unreachable => (Exit::Unreachable, None),
            _ => (Exit::Restored, None),
        },
        apply::Error::Step(failure) => {
            let hint = "`windlass rollback` takes back what was changed, `windlass apply` goes on from it";
            (exit_of(&failure.error), (!failure.others.is_empty()).then(|| hint.to_owned()))
        }
        apply::Error::Stopped { .. } => (Exit::Interrupted, None),
        apply::Error::NotConverged(_) => (Exit::Failed, Some("somebody else may work on the host".to_owned())),
    })
}

fn of_first(error: &HostError) -> String {
    let again = "apply again: there is nothing yet to go back to";
    match error {
        HostError::NotReady { name, .. } => {
            format!("`docker logs {name}` shows all that it wrote; mend what is wrong, and {again}")
        }
        HostError::Refused(_) => format!("mend what is wrong, and {again}"),
        HostError::Unreachable(_) | HostError::Gone(_) | HostError::Halted { .. } | HostError::TimedOut { .. } => {
            again.to_owned()
        }
    }
}

fn of_refusal(refusal: &apply::Refusal) -> (Exit, Option<String>) {
    match refusal {
        apply::Refusal::Cycle(_) => (Exit::Usage, Some("take one of the links or dependencies away".to_owned())),
        apply::Refusal::NoImage { .. } => (Exit::Failed, Some("push it with `windlass build --push`".to_owned())),
        apply::Refusal::NoNetwork { .. } => (Exit::Failed, Some("make it, or take `external` away".to_owned())),
        apply::Refusal::SubnetTaken { is_ours: true, .. } => {
            let hint = "a network can't be changed while containers are on it: choose another subnet, or first apply a \
                        manifest in which nobody is on it";
            (Exit::Failed, Some(hint.to_owned()))
        }
        apply::Refusal::SubnetTaken { is_ours: false, .. } => (Exit::Failed, Some("choose another subnet".to_owned())),
        apply::Refusal::PortTaken { .. } => (Exit::Failed, Some("stop it, or choose another port".to_owned())),
        apply::Refusal::NameTaken { .. } => (Exit::Failed, Some("remove or rename it".to_owned())),
        apply::Refusal::NoRoom { .. } => {
            (Exit::Failed, Some("remove what nobody needs: `docker system df`".to_owned()))
        }
        apply::Refusal::RemovesAll { .. } => (Exit::Usage, Some("`--allow-empty` removes them all".to_owned())),
    }
}

fn exit_of(error: &HostError) -> Exit {
    match error {
        HostError::Unreachable(_) | HostError::Gone(_) | HostError::Halted { .. } | HostError::TimedOut { .. } => {
            Exit::Unreachable
        }
        HostError::Refused(_) | HostError::NotReady { .. } => Exit::Failed,
    }
}
