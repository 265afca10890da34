//! Decides what has to be done on a host. Pure and total: from any state of a host, the leftovers of an interrupted
//! run included, the steps lead to what is wanted, and from there to no further step.

mod container;
mod files;
mod gate;
mod networks;
mod order;
mod swap;
mod turns;

use std::collections::{BTreeMap, BTreeSet};

use super::cause::Cause;
use super::desired::{Desired, DesiredImage};
use super::state::{HostState, ObservedContainer, ObservedNetwork, RunState};
use super::step::{Action, After, Step};
use crate::graph::Cycle;
use crate::manifest::{Cidr, Network, NetworkSpec, Subnet};
use crate::model::ContainerName;

/// With less room in bytes nothing is replaced. A container that starts needs some kilobytes, and what others write meanwhile;
/// arbitrary above that.
const ROOM_AT_LEAST: u64 = 32 << 20;

/// Why nothing may be done at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Containers depend on one another.
    #[error("containers depend on one another: {0}")]
    Cycle(Cycle<ContainerName>),
    /// An image can't come to the host.
    #[error("the engine does not have the image `{image}` of `{container}`, and {why}")]
    NoImage {
        /// The image.
        image: String,
        /// A container that needs it.
        container: ContainerName,
        /// Why it can't be pulled.
        why: &'static str,
    },
    /// A name is taken.
    #[error("{what} `{name}` is there and is not ours")]
    NameTaken {
        /// `a container`, `a network` or `a volume`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A network that others have to make is not there.
    #[error("there is no network `{name}`, and it is none of the project's")]
    NoNetwork {
        /// Its name.
        name: String,
    },
    /// Other networks have addresses that a new one shall have.
    #[error("the network `{network}` is to be made with {subnet}, and `{by}` has addresses of that")]
    SubnetTaken {
        /// The network, by its name on the engine.
        network: String,
        /// What it shall have.
        subnet: Cidr,
        /// Whose they are.
        by: String,
        /// Whether that is another one of the project, which might be what is to be changed.
        is_ours: bool,
    },
    /// A port of the host is taken.
    #[error("`{container}` wants the port {port}, which the container `{by}` has, and that is not ours")]
    PortTaken {
        /// The container that wants it.
        container: ContainerName,
        /// Address, port and protocol.
        port: String,
        /// Whose it is.
        by: String,
    },
    /// The disk is full: neither a new container nor one that was stopped for it might start.
    #[error("where the engine keeps containers {} kB are left, and {} kB is the least that anything is created with", free >> 10, ROOM_AT_LEAST >> 10)]
    NoRoom {
        /// How many bytes are left.
        free: u64,
    },
    /// Nothing is wanted while something runs.
    #[error("the manifest has no containers, and the host has {n} of the project")]
    RemovesAll {
        /// How many containers would be removed.
        n: usize,
    },
}

/// Whether a manifest without containers may remove every container of the project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emptying {
    /// It may: somebody asked for it.
    Allowed,
    /// It may not: more likely the manifest is wrong.
    Refused,
}

/// What has to be done so that the host runs what is wanted. Done in this order it is right; what does not wait for one
/// another may be done at once.
///
/// # Errors
/// When it can't be done, or should not be; nothing may be touched then.
pub fn diff(desired: &Desired, observed: &HostState, emptying: Emptying) -> Result<Vec<Step>, Refusal> {
    let n_leaving = observed.containers.values().filter(|found| !found.keep).count();
    if desired.containers.is_empty() && n_leaving > 0 && emptying == Emptying::Refused {
        return Err(Refusal::RemovesAll { n: n_leaving });
    }
    let order = order::order(desired).map_err(Refusal::Cycle)?;
    order.iter().try_for_each(|name| refuse_taken_ports(desired, observed, name))?;
    let mut plan = Plan::new(desired, observed);
    let moves = plan.moves();
    for name in order.iter().copied() {
        plan.container(name)?;
    }
    plan.remove_what_left();
    let pulls = pulls(desired, observed, &order)?;
    let mut project = for_project(desired, observed)?;
    project.extend(plan.gate()?);
    let creates = |step: &Step| matches!(step.action, Action::Create(_));
    if let Some(free) = observed.room.filter(|free| *free < ROOM_AT_LEAST && plan.steps.iter().any(creates)) {
        return Err(Refusal::NoRoom { free });
    }
    let end = networks_at_the_end(desired, observed, emptying).collect();
    let Plan { steps: containers, waits, leaving, .. } = plan;
    Ok(turns::Parts { pulls, project, moves, containers, waits, leaving, end }.in_turn(desired, observed))
}

