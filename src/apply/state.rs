//! What is on a host, as far as a project is concerned.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::files::Known;
use crate::manifest::{Cidr, PortBinding};
use crate::model::ContainerName;

/// The label with the project that an engine's object belongs to.
pub const LABEL_PROJECT: &str = "dev.windlass.project";
/// The label with the name of a container in its manifest.
pub const LABEL_CONTAINER: &str = "dev.windlass.container";
/// The label with the serial of the manifest that a container was made for.
pub const LABEL_SERIAL: &str = "dev.windlass.serial";
/// The label with the [`super::SpecHash`] of a container.
pub const LABEL_SPEC: &str = "dev.windlass.spec";
/// The label of a container that stays when it leaves its manifest.
pub const LABEL_KEEP: &str = "dev.windlass.keep";

/// What is on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostState {
    /// How many bytes are left where containers are kept, where that is known. It is not asked for while all is as wanted.
    pub room: Option<u64>,
    /// The project's containers by their name on the engine: those that carry its labels and a name that we give.
    pub containers: BTreeMap<String, ObservedContainer>,
    /// The names of all other containers, each with the ports of the host that it holds now.
    pub foreign: BTreeMap<String, BTreeSet<PortBinding>>,
    /// The networks of the project, and those that it wants, by the engine's names. No other is looked at.
    pub networks: BTreeMap<String, ObservedNetwork>,
    /// The addresses that networks of the host have, whosever they are, by the engine's names; where none is wanted with
    /// addresses of its own, not of all.
    pub subnets: BTreeMap<String, Vec<Cidr>>,
    /// Whether the engine takes a container's ports when that starts, whatever networks it is on, and not when it comes onto one
    /// that leads out: no other one can take them over then. It is asked where that matters.
    pub ports_at_start: bool,
    /// The engine's names of the project's volumes that are there.
    pub volumes: BTreeSet<String>,
    /// Those of them that belong to another project: `a-b` of the project `shop` has the name of `b` of `shop-a`.
    pub volumes_of_others: BTreeSet<String>,
    /// Which of the names that were asked for the engine knows an image by.
    pub images: BTreeSet<String>,
}

/// A network that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObservedNetwork {
    /// It is ours.
    Ours,
    /// It is ours, and somebody else's containers are on it.
    Shared,
    /// It is not ours.
    Foreign,
}

/// How a container is on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Its names there besides the engine's.
    pub aliases: BTreeSet<String>,
    /// Its addresses there: those that it shall have; of one that is there, those that it has, or will have once it runs.
    pub addresses: BTreeSet<IpAddr>,
}

impl Endpoint {
    /// The same without names.
    pub fn nameless(&self) -> Self {
        Self { aliases: BTreeSet::new(), addresses: self.addresses.clone() }
    }

    /// Whether it is as wanted. Where no address is wanted, any is fine.
    pub fn is_as(&self, wanted: &Self) -> bool {
        self.aliases == wanted.aliases && wanted.addresses.is_subset(&self.addresses)
    }
}

/// A container of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedContainer {
    /// Its name in its manifest.
    pub container: ContainerName,
    /// What it was made for, as its label says.
    pub spec: String,
    /// The serial of its manifest, as its label says.
    pub serial: Option<u64>,
    /// What it was made from, as the engine names it.
    pub image: String,
    /// What it does.
    pub run: RunState,
    /// Whether it is healthy.
    pub health: Health,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last started.
    pub started: Option<Timestamp>,
    /// How it is on those networks of [`HostState::networks`] on which it can be found by names.
    pub networks: BTreeMap<String, Endpoint>,
    /// Whether it was made to be on no network by which it is found: that of the host, of another container, or none.
    pub is_elsewhere: bool,
    /// The ports of the host that it claims when it runs.
    pub ports: BTreeSet<PortBinding>,
    /// Whether it stays when it leaves its manifest.
    pub keep: bool,
    /// Whether the engine leaves it alone once it has ended well.
    pub may_end: bool,
    /// How long it may take to stop.
    pub stop_grace: Duration,
    /// Which of the files it knows that it is told of by a signal. Nothing where it was made for something else.
    pub known: Known,
}

/// What a container does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It was never started.
    Created,
    /// It runs.
    Running,
    /// It is frozen.
    Paused,
    /// It ended and will be started again by the engine.
    Restarting,
    /// It ended with this code.
    Exited(i64),
    /// The engine could not remove it.
    Dead,
}

impl ObservedContainer {
    /// Whether it is found by names.
    pub fn has_names(&self) -> bool {
        self.networks.values().any(|endpoint| !endpoint.aliases.is_empty())
    }
}

impl RunState {
    /// Whether the engine takes it for running: it holds its ports and has to be stopped before it is removed.
    pub fn is_active(self) -> bool {
        match self {
            Self::Running | Self::Paused | Self::Restarting => true,
            Self::Created | Self::Exited(_) | Self::Dead => false,
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created => f.write_str("never started"),
            Self::Running => f.write_str("running"),
            Self::Paused => f.write_str("paused"),
            Self::Restarting => f.write_str("restarting"),
            Self::Exited(code) => write!(f, "exited ({code})"),
            Self::Dead => f.write_str("dead"),
        }
    }
}

/// What an engine says of a container's health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Health {
    /// It has no check.
    #[default]
    Unchecked,
    /// Its check has not passed yet.
    Starting,
    /// Its check passes.
    Healthy,
    /// Its check fails.
    Unhealthy,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchecked => "unchecked",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        })
    }
}
