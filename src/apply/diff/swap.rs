//! The order in which a port of the host goes from one container to the next without a stop in between.
//!
//! The engine gives a port to a container when that comes onto a network that leads to the host. So the new one is made
//! on the project's gate, a network that leads nowhere, beside what it links to and depends on. Once it is good there,
//! the old one is taken off the project's network and the new one comes onto it: both run all the time.

use super::container::{Case, Found, clear};
use super::networks::clash;
use super::{Plan, Refusal};
use crate::apply::cause::{Cause, Claim};
use crate::apply::state::{Endpoint, ObservedNetwork};
use crate::apply::step::{Action, Step};
use crate::manifest::{Condition, NetworkSpec, OnFailure, Order};

impl<'a> Plan<'a> {
    /// Whether a container that is started now takes over its ports: where it is asked to, no other container than a
    /// former one of its name has them, and the engine can do that.
    pub(super) fn swaps(&self, case: &Case<'a>) -> bool {
        let mut claims = self.clashing(case).filter_map(|(_, observed)| clash(case.wanted, observed)).peekable();
        case.spec().update.order == Some(Order::Swap)
            && claims.peek().is_some()
            && !claims.any(|claim| self.observed.ports_at_start && matches!(claim, Claim::Port(_)))
            && !self.observed.containers.iter().any(|found| self.holds(case, found).is_some())
    }

    /// The former ones of its name that run and claim one of its ports or addresses.
    pub(super) fn clashing<'b>(&'b self, case: &'b Case<'a>) -> impl Iterator<Item = Found<'a>> + use<'a, 'b> {
        let clashes = |found: &Found<'a>| self.is_active(*found) && clash(case.wanted, found.1).is_some();
        case.others.iter().copied().filter(clashes)
    }

    /// The step that makes the gate, where somebody needs it.
    pub(super) fn gate(&self) -> Result<Option<Step>, Refusal> {
        let (name, project) = (self.desired.gate(), self.desired.project.clone());
        match self.observed.networks.get(&name) {
            _ if !self.needs_gate => Ok(None),
            Some(ObservedNetwork::Ours | ObservedNetwork::Shared) => Ok(None),
            Some(ObservedNetwork::Foreign) => Err(Refusal::NameTaken { what: "a network", name }),
            None => {
                let spec = NetworkSpec { internal: true, ..NetworkSpec::default() };
                let action = Action::CreateNetwork { name, project, spec };
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
        let needed = needed.filter(|(_, wanted)| !wanted.networks.is_empty());
        for (name, wanted) in needed {
            let aliases = wanted.networks.values().flat_map(|endpoint| endpoint.aliases.clone()).collect();
            let endpoint = Endpoint { aliases, ..Endpoint::default() };
            let (name, network) = (self.desired.engine_name(name), self.desired.gate());
            let action = Action::Connect { name, network, endpoint };
            steps.push(case.step(action, Cause::Needed(case.name.clone())));
        }
        steps.extend(start);
        let undo = if is_undone(case) { clear(case, new) } else { Vec::new() };
        self.steps.extend(steps.into_iter().map(|step| Step { undo: undo.clone(), ..step }));
        self.take_over(case, new)
    }

    /// Lets a container that runs, and is on none of its networks, take over from those that run there.
    pub(super) fn take_over(&mut self, case: &Case<'a>, new: &String) -> Result<(), Refusal> {
        let claim = self.clashing(case).find_map(|(_, observed)| clash(case.wanted, observed));
        let cause = claim.map_or(Cause::OffNetwork, Cause::HandsOver);
        let serving: Vec<Found<'a>> =
            self.clashing(case).filter(|(_, observed)| !observed.networks.is_empty()).collect();
        // Where none serves any more, a run was cut off after the new one was good.
        if !serving.is_empty() {
            let undo = if is_undone(case) { clear(case, new) } else { Vec::new() };
            self.steps.push(Step { undo, ..self.wait(case, new, Cause::Started) });
        }
        let mut undo = Vec::new();
        if is_undone(case) {
            let networks = [self.desired.gate()].into_iter().chain(case.wanted.networks.keys().cloned());
            undo.extend(networks.map(|network| Action::Disconnect { name: new.clone(), network }));
            let former = case.others.iter().copied().filter(|(name, _)| **name == case.base);
            let former = if serving.is_empty() { former.collect() } else { serving.clone() };
            undo.extend(former.into_iter().flat_map(|found| case.back(found)));
            undo.extend(clear(case, new));
        }
        for (name, observed) in serving {
            // On the gate, if it is there, Docker would go on to hold its ports; so too when it is undone.
            let moved = self.moved.iter().filter(|(moved, _)| *moved == name).map(|(_, network)| *network);
            let on = observed.networks.keys().chain(moved).cloned();
            for network in [self.desired.gate()].into_iter().chain(on.collect::<Vec<_>>()) {
                let action = Action::Disconnect { name: name.clone(), network };
                self.steps.push(Step { undo: undo.clone(), ..case.step(action, cause.clone()) });
            }
        }
        for (network, endpoint) in &case.wanted.networks {
            let (name, network, endpoint) = (new.clone(), network.clone(), endpoint.clone());
            let connect = case.step(Action::Connect { name, network, endpoint }, cause.clone());
            self.steps.push(Step { undo: undo.clone(), ..connect });
        }
        self.steps.push(Step { undo, ..self.wait(case, new, Cause::Started) });
        self.succeed(case, new)
    }
}

fn is_undone(case: &Case<'_>) -> bool {
    case.spec().update.on_failure == OnFailure::Rollback
}
