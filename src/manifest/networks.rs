//! Networks of a project besides its one, and how containers are on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::problem::{Problem, Problems};
use super::validate::{Wrong, host_names};
use super::{AttachmentEntry, NetworkEntry, SubnetEntry};
use crate::diag::did_you_mean;
use crate::model::ContainerName;

/// The name of the project's network, on which containers are that say nothing else.
pub const DEFAULT_NETWORK: &str = "default";

/// A network that containers can be on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// One of the project.
    Own(NetworkSpec),
    /// One that is there already, by its name on the engine; it is neither made, changed nor removed.
    External(String),
}

impl Network {
    /// Whether it is known to lead to nobody but those who are on it.
    pub fn is_internal(&self) -> bool {
        match self {
            Self::Own(spec) => spec.internal,
            Self::External(_) => false,
        }
    }
}

/// What a network of the project is like. The default is what the engine makes where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkSpec {
    /// Its addresses, one IPv4 and one IPv6 subnet at most; the engine chooses where there are none.
    pub subnets: Vec<Subnet>,
    /// Whether it leads to nobody but those who are on it.
    pub internal: bool,
    /// The address of the host that those who are on it have where they go out.
    pub source_ip: Option<Ipv4Addr>,
    /// Further options of the engine's driver `bridge`.
    pub options: BTreeMap<String, String>,
}

/// A subnet of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// All its addresses.
    pub subnet: Cidr,
    /// The host's address in it; the engine chooses where there is none.
    pub gateway: Option<IpAddr>,
    /// The part of it from which the engine gives addresses to those that ask for none.
    pub ip_range: Option<Cidr>,
}

/// A block of addresses, `10.1.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    first: IpAddr,
    prefix: u8,
}