/// A port that somebody else has is known before anything is stopped for a container that could not start then.
fn refuse_taken_ports(desired: &Desired, observed: &HostState, name: &ContainerName) -> Result<(), Refusal> {
    let wanted = &desired.containers[name];
    let hash = wanted.hash.to_string();
    let runs = observed.containers.values().any(|c| c.container == *name && c.spec == hash && c.run.is_active());
    if runs {
        return Ok(());
    }
    for (by, ports) in &observed.foreign {
        if let Some(port) = wanted.spec.ports.iter().find(|port| ports.iter().any(|other| other.clashes_with(port))) {
            return Err(Refusal::PortTaken { container: name.clone(), port: port.host_side(), by: by.clone() });
        }
    }
    Ok(())
}

/// The state of the work on a plan.
struct Plan<'a> {
    desired: &'a Desired,
    observed: &'a HostState,
    /// The containers on the host by their names in a manifest.
    of_name: BTreeMap<&'a ContainerName, Vec<container::Found<'a>>>,
    /// What is to be done so far.
    steps: Vec<Step>,
    /// What can be waited for at the very end, because nothing else waits for it.
    waits: Vec<Step>,
    /// The removal of what is not wanted any more: after everything is known to be good.
    leaving: Vec<Step>,
    /// The containers, by their names on the engine, that the steps so far have stopped.
    stopped: BTreeSet<String>,
    /// The containers that the steps so far create anew.
    renewed: BTreeSet<ContainerName>,
    /// The containers that the steps so far start or restart.
    restarted: BTreeSet<ContainerName>,
    /// The containers, by their names on the engine, with networks that they are brought onto before anything else.
    moved: BTreeSet<(&'a String, &'a String)>,
    /// Whether a container has to show that it is good before it takes over a port.
    needs_gate: bool,
    /// What others wait for, and whether for its end.
    awaited: BTreeMap<&'a ContainerName, order::Awaited>,
}

impl<'a> Plan<'a> {
    fn new(desired: &'a Desired, observed: &'a HostState) -> Self {
        let mut of_name: BTreeMap<&ContainerName, Vec<container::Found<'a>>> = BTreeMap::new();
        for found in &observed.containers {
            of_name.entry(&found.1.container).or_default().push(found);
        }
        Self {
            desired,
            observed,
            of_name,
            steps: Vec::new(),
            waits: Vec::new(),
            leaving: Vec::new(),
            stopped: BTreeSet::new(),
            renewed: BTreeSet::new(),
            restarted: BTreeSet::new(),
            moved: BTreeSet::new(),
            needs_gate: false,
            awaited: order::awaited(desired, observed),
        }
    }

    /// Removes the containers that the manifest does not have.
    fn remove_what_left(&mut self) {
        for (name, observed) in &self.observed.containers {
            if self.desired.containers.contains_key(&observed.container) || observed.keep {
                continue;
            }
            let step = |action| Step {
                container: Some(observed.container.clone()),
                action,
                cause: Cause::LeftManifest,
                undo: Vec::new(),
                after: After::default(),
            };
            if observed.run.is_active() && !self.stopped.contains(name) {
                self.leaving.push(step(Action::Stop { name: name.clone(), grace: observed.stop_grace }));
            }
            self.leaving.push(step(Action::Remove { name: name.clone() }));
        }
    }
}

/// A step for all containers.
fn for_all(action: Action, cause: Cause) -> Step {
    Step { container: None, action, cause, undo: Vec::new(), after: After::default() }
}

