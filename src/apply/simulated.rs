//! A host that exists in memory only: the rules of an engine without its processes. Properties of `apply` are tested
//! against it, in more states than a real engine could be brought into.

mod networks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::desired::{Desired, engine_name};
use super::files::Known;
use super::host::{Host, HostError};
use super::state::{Endpoint, Health, HostState, ObservedContainer, ObservedNetwork, RunState};
use super::step::{Action, Creation, Goal, NewFile, Wait};
use crate::manifest::{FILES_NOTE, Healthcheck, NetworkMode, PortBinding, RestartPolicy};

/// What containers of an image do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// They run and are healthy; those that may end do, with code 0.
    Good,
    /// They run and never become healthy.
    Unhealthy,
    /// They end with code 1.
    Crashing,
    /// They can't even be started.
    Unstartable,
}

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The engine answers with an error and has done nothing.
    Refused,
    /// The engine has done it, and the answer is lost.
    ReplyLost,
    /// Neither this call nor any later one reaches the engine: what a killed run looks like from there.
    Gone,
}

/// A host in memory.
#[derive(Debug, Default)]
pub struct SimulatedHost(Mutex<World>);

/// What the host is made of.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The containers that carry labels of ours, of all projects, by name.
    pub containers: BTreeMap<String, SimulatedContainer>,
    /// Containers of others, with the ports that they hold.
    pub foreign: BTreeMap<String, BTreeSet<PortBinding>>,
    /// The networks, and whether each is ours.
    pub networks: BTreeMap<String, bool>,
    /// The volumes.
    pub volumes: BTreeSet<String>,
    /// The images by all their names.
    pub images: BTreeSet<String>,
    /// What the containers of an image do; others are good.
    pub behaviours: BTreeMap<String, Behaviour>,
    /// How many calls have changed something, or tried to.
    pub n_changes: usize,
    /// The call, counted from 1, that goes wrong, and how.
    pub fault: Option<(usize, Fault)>,
    /// What must never happen, and did.
    pub violations: Vec<String>,
    /// The engine's clock in seconds; every call takes one.
    pub clock: i64,
}

/// A container of the simulated host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedContainer {
    /// What it was made from.
    pub creation: Creation,
    /// What is seen of it.
    pub observed: ObservedContainer,
    /// The files that were put into it.
    pub files: BTreeMap<String, NewFile>,
    /// What it has read in them: all at its start, and again at each signal.
    pub has_read: BTreeMap<String, NewFile>,
}

impl SimulatedContainer {
    /// What is seen of it, the note in it included.
    fn seen(&self) -> ObservedContainer {
        let note = self.files.get(FILES_NOTE).map(|note| Known::parse(note.content.reveal()));
        ObservedContainer { known: note.unwrap_or_default(), ..self.observed.clone() }
    }
}

impl SimulatedHost {
    /// A host in some state.
    pub fn new(world: World) -> Self {
        Self(Mutex::new(world))
    }

    /// The world, to look at and to meddle with.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Host for SimulatedHost {
    async fn observe(&self, desired: &Desired) -> Result<HostState, HostError> {
        Ok(self.world().observe(desired))
    }

    async fn perform(&self, action: &Action) -> Result<(), HostError> {
        self.world().perform(action)
    }
}

impl World {
    fn observe(&self, desired: &Desired) -> HostState {
        let is_ours = |(_, container): &(&String, &SimulatedContainer)| container.creation.project == desired.project;
        let ours = self.containers.iter().filter(is_ours);
        let others = self.containers.iter().filter(|found| !is_ours(found)).map(|(name, other)| {
            let active = Some(&other.observed.ports).filter(|_| other.observed.run.is_active());
            (name.clone(), active.cloned().unwrap_or_default())
        });
        let networks = self.networks.iter().map(|(name, is_ours)| {
            let found = if *is_ours { ObservedNetwork::Ours } else { ObservedNetwork::Foreign };
            (name.clone(), found)
        });
        let asked: BTreeSet<String> = desired.containers.values().flat_map(|c| c.image.names()).collect();
        HostState {
            room: None,
            containers: ours.map(|(name, container)| (name.clone(), container.seen())).collect(),
            foreign: self.foreign.clone().into_iter().chain(others).collect(),
            networks: networks.collect(),
            subnets: BTreeMap::new(),
            ports_at_start: false,
            volumes: self.volumes.clone(),
            volumes_of_others: BTreeSet::new(),
            images: self.images.intersection(&asked).cloned().collect(),
        }
    }

    fn perform(&mut self, action: &Action) -> Result<(), HostError> {
        match action {
            Action::Await(wait) => self.wait(wait),
            Action::Drain { .. } => Ok(()),
            Action::Reconnect { name, network: _, endpoint }
                if endpoint.aliases.is_empty() && !self.containers.contains_key(name) =>
            {
                self.call(|_| Ok(()))
            }
            Action::Reconnect { name, network, endpoint } => {
                let was = self.containers.get(name).and_then(|found| found.observed.networks.get(network)).cloned();
                // Where none is asked for, it keeps the address that it has.
                let addresses = was.map(|was| was.addresses).filter(|_| endpoint.addresses.is_empty());
                let addresses = addresses.unwrap_or_else(|| endpoint.addresses.clone());
                let endpoint = Endpoint { aliases: endpoint.aliases.clone(), addresses };
                self.call(|world| world.container(name).map(|c| drop(c.observed.networks.remove(network))))?;
                self.call(|world| world.connect(name, network, &endpoint))
            }
            _ => self.call(|world| world.change(action)),
        }
    }

