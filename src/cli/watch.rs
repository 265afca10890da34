//! `windlass apply --watch`: brings the host to what the manifest says again and again.

use std::time::Duration;

use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};

use super::deploy::{HostArgs, now};
use super::{Exit, Refusal, Settings, block_on, connect, tell};
use crate::model::{ProjectName, parse_duration};

/// How long it goes on.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct WatchArgs {
    /// Go on: apply again after `--interval`, and at once when a container of the project ends, is removed or loses its
    /// network. SIGHUP makes it look at once, SIGTERM and Ctrl-C end it.
    #[arg(long, conflicts_with_all = ["dry_run", "allow_older"])]
    pub(super) watch: bool,
    /// How long is waited from one look to the next, up to a tenth more or less [default: 60s].
    #[arg(long, value_name = "TIME", env = "WINDLASS_INTERVAL", value_parser = parse_duration)]
    interval: Option<Duration>,
}

/// How long is waited from one look to the next where nothing is said.
const INTERVAL: Duration = Duration::from_secs(60);

/// What is waited for after something happened, so that what happens together is one thing. Arbitrary.
const TOGETHER: Duration = Duration::from_millis(200);

/// How long is waited at most after something went wrong. Arbitrary; what is known to be bad is not tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Does it again and again until somebody wants it to stop; every `interval` where the command line says nothing. What goes wrong is told once, until something else does.
pub(super) fn run(
    args: &WatchArgs,
    interval: Option<Duration>,
    host: HostArgs,
    settings: &Settings,
    once: impl Fn() -> (Option<ProjectName>, anyhow::Result<Exit>) + Clone + Send + 'static,
) -> anyhow::Result<Exit> {
    block_on(async {
        // They are heard from here on, whatever is done meanwhile.
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut told = String::new();
        loop {
            let since = now();
            // It has a runtime of its own, and talks to the disk.
            let (project, outcome) = tokio::task::spawn_blocking(once.clone()).await?;
            let went_well = outcome.is_ok();
            match outcome {
                Ok(_) => told.clear(),
                Err(error) if matches!(error.downcast_ref(), Some(Refusal::Interrupted)) => {}
                Err(error) => {
                    let text = format!("{error:#}");
                    if text != told {
                        tell(&error, &settings.ui);
                    }
                    told = text;
                }
            }
            // What is wrong already would wake it without end; what was in the way may be gone soon.
            let project = project.filter(|_| went_well);
            let interval = args.interval.or(interval).unwrap_or(INTERVAL);
            let interval = if went_well { interval } else { interval.min(AGAIN) };
            // Each arm only waits.
            tokio::select! {
                biased;
                _ = terminate.recv() => return Ok(Exit::Done),
                _ = interrupt.recv() => return Ok(Exit::Done),
                _ = hangup.recv() => {}
                () = loss(project, since, host, settings) => tokio::time::sleep(TOGETHER).await,
                () = tokio::time::sleep(jittered(interval, now())) => {}
            }
        }
    })
}

/// Waits until something happens to the project; for ever where that can't be known.
async fn loss(project: Option<ProjectName>, since: Timestamp, host: HostArgs, settings: &Settings) {
    let heard = async {
        let host = connect::host(settings, host.engine_timeout).await?;
        match &project {
            Some(project) => Ok(host.loss(project, since).await?),
            None => std::future::pending::<anyhow::Result<()>>().await,
        }
    };
    // An engine that can't be asked is seen to be away by the next look.
    if heard.await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A time, up to a tenth more or less by the clock, so that many hosts don't ask at once.
fn jittered(time: Duration, now: Timestamp) -> Duration {
    let share = f64::from(now.subsec_nanosecond() % 1_000_000) / 1_000_000.0;
    time.mul_f64(0.9 + share * 0.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_a_tenth_more_or_less() {
        let minute = Duration::from_secs(60);
        let times = [0, 1, 499_999, 500_000, 999_999, 999_999_999]
            .map(|nanosecond| jittered(minute, Timestamp::new(1, nanosecond).unwrap()).as_secs_f64());
        assert!(times.iter().all(|time| (54.0..=66.0).contains(time)), "{times:?}");
        assert!(times[0] < times[2] && times[2] < times[4], "{times:?}");
    }
}
