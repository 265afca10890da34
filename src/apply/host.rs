//! What `apply` needs of a host: to look at it, and to do one thing to it.

use std::future::Future;
use std::time::Duration;

use super::desired::Desired;
use super::state::{HostState, RunState};
use super::step::Action;

/// Why a host did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The engine understood and says no.
    #[error("{0}")]
    Refused(String),
    /// A container was started and is not good.
    #[error("`{name}` {why}{}", log_below(log))]
    NotReady {
        /// The container.
        name: String,
        /// What it is instead: `ended with exit code 1`.
        why: String,
        /// The last lines that it wrote.
        log: Vec<String>,
    },
    /// Nobody answers, or what is answered makes no sense: trying again may help.
    #[error("{0}")]
    Unreachable(String),
    /// Somebody removed what was worked with, which says nothing of what is wanted: it helps to look again.
    #[error("{0}; somebody removed it meanwhile")]
    Gone(String),
    /// Somebody stopped or froze a container that was waited for, which says as little.
    #[error("somebody {} `{name}` meanwhile", deed(*run))]
    Halted {
        /// The container.
        name: String,
        /// What it does since.
        run: RunState,
    },
    /// No answer came in time.
    #[error("{what} took longer than {}s", limit.as_secs_f32())]
    TimedOut {
        /// What was being done.
        what: String,
        /// How long it may take.
        limit: Duration,
    },
}

fn deed(run: RunState) -> &'static str {
    match run {
        RunState::Paused => "froze",
        RunState::Dead => "removed",
        RunState::Created | RunState::Running | RunState::Restarting | RunState::Exited(_) => "stopped",
    }
}

fn log_below(log: &[String]) -> String {
    let lines: Vec<String> = log.iter().map(|line| format!("\n    {line}")).collect();
    if lines.is_empty() { String::new() } else { format!("; it wrote last:{}", lines.concat()) }
}

/// A host with an engine. Every future may be dropped at any time; what it did by then is found by the next
/// observation.
pub trait Host: Send + Sync {
    /// Looks at everything on the host that matters to what is desired.
    fn observe(&self, desired: &Desired) -> impl Future<Output = Result<HostState, HostError>> + Send;

    /// Does one thing. Stopping what does not run and removing what is not there is done already.
    fn perform(&self, action: &Action) -> impl Future<Output = Result<(), HostError>> + Send;
}