    /// One call that changes something, which may be the one that goes wrong.
    fn call(&mut self, change: impl FnOnce(&mut Self) -> Result<(), HostError>) -> Result<(), HostError> {
        self.n_changes += 1;
        self.clock += 1;
        match self.fault {
            Some((at, Fault::Refused)) if at == self.n_changes => Err(HostError::Refused("it goes wrong".to_owned())),
            Some((at, Fault::ReplyLost)) if at == self.n_changes => {
                change(self)?;
                Err(HostError::Unreachable("the answer is lost".to_owned()))
            }
            Some((at, Fault::Gone)) if at <= self.n_changes => Err(HostError::Unreachable("nobody answers".to_owned())),
            _ => change(self),
        }
    }

    fn change(&mut self, action: &Action) -> Result<(), HostError> {
        match action {
            Action::Pull { reference, id } => {
                let by_digest = reference.by_digest().map(|name| name.to_string());
                self.images.extend(by_digest.into_iter().chain(id.map(|id| id.to_string())));
            }
            Action::CreateNetwork { name, project: _, spec: _ } => {
                if self.networks.insert(name.clone(), true).is_some() {
                    return refuse(format!("network `{name}` exists"));
                }
            }
            Action::RemoveNetwork { name } => {
                let is_on = |found: &SimulatedContainer| found.observed.networks.contains_key(name);
                if self.containers.values().any(|found| found.observed.run.is_active() && is_on(found)) {
                    return refuse(format!("somebody is on network `{name}`"));
                }
                if self.networks.remove(name) == Some(false) {
                    self.violations.push(format!("network `{name}` was somebody else's"));
                }
                self.containers.values_mut().for_each(|found| drop(found.observed.networks.remove(name)));
            }
            Action::CreateVolume { name, project: _ } => {
                self.volumes.insert(name.clone());
            }
            Action::Create(creation) => self.create(creation)?,
            Action::PutFiles { name, files } => self.container(name)?.files.extend(files.clone()),
            Action::Start { name } => self.start(name)?,
            Action::Stop { name, grace: _ } => {
                if let Some(container) = self.containers.get_mut(name)
                    && container.observed.run.is_active()
                {
                    container.observed.run = RunState::Exited(143);
                }
            }
            Action::Restart { name, grace: _ } => {
                self.container(name)?.observed.run = RunState::Exited(143);
                self.start(name)?;
            }
            Action::Unpause { name } => self.container(name)?.observed.run = RunState::Running,
            Action::Rename { from, to } => {
                if self.containers.contains_key(to) || self.foreign.contains_key(to) {
                    return refuse(format!("`{to}` is taken"));
                }
                let container = self.containers.remove(from).ok_or_else(|| missing(from))?;
                self.containers.insert(to.clone(), container);
            }
            Action::Remove { name } => {
                self.containers.remove(name);
            }
            Action::Connect { name, network, endpoint } => self.connect(name, network, endpoint)?,
            Action::Disconnect { name, network } => {
                self.containers.get_mut(name).map(|found| found.observed.networks.remove(network));
            }
            Action::Signal { name, signal: _ } => {
                if let Some(container) = self.containers.get_mut(name)
                    && container.observed.run.is_active()
                {
                    container.has_read.clone_from(&container.files);
                }
            }
            Action::Await(_) | Action::Drain { .. } | Action::Reconnect { .. } => {}
        }
        Ok(())
    }

    fn create(&mut self, creation: &Creation) -> Result<(), HostError> {
        let Creation { name, image, network, .. } = creation;
        if self.containers.contains_key(name) || self.foreign.contains_key(name) {
            return refuse(format!("`{name}` is taken"));
        }
        if !self.images.contains(image) {
            return refuse(format!("there is no image `{image}`"));
        }
        if !self.networks.contains_key(network) {
            return Err(HostError::Gone(format!("there is no network `{network}`")));
        }
        let is_elsewhere = creation.spec.joins.network != NetworkMode::Project;
        let observed = ObservedContainer {
            container: creation.container.clone(),
            spec: creation.hash.to_string(),
            serial: Some(creation.serial),
            image: image.clone(),
            run: RunState::Created,
            health: Health::Unchecked,
            created: self.now(),
            started: None,
            networks: (!is_elsewhere && !is_gate(network))
                .then(|| (network.clone(), creation.endpoint.clone()))
                .into_iter()
                .collect(),
            is_elsewhere,
            ports: creation.spec.ports.clone(),
            keep: creation.spec.keep,
            may_end: matches!(creation.spec.restart, RestartPolicy::No | RestartPolicy::OnFailure(_)),
            stop_grace: creation.spec.stop_grace,
            known: Known::default(),
        };
        let (files, has_read) = (BTreeMap::new(), BTreeMap::new());
        self.containers
            .insert(name.clone(), SimulatedContainer { creation: creation.clone(), observed, files, has_read });
        Ok(())
    }

