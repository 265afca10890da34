//! What a container shares with others: a network, volumes, and the news that it was replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use super::lifecycle;
use super::problem::Problems;
use super::validate::{Known, Wrong, items};
use super::{Attachment, ContainerEntry, DEFAULT_NETWORK};
use crate::model::ContainerName;

/// What a container shares with others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Joins {
    /// The network that it is on.
    pub network: NetworkMode,
    /// The networks that it is on where it is on others than the project's, or in another way; see [`Joins::networks`].
    pub networks: BTreeMap<String, Attachment>,
    /// Containers whose volumes it has too, and whether it may not write to them.
    pub volumes_from: BTreeMap<ContainerName, bool>,
    /// The signals that others get once it was replaced.
    pub signals: BTreeMap<ContainerName, String>,
}

/// Whose network a container has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// Those of the project that it says.
    #[default]
    Project,
    /// None at all.
    None,
    /// The host's own.
    Host,
    /// That of another container, address and all.
    Container(ContainerName),
}

impl fmt::Display for NetworkMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Project => f.write_str("project"),
            Self::None => f.write_str("none"),
            Self::Host => f.write_str("host"),
            Self::Container(name) => write!(f, "container:{name}"),
        }
    }
}

impl Joins {
    /// The networks that it is on, where it can be found by names, by their names in the manifest.
    pub fn networks(&self) -> BTreeMap<String, Attachment> {
        match self.network {
            NetworkMode::Project if self.networks.is_empty() => {
                [(DEFAULT_NETWORK.to_owned(), Attachment::default())].into()
            }
            NetworkMode::Project => self.networks.clone(),
            NetworkMode::None | NetworkMode::Host | NetworkMode::Container(_) => BTreeMap::new(),
        }
    }

    /// Its addresses that no two containers can have at once.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.networks.values().flat_map(|attachment| attachment.addresses.iter().copied())
    }

    /// The containers without which this one can't be what it is: once one of them is another one, so has this to be.
    pub fn joined(&self) -> BTreeSet<&ContainerName> {
        let network = match &self.network {
            NetworkMode::Container(name) => Some(name),
            NetworkMode::Project | NetworkMode::None | NetworkMode::Host => None,
        };
        self.volumes_from.keys().chain(network).collect()
    }
}

/// Checks what is written of it.
pub(super) fn read(problems: &mut Problems, known: &Known<'_>, entry: &ContainerEntry) -> Joins {
    let network = entry.network_mode.as_ref().map_or(Ok(NetworkMode::Project), |text| network_mode(known, text));
    let network = network.unwrap_or_else(|Wrong { message, hint }| {
        problems.value("network_mode", message, hint);
        NetworkMode::Project
    });
    let mut volumes_from = BTreeMap::new();
    items(problems, "volumes_from", &entry.volumes_from, |text| {
        let (name, read_only) = match text.split_once(':') {
            None => (text, false),
            Some((name, "rw")) => (name, false),
            Some((name, "ro")) => (name, true),
            Some((_, other)) => {
                return Err(format!("`{other}` is no way to mount volumes: expected `ro` or `rw`").into());
            }
        };
        match volumes_from.insert(known.container(name)?, read_only) {
            None => Ok(()),
            Some(_) => Err(format!("`{name}` stands here twice").into()),
        }
    });
    let signals = problems.within("signals", |problems| {
        let mut all = BTreeMap::new();
        for (name, signal) in &entry.signals {
            match known.container(name) {
                Ok(_) if !lifecycle::is_signal(signal) => {
                    problems.value(name, format!("`{signal}` is no signal: expected `SIGHUP` or a number"), None);
                }
                Ok(target) => drop(all.insert(target, signal.clone())),
                Err(why) => problems.key(name, why.message, why.hint),
            }
        }
        all
    });
    alone_on_its_network(problems, &network, entry);
    let networks = super::networks::attachments(problems, known.networks, &entry.networks);
    Joins { network, networks, volumes_from, signals }
}

fn network_mode(known: &Known<'_>, text: &str) -> Result<NetworkMode, Wrong> {
    match text {
        "none" => Ok(NetworkMode::None),
        "host" => Ok(NetworkMode::Host),
        _ => match text.strip_prefix("container:") {
            Some(name) => known.container(name).map(NetworkMode::Container),
            None => Err(format!("`{text}` is no network mode: expected `none`, `host` or `container:NAME`").into()),
        },
    }
}

/// What says something of the project's network says nothing where the container is not on it.
fn alone_on_its_network(problems: &mut Problems, network: &NetworkMode, entry: &ContainerEntry) {
    let mut refuse = |key: &str, is_there: bool| {
        if is_there {
            problems.value(key, format!("it says nothing where `network_mode` is `{network}`"), None);
        }
    };
    if *network == NetworkMode::Project {
        return;
    }
    refuse("ports", !entry.ports.is_empty());
    refuse("aliases", !entry.aliases.is_empty());
    refuse("networks", !entry.networks.is_empty());
    refuse("links", !entry.links.is_empty());
    refuse("hosts_file", !entry.hosts_file.is_empty());
    if matches!(network, NetworkMode::Container(_)) {
        refuse("hostname", entry.hostname.is_some());
        refuse("dns", !entry.dns.is_empty());
        refuse("extra_hosts", !entry.extra_hosts.is_empty());
    }
}

/// Writes it into an entry as [`read`] reads it.
pub(super) fn write(joins: &Joins, entry: &mut ContainerEntry) {
    let Joins { network, networks, volumes_from, signals } = joins;
    entry.network_mode = (*network != NetworkMode::Project).then(|| network.to_string());
    entry.networks = super::networks::write_attachments(networks);
    let from =
        |(name, read_only): (&ContainerName, &bool)| if *read_only { format!("{name}:ro") } else { name.to_string() };
    entry.volumes_from = volumes_from.iter().map(from).collect();
    entry.signals = signals.iter().map(|(name, signal)| (name.to_string(), signal.clone())).collect();
}
