//! The steps that change a host. A step holds every name and time that it needs; who executes it chooses nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::SpecHash;
use super::cause::Cause;
use super::state::Endpoint;
use crate::manifest::{ContainerSpec, EnvValue, FILES_NOTE, MountSource, NetworkSpec, Probe};
use crate::model::{ContainerName, ImageId, ProjectName, Reference, format_duration};

/// One thing to do, why, and what to do where it fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The container that it is about; none where it is about the whole project.
    pub container: Option<ContainerName>,
    /// What to do.
    pub action: Action,
    /// Why.
    pub cause: Cause,
    /// What brings the former container back when the action fails; nothing where there is none.
    pub undo: Vec<Action>,
    /// What has to be done before.
    pub after: After,
}

/// The steps that one comes after, by their places in the plan, all of which are before its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct After {
    /// Every step before this place.
    pub all_before: usize,
    /// These as well.
    pub also: Vec<usize>,
}

/// Something to do on a host. Containers are named as the engine names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Pull an image by digest.
    Pull {
        /// What to pull.
        reference: Reference,
        /// What the engine must know it by then, where the manifest tells.
        id: Option<ImageId>,
    },
    /// Make a network of the project.
    CreateNetwork {
        /// Its name.
        name: String,
        /// Whose it is.
        project: ProjectName,
        /// What it is like.
        spec: NetworkSpec,
    },
    /// Remove a network of the project.
    RemoveNetwork {
        /// Its name.
        name: String,
    },
    /// Make a volume.
    CreateVolume {
        /// Its name.
        name: String,
        /// Whose it is.
        project: ProjectName,
    },
    /// Make a container, without starting it.
    Create(Box<Creation>),
    /// Put files into a container. What is there is replaced.
    PutFiles {
        /// The container.
        name: String,
        /// The files by their paths in it.
        files: BTreeMap<String, NewFile>,
    },
    /// Start a container.
    Start {
        /// The container.
        name: String,
    },
    /// Wait until a container is good. Changes nothing.
    Await(Wait),
    /// Ask a container to stop, and kill it after its grace.
    Stop {
        /// The container.
        name: String,
        /// How long it may take.
        grace: Duration,
    },
    /// Stop a container and start it again.
    Restart {
        /// The container.
        name: String,
        /// How long it may take to stop.
        grace: Duration,
    },
    /// Send a signal to a container; to one that does not run it says nothing.
    Signal {
        /// The container.
        name: String,
        /// The signal, by name or number.
        signal: String,
    },
    /// Let a frozen container go on.
    Unpause {
        /// The container.
        name: String,
    },
    /// Wait while a container that nobody finds by its names any more ends what it is at. Changes nothing.
    Drain {
        /// The container.
        name: String,
        /// For how long.
        time: Duration,
    },
    /// Give a container these names on a network, and no others. One that is on it keeps its address there, unless it is to
    /// have another one, where the engine can do that, and with it its connections.
    Reconnect {
        /// The container.
        name: String,
        /// The network.
        network: String,
        /// How it is on it.
        endpoint: Endpoint,
    },
    /// Connect a container to a network. One that is on it stays as it is.
    Connect {
        /// The container.
        name: String,
        /// The network.
        network: String,
        /// How it is on it.
        endpoint: Endpoint,
    },
    /// Take a container off a network.
    Disconnect {
        /// The container.
        name: String,
        /// The network.
        network: String,
    },
    /// Give a container another name.
    Rename {
        /// The container.
        from: String,
        /// Its new name.
        to: String,
    },
    /// Remove a container. Its volumes stay.
    Remove {
        /// The container.
        name: String,
    },
}

impl Action {
    /// Whether the action changes something on the host.
    pub fn is_change(&self) -> bool {
        !matches!(self, Self::Await(_) | Self::Drain { .. })
    }

    /// The container that it does something to, as the engine names it.
    pub(super) fn subject(&self) -> Option<&str> {
        match self {
            Self::Pull { .. } | Self::CreateNetwork { .. } | Self::RemoveNetwork { .. } | Self::CreateVolume { .. } => {
                None
            }
            Self::Create(creation) => Some(&creation.name),
            Self::Await(wait) => Some(&wait.name),
            Self::Rename { from: name, to: _ }
            | Self::PutFiles { name, .. }
            | Self::Start { name }
            | Self::Stop { name, .. }
            | Self::Restart { name, .. }
            | Self::Unpause { name }
            | Self::Signal { name, .. }
            | Self::Drain { name, .. }
            | Self::Reconnect { name, .. }
            | Self::Connect { name, .. }
            | Self::Disconnect { name, .. }
            | Self::Remove { name } => Some(name),
        }
    }

