//! Why a step has to be done, in words.

use std::fmt;
use std::net::IpAddr;

use super::state::{Health, RunState};
use crate::model::ContainerName;

/// Why something has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// The host does not have it.
    Missing,
    /// The host has it made from another image.
    ImageChanged,
    /// The manifest wants it otherwise.
    SpecChanged,
    /// There is something else in files that it finds.
    FilesChanged,
    /// It does not run.
    NotRunning(RunState),
    /// It was started, and has to show that it is good.
    Started,
    /// It is not good yet, or no more.
    NotReady(RunState, Health),
    /// A newer version starts after it has stopped.
    MakesRoom(StopsFirst),
    /// A newer version takes over what only one can have.
    HandsOver(Claim),
    /// A container that is to take over a port needs it while it shows that it is good.
    Needed(ContainerName),
    /// It is good, and may be found by its names.
    Good,
    /// A newer version is good.
    Superseded,
    /// It claims what another one needs.
    Holds(Claim, ContainerName),
    /// What it depends on is newer than its last start.
    DependencyReplaced(ContainerName),
    /// It is not on its network, or has other names there.
    OffNetwork,
    /// It is on a network of the project that it is not wanted on.
    LeavesNetwork,
    /// An interrupted run left it.
    Leftover,
    /// It took its predecessor's place.
    Succeeded,
    /// This one was replaced, and it wants to know.
    Tells(ContainerName),
    /// The manifest does not have it.
    LeftManifest,
}

/// What no two containers that run can have at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// A port of the host: address, port and protocol.
    Port(String),
    /// An address on a network.
    Address(IpAddr),
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(_) => f.write_str("its port"),
            Self::Address(_) => f.write_str("its address"),
        }
    }
}

/// Why an old container is stopped before the new one is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopsFirst {
    /// Both claim it.
    Both(Claim),
    /// Both write to what is mounted there.
    Writes(String),
    /// Others wait for its end, and it runs once at a time.
    Job,
    /// The manifest asks for it.
    Asked,
}

impl fmt::Display for StopsFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both(Claim::Port(port)) => write!(f, "both bind {port}"),
            Self::Both(Claim::Address(address)) => write!(f, "both have the address {address}"),
            Self::Writes(path) => write!(f, "both write to `{path}`"),
            Self::Job => f.write_str("others wait for its end"),
            Self::Asked => f.write_str("`stop-first`"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("it is not on the host"),
            Self::ImageChanged => f.write_str("its image changed"),
            Self::SpecChanged => f.write_str("its configuration changed"),
            Self::FilesChanged => f.write_str("what is in its files changed"),
            Self::NotRunning(run) => write!(f, "it does not run: {run}"),
            Self::Started => f.write_str("it was started"),
            Self::NotReady(run, Health::Unchecked) => write!(f, "it is {run}"),
            Self::NotReady(_, health) => write!(f, "its health is {health}"),
            Self::MakesRoom(why) => write!(f, "the new one starts after it has stopped: {why}"),
            Self::HandsOver(claim) => write!(f, "the new one takes over {claim}"),
            Self::Needed(container) => write!(f, "`{container}` needs it before it takes over a port"),
            Self::Good => f.write_str("it is good"),
            Self::Superseded => f.write_str("the new one is good"),
            Self::Holds(claim, container) => write!(f, "`{container}` needs {claim}"),
            Self::DependencyReplaced(container) => write!(f, "`{container}` was replaced"),
            Self::OffNetwork => f.write_str("its names on the network are not as wanted"),
            Self::LeavesNetwork => f.write_str("it is not wanted on that network"),
            Self::Leftover => f.write_str("an interrupted run left it"),
            Self::Succeeded => f.write_str("it takes the place of the former one"),
            Self::Tells(container) => write!(f, "`{container}` was replaced"),
            Self::LeftManifest => f.write_str("the manifest does not have it any more"),
        }
    }
}
