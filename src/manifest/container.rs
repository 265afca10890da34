//! A container as it is wanted: everything checked, defaults filled in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Confines, File, Joins, Mount, PortBinding, Powers, Probe};
use crate::model::{ContainerName, ImageName, Reference};

/// How long a container may take to stop where nothing is said (Docker's own default).
pub const DEFAULT_STOP_GRACE: Duration = Duration::from_secs(10);
/// How long a new container has to run before it counts as good where nothing is said. Arbitrary; long enough that
/// the engine has restarted a container that ends at once.
pub const DEFAULT_HEALTHY_FOR: Duration = Duration::from_secs(1);
/// How long a new container may take to become good where nothing is said.
pub const DEFAULT_UPDATE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long an old container goes on once the new one has its names, where nothing is said. Arbitrary; long enough that who
/// has just looked up its address has asked what there was to ask.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(1);

/// How many replicas a container may have. Arbitrary: one host is meant.
pub const REPLICAS_AT_MOST: u32 = 100;

/// Everything that is wanted of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    /// What it is made from.
    pub image: ImageSource,
    /// The command; the image's where there is none.
    pub command: Option<Vec<String>>,
    /// The entrypoint; the image's where there is none. Empty means that there shall be none.
    pub entrypoint: Option<Vec<String>>,
    /// The host name; the container's name and the project's where there is none.
    pub hostname: Option<String>,
    /// `user[:group]`; the image's where there is none.
    pub user: Option<String>,
    /// The working directory, absolute; the image's where there is none.
    pub working_dir: Option<String>,
    /// Environment variables on top of the image's.
    pub env: BTreeMap<String, EnvValue>,
    /// Files beside the manifest with more environment variables; none once they were read.
    pub env_file: Vec<String>,
    /// Labels on top of the image's; none begins with `dev.windlass.`.
    pub labels: BTreeMap<String, String>,
    /// Published ports; no two claim the same port of the host.
    pub ports: BTreeSet<PortBinding>,
    /// Volumes by their path in the container.
    pub volumes: BTreeMap<String, Mount>,
    /// Further names on the project's network.
    pub aliases: BTreeSet<String>,
    /// Names by which the host itself finds it.
    pub hosts_file: BTreeSet<String>,
    /// Containers that this one talks to, by the name that it knows them by.
    pub links: BTreeMap<String, ContainerName>,
    /// What it shares with others.
    pub joins: Joins,
    /// What has to be there first.
    pub depends_on: BTreeMap<ContainerName, Dependency>,
    /// How its health is found out; the image's way where there is none.
    pub healthcheck: Option<Healthcheck>,
    /// What the engine does when it ends.
    pub restart: RestartPolicy,
    /// The signal that asks it to stop; the image's where there is none.
    pub stop_signal: Option<String>,
    /// How long it may take to stop before it is killed.
    pub stop_grace: Duration,
    /// What it may use of the host, and what it finds there.
    pub confines: Confines,
    /// What it may do to the host beyond what every container may.
    pub powers: Powers,
    /// Files that it finds, by their paths in it.
    pub files: BTreeMap<String, File>,
    /// What becomes of what it writes to its standard streams; what the engine is set up for where there is nothing.
    pub logging: Option<Logging>,
    /// Whether it stays as it is when it leaves the manifest.
    pub keep: bool,
    /// How many of it there are, [`REPLICAS_AT_MOST`] at most.
    pub replicas: u32,
    /// How a newer version takes its place.
    pub update: Update,
}

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageSource {
    /// An image of the project.
    Own(ImageName),
    /// An image from elsewhere; with a digest in every manifest that was read.
    External(Reference),
}

impl fmt::Display for ImageSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(name) => fmt::Display::fmt(name, f),
            Self::External(reference) => fmt::Display::fmt(reference, f),
        }
    }
}

/// The value of an environment variable. Often a secret, therefore shown to nobody who does not ask.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvValue(String);

impl EnvValue {
    /// Takes a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself: for the engine and the manifest, never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

/// What becomes of what a container writes to its standard streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// The engine's driver.
    pub driver: String,
    /// The driver's options.
    pub options: BTreeMap<String, String>,
}

/// What is waited for of a container that has to be there first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dependency {
    /// When it counts as there.
    pub condition: Condition,
    /// Whether the dependant is restarted when it is replaced.
    pub restart: bool,
}

/// When a container counts as there for those that depend on it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// It was started.
    #[default]
    Started,
    /// It is healthy; where it has no check, it runs.
    Healthy,
    /// It ended with exit code 0.
    Completed,
}

/// How the engine finds out whether a container is healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// It does not: not even as the image says.
    None,
    /// It runs a check.
    Check {
        /// What to run, `CMD` or `CMD-SHELL` first; the image's check where there is nothing.
        test: Option<Vec<String>>,
        /// From one check to the next; the image's or 30 s where nothing is said, and so on.
        interval: Option<Duration>,
        /// How long a check may take.
        timeout: Option<Duration>,
        /// How many checks in a row have to fail.
        retries: Option<u32>,
        /// How long failing checks don't count after the start.
        start_period: Option<Duration>,
    },
}

/// What the engine does when a container ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// It starts it again. The default, because `unless-stopped` stays down when the engine itself was killed.
    #[default]
    Always,
    /// It starts it again unless it was stopped by hand.
    UnlessStopped,
    /// Nothing.
    No,
    /// It starts it again when the exit code is not 0, so many times at most; 0 means without end.
    OnFailure(u32),
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::UnlessStopped => f.write_str("unless-stopped"),
            Self::No => f.write_str("no"),
            Self::OnFailure(0) => f.write_str("on-failure"),
            Self::OnFailure(times) => write!(f, "on-failure:{times}"),
        }
    }
}

/// How a newer version of a container takes the place of the running one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Which goes first; where nothing is said, what the container's ports and volumes allow.
    pub order: Option<Order>,
    /// How long the new one has to run, healthy where it has a check, before it counts as good.
    pub healthy_for: Duration,
    /// What is tried to find out whether the new one is good, besides the engine's health check.
    pub probe: Option<Probe>,
    /// How long it may take to become good.
    pub timeout: Duration,
    /// How long the old one goes on once the new one has its names.
    pub drain: Duration,
    /// How many replicas are replaced at a time, at least 1.
    pub batch: u32,
    /// What is done when it does not.
    pub on_failure: OnFailure,
    /// Whether an image that the engine lacks is pulled.
    pub pull: bool,
}

impl Default for Update {
    fn default() -> Self {
        Self {
            order: None,
            healthy_for: DEFAULT_HEALTHY_FOR,
            probe: None,
            timeout: DEFAULT_UPDATE_TIMEOUT,
            drain: DEFAULT_DRAIN,
            batch: 1,
            on_failure: OnFailure::Rollback,
            pull: true,
        }
    }
}

/// Which goes first when a container is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The new one is started and has to become good before the old one is stopped.
    StartFirst,
    /// The old one is stopped, and kept, before the new one is started.
    StopFirst,
    /// Where both bind a port of the host, the new one shows that it is good on a network that leads nowhere, and then
    /// takes over the port; else like `start-first`.
    Swap,
}

/// What is done when a new container does not become good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The former container serves again.
    #[default]
    Rollback,
    /// The run stops and leaves both as they are.
    Stop,
}
