//! How a container is on its networks, and what two can't have at once there.

use std::collections::BTreeMap;

use super::Plan;
use super::container::{Case, Found};
use crate::apply::cause::{Cause, Claim};
use crate::apply::desired::DesiredContainer;
use crate::apply::state::{Endpoint, ObservedContainer, RunState};
use crate::apply::step::{Action, Step};

impl<'a> Plan<'a> {
    /// The steps that bring those who are found by names onto the networks that they are wanted on besides those that they are
    /// on. They come before anything else: who was brought to another network before others still reaches them on the
    /// old one, and they reach it on the new one. Former containers get no names there.
    pub(super) fn moves(&mut self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (name, found) in &self.observed.containers {
            let Some(wanted) = self.desired.containers.get(&found.container) else { continue };
            let may_move = found.run == RunState::Running && found.has_names();
            let missing = wanted.networks.iter().filter(|(network, _)| !found.networks.contains_key(*network));
            // An address may still be another one's.
            for (network, endpoint) in missing.filter(|(_, endpoint)| may_move && endpoint.addresses.is_empty()) {
                let is_right = found.spec == wanted.hash.to_string();
                let endpoint = if is_right { endpoint.clone() } else { endpoint.nameless() };
                let action = Action::Connect { name: name.clone(), network: network.clone(), endpoint };
                steps.push(super::for_all(action, Cause::OffNetwork));
                self.moved.insert((name, network));
            }
        }
        steps
    }

    /// The steps that give a container its names and addresses on networks, where it has others.
    pub(super) fn reconnection(
        &self,
        case: &Case<'a>,
        (name, observed): Found<'a>,
        on: &BTreeMap<String, Endpoint>,
    ) -> Vec<Step> {
        let is_fine = |network: &String, endpoint: &Endpoint| {
            self.moved.contains(&(name, network))
                || observed.networks.get(network).is_some_and(|found| found.is_as(endpoint))
        };
        let reconnect = |(network, endpoint): (&String, &Endpoint)| {
            let (name, network, endpoint) = (name.clone(), network.clone(), endpoint.clone());
            case.step(Action::Reconnect { name, network, endpoint }, Cause::OffNetwork)
        };
        on.iter().filter(|(network, endpoint)| !is_fine(network, endpoint)).map(reconnect).collect()
    }
}

impl Case<'_> {
    /// Whether a container is on none of its networks: at the gate, or off all by accident.
    pub(super) fn is_off(&self, observed: &ObservedContainer) -> bool {
        !observed.is_elsewhere && !self.wanted.networks.keys().any(|name| observed.networks.contains_key(name))
    }

    /// Its networks, on which it has no names yet.
    pub(super) fn nameless(&self) -> BTreeMap<String, Endpoint> {
        self.wanted.networks.iter().map(|(name, endpoint)| (name.clone(), endpoint.nameless())).collect()
    }

    /// The steps that bring a former container of its name back to its networks: under the names that are wanted now.
    pub(super) fn back(&self, (name, observed): Found<'_>) -> Vec<Action> {
        let was_on = if observed.networks.is_empty() { &self.wanted.networks } else { &observed.networks };
        let connect = |(network, was): (&String, &Endpoint)| {
            let wanted = self.wanted.networks.get(network).unwrap_or(was);
            let addresses = wanted.addresses.intersection(&was.addresses).copied().collect();
            let endpoint = Endpoint { aliases: wanted.aliases.clone(), addresses };
            Action::Connect { name: name.clone(), network: network.clone(), endpoint }
        };
        was_on.iter().filter(|_| !observed.is_elsewhere).map(connect).collect()
    }
}

/// A port of the host, or an address, that both claim.
pub(super) fn clash(wanted: &DesiredContainer, observed: &ObservedContainer) -> Option<Claim> {
    let mut ports = wanted.spec.ports.iter();
    let port = ports.find(|port| observed.ports.iter().any(|other| other.clashes_with(port)));
    let mut addresses = wanted.networks.iter().flat_map(|(network, endpoint)| {
        let held = observed.networks.get(network).map(|held| &held.addresses);
        held.into_iter().flat_map(|held| held.intersection(&endpoint.addresses))
    });
    port.map(|port| Claim::Port(port.host_side())).or_else(|| addresses.next().copied().map(Claim::Address))
}

/// The steps that take a container off the networks that it is not wanted on.
pub(super) fn leaving(case: &Case<'_>, (name, observed): Found<'_>) -> Vec<Step> {
    let leave = |network: &String| {
        let action = Action::Disconnect { name: name.clone(), network: network.clone() };
        case.step(action, Cause::LeavesNetwork)
    };
    case.wanted.left(observed).map(leave).collect()
}
