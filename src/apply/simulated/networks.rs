//! Who is on which network, and what two can't have at once there.

use std::collections::BTreeSet;

use super::{SimulatedContainer, World, is_gate, missing, refuse};
use crate::apply::host::HostError;
use crate::apply::state::Endpoint;
use crate::manifest::PortBinding;

impl World {
    /// A container that runs gets its ports with a network that leads out, as all here do but the gate.
    pub(super) fn connect(&mut self, name: &str, network: &str, endpoint: &Endpoint) -> Result<(), HostError> {
        if !self.networks.contains_key(network) {
            return Err(HostError::Gone(format!("there is no network `{network}`")));
        }
        let container = self.containers.get(name).ok_or_else(|| missing(name))?.clone();
        if is_gate(network) || container.observed.networks.contains_key(network) {
            return Ok(());
        }
        if container.observed.is_elsewhere {
            return refuse(format!("`{name}` can be on no network"));
        }
        if container.observed.run.is_active() {
            if container.observed.networks.is_empty() {
                self.refuse_taken(&container.observed.ports)?;
            }
            self.refuse_taken_address(network, endpoint)?;
        }
        self.container(name)?.observed.networks.insert(network.to_owned(), endpoint.clone());
        Ok(())
    }

    /// Refuses ports that are held: by those that run, where ports lead to.
    pub(super) fn refuse_taken(&self, ports: &BTreeSet<PortBinding>) -> Result<(), HostError> {
        let holds = |other: &&SimulatedContainer| other.observed.run.is_active() && !other.observed.networks.is_empty();
        let held = self.containers.values().filter(holds).map(|other| &other.observed.ports);
        let mut held = held.chain(self.foreign.values()).flatten();
        match held.find_map(|other| ports.iter().find(|port| other.clashes_with(port))) {
            Some(port) => refuse(format!("`{}` is taken", port.host_side())),
            None => Ok(()),
        }
    }

    /// Refuses addresses that others on a network have who run.
    pub(super) fn refuse_taken_address(&self, network: &str, endpoint: &Endpoint) -> Result<(), HostError> {
        let others = self.containers.values().filter(|other| other.observed.run.is_active());
        let mut held = others.filter_map(|other| other.observed.networks.get(network));
        match held.find_map(|other| other.addresses.intersection(&endpoint.addresses).next()) {
            Some(address) => refuse(format!("{address} is taken")),
            None => Ok(()),
        }
    }
}
