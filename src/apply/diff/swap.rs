//! The order in which a port of the host goes from one container to the next without a stop in between.
//!
//! The engine gives a port to a container when that comes onto a network that leads to the host. So the new one is made
//! on the project's gate, a network that leads nowhere, beside what it links to and depends on. Once it is good there,
//! the old one is taken off the project's network and the new one comes onto it: both run all the time.

use super::container::{Case, Found, clash, clear};
use super::{Plan, Refusal};
use crate::apply::state::ObservedNetwork;
use crate::apply::step::{Action, Cause, Reach, Step};
use crate::manifest::{Condition, OnFailure, Order};

impl<'a> Plan<'a> {
    /// Whether a container that is started now takes over its ports: where it is asked to, and no other container than a
    /// former one of its name has them.
    pub(super) fn swaps(&self, case: &Case<'a>) -> bool {
        case.spec().update.order == Some(Order::Swap)
            && self.clashing(case).next().is_some()
            && !self.observed.containers.iter().any(|found| self.holds_port_of(case, found))
    }

    /// The former ones of its name that run and claim one of its ports.
    pub(super) fn clashing<'b>(&'b self, case: &'b Case<'a>) -> impl Iterator<Item = Found<'a>> + use<'a, 'b> {
        let clashes = |found: &Found<'a>| self.is_active(*found) && clash(case.spec(), found.1).is_some();
        case.others.iter().copied().filter(clashes)
    }

    /// The step that makes the gate, where somebody needs it.
    pub(super) fn gate(&self) -> Result<Option<Step>, Refusal> {
        let (name, project) = (self.desired.gate(), self.desired.project.clone());
        match self.observed.gate {
            _ if !self.needs_gate => Ok(None),
            ObservedNetwork::Ours => Ok(None),
            ObservedNetwork::Foreign => Err(Refusal::NameTaken { what: "a network", name }),
            ObservedNetwork::Absent => {
                let action = Action::CreateNetwork { name, project, reach: Reach::Itself };
                Ok(Some(super::for_all(action, Cause::Missing)))
            }
        }
    }

    /// Starts a container that is on the gate alone, whose start is the last of `steps`, and lets it take over.
    pub(super) fn swap_in(&mut self, case: &Case<'a>, new: &String, mut steps: Vec<Step>) -> Result<(), Refusal> {
        self.needs_gate = true;
        let start = steps.pop();
        let needed = case.wanted.needs.iter().filter(|(_, need)| need.condition != Condition::Completed);
        let needed = needed.filter_map(|(name, _)| self.desired.containers.get_key_value(name));
        let needed = needed.filter(|(_, wanted)| wanted.spec.joins.is_on_network());
        for (name, wanted) in needed {
            let (name, aliases) = (self.desired.engine_name(name), wanted.aliases.clone());
            let action = Action::Connect { name, network: self.desired.gate(), aliases };
            steps.push(case.step(action, Cause::Needed(case.name.clone())));
        }
        steps.extend(start);
        let undo = if is_undone(case) { clear(case, new) } else { Vec::new() };
        self.steps.extend(steps.into_iter().map(|step| Step { undo: undo.clone(), ..step }));
        self.take_over(case, new)
    }

    /// Lets a container that runs, and is not on the project's network, take over from those that run there.
    pub(super) fn take_over(&mut self, case: &Case<'a>, new: &String) -> Result<(), Refusal> {
        let network = self.desired.network();
        let serving: Vec<Found<'a>> = self.clashing(case).filter(|(_, observed)| observed.aliases.is_some()).collect();
        // Where none serves any more, a run was cut off after the new one was good.
        if !serving.is_empty() {
            let undo = if is_undone(case) { clear(case, new) } else { Vec::new() };
            self.steps.push(Step { undo, ..self.wait(case, new, Cause::Started) });
        }
        let mut undo = Vec::new();
        if is_undone(case) {
            let networks = [self.desired.gate(), network.clone()];
            undo.extend(networks.map(|network| Action::Disconnect { name: new.clone(), network }));
            let back = |(name, _): Found<'a>| {
                let (network, aliases) = (network.clone(), case.wanted.aliases.clone());
                Action::Connect { name: name.clone(), network, aliases }
            };
            let former = case.others.iter().copied().filter(|(name, _)| **name == case.base);
            let former = if serving.is_empty() { former.collect() } else { serving.clone() };
            undo.extend(former.into_iter().map(back));
            undo.extend(clear(case, new));
        }
        for (name, _) in serving {
            // On the gate, if it is there, Docker would go on to hold its ports; so too when it is undone.
            for network in [self.desired.gate(), network.clone()] {
                let action = Action::Disconnect { name: name.clone(), network };
                self.steps.push(Step { undo: undo.clone(), ..case.step(action, Cause::HandsOver) });
            }
        }
        let aliases = case.wanted.aliases.clone();
        let connect = case.step(Action::Connect { name: new.clone(), network, aliases }, Cause::HandsOver);
        self.steps.push(Step { undo: undo.clone(), ..connect });
        self.steps.push(Step { undo, ..self.wait(case, new, Cause::Started) });
        self.succeed(case, new)
    }
}

fn is_undone(case: &Case<'_>) -> bool {
    case.spec().update.on_failure == OnFailure::Rollback
}
