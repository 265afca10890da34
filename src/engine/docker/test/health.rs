//! The image's own HEALTHCHECK: the image is started as it is and must become healthy in time.

use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerState, HealthConfig, HealthStatusEnum};
use bollard::query_parameters::{InspectContainerOptions, LogsOptionsBuilder};
use tokio::time::Instant;

use super::{Findings, Tests, Trouble};
use crate::docker::Failure;
use crate::docker::commands::{self, Output};
use crate::engine::test::health::{self, CHECK_WITHIN, CHECKED_EVERY_AT_LEAST, nanoseconds};
use crate::engine::test::report;

/// How often the engine is asked. Arbitrary: no check runs much more often.
const ASKED_EVERY: Duration = Duration::from_millis(100);

/// Why a container is not healthy.
enum Unhealthy {
    /// It ended, with this exit code.
    Ended(i64),
    /// What its last check said.
    Not(String),
}

impl Tests<'_> {
    pub(super) async fn health(&mut self, within: Duration, findings: &mut Findings) -> Result<(), Trouble> {
        let limit = self.limit(Some(within))?;
        let container = self.create(self.container(&self.image.id.to_string())).await?;
        // Podman tells nothing of an image's check, only of a container's.
        let check = self.inspect(&container).await?.config.and_then(|config| config.healthcheck).unwrap_or_default();
        if !health::is_there(check.test.as_deref().unwrap_or_default()) {
            return Err(Trouble::Test("the image has no HEALTHCHECK".to_owned()));
        }
        findings.container = Some(container.clone());
        if let Some(why) = commands::start(self.docker, &container).await? {
            return Err(Trouble::Test(format!("it can't be started: {}", report::one_line(&why))));
        }
        let deadline = Instant::now() + limit.time;
        let failure = if commands::is_podman(self.docker).await? {
            // Without systemd nobody there runs the check, and the state stays `starting` for ever.
            self.check_until_healthy(&container, deadline, &check).await?
        } else {
            self.ask_until_healthy(&container, deadline).await?
        };
        commands::kill(self.docker, &container).await?;
        if let Some(failure) = failure {
            findings.failures.push(match failure {
                Unhealthy::Ended(code) => format!("it exited with {code} before it was healthy"),
                Unhealthy::Not(why) => format!("it took longer than {} to become healthy: {why}", limit.words),
            });
            let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail("1000").build();
            findings.output.take_all(Box::pin(self.docker.logs(&container, Some(options)))).await?;
        }
        Ok(())
    }

    /// Waits for the engine to call a container healthy. Tells why it does not.
    async fn ask_until_healthy(&self, container: &str, deadline: Instant) -> Result<Option<Unhealthy>, Failure> {
        loop {
            let state = self.state(container).await?;
            if let Some(code) = ended(&state) {
                return Ok(Some(Unhealthy::Ended(code)));
            }
            let health = state.health.unwrap_or_default();
            if health.status == Some(HealthStatusEnum::HEALTHY) {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                let last = health.log.unwrap_or_default().pop();
                let last = last.map(|check| (check.exit_code, check.output.unwrap_or_default()));
                return Ok(Some(Unhealthy::Not(last_check(last))));
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + ASKED_EVERY)).await;
        }
    }

    /// Runs a container's check until it succeeds. Tells why it does not.
    async fn check_until_healthy(
        &self,
        container: &str,
        deadline: Instant,
        check: &HealthConfig,
    ) -> Result<Option<Unhealthy>, Failure> {
        let command = health::command(check.test.as_deref().unwrap_or_default(), self.config.shell.as_deref());
        let timeout = check.timeout.and_then(nanoseconds).unwrap_or(CHECK_WITHIN);
        let interval = check.interval.and_then(nanoseconds).unwrap_or(CHECKED_EVERY_AT_LEAST);
        let interval = interval.clamp(ASKED_EVERY, CHECKED_EVERY_AT_LEAST);
        let mut last = None;
        loop {
            let mut output = Output::default();
            let limit = timeout.min(deadline.saturating_duration_since(Instant::now()));
            let checked = commands::exec(self.docker, container, &command, limit, &mut output).await;
            // A container that ended takes no command, and that is why.
            if let Some(code) = ended(&self.state(container).await?) {
                return Ok(Some(Unhealthy::Ended(code)));
            }
            match checked? {
                Some(0) => return Ok(None),
                Some(code) => last = Some((Some(code), output.stdout.text() + &output.stderr.text())),
                None => {}
            }
            if Instant::now() >= deadline {
                return Ok(Some(Unhealthy::Not(last_check(last))));
            }
            tokio::time::sleep_until(deadline.min(Instant::now() + interval)).await;
        }
    }

    async fn state(&self, container: &str) -> Result<ContainerState, Failure> {
        Ok(self.inspect(container).await?.state.unwrap_or_default())
    }

    async fn inspect(&self, container: &str) -> Result<ContainerInspectResponse, Failure> {
        Ok(self.docker.inspect_container(container, None::<InspectContainerOptions>).await?)
    }
}

/// The exit code of a container that runs no longer.
fn ended(state: &ContainerState) -> Option<i64> {
    (state.running == Some(false)).then_some(state.exit_code.unwrap_or_default())
}

fn last_check(last: Option<(Option<i64>, String)>) -> String {
    let Some((code, said)) = last else { return "its first check did not end".to_owned() };
    let how = code.map_or("did not end".to_owned(), |code| format!("exited with {code}"));
    health::last_check(&how, &said)
}
