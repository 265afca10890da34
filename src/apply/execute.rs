//! Does the steps one after another. Decides nothing: what is done after a failure stands in the step.

use std::collections::BTreeSet;
use std::fmt;

use futures_util::future::try_join_all;

use super::desired::Desired;
use super::diff::{Emptying, Refusal, diff};
use super::host::{Host, HostError};
use super::step::{Action, Step};
use crate::event::{Event, Sink};
use crate::model::ContainerName;

/// Why a host does not run what is wanted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't, or should not; nothing was touched.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The host could not be looked at; nothing was touched.
    #[error("the host can't be looked at")]
    Observe(#[source] HostError),
    /// A step failed.
    #[error(transparent)]
    Step(Box<StepFailure>),
    /// All steps were done, and the host is still not as wanted.
    #[error("all was done, and the host is still not as wanted: {0}")]
    NotConverged(String),
}

/// A step that failed, and what became of it.
#[derive(Debug, thiserror::Error)]
pub struct StepFailure {
    /// The container that it was about.
    pub container: Option<ContainerName>,
    /// What was done.
    pub action: String,
    /// What went wrong.
    #[source]
    pub error: HostError,
    /// What became of what served before.
    pub former: Former,
    /// The other containers that were changed before, and stay so.
    pub others: BTreeSet<ContainerName>,
}

impl StepFailure {
    /// Whether the host is as it was before the first step.
    pub fn is_undone(&self) -> bool {
        self.former == Former::Restored && self.others.is_empty()
    }
}

impl fmt::Display for StepFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, &self.container) {
            (HostError::NotReady { .. }, Some(container)) => write!(f, "`{container}` is not good")?,
            (_, Some(container)) => write!(f, "`{container}`: could not {}", self.action)?,
            (_, None) => write!(f, "could not {}", self.action)?,
        }
        match &self.former {
            Former::None => {}
            Former::Restored => f.write_str("; what served before serves again")?,
            Former::Lost(error) => write!(f, "; what served before could not be brought back: {error}")?,
        }
        if self.others.is_empty() {
            return Ok(());
        }
        let others: Vec<String> = self.others.iter().map(|name| format!("`{name}`")).collect();
        write!(f, "; changed already, and left so: {}", others.join(", "))
    }
}

/// What became of what served before a step failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Former {
    /// Nothing served, or nothing shall be undone.
    None,
    /// It serves again.
    Restored,
    /// It could not be brought back.
    Lost(HostError),
}

/// Brings a host to what is wanted, and tells the steps that it took.
///
/// # Errors
/// When nothing may be done, or something failed on the way; the next run goes on from there.
pub async fn converge<H: Host>(
    host: &H,
    desired: &Desired,
    emptying: Emptying,
    events: &dyn Sink,
) -> Result<Vec<Step>, Error> {
    let observed = host.observe(desired).await.map_err(Error::Observe)?;
    let steps = diff(desired, &observed, emptying)?;
    execute(host, &steps, events).await.map_err(|failure| Error::Step(Box::new(failure)))?;
    if steps.iter().any(|step| step.action.is_change()) {
        let observed = host.observe(desired).await.map_err(Error::Observe)?;
        let left = diff(desired, &observed, emptying)?;
        if let Some(step) = left.iter().find(|step| step.action.is_change()) {
            return Err(Error::NotConverged(format!("{}, because {}", step.action, step.cause)));
        }
    }
    Ok(steps)
}

/// Does the steps in their order and stops at the first that fails, after undoing what it says. Waits that follow one
/// another are waited for together.
///
/// # Errors
/// The step that failed.
pub async fn execute<H: Host>(host: &H, steps: &[Step], events: &dyn Sink) -> Result<(), StepFailure> {
    let mut changed = BTreeSet::new();
    let both_wait = |a: &Step, b: &Step| !a.action.is_change() && !b.action.is_change();
    for group in steps.chunk_by(both_wait) {
        let each = group.iter().map(|step| async move {
            tell(events, step);
            host.perform(&step.action).await.map_err(|error| (step, error))
        });
        if let Err((step, error)) = try_join_all(each).await {
            let former = undo(host, &step.undo, events).await;
            let (container, action) = (step.container.clone(), step.action.to_string());
            let others = changed.into_iter().filter(|name| Some(name) != container.as_ref()).collect();
            return Err(StepFailure { container, action, error, former, others });
        }
        let changes = group.iter().filter(|step| step.action.is_change());
        changed.extend(changes.filter_map(|step| step.container.clone()));
    }
    Ok(())
}

fn tell(events: &dyn Sink, step: &Step) {
    let Step { container, action, cause, undo: _ } = step;
    events.send(match container {
        Some(container) => {
            Event::Applying { container: container.clone(), action: action.to_string(), cause: cause.to_string() }
        }
        None => Event::Note(format!("{action}: {cause}")),
    });
}

/// Does every action, even when one fails: each of them may be what brings the service back.
async fn undo<H: Host>(host: &H, actions: &[Action], events: &dyn Sink) -> Former {
    if actions.is_empty() {
        return Former::None;
    }
    events.send(Event::Note("going back to what served before".to_owned()));
    let mut lost = None;
    for action in actions {
        if let Err(error) = host.perform(action).await {
            events.send(Event::Warning(format!("{action} failed: {error}")));
            lost = lost.or(Some(error));
        }
    }
    lost.map_or(Former::Restored, Former::Lost)
}
