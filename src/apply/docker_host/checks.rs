//! Runs health checks that nobody else runs.

use std::time::Duration;

use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use tokio::time::Instant;

use crate::docker::{self, Failure};

/// How often engines run a check where nothing is said.
const USUAL_INTERVAL: Duration = Duration::from_secs(30);

/// The checks of one container while it is waited for.
pub(super) struct Checks<'a> {
    /// The engine's address; nothing where it runs checks itself, or is elsewhere.
    host: Option<&'a str>,
    /// What the engine tells of them: when the last one ended.
    last: Option<String>,
    since: Instant,
}

impl<'a> Checks<'a> {
    pub(super) fn new(host: Option<&'a str>) -> Self {
        Self { host, last: None, since: Instant::now() }
    }

    /// Has one run where it is overdue by half of the time that is between two.
    pub(super) async fn run(&mut self, docker: &Docker, name: &str, found: &ContainerInspectResponse) {
        let Some(host) = self.host else { return };
        let log = found.state.as_ref().and_then(|state| state.health.as_ref()?.log.as_ref()?.last()?.end.clone());
        if log != self.last {
            (self.last, self.since) = (log, Instant::now());
        }
        let interval = found.config.as_ref().and_then(|config| config.healthcheck.as_ref()?.interval);
        let interval =
            interval.and_then(|nanoseconds| u64::try_from(nanoseconds).ok()).filter(|nanoseconds| *nanoseconds > 0);
        let interval = interval.map_or(USUAL_INTERVAL, Duration::from_nanos);
        if self.since.elapsed() < interval.mul_f64(1.5) {
            return;
        }
        self.since = Instant::now();
        match tokio::time::timeout(docker.timeout(), docker::run_health_check(host, name)).await {
            Ok(Ok(())) => {}
            // Docker runs them all.
            Ok(Err(Failure::Refused(_))) => self.host = None,
            // The next look tells what is wrong.
            Ok(Err(Failure::Unreachable(_))) | Err(_) => {}
        }
    }
}
