//! Waits until a container is good, or is known not to become so.

use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use jiff::Timestamp;
use tokio::time::Instant;

use super::checks::Checks;
use super::observe::{health, run_state, started_at};
use super::probe;
use crate::apply::host::HostError;
use crate::apply::state::{Health, RunState};
use crate::apply::step::{Goal, Wait};
use crate::docker::{self, containers, events};

/// How long is waited between two looks, at first and at most. Arbitrary: a look takes the engine some milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How much of the log of a container that failed is shown.
const LOG_LINES: usize = 20;

/// What one look at a container shows.
enum Look {
    /// It is on its way.
    NotYet(String),
    /// It is good, if it stays so.
    Good,
    /// It is good for ever.
    Done,
    /// It is not good and will not become so.
    Bad(String),
}

/// Waits for a container. Where the engine at `here` leaves health checks to others, they are run.
pub(super) async fn wait(docker: &Docker, here: Option<&str>, wait: &Wait) -> Result<(), HostError> {
    let Wait { name, goal, probe, timeout } = wait;
    let started = Instant::now();
    let mut restarts_before = None;
    let mut since = None;
    let mut good_since = None;
    let mut pause = FIRST_PAUSE;
    let mut checks = Checks::new(here);
    loop {
        let found = containers::inspect(docker, name).await?;
        let found = found.ok_or_else(|| HostError::Gone(format!("there is no container `{name}`")))?;
        let restarts = found.restart_count.unwrap_or(0);
        let before = *restarts_before.get_or_insert(restarts);
        let since = *since.get_or_insert_with(|| started_at(&found));
        let mut look = look(&found, *goal, restarts > before);
        if let (Look::Good, Some(probe)) = (&look, probe)
            && let Err(why) = probe::succeeds(docker, name, &found, probe).await?
        {
            look = Look::NotYet(why);
        }
        if run_state(&found) == RunState::Running && health(&found) == Health::Starting {
            checks.run(docker, name, &found).await;
        }
        let why = match (look, goal) {
            (Look::Done, _) | (Look::Good, Goal::Completed) => return Ok(()),
            (Look::Good, Goal::Ready { healthy_for, .. }) => {
                if good_since.get_or_insert_with(Instant::now).elapsed() >= *healthy_for {
                    return Ok(());
                }
                "has not run for long enough".to_owned()
            }
            (Look::NotYet(why), _) => {
                good_since = None;
                why
            }
            (Look::Bad(why), _) => {
                if let Some(run) = halted(docker, &found, since).await? {
                    return Err(HostError::Halted { name: name.clone(), run });
                }
                return Err(not_ready(docker, name, &found, why).await);
            }
        };
        if started.elapsed() >= *timeout {
            let why = format!("{why} within {}s", timeout.as_secs_f32());
            return Err(not_ready(docker, name, &found, why).await);
        }
        tokio::time::sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

fn look(found: &ContainerInspectResponse, goal: Goal, was_restarted: bool) -> Look {
    let run = run_state(found);
    let exit_code = found.state.as_ref().and_then(|state| state.exit_code).unwrap_or(-1);
    match (run, goal) {
        (RunState::Exited(0), Goal::Completed | Goal::Ready { may_end: true, .. }) => Look::Done,
        (RunState::Running | RunState::Restarting, Goal::Completed) => Look::NotYet("has not completed".to_owned()),
        (RunState::Running, Goal::Ready { .. }) if was_restarted => Look::Bad("ends and is started again".to_owned()),
        (RunState::Running, Goal::Ready { .. }) => match health(found) {
            Health::Unchecked | Health::Healthy => Look::Good,
            Health::Starting => Look::NotYet("was not healthy".to_owned()),
            Health::Unhealthy => Look::Bad(unhealthy(found)),
        },
        (RunState::Restarting | RunState::Exited(_), _) => {
            let error = found.state.as_ref().and_then(|state| state.error.as_deref()).filter(|error| !error.is_empty());
            let error = error.map_or_else(String::new, |error| format!(": {error}"));
            Look::Bad(format!("ended with exit code {exit_code}{error}"))
        }
        (RunState::Created | RunState::Paused | RunState::Dead, _) => Look::Bad(format!("is {run}")),
    }
}

/// What a container does that somebody stopped, froze or is removing since it was started; nothing where it is not good by itself.
async fn halted(
    docker: &Docker,
    found: &ContainerInspectResponse,
    since: Option<Timestamp>,
) -> Result<Option<RunState>, HostError> {
    let run = run_state(found);
    let (Some(id), Some(since)) = (&found.id, since) else { return Ok(None) };
    let stop_signal = found.config.as_ref().and_then(|config| config.stop_signal.as_deref());
    let is_halted = match run {
        RunState::Paused | RunState::Dead => true,
        RunState::Exited(_) => events::was_stopped(docker, id, since, stop_signal).await?,
        RunState::Created | RunState::Running | RunState::Restarting => false,
    };
    Ok(is_halted.then_some(run))
}

/// That a container is unhealthy, and what its check said last.
fn unhealthy(found: &ContainerInspectResponse) -> String {
    let health = found.state.as_ref().and_then(|state| state.health.as_ref());
    let last = health.and_then(|health| health.log.as_ref()?.last()?.output.as_deref());
    match last.and_then(|output| output.trim().lines().last()) {
        Some(line) if !line.is_empty() => format!("is unhealthy: {line}"),
        _ => "is unhealthy".to_owned(),
    }
}

async fn not_ready(docker: &Docker, name: &str, found: &ContainerInspectResponse, why: String) -> HostError {
    let why = why + &for_another_machine(docker, found).await.unwrap_or_default();
    // The log is a help, not the matter: where it can't be read, its place says why.
    let log = containers::last_lines(docker, name, LOG_LINES).await;
    let log = log.unwrap_or_else(|failure| vec![format!("(its log can't be read: {failure})")]);
    HostError::NotReady { name: name.to_owned(), why, log }
}

/// That the image is for another architecture than the engine's, which may be why; nothing where it is not, or can't be known.
async fn for_another_machine(docker: &Docker, found: &ContainerInspectResponse) -> Option<String> {
    let asked = async {
        let image = docker::find(docker, found.image.as_deref()?).await.ok()??;
        let (is_for, engine) = (image.architecture?, docker.version().await.ok()?.arch?);
        (is_for != engine).then(|| format!(" (its image is for {is_for}, and the engine's machine is {engine})"))
    };
    tokio::time::timeout(docker.timeout(), asked).await.ok()?
}