    fn start(&mut self, name: &str) -> Result<(), HostError> {
        let now = self.now();
        let container = self.containers.get(name).ok_or_else(|| missing(name))?.clone();
        if container.observed.run.is_active() {
            return Ok(());
        }
        if !container.observed.networks.is_empty() {
            self.refuse_taken(&container.observed.ports)?;
        }
        for (network, endpoint) in &container.observed.networks {
            self.refuse_taken_address(network, endpoint)?;
        }
        let running = self.containers.values().filter(|other| other.observed.run.is_active());
        let behaviour = self.behaviour(&container);
        if behaviour == Behaviour::Unstartable {
            return refuse(format!("`{name}` can't be started"));
        }
        for mount in container.creation.mounts.iter().filter(|mount| !mount.read_only) {
            let writes = |other: &SimulatedContainer| other.creation.mounts.contains(mount);
            let same = |other: &SimulatedContainer| other.creation.container == container.creation.container;
            if running.clone().any(|other| same(other) && writes(other)) {
                self.violations
                    .push(format!("two of `{}` write to `{:?}`", container.creation.container, mount.source));
            }
        }
        if !container.creation.spec.files.keys().eq(container.files.keys().filter(|path| *path != FILES_NOTE)) {
            self.violations.push(format!("`{name}` is started without its files"));
        }
        let container = self.container(name)?;
        let spec = &container.creation.spec;
        let may_end = matches!(spec.restart, RestartPolicy::No | RestartPolicy::OnFailure(_));
        let is_checked = matches!(spec.healthcheck, Some(Healthcheck::Check { .. }));
        container.observed.health = if is_checked { Health::Starting } else { Health::Unchecked };
        container.observed.started = Some(now);
        container.has_read.clone_from(&container.files);
        container.observed.run = match behaviour {
            Behaviour::Good if may_end => RunState::Exited(0),
            Behaviour::Crashing if may_end => RunState::Exited(1),
            Behaviour::Crashing => RunState::Restarting,
            Behaviour::Good | Behaviour::Unhealthy | Behaviour::Unstartable => RunState::Running,
        };
        Ok(())
    }

    fn wait(&mut self, wait: &Wait) -> Result<(), HostError> {
        let container = self.containers.get(&wait.name).ok_or_else(|| missing(&wait.name))?.clone();
        let observed = &mut self.container(&wait.name)?.observed;
        let not_ready =
            |why: &str| Err(HostError::NotReady { name: wait.name.clone(), why: why.to_owned(), log: Vec::new() });
        match (observed.run, wait.goal) {
            (RunState::Exited(0), Goal::Completed | Goal::Ready { may_end: true, .. }) => return Ok(()),
            (RunState::Running, Goal::Ready { .. }) => {}
            // Nothing here ends so by itself.
            (run @ (RunState::Paused | RunState::Exited(137 | 143)), _) => {
                return Err(HostError::Halted { name: wait.name.clone(), run });
            }
            (run, _) => return not_ready(&format!("is {run}")),
        }
        let is_good = self.behaviour(&container) != Behaviour::Unhealthy;
        let observed = &mut self.container(&wait.name)?.observed;
        if observed.health != Health::Unchecked {
            observed.health = if is_good { Health::Healthy } else { Health::Unhealthy };
        }
        let fails_probe = wait.probe.is_some() && !is_good;
        if observed.health == Health::Unhealthy || fails_probe { not_ready("is unhealthy") } else { Ok(()) }
    }

    fn behaviour(&self, container: &SimulatedContainer) -> Behaviour {
        self.behaviours.get(&container.creation.image).copied().unwrap_or(Behaviour::Good)
    }

    fn container(&mut self, name: &str) -> Result<&mut SimulatedContainer, HostError> {
        self.containers.get_mut(name).ok_or_else(|| missing(name))
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.clock).unwrap_or(Timestamp::MAX)
    }

    /// Whether a container of this name serves: it runs, and is healthy where it has a check; or it has done its work.
    pub fn serves(&self, desired: &Desired, container: &crate::model::ContainerName) -> bool {
        let name = engine_name(&desired.project, container);
        self.containers.get(&name).is_some_and(|found| {
            let ends = matches!(found.creation.spec.restart, RestartPolicy::No | RestartPolicy::OnFailure(_));
            match found.observed.run {
                RunState::Running => matches!(found.observed.health, Health::Unchecked | Health::Healthy),
                RunState::Exited(0) => ends,
                _ => false,
            }
        })
    }
}

fn refuse(message: String) -> Result<(), HostError> {
    Err(HostError::Refused(message))
}

/// A gate is seen of no container.
fn is_gate(network: &str) -> bool {
    network.ends_with(".gate")
}

fn missing(name: &str) -> HostError {
    HostError::Gone(format!("there is no container `{name}`"))
}
