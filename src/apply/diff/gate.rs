//! Who is found by the names of a container while one takes the place of another and both run: nobody before it is good,
//! nobody before it is stopped.
//!
//! The new one is on the project's network without names, where it reaches everybody. Once it is good it gets them; then the
//! old one loses them, ends what it is at, and is stopped. The engine changes names only by taking a container off its
//! network for a moment; it keeps its address there, so connections that are open go on.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Plan;
use super::container::{Case, Found, clear, stops_first};
use crate::apply::cause::Cause;
use crate::apply::state::Endpoint;
use crate::apply::step::{Action, Goal, Step, Wait};
use crate::manifest::{Healthcheck, OnFailure};
use crate::model::ContainerName;

impl Case<'_> {
    /// Whether it shows that it is good before it is found by its names: not where nobody said what good is.
    fn is_gated(&self) -> bool {
        if self.may_end() || self.wanted.networks.is_empty() {
            return false;
        }
        let is_unchecked = matches!(self.spec().healthcheck, None | Some(Healthcheck::None));
        let update = &self.spec().update;
        !(is_unchecked && update.probe.is_none() && update.healthy_for.is_zero())
    }
}

impl<'a> Plan<'a> {
    /// Whether a container that is started now has no names until it is good: where another one has them meanwhile.
    pub(super) fn gates(&self, case: &Case<'a>) -> bool {
        let former: Vec<Found<'a>> = case.others.iter().copied().filter(|found| self.is_active(*found)).collect();
        let has_former = || stops_first(case.wanted, &former).is_none() && self.serving(case).next().is_some();
        case.is_gated() && (self.replicas_serve(case) || has_former())
    }

    /// Whether other replicas of it are found by the names that they share.
    pub(super) fn replicas_serve(&self, case: &Case<'a>) -> bool {
        let is_replica = |name: &ContainerName| {
            name != case.name && self.desired.containers.get(name).is_some_and(|other| other.of == case.wanted.of)
        };
        case.spec().replicas > 1
            && self
                .observed
                .containers
                .iter()
                .any(|found| found.1.has_names() && is_replica(&found.1.container) && self.is_active(found))
    }

    /// The others of its name that are found by their names.
    pub(super) fn serving<'b>(&'b self, case: &'b Case<'a>) -> impl Iterator<Item = Found<'a>> + use<'a, 'b> {
        case.others.iter().copied().filter(|found| found.1.has_names() && self.is_active(*found))
    }

    /// Gives a container that is good its names, and looks at it once more: it was off the network for a moment.
    pub(super) fn open_gate(&mut self, case: &Case<'a>, new: &str, undo: &[Action]) {
        let mut steps: Vec<Step> = case
            .wanted
            .networks
            .iter()
            .map(|(network, endpoint)| {
                let (name, network, endpoint) = (new.to_owned(), network.clone(), endpoint.clone());
                case.step(Action::Reconnect { name, network, endpoint }, Cause::Good)
            })
            .collect();
        let mut look = self.wait(case, new, Cause::Good);
        if let Action::Await(Wait { goal: Goal::Ready { healthy_for, .. }, .. }) = &mut look.action {
            *healthy_for = Duration::ZERO;
        }
        steps.push(look);
        self.steps.extend(steps.into_iter().map(|step| Step { undo: undo.to_vec(), ..step }));
    }

    /// Takes the names of those that a container replaces, and lets them end what they are at.
    pub(super) fn retire(&mut self, case: &Case<'a>, new: &str) {
        if !case.is_gated() {
            return;
        }
        let serving: Vec<Found<'a>> = self.serving(case).collect();
        let found_on = serving.iter().flat_map(|(name, observed)| {
            let named = observed.networks.iter().filter(|(_, endpoint)| !endpoint.aliases.is_empty());
            named.map(|(network, endpoint)| ((*name).clone(), network.clone(), &endpoint.aliases))
        });
        let found_on: Vec<_> = found_on.collect();
        let reconnect = |name: &String, network: &String, aliases: BTreeSet<String>| {
            let endpoint = Endpoint { aliases, addresses: BTreeSet::new() };
            Action::Reconnect { name: name.clone(), network: network.clone(), endpoint }
        };
        let mut undo = Vec::new();
        if case.spec().update.on_failure == OnFailure::Rollback {
            undo.extend(found_on.iter().map(|(name, network, had)| {
                let wanted = case.wanted.networks.get(network).map(|endpoint| &endpoint.aliases);
                reconnect(name, network, wanted.unwrap_or(had).clone())
            }));
            undo.extend(clear(case, new));
        }
        for (name, network, _) in &found_on {
            let action = reconnect(name, network, BTreeSet::new());
            self.steps.push(Step { undo: undo.clone(), ..case.step(action, Cause::Superseded) });
        }
        // Those whose names an interrupted run took may not be at their end either.
        let time = case.spec().update.drain;
        let active = case.others.iter().copied().filter(|found| self.is_active(*found));
        let drains = active.filter(|_| !time.is_zero());
        let drains = drains.map(|(name, _)| case.step(Action::Drain { name: name.clone(), time }, Cause::Superseded));
        let drains: Vec<Step> = drains.collect();
        self.steps.extend(drains);
    }
}
