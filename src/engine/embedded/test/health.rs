//! The image's own HEALTHCHECK: the image is started as it is, on a network of its own, and its check must succeed in
//! time. The check is among the processes of what runs, with its files and its network.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::{Findings, Tests, Trouble, now, take_into};
use crate::docker::commands::Output;
use crate::engine::embedded::build::Fault;
use crate::engine::embedded::images::Healthcheck;
use crate::engine::embedded::sandbox::{Beside, Command, Ended, Limits, Network, Workspace, with_own_network};
use crate::engine::test::health::{self, CHECK_WITHIN, CHECKED_EVERY_AT_LEAST, nanoseconds};
use crate::engine::test::report;

/// How often it is looked whether the container ended. Arbitrary.
const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// What checks came to.
enum Checked {
    Healthy,
    /// What runs ended by itself.
    Ended,
    /// Time is up; what the last check said.
    Late(String),
    /// Nobody waits any more.
    Stopped,
}

impl Tests<'_> {
    pub(super) fn health(&self, within: Duration, findings: &mut Findings) -> Result<(), Trouble> {
        let limit = self.limit(Some(within))?;
        let none = || Trouble::Test("the image has no HEALTHCHECK".to_owned());
        let check = self.config.healthcheck.as_ref().ok_or_else(none)?;
        if !health::is_there(&check.test) {
            return Err(none());
        }
        let words = health::command(&check.test, self.config.shell.as_deref());
        let env = self.environment();
        let main = self.config.entrypoint.iter().chain(&self.config.cmd).flatten().cloned().collect();
        let on_host = |command: Command| Command { network: Network::Host, limits: Limits::default(), ..command };
        let main = on_host(self.in_image(main, &env, None, limit.time)?);
        let probe = on_host(self.in_image(words, &env, None, limit.time)?);
        let scratch = self.tools.store.scratch()?;
        let mut workspace = Workspace::begin(&self.tools.sandbox, scratch.path(), &self.folders)?;
        let output = Mutex::new(Output::default());
        let deadline = now() + limit.time;
        let (ended, checked) = with_own_network(|| {
            workspace.run_beside(&main, &take_into(&output), |beside| self.check(beside, &probe, check, deadline))
        })?;
        let failure = match (checked, ended) {
            (Checked::Healthy, _) => return Ok(()),
            (Checked::Stopped, _) => return Err(Trouble::Fault(Fault::Stopped)),
            (Checked::Late(why), _) => format!("it took longer than {} to become healthy: {why}", limit.words),
            (Checked::Ended, Ended::Exited(code)) => format!("it exited with {code} before it was healthy"),
            (Checked::Ended, Ended::NotStarted(why)) => format!("it can't be started: {}", report::one_line(&why)),
            (Checked::Ended, Ended::Signalled(signal)) => {
                format!("it exited with {} before it was healthy", 128 + signal)
            }
            (Checked::Ended, Ended::TimedOut | Ended::Stopped) => "it ended before it was healthy".to_owned(),
        };
        findings.output = output.into_inner().unwrap_or_default();
        findings.failures.push(failure);
        Ok(())
    }

    fn check(
        &self,
        beside: &Beside<'_>,
        probe: &Command,
        check: &Healthcheck,
        deadline: Instant,
    ) -> anyhow::Result<Checked> {
        let interval = nanoseconds(check.interval).unwrap_or(CHECKED_EVERY_AT_LEAST).min(CHECKED_EVERY_AT_LEAST);
        let within = nanoseconds(check.timeout).unwrap_or(CHECK_WITHIN);
        loop {
            let left = deadline.saturating_duration_since(now());
            let probe =
                Command { limits: Limits { time: Some(within.min(left)), ..Limits::default() }, ..probe.clone() };
            let said = Mutex::new(Output::default());
            let ended = beside.run(probe, &take_into(&said), &self.tools.stop)?;
            let said = said.into_inner().unwrap_or_default();
            // What has ended takes no check, and that is why.
            if beside.has_ended() {
                return Ok(Checked::Ended);
            }
            let how = match ended {
                Ended::Exited(0) => return Ok(Checked::Healthy),
                Ended::Stopped => return Ok(Checked::Stopped),
                Ended::Exited(code) => format!("exited with {code}"),
                Ended::Signalled(signal) => format!("exited with {}", 128 + signal),
                Ended::TimedOut => "did not end".to_owned(),
                Ended::NotStarted(why) => format!("can't be started: {}", report::one_line(&why)),
            };
            let last = health::last_check(&how, &(said.stdout.text() + &said.stderr.text()));
            let next = deadline.min(now() + interval);
            while now() < next {
                if self.tools.stop.is_stopped() {
                    return Ok(Checked::Stopped);
                }
                if beside.has_ended() {
                    return Ok(Checked::Ended);
                }
                std::thread::sleep(LOOKED_EVERY.min(next.saturating_duration_since(now())));
            }
            if now() >= deadline {
                return Ok(Checked::Late(last));
            }
        }
    }
}