/// How a container is on a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Its names there besides those that it has on all its networks.
    pub aliases: BTreeSet<String>,
    /// Its addresses there, one of a kind at most; the engine gives it one where there are none.
    pub addresses: BTreeSet<IpAddr>,
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl Cidr {
    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        let ((first, width), (other, other_width)) = (bits(self.first), bits(address));
        let host_bits = width - u32::from(self.prefix);
        width == other_width && first.checked_shr(host_bits) == other.checked_shr(host_bits)
    }

    /// Whether an address is in both: of two blocks that have one, one has all of the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no subnet: expected its first address and a prefix, such as `10.1.0.0/16`");
        let (first, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let first: IpAddr = first.parse().map_err(|_| wrong())?;
        let (number, width) = bits(first);
        let prefix = prefix.parse::<u8>().ok().filter(|prefix| *prefix > 0 && u32::from(*prefix) <= width);
        let prefix = prefix.ok_or_else(wrong)?;
        let is_first = number.trailing_zeros() >= width - u32::from(prefix);
        if is_first { Ok(Self { first, prefix }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// Checks networks. Those that are wrong are left away.
///
/// # Errors
/// Everything that is wrong, with paths that begin at the network's name.
pub fn validate_networks(entries: &BTreeMap<String, NetworkEntry>) -> Result<BTreeMap<String, Network>, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut networks = BTreeMap::new();
    for (name, entry) in entries {
        if name.parse::<ContainerName>().is_err() {
            problems.key(
                name,
                format!("`{name}` is no name for a network: expected one such as a container has"),
                None,
            );
        }
        if let Some(network) = problems.within(name, |problems| network(problems, entry)) {
            networks.insert(name.clone(), network);
        }
    }
    problems.or(networks)
}

fn network(problems: &mut Problems, entry: &NetworkEntry) -> Option<Network> {
    let NetworkEntry { external, subnets, internal, source_ip, options } = entry;
    if let Some(name) = external {
        if *entry != (NetworkEntry { external: external.clone(), ..NetworkEntry::default() }) {
            problems.value("external", "a network that is there already is as it is", None);
        }
        let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
            && !matches!(name.as_str(), "bridge" | "host" | "none");
        if !is_name {
            problems.value("external", format!("`{name}` is no network by whose names containers are found"), None);
        }
        return Some(Network::External(name.clone()));
    }
    let mut all: Vec<Subnet> = Vec::new();
    problems.within("subnets", |problems| {
        for (i, entry) in subnets.iter().enumerate() {
            match subnet(entry) {
                Ok(read) if all.iter().any(|other| other.subnet.first.is_ipv4() == read.subnet.first.is_ipv4()) => {
                    problems.item(i, "one subnet of IPv4 and one of IPv6 are the most", None);
                }
                Ok(read) => all.push(read),
                Err(why) => problems.item(i, why, None),
            }
        }
    });
    let source_ip = source_ip.as_ref().and_then(|text| {
        let read = text.parse::<Ipv4Addr>().map_err(|_| format!("`{text}` is no IPv4 address of the host"));
        problems.read("source_ip", read)
    });
    let internal = internal.unwrap_or(false);
    if internal && source_ip.is_some() {
        problems.value("source_ip", "nobody goes out by a network that is `internal`", None);
    }
    problems.within("options", |problems| {
        for (name, _) in options.iter().filter(|(name, _)| name.is_empty() || *name == SOURCE_IP) {
            problems.key(name, format!("the option `{name}` can't be set"), Some("say `source_ip`".to_owned()));
        }
    });
    Some(Network::Own(NetworkSpec { subnets: all, internal, source_ip, options: options.clone() }))
}

/// The option of the driver `bridge` for the source address of what goes out (Docker 20.10 and later).
pub const SOURCE_IP: &str = "com.docker.network.host_ipv4";

fn subnet(SubnetEntry { subnet, gateway, ip_range }: &SubnetEntry) -> Result<Subnet, String> {
    let subnet: Cidr = subnet.parse()?;
    let inside = |text: &String| {
        let read = text.parse::<IpAddr>().ok().filter(|address| subnet.contains(*address));
        read.ok_or_else(|| format!("the gateway `{text}` is no address in {subnet}"))
    };
    let gateway = gateway.as_ref().map(inside).transpose()?;
    let ip_range = ip_range.as_ref().map(|text| text.parse::<Cidr>()).transpose()?;
    match ip_range {
        Some(range) if !subnet.contains(range.first) || range.prefix < subnet.prefix => {
            Err(format!("the range {range} is not in {subnet}"))
        }
        _ => Ok(Subnet { subnet, gateway, ip_range }),
    }
}

/// Checks how a container is on its networks.
pub(super) fn attachments(
    problems: &mut Problems,
    networks: &BTreeMap<String, Network>,
    entries: &BTreeMap<String, AttachmentEntry>,
) -> BTreeMap<String, Attachment> {
    problems.within("networks", |problems| {
        let mut all = BTreeMap::new();
        for (name, entry) in entries {
            let network = networks.get(name);
            if network.is_none() && name != DEFAULT_NETWORK {
                let near = did_you_mean(name, networks.keys().map(String::as_str));
                let hint =
                    near.map_or("networks stand below `networks`".to_owned(), |near| format!("did you mean `{near}`?"));
                problems.key(name, format!("there is no network `{name}`"), Some(hint));
                continue;
            }
            all.insert(name.clone(), problems.within(name, |problems| attachment(problems, network, entry)));
        }
        let mut sources = all
            .keys()
            .filter(|name| matches!(networks.get(*name), Some(Network::Own(NetworkSpec { source_ip: Some(_), .. }))));
        if let Some(second) = sources.nth(1).cloned() {
            problems.key(&second, "it can go out by one network with a `source_ip` only", None);
        }
        if all.len() == 1 && all.get(DEFAULT_NETWORK) == Some(&Attachment::default()) {
            all.clear();
        }
        all
    })
}

fn attachment(problems: &mut Problems, network: Option<&Network>, entry: &AttachmentEntry) -> Attachment {
    let AttachmentEntry { aliases, ipv4_address, ipv6_address } = entry;
    let mut addresses = BTreeSet::new();
    for (key, text, is_ipv4) in [("ipv4_address", ipv4_address, true), ("ipv6_address", ipv6_address, false)] {
        let Some(text) = text else { continue };
        match address(network, text, is_ipv4) {
            Ok(address) => drop(addresses.insert(address)),
            Err(Wrong { message, hint }) => problems.value(key, message, hint),
        }
    }
    Attachment { aliases: host_names(problems, "aliases", aliases), addresses }
}

/// An address that the engine gives to nobody else.
fn address(network: Option<&Network>, text: &str, is_ipv4: bool) -> Result<IpAddr, Wrong> {
    let address: IpAddr = text
        .parse()
        .ok()
        .filter(|address: &IpAddr| address.is_ipv4() == is_ipv4)
        .ok_or_else(|| Wrong::from(format!("`{text}` is no IPv{} address", if is_ipv4 { 4 } else { 6 })))?;
    let subnets = match network {
        Some(Network::External(_)) => return Ok(address),
        Some(Network::Own(spec)) => spec.subnets.as_slice(),
        None => &[],
    };
    let Some(found) = subnets.iter().find(|found| found.subnet.contains(address)) else {
        let hint = Some("write its `subnets` below `networks`".to_owned());
        return Err(Wrong { message: format!("`{address}` is in no subnet of the network"), hint });
    };
    let range = found.ip_range.filter(|range| !range.contains(address));
    if range.is_none() {
        let hint = Some("give the subnet an `ip_range` without it, for those that ask for no address".to_owned());
        return Err(Wrong { message: format!("the engine may give `{address}` to another container"), hint });
    }
    if found.gateway == Some(address) || address == found.subnet.first {
        return Err(format!("`{address}` is the network's own").into());
    }
    Ok(address)
}

/// Writes networks as [`validate_networks`] reads them.
pub(super) fn write(networks: &BTreeMap<String, Network>) -> BTreeMap<String, NetworkEntry> {
    networks.iter().map(|(name, network)| (name.clone(), network.into())).collect()
}

impl From<&Network> for NetworkEntry {
    fn from(network: &Network) -> Self {
        let NetworkSpec { subnets, internal, source_ip, options } = match network {
            Network::External(name) => return Self { external: Some(name.clone()), ..Self::default() },
            Network::Own(spec) => spec,
        };
        let subnet = |Subnet { subnet, gateway, ip_range }: &Subnet| SubnetEntry {
            subnet: subnet.to_string(),
            gateway: gateway.map(|address| address.to_string()),
            ip_range: ip_range.map(|range| range.to_string()),
        };
        Self {
            external: None,
            subnets: subnets.iter().map(subnet).collect(),
            internal: internal.then_some(true),
            source_ip: source_ip.map(|address| address.to_string()),
            options: options.clone(),
        }
    }
}

/// Writes how a container is on its networks as [`attachments`] reads it.
pub(super) fn write_attachments(all: &BTreeMap<String, Attachment>) -> BTreeMap<String, AttachmentEntry> {
    let entry = |Attachment { aliases, addresses }: &Attachment| {
        let address = |is_ipv4| addresses.iter().find(|address| address.is_ipv4() == is_ipv4).map(ToString::to_string);
        AttachmentEntry {
            aliases: aliases.iter().cloned().collect(),
            ipv4_address: address(true),
            ipv6_address: address(false),
        }
    };
    all.iter().map(|(name, attachment)| (name.clone(), entry(attachment))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_read_and_written() {
        for text in ["10.1.0.0/16", "172.31.77.128/25", "fd00:1::/64", "10.0.0.1/32"] {
            assert_eq!(text.parse::<Cidr>().map(|subnet| subnet.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "10.1.0.0", "10.1.0.1/16", "10.1.0.0/0", "10.1.0.0/33", "fd00::1/64", "fd00::/129", "x/8"] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
        let subnet: Cidr = "172.31.77.128/25".parse().unwrap();
        let inside = |text: &str| subnet.contains(text.parse().unwrap());
        assert!(inside("172.31.77.128") && inside("172.31.77.255") && !inside("172.31.77.127") && !inside("fd00::1"));
    }
}
