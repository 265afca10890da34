//! The steps that change a host. A step holds every name and time that it needs; who executes it chooses nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use super::SpecHash;
use super::state::{Health, RunState};
use crate::manifest::{ContainerSpec, EnvValue, MountSource, Probe};
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
        /// Where it leads.
        reach: Reach,
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
    /// Put files into a container that was never started.
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
    /// Give a container these names on the project's network, and no others. One that is on it keeps its address there
    /// where the engine can do that, and with it its connections.
    Reconnect {
        /// The container.
        name: String,
        /// The network.
        network: String,
        /// Its names there.
        aliases: BTreeSet<String>,
    },
    /// Connect a container to a network under these names. One that is on it stays as it is.
    Connect {
        /// The container.
        name: String,
        /// The network.
        network: String,
        /// Its names there.
        aliases: BTreeSet<String>,
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

/// Where a network leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// To the host and beyond; ports of the host lead to it.
    World,
    /// To the containers on it alone, and no port of the host leads to it.
    Itself,
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
    /// Its names there.
    pub aliases: BTreeSet<String>,
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

/// Why something has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The host does not have it.
    Missing,
    /// The host has it made from another image.
    ImageChanged,
    /// The manifest wants it otherwise.
    SpecChanged,
    /// It does not run.
    NotRunning(RunState),
    /// It was started, and has to show that it is good.
    Started,
    /// It is not good yet, or no more.
    NotReady(RunState, Health),
    /// A newer version starts after it has stopped.
    MakesRoom(StopsFirst),
    /// A newer version takes over its ports.
    HandsOver,
    /// A container that is to take over a port needs it while it shows that it is good.
    Needed(ContainerName),
    /// It is good, and may be found by its names.
    Good,
    /// A newer version is good.
    Superseded,
    /// It claims a port of the host that another one needs.
    HoldsPort(ContainerName),
    /// What it depends on is newer than its last start.
    DependencyReplaced(ContainerName),
    /// It is not on the project's network, or has other names there.
    OffNetwork,
    /// An interrupted run left it.
    Leftover,
    /// It took its predecessor's place.
    Succeeded,
    /// This one was replaced, and it wants to know.
    Tells(ContainerName),
    /// The manifest does not have it.
    LeftManifest,
}

/// Why an old container is stopped before the new one is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopsFirst {
    /// Both bind this port of the host: address, port and protocol.
    Port(String),
    /// Both write to what is mounted there.
    Writes(String),
    /// The manifest asks for it.
    Asked,
}

impl fmt::Display for StopsFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, "both bind {port}"),
            Self::Writes(path) => write!(f, "both write to `{path}`"),
            Self::Asked => f.write_str("`stop-first`"),
        }
    }
}

impl fmt::Display for Action {
    /// What is done, in a few words and without any secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pull { reference, id: _ } => write!(f, "pull `{reference}`"),
            Self::CreateNetwork { name, project: _, reach: _ } => write!(f, "create network `{name}`"),
            Self::RemoveNetwork { name } => write!(f, "remove network `{name}`"),
            Self::CreateVolume { name, project: _ } => write!(f, "create volume `{name}`"),
            Self::Create(creation) => write!(f, "create `{}`", creation.name),
            Self::PutFiles { name, files } if files.len() == 1 => write!(f, "put a file into `{name}`"),
            Self::PutFiles { name, files } => write!(f, "put {} files into `{name}`", files.len()),
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
            Self::Reconnect { name, network, aliases } if aliases.is_empty() => {
                write!(f, "take its names on network `{network}` from `{name}`")
            }
            Self::Reconnect { name, network, .. } => write!(f, "connect `{name}` to network `{network}`"),
            Self::Connect { name, network, aliases: _ } => write!(f, "connect `{name}` to network `{network}`"),
            Self::Disconnect { name, network } => write!(f, "take `{name}` off network `{network}`"),
            Self::Rename { from, to } => write!(f, "rename `{from}` to `{to}`"),
            Self::Remove { name } => write!(f, "remove `{name}`"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not on the host"),
            Self::ImageChanged => f.write_str("its image changed"),
            Self::SpecChanged => f.write_str("its configuration changed"),
            Self::NotRunning(run) => write!(f, "it does not run: {run}"),
            Self::Started => f.write_str("it was started"),
            Self::NotReady(run, Health::Unchecked) => write!(f, "it is {run}"),
            Self::NotReady(_, health) => write!(f, "its health is {health}"),
            Self::MakesRoom(why) => write!(f, "the new one starts after it has stopped: {why}"),
            Self::HandsOver => f.write_str("the new one takes over its port"),
            Self::Needed(container) => write!(f, "`{container}` needs it before it takes over a port"),
            Self::Good => f.write_str("it is good"),
            Self::Superseded => f.write_str("the new one is good"),
            Self::HoldsPort(container) => write!(f, "`{container}` needs its port"),
            Self::DependencyReplaced(container) => write!(f, "`{container}` was replaced"),
            Self::OffNetwork => f.write_str("its names on the network are not as wanted"),
            Self::Leftover => f.write_str("an interrupted run left it"),
            Self::Succeeded => f.write_str("it takes the place of the former one"),
            Self::Tells(container) => write!(f, "`{container}` was replaced"),
            Self::LeftManifest => f.write_str("the manifest does not have it any more"),
        }
    }
}
