//! Does the steps one after another. Decides nothing: what is done after a failure stands in the step.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};

use futures_util::FutureExt as _;
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
    /// Somebody wanted it to stop, and it did.
    #[error("stopped before the end")]
    Stopped {
        /// Whether the host is as it was before the first step.
        is_undone: bool,
    },
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

/// Brings a host to what is wanted, and tells the steps that it took. Once `stop` is there, no further step is begun.
///
/// # Errors
/// When nothing may be done, something failed on the way, or it was stopped; the next run goes on from there.
pub async fn converge<H: Host>(
    host: &H,
    desired: &Desired,
    emptying: Emptying,
    events: &dyn Sink,
    stop: impl Future<Output = ()>,
) -> Result<Vec<Step>, Error> {
    let mut stop = pin!(stop);
    // Who only looks may be left at any time.
    let observed = tokio::select! {
        observed = host.observe(desired) => observed.map_err(Error::Observe)?,
        () = &mut stop => return Err(Error::Stopped { is_undone: true }),
    };
    let steps = diff(desired, &observed, emptying)?;
    execute(host, &steps, events, stop).await?;
    if steps.iter().any(|step| step.action.is_change()) {
        let observed = host.observe(desired).await.map_err(Error::Observe)?;
        let left = diff(desired, &observed, emptying)?;
        if let Some(step) = left.iter().find(|step| step.action.is_change()) {
            return Err(Error::NotConverged(format!("{}, because {}", step.action, step.cause)));
        }
    }
    Ok(steps)
}

/// Does the steps in their order and stops at the first that fails, after undoing what it says; so too where it is asked
/// to stop. Waits that follow one another are waited for together.
///
/// # Errors
/// The step that failed, or that it was stopped.
pub async fn execute<H: Host>(
    host: &H,
    steps: &[Step],
    events: &dyn Sink,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), Error> {
    let mut changed = BTreeSet::new();
    let mut is_stopped = false;
    let mut before: Option<&Step> = None;
    let both_wait = |a: &Step, b: &Step| !a.action.is_change() && !b.action.is_change();
    for group in steps.chunk_by(both_wait) {
        is_stopped = is_stopped || (&mut stop).now_or_never().is_some();
        if is_stopped {
            let is_underway = before.is_some_and(|before| before.container == group[0].container);
            return Err(stopped(host, group.iter().filter(|_| is_underway), &changed, events).await);
        }
        let mut each = pin!(try_join_all(group.iter().map(|step| async move {
            tell(events, step);
            host.perform(&step.action).await.map_err(|error| (step, error))
        })));
        let outcome = tokio::select! {
            biased;
            outcome = &mut each => outcome,
            () = &mut stop => {
                if group.iter().all(|step| step.action.may_be_left()) {
                    return Err(stopped(host, group.iter(), &changed, events).await);
                }
                // The engine would go on with a call that is left, beside what undoes it.
                is_stopped = true;
                each.await
            }
        };
        if let Err((step, error)) = outcome {
            let former = undo(host, &step.undo, events).await;
            let (container, action) = (step.container.clone(), step.action.to_string());
            let others = changed.into_iter().filter(|name| Some(name) != container.as_ref()).collect();
            return Err(Error::Step(Box::new(StepFailure { container, action, error, former, others })));
        }
        let changes = group.iter().filter(|step| !step.action.may_be_left());
        changed.extend(changes.filter_map(|step| step.container.clone()));
        before = group.last();
    }
    Ok(())
}

/// Undoes what was underway when it was asked to stop.
async fn stopped<'a, H: Host>(
    host: &H,
    mut underway: impl Iterator<Item = &'a Step>,
    changed: &BTreeSet<ContainerName>,
    events: &dyn Sink,
) -> Error {
    let Some(step) = underway.find(|step| !step.undo.is_empty()) else {
        return Error::Stopped { is_undone: changed.is_empty() };
    };
    let former = undo(host, &step.undo, events).await;
    let is_alone = changed.iter().all(|name| Some(name) == step.container.as_ref());
    Error::Stopped { is_undone: former == Former::Restored && is_alone }
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
