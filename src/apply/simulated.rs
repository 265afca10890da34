//! A host that exists in memory only: the rules of an engine without its processes. Properties of `apply` are tested
//! against it, in more states than a real engine could be brought into.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

use jiff::Timestamp;

use super::desired::{Desired, engine_name};
use super::host::{Host, HostError};
use super::state::{Health, HostState, ObservedContainer, ObservedNetwork, RunState};
use super::step::{Action, Creation, Goal, NewFile, Wait};
use crate::manifest::{Healthcheck, PortBinding, RestartPolicy};

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
        let network = match self.networks.get(&desired.network()) {
            None => ObservedNetwork::Absent,
            Some(true) => ObservedNetwork::Ours,
            Some(false) => ObservedNetwork::Foreign,
        };
        let asked: BTreeSet<String> = desired.containers.values().flat_map(|c| c.image.names()).collect();
        HostState {
            room: None,
            containers: ours.map(|(name, container)| (name.clone(), container.observed.clone())).collect(),
            foreign: self.foreign.clone().into_iter().chain(others).collect(),
            network,
            gate: if self.networks.contains_key(&desired.gate()) {
                ObservedNetwork::Ours
            } else {
                ObservedNetwork::Absent
            },
            volumes: self.volumes.clone(),
            volumes_of_others: BTreeSet::new(),
            images: self.images.intersection(&asked).cloned().collect(),
        }
    }

    fn perform(&mut self, action: &Action) -> Result<(), HostError> {
        match action {
            Action::Await(wait) => self.wait(wait),
            Action::Drain { .. } => Ok(()),
            Action::Reconnect { name, aliases, .. } => {
                self.call(|world| world.container(name).map(|c| c.observed.aliases = None))?;
                self.call(|world| world.container(name).map(|c| c.observed.aliases = Some(aliases.clone())))
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
                let by_digest = reference.digest().map(|d| reference.repository().with_digest(d).to_string());
                self.images.extend(by_digest.into_iter().chain(id.map(|id| id.to_string())));
            }
            Action::CreateNetwork { name, project: _, reach: _ } => {
                if self.networks.insert(name.clone(), true).is_some() {
                    return refuse(format!("network `{name}` exists"));
                }
            }
            Action::RemoveNetwork { name } => {
                self.networks.remove(name);
            }
            Action::CreateVolume { name, project: _ } => {
                self.volumes.insert(name.clone());
            }
            Action::Create(creation) => self.create(creation)?,
            Action::PutFiles { name, files } => self.container(name)?.files.clone_from(files),
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
            Action::Connect { name, network, aliases } => self.connect(name, network, aliases)?,
            Action::Disconnect { name, network } => {
                let container = self.container(name)?;
                if *network == container.creation.project.as_str() {
                    container.observed.aliases = None;
                }
            }
            Action::Signal { .. } | Action::Await(_) | Action::Drain { .. } | Action::Reconnect { .. } => {}
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
            return refuse(format!("there is no network `{network}`"));
        }
        let observed = ObservedContainer {
            container: creation.container.clone(),
            spec: creation.hash.to_string(),
            serial: Some(creation.serial),
            image: image.clone(),
            run: RunState::Created,
            health: Health::Unchecked,
            created: self.now(),
            started: None,
            aliases: (*network == *creation.project.as_str()).then(|| creation.aliases.clone()),
            address: None,
            ports: creation.spec.ports.clone(),
            keep: creation.spec.keep,
            stop_grace: creation.spec.stop_grace,
        };
        self.containers
            .insert(name.clone(), SimulatedContainer { creation: creation.clone(), observed, files: BTreeMap::new() });
        Ok(())
    }

    /// A container that runs gets its ports with the project's network.
    fn connect(&mut self, name: &str, network: &str, aliases: &BTreeSet<String>) -> Result<(), HostError> {
        if !self.networks.contains_key(network) {
            return refuse(format!("there is no network `{network}`"));
        }
        let container = self.containers.get(name).ok_or_else(|| missing(name))?.clone();
        if *network != *container.creation.project.as_str() || container.observed.aliases.is_some() {
            return Ok(());
        }
        if container.observed.run.is_active() {
            self.refuse_taken(&container.observed.ports)?;
        }
        self.container(name)?.observed.aliases = Some(aliases.clone());
        Ok(())
    }

    /// Refuses ports that are held: by those that run, where ports lead to.
    fn refuse_taken(&self, ports: &BTreeSet<PortBinding>) -> Result<(), HostError> {
        let holds = |other: &&SimulatedContainer| other.observed.run.is_active() && other.observed.aliases.is_some();
        let held = self.containers.values().filter(holds).map(|other| &other.observed.ports);
        let mut held = held.chain(self.foreign.values()).flatten();
        match held.find_map(|other| ports.iter().find(|port| other.clashes_with(port))) {
            Some(port) => refuse(format!("`{}` is taken", port.host_side())),
            None => Ok(()),
        }
    }

    fn start(&mut self, name: &str) -> Result<(), HostError> {
        let now = self.now();
        let container = self.containers.get(name).ok_or_else(|| missing(name))?.clone();
        if container.observed.run.is_active() {
            return Ok(());
        }
        if container.observed.aliases.is_some() {
            self.refuse_taken(&container.observed.ports)?;
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
        if !container.creation.spec.files.keys().eq(container.files.keys()) {
            self.violations.push(format!("`{name}` is started without its files"));
        }
        let container = self.container(name)?;
        let spec = &container.creation.spec;
        let may_end = matches!(spec.restart, RestartPolicy::No | RestartPolicy::OnFailure(_));
        let is_checked = matches!(spec.healthcheck, Some(Healthcheck::Check { .. }));
        container.observed.health = if is_checked { Health::Starting } else { Health::Unchecked };
        container.observed.started = Some(now);
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

fn missing(name: &str) -> HostError {
    HostError::Refused(format!("there is no container `{name}`"))
}
