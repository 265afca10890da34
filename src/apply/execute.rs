//! Does the steps. Decides nothing: which may be done at once, and what is done after a failure, stands in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};

use futures_util::future::{AbortHandle, Aborted, FusedFuture as _, abortable, join_all};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};

use super::desired::Desired;
use super::diff::{Emptying, Refusal, diff};
use super::host::{Host, HostError};
use super::progress::Progress;
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

/// How often a host is looked at where somebody else changes it meanwhile. Arbitrary: who goes on for longer is told of.
const PLANS_AT_MOST: usize = 3;

/// Brings a host to what is wanted, and tells the steps that it took. What somebody else did to the host meanwhile is mended.
/// Once `stop` is there, no further step is begun.
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
    let mut stop = pin!(stop.fuse());
    let (mut taken, mut is_all_done) = (Vec::new(), false);
    for n_before in 0.. {
        // Who only looks may be left at any time.
        let observed = tokio::select! {
            observed = host.observe(desired) => observed.map_err(Error::Observe)?,
            () = &mut stop => return Err(Error::Stopped { is_undone: n_before == 0 }),
        };
        let steps = match diff(desired, &observed, emptying) {
            Err(refusal) if n_before > 0 => return Err(Error::NotConverged(refusal.to_string())),
            steps => steps?,
        };
        let change = steps.iter().find(|step| step.action.is_change());
        match change {
            None if is_all_done => break,
            Some(step) if n_before == PLANS_AT_MOST => {
                return Err(Error::NotConverged(format!("{}, because {}", step.action, step.cause)));
            }
            Some(_) | None => {}
        }
        let is_change = change.is_some();
        is_all_done = match execute(host, &steps, events, stop.as_mut()).await {
            Ok(()) => true,
            Err(Error::Step(failure))
                if matches!(failure.error, HostError::Gone(_) | HostError::Halted { .. })
                    && n_before + 1 < PLANS_AT_MOST
                    && !stop.is_terminated() =>
            {
                events.send(Event::Note(format!("{}: the host is looked at again", failure.error)));
                false
            }
            Err(error) => return Err(error),
        };
        taken.extend(steps.into_iter().filter(|_| is_all_done));
        if is_all_done && !is_change {
            break;
        }
    }
    Ok(taken)
}

/// Does the steps, several at once where they don't wait for one another. At the first that fails, or where it is asked to
/// stop, no other container is begun with, and those that are underway go back to what served before.
///
/// # Errors
/// The step that failed first, or that it was stopped.
pub async fn execute<H: Host>(
    host: &H,
    steps: &[Step],
    events: &dyn Sink,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), Error> {
    let mut progress = Progress::new(steps);
    let mut told = InTurn::new(steps, events);
    let mut underway = FuturesUnordered::new();
    let mut handles: BTreeMap<usize, AbortHandle> = BTreeMap::new();
    let mut failure: Option<(&Step, HostError)> = None;
    let mut is_stopped = false;
    loop {
        let is_told = !is_stopped && (&mut stop).now_or_never().is_some();
        if is_told {
            is_stopped = true;
            progress.stop();
        }
        // Others are ended: the engine would go on with a call that is left, beside what undoes it.
        handles.iter().filter(|(at, _)| progress.is_needless(**at)).for_each(|(_, handle)| handle.abort());
        if let Some(at) = progress.start_next() {
            told.begun(at);
            let (outcome, handle) = abortable(host.perform(&steps[at].action));
            handles.insert(at, handle);
            underway.push(async move { (at, outcome.await) });
            continue;
        }
        if underway.is_empty() {
            break;
        }
        // Neither loses anything when the other is first: what is underway stays so, and a stop is asked for again.
        let (at, outcome) = tokio::select! {
            biased;
            Some(ended) = underway.next() => ended,
            () = &mut stop, if !is_stopped => {
                is_stopped = true;
                progress.stop();
                continue;
            }
        };
        handles.remove(&at);
        match outcome {
            Ok(Ok(())) => progress.done(at),
            Err(Aborted) => progress.left(at),
            Ok(Err(error)) => {
                progress.failed(at);
                match &failure {
                    None => failure = Some((&steps[at], error)),
                    Some(_) => events.send(Event::Warning(format!("{} failed too: {error}", steps[at].action))),
                }
            }
        }
    }
    told.rest();
    if failure.is_none() && !is_stopped {
        return Ok(());
    }
    let mut former = undo_all(host, &progress.undoing(), events).await;
    let is_restored = |name: &ContainerName| former.get(name) == Some(&Former::Restored);
    let mut left: BTreeSet<ContainerName> = progress.changed();
    left.retain(|name| !is_restored(name));
    let Some((step, error)) = failure else {
        return Err(Error::Stopped { is_undone: left.is_empty() });
    };
    let (container, action) = (step.container.clone(), step.action.to_string());
    let former = container.as_ref().and_then(|name| former.remove(name)).unwrap_or(Former::None);
    let others = left.into_iter().filter(|name| Some(name) != container.as_ref()).collect();
    Err(Error::Step(Box::new(StepFailure { container, action, error, former, others })))
}

/// Tells of steps in the order of their plan, whichever is begun first.
struct InTurn<'a> {
    steps: &'a [Step],
    events: &'a dyn Sink,
    is_begun: Vec<bool>,
    /// So many steps at the beginning were told.
    n_told: usize,
}

impl<'a> InTurn<'a> {
    fn new(steps: &'a [Step], events: &'a dyn Sink) -> Self {
        Self { steps, events, is_begun: vec![false; steps.len()], n_told: 0 }
    }

    fn begun(&mut self, at: usize) {
        self.is_begun[at] = true;
        while self.is_begun.get(self.n_told) == Some(&true) {
            tell(self.events, &self.steps[self.n_told]);
            self.n_told += 1;
        }
    }

    /// Tells of those that were begun while one before was not.
    fn rest(&mut self) {
        let untold = self.n_told..self.steps.len();
        untold.filter(|at| self.is_begun[*at]).for_each(|at| tell(self.events, &self.steps[at]));
    }
}

fn tell(events: &dyn Sink, step: &Step) {
    let Step { container, action, cause, undo: _, after: _ } = step;
    events.send(match container {
        Some(container) => {
            let is_change = action.is_change();
            let (action, cause) = (action.to_string(), cause.to_string());
            Event::Applying { container: container.clone(), action, cause, is_change }
        }
        None => Event::Note(format!("{action}: {cause}")),
    });
}

/// Undoes all at once, and tells of each what became of what served before.
async fn undo_all<H: Host>(
    host: &H,
    all: &[(ContainerName, &[Action])],
    events: &dyn Sink,
) -> BTreeMap<ContainerName, Former> {
    if !all.is_empty() {
        events.send(Event::Note("going back to what served before".to_owned()));
    }
    let each = all.iter().map(|(name, actions)| async { (name.clone(), undo(host, actions, events).await) });
    join_all(each).await.into_iter().collect()
}

/// Does every action, even when one fails: each of them may be what brings the service back.
async fn undo<H: Host>(host: &H, actions: &[Action], events: &dyn Sink) -> Former {
    let mut lost = None;
    for action in actions {
        if let Err(error) = host.perform(action).await {
            events.send(Event::Warning(format!("{action} failed: {error}")));
            lost = lost.or(Some(error));
        }
    }
    lost.map_or(Former::Restored, Former::Lost)
}
