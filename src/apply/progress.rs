//! Which steps of a plan are done, which may be begun now, and what has to be undone once one failed. Pure.

use std::collections::BTreeSet;

use super::step::{Action, Step};
use crate::model::ContainerName;

/// How many steps are underway at a time, and so how many containers are being replaced. Arbitrary: the engine starts four
/// containers at once in little more than half the time that it takes for one after another, and hardly faster for more;
/// and what is replaced takes its memory twice.
const AT_ONCE: usize = 4;

/// What is known of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// It was not begun.
    Open,
    /// It is underway.
    Underway,
    /// It is done.
    Done,
    /// It failed.
    Failed,
    /// It was left, because it is no longer of use.
    Left,
}

/// Why no new container is begun with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Halt {
    /// A step failed. Containers that can't be taken back any more are brought to their end.
    Failed,
    /// Somebody wanted it. What is underway is ended, and nothing else is begun.
    Stopped,
}

/// How far a plan is carried out.
#[derive(Debug)]
pub(super) struct Progress<'a> {
    steps: &'a [Step],
    status: Vec<Status>,
    /// Whether another step waits for this one alone, so that it counts among those underway even if it only waits.
    is_awaited: Vec<bool>,
    /// So many steps at the beginning are done.
    n_done: usize,
    halt: Option<Halt>,
}

impl<'a> Progress<'a> {
    /// Nothing is begun.
    pub(super) fn new(steps: &'a [Step]) -> Self {
        let mut is_awaited = vec![false; steps.len()];
        for at in steps.iter().flat_map(|step| &step.after.also) {
            is_awaited[*at] = true;
        }
        Self { steps, status: vec![Status::Open; steps.len()], is_awaited, n_done: 0, halt: None }
    }

    /// The first step that may be begun now, which then is underway.
    pub(super) fn start_next(&mut self) -> Option<usize> {
        let counts = |at: &usize| self.steps[*at].action.is_change() || self.is_awaited[*at];
        let is_underway = |at: &usize| self.status[*at] == Status::Underway;
        let is_full = (self.n_done..self.steps.len()).filter(is_underway).filter(counts).count() >= AT_ONCE;
        let may_start = |at: &usize| !(is_full && counts(at)) && self.is_ready(*at);
        let next = (self.n_done..self.steps.len()).find(may_start)?;
        self.status[next] = Status::Underway;
        Some(next)
    }

    fn is_ready(&self, at: usize) -> bool {
        let step = &self.steps[at];
        let is_allowed = match self.halt {
            None => true,
            Some(Halt::Failed) => {
                !matches!(step.action, Action::Await(_)) && step.undo.is_empty() && self.is_begun(step)
            }
            Some(Halt::Stopped) => false,
        };
        self.status[at] == Status::Open
            && step.after.all_before <= self.n_done
            && step.after.also.iter().all(|before| self.status[*before] == Status::Done)
            && is_allowed
    }

    /// Whether something was begun to be changed about the container of a step.
    fn is_begun(&self, step: &Step) -> bool {
        let all = self.steps.iter().zip(&self.status);
        step.container.is_some()
            && all.filter(|(other, _)| other.container == step.container).any(|(other, status)| {
                !other.action.may_be_left() && matches!(status, Status::Underway | Status::Done | Status::Failed)
            })
    }

    /// A step is done.
    pub(super) fn done(&mut self, at: usize) {
        self.status[at] = Status::Done;
        while self.status.get(self.n_done) == Some(&Status::Done) {
            self.n_done += 1;
        }
    }

    /// A step failed.
    pub(super) fn failed(&mut self, at: usize) {
        self.status[at] = Status::Failed;
        self.halt = self.halt.or(Some(Halt::Failed));
    }

    /// A step was left.
    pub(super) fn left(&mut self, at: usize) {
        self.status[at] = Status::Left;
    }

    /// Somebody wants it to stop.
    pub(super) fn stop(&mut self) {
        self.halt = Some(Halt::Stopped);
    }

    /// Whether a step that is underway is not worth waiting for any more.
    pub(super) fn is_needless(&self, at: usize) -> bool {
        let action = &self.steps[at].action;
        match self.halt {
            None => false,
            // What was superseded may end what it is at.
            Some(Halt::Failed) => action.may_be_left() && !matches!(action, Action::Drain { .. }),
            Some(Halt::Stopped) => action.may_be_left(),
        }
    }

    /// The containers that were changed.
    pub(super) fn changed(&self) -> BTreeSet<ContainerName> {
        let all = self.steps.iter().zip(&self.status);
        let changed = all.filter(|(step, status)| **status == Status::Done && !step.action.may_be_left());
        changed.filter_map(|(step, _)| step.container.clone()).collect()
    }

    /// What has to be undone, a container after the other: of those that were begun with and are not at their end what
    /// their next step says.
    pub(super) fn undoing(&self) -> Vec<(ContainerName, &'a [Action])> {
        let mut seen = BTreeSet::new();
        let all = self.steps.iter().zip(&self.status);
        let next = all.filter(|(step, status)| {
            let is_pull = matches!(step.action, Action::Pull { .. });
            **status != Status::Done && !is_pull && seen.insert(step.container.clone())
        });
        let is_begun = |step, status| matches!(status, Status::Failed | Status::Left) || self.is_begun(step);
        let begun = next.filter(|(step, status)| !step.undo.is_empty() && is_begun(step, **status));
        begun.filter_map(|(step, _)| Some((step.container.clone()?, step.undo.as_slice()))).collect()
    }
}