    /// Whether it touches no container, and can be broken off without the engine going on with it.
    pub fn may_be_left(&self) -> bool {
        matches!(self, Self::Await(_) | Self::Drain { .. } | Self::Pull { .. })
    }
}

/// A file that a container finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// What is in it.
    pub content: EnvValue,
    /// Its numeric owner.
    pub uid: u32,
    /// Its numeric group.
    pub gid: u32,
    /// Its mode.
    pub mode: u32,
}

/// Everything that a new container is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Creation {
    /// Its name on the engine.
    pub name: String,
    /// Whose it is.
    pub project: ProjectName,
    /// Its name in the manifest.
    pub container: ContainerName,
    /// The manifest's serial.
    pub serial: u64,
    /// What it is recognised by.
    pub hash: SpecHash,
    /// What the engine knows the image by.
    pub image: String,
    /// The network that it is on from the start.
    pub network: String,
    /// How it is on it.
    pub endpoint: Endpoint,
    /// What is mounted where.
    pub mounts: Vec<EngineMount>,
    /// What is wanted of it.
    pub spec: ContainerSpec,
}

/// Something mounted in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineMount {
    /// What: a volume of the engine by its name there, or a path of the host.
    pub source: MountSource,
    /// The path in the container.
    pub target: String,
    /// Whether the container may not write to it.
    pub read_only: bool,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The container.
    pub name: String,
    /// When it is good.
    pub goal: Goal,
    /// What else has to go well for it to be good.
    pub probe: Option<Probe>,
    /// How long it may take.
    pub timeout: Duration,
}

/// When a container that was started is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// It has run, healthy where it has a check, for so long.
    Ready {
        /// For how long.
        healthy_for: Duration,
        /// Whether it may also have ended with code 0, because nothing starts it again.
        may_end: bool,
    },
    /// It has ended with code 0.
    Completed,
}

impl fmt::Display for Action {
    /// What is done, in a few words and without any secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull { reference, id: _ } => write!(f, "pull `{reference}`"),
            Self::CreateNetwork { name, project: _, spec: _ } => write!(f, "create network `{name}`"),
            Self::RemoveNetwork { name } => write!(f, "remove network `{name}`"),
            Self::CreateVolume { name, project: _ } => write!(f, "create volume `{name}`"),
            Self::Create(creation) => write!(f, "create `{}`", creation.name),
            Self::PutFiles { name, files } => match files.keys().filter(|path| *path != FILES_NOTE).count() {
                0 => write!(f, "note which files `{name}` knows"),
                1 => write!(f, "put a file into `{name}`"),
                n => write!(f, "put {n} files into `{name}`"),
            },
            Self::Start { name } => write!(f, "start `{name}`"),
            Self::Await(Wait { name, goal: Goal::Ready { .. }, probe: _, timeout }) => {
                write!(f, "wait until `{name}` is good, {} at most", format_duration(*timeout))
            }
            Self::Await(Wait { name, goal: Goal::Completed, probe: _, timeout }) => {
                write!(f, "wait until `{name}` has completed, {} at most", format_duration(*timeout))
            }
            Self::Stop { name, grace: _ } => write!(f, "stop `{name}`"),
            Self::Restart { name, grace: _ } => write!(f, "restart `{name}`"),
            Self::Signal { name, signal } => write!(f, "send {signal} to `{name}`"),
            Self::Unpause { name } => write!(f, "unpause `{name}`"),
            Self::Drain { name, time } => write!(f, "let `{name}` end what it is at for {}", format_duration(*time)),
            Self::Reconnect { name, network, endpoint } if endpoint.aliases.is_empty() => {
                write!(f, "take its names on network `{network}` from `{name}`")
            }
            Self::Reconnect { name, network, .. } => write!(f, "connect `{name}` to network `{network}`"),
            Self::Connect { name, network, endpoint: _ } => write!(f, "connect `{name}` to network `{network}`"),
            Self::Disconnect { name, network } => write!(f, "take `{name}` off network `{network}`"),
            Self::Rename { from, to } => write!(f, "rename `{from}` to `{to}`"),
            Self::Remove { name } => write!(f, "remove `{name}`"),
        }
    }
}