/// The images that come from elsewhere: first of all, because nothing is touched before they are here.
fn pulls(desired: &Desired, observed: &HostState, order: &[&ContainerName]) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    let mut pulled: BTreeSet<&DesiredImage> = BTreeSet::new();
    for name in order.iter().copied() {
        let wanted = &desired.containers[name];
        let hash = wanted.hash.to_string();
        let is_right = |c: &ObservedContainer| c.container == *name && c.spec == hash && c.run != RunState::Dead;
        let is_there = observed.containers.values().any(is_right);
        let image = &wanted.image;
        if is_there || image.names().any(|name| observed.images.contains(&name)) || !pulled.insert(image) {
            continue;
        }
        let lacking = |why| Refusal::NoImage { image: image.shown.clone(), container: name.clone(), why };
        let reference = image.reference.clone().ok_or_else(|| lacking("it was not pushed to a registry"))?;
        if !wanted.spec.update.pull {
            return Err(lacking("it may not be pulled"));
        }
        let action = Action::Pull { reference, id: image.id };
        steps.push(Step { container: Some(name.clone()), ..for_all(action, Cause::Missing) });
    }
    Ok(steps)
}

/// What is needed before any container is touched.
fn for_project(desired: &Desired, observed: &HostState) -> Result<Vec<Step>, Refusal> {
    let mut steps = Vec::new();
    for (name, network) in desired.networks.iter().filter(|_| !desired.containers.is_empty()) {
        match (network, observed.networks.get(name)) {
            (Network::Own(_), Some(ObservedNetwork::Foreign)) => {
                return Err(Refusal::NameTaken { what: "a network", name: name.clone() });
            }
            (_, Some(_)) => {}
            (Network::External(_), None) => return Err(Refusal::NoNetwork { name: name.clone() }),
            (Network::Own(spec), None) => {
                refuse_taken_subnets(observed, name, spec)?;
                let (name, project) = (name.clone(), desired.project.clone());
                let action = Action::CreateNetwork { name, project, spec: spec.clone() };
                steps.push(for_all(action, Cause::Missing));
            }
        }
    }
    let volumes = desired.volumes();
    if let Some(name) = volumes.intersection(&observed.volumes_of_others).next() {
        return Err(Refusal::NameTaken { what: "a volume", name: name.clone() });
    }
    for name in volumes.difference(&observed.volumes) {
        let action = Action::CreateVolume { name: name.clone(), project: desired.project.clone() };
        steps.push(for_all(action, Cause::Missing));
    }
    Ok(steps)
}

/// An engine says of addresses that are taken only that they are, and that after the images were pulled. A network can't be
/// changed, nor removed while somebody is on it, so the new one can't have what the old one has.
fn refuse_taken_subnets(observed: &HostState, network: &str, spec: &NetworkSpec) -> Result<(), Refusal> {
    for Subnet { subnet, gateway: _, ip_range: _ } in &spec.subnets {
        let has = |(_, subnets): &(&String, &Vec<Cidr>)| subnets.iter().any(|other| other.overlaps(subnet));
        if let Some((by, _)) = observed.subnets.iter().find(has) {
            let is_ours = observed.networks.get(by).is_some_and(|found| *found != ObservedNetwork::Foreign);
            let (network, by) = (network.to_owned(), by.clone());
            return Err(Refusal::SubnetTaken { network, subnet: *subnet, by, is_ours });
        }
    }
    Ok(())
}

/// The networks that nobody is on any more. A project without containers needs none; its volumes stay, as they hold what
/// nothing else holds.
fn networks_at_the_end(desired: &Desired, observed: &HostState, emptying: Emptying) -> impl Iterator<Item = Step> {
    let is_empty = desired.containers.is_empty();
    let stays = |found: &&ObservedContainer| found.keep && !desired.containers.contains_key(&found.container);
    let kept: Vec<&ObservedContainer> = observed.containers.values().filter(stays).collect();
    let is_needless = move |name: &String| match is_empty {
        true => emptying == Emptying::Allowed && kept.is_empty(),
        false => {
            *name != desired.gate()
                && !desired.networks.contains_key(name)
                && !kept.iter().any(|found| found.networks.contains_key(name))
        }
    };
    let ours = observed.networks.iter().filter(|(_, found)| **found == ObservedNetwork::Ours).map(|(name, _)| name);
    ours.filter(move |name| is_needless(name))
        .map(|name| for_all(Action::RemoveNetwork { name: name.clone() }, Cause::LeftManifest))
}
