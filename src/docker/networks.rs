//! Networks and volumes: looked up, made, connected to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use bollard::Docker;
use bollard::models::{
    EndpointIpamConfig, EndpointSettings, Ipam, IpamConfig, Network, NetworkConnectRequest, NetworkCreateRequest,
    NetworkDisconnectRequest, VolumeCreateRequest,
};
use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};

use super::Failure;
use super::answer::{answer, unless_missing};

/// The networks whose name contains one of some texts, or all where there are no texts, by name, with what the engine
/// knows of them but for who is on them.
pub async fn networks(docker: &Docker, containing: &[&str]) -> Result<BTreeMap<String, Network>, Failure> {
    let filters = (!containing.is_empty()).then(|| [("name", containing.to_vec())].into());
    let options = ListNetworksOptionsBuilder::new().filters(&filters.unwrap_or_default()).build();
    let found = answer(docker, docker.list_networks(Some(options))).await?;
    Ok(found.into_iter().filter_map(|network| Some((network.name.clone()?, network))).collect())
}

/// What a new bridge network is like.
#[derive(Debug, Clone, Default)]
pub struct NewNetwork {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its subnets; the engine chooses where there are none.
    pub subnets: Vec<IpamConfig>,
    /// Whether it leads nowhere.
    pub internal: bool,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// Makes a bridge network on which containers can keep their addresses. That needs a subnet that the engine was told: it
/// is told the one that it chose itself. Where somebody else takes that meanwhile, the engine chooses, and addresses change.
pub async fn create_network(docker: &Docker, name: &str, new: NewNetwork) -> Result<(), Failure> {
    let NewNetwork { labels, subnets, internal, options } = new;
    let is_told = !subnets.is_empty();
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: internal.then_some(true),
        enable_ipv6: subnets.iter().any(|part| part.subnet.as_ref().is_some_and(|s| s.contains(':'))).then_some(true),
        ipam: is_told.then(|| Ipam { config: Some(subnets), ..Ipam::default() }),
        options: (!options.is_empty()).then(|| options.into_iter().collect()),
        labels: Some(labels.into_iter().collect()),
        ..NetworkCreateRequest::default()
    };
    make_network(docker, request.clone()).await?;
    if is_told || internal {
        return Ok(());
    }
    let found = networks(docker, &[name]).await?.remove(name);
    let Some(ipam) = found.and_then(|network| network.ipam).filter(|ipam| ipam.config.is_some()) else { return Ok(()) };
    remove_network(docker, name).await?;
    let config =
        ipam.config.into_iter().flatten().map(|chosen| IpamConfig { subnet: chosen.subnet, ..IpamConfig::default() });
    let ipam = Ipam { config: Some(config.collect()), ..Ipam::default() };
    match make_network(docker, NetworkCreateRequest { ipam: Some(ipam), ..request.clone() }).await {
        Err(Failure::Refused(_)) => make_network(docker, request).await,
        other => other,
    }
}

async fn make_network(docker: &Docker, request: NetworkCreateRequest) -> Result<(), Failure> {
    answer(docker, docker.create_network(request)).await.map(drop)
}

/// Removes a network; one that is not there is fine.
pub async fn remove_network(docker: &Docker, name: &str) -> Result<(), Failure> {
    answer(docker, unless_missing(docker.remove_network(name))).await.map(drop)
}

/// Connects a container to a network under these names besides its own, and with these addresses; one that is on it stays as
/// it is.
pub async fn connect(
    docker: &Docker,
    network: &str,
    container: &str,
    aliases: &BTreeSet<String>,
    addresses: &BTreeSet<IpAddr>,
) -> Result<(), Failure> {
    connect_as(docker, network, container, endpoint(aliases, addresses)).await
}

async fn connect_as(
    docker: &Docker,
    network: &str,
    container: &str,
    endpoint: EndpointSettings,
) -> Result<(), Failure> {
    let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint) };
    match answer(docker, docker.connect_network(network, request)).await {
        // Docker's words, and Podman's.
        Err(Failure::Refused(message))
            if message.contains("already exists in network") || message.contains("already connected") =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Connects a container to a network under these names and no others besides its own, and with these addresses. One that is on
/// it is taken off and, where none are given, comes back with the address that it had, so that its connections go on; where the
/// engine gives it another, they don't.
pub async fn reconnect(
    docker: &Docker,
    network: &str,
    container: &str,
    aliases: &BTreeSet<String>,
    addresses: &BTreeSet<IpAddr>,
) -> Result<(), Failure> {
    if !addresses.is_empty() {
        disconnect(docker, network, container).await?;
        return connect(docker, network, container, aliases, addresses).await;
    }
    let found = answer(docker, unless_missing(docker.inspect_container(container, None))).await?;
    let networks = found.and_then(|found| found.network_settings?.networks);
    let address = networks.and_then(|networks| networks.get(network)?.ip_address.clone());
    disconnect(docker, network, container).await?;
    if let Some(address) = address.and_then(|address| address.parse().ok()) {
        match connect(docker, network, container, aliases, &[address].into()).await {
            // Docker lets nobody choose where it chose the subnet; and the address may have been given away.
            Err(Failure::Refused(_)) => {}
            other => return other,
        }
    }
    connect(docker, network, container, aliases, addresses).await
}

/// What the engine is told of how a container is on a network.
pub fn endpoint(aliases: &BTreeSet<String>, addresses: &BTreeSet<IpAddr>) -> EndpointSettings {
    let address = |is_ipv4| addresses.iter().find(|address| address.is_ipv4() == is_ipv4).map(ToString::to_string);
    let ipam_config = EndpointIpamConfig {
        ipv4_address: address(true),
        ipv6_address: address(false),
        ..EndpointIpamConfig::default()
    };
    EndpointSettings {
        aliases: Some(aliases.iter().cloned().collect()),
        ipam_config: (!addresses.is_empty()).then_some(ipam_config),
        ..EndpointSettings::default()
    }
}

/// Takes a container off a network; one that is not on it is fine.
pub async fn disconnect(docker: &Docker, network: &str, container: &str) -> Result<(), Failure> {
    let request = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
    match answer(docker, unless_missing(docker.disconnect_network(network, request))).await {
        // Docker says it with 403 or 500, by version; Podman says that the container is not connected too.
        Err(Failure::Refused(message)) if message.contains("not connected") => Ok(()),
        other => other.map(drop),
    }
}

/// The volumes whose name contains a text, with their labels.
pub async fn volumes(docker: &Docker, containing: &str) -> Result<BTreeMap<String, BTreeMap<String, String>>, Failure> {
    let filters = [("name", vec![containing])].into();
    let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
    let found = answer(docker, docker.list_volumes(Some(options))).await?.volumes.unwrap_or_default();
    Ok(found.into_iter().map(|volume| (volume.name, volume.labels.into_iter().collect())).collect())
}

/// Makes a volume; one that is there stays as it is.
pub async fn create_volume(docker: &Docker, name: &str, labels: &BTreeMap<String, String>) -> Result<(), Failure> {
    let request = VolumeCreateRequest {
        name: Some(name.to_owned()),
        labels: Some(labels.clone().into_iter().collect()),
        ..VolumeCreateRequest::default()
    };
    answer(docker, docker.create_volume(request)).await.map(drop)
}
