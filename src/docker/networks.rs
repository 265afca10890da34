//! Networks and volumes: looked up, made, connected to.

use std::collections::{BTreeMap, BTreeSet};

use bollard::Docker;
use bollard::models::{
    EndpointSettings, Network, NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
    VolumeCreateRequest,
};
use bollard::query_parameters::{ListNetworksOptionsBuilder, ListVolumesOptionsBuilder};

use super::Failure;
use super::answer::{answer, unless_missing};

/// The networks whose name contains a text, by name, with what the engine knows of them but for who is on them.
pub async fn networks(docker: &Docker, containing: &str) -> Result<BTreeMap<String, Network>, Failure> {
    let filters = [("name", vec![containing])].into();
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let found = answer(docker, docker.list_networks(Some(options))).await?;
    Ok(found.into_iter().filter_map(|network| Some((network.name.clone()?, network))).collect())
}

/// Makes a bridge network; an internal one leads nowhere.
pub async fn create_network(
    docker: &Docker,
    name: &str,
    is_internal: bool,
    labels: &BTreeMap<String, String>,
) -> Result<(), Failure> {
    let request = NetworkCreateRequest {
        name: name.to_owned(),
        driver: Some("bridge".to_owned()),
        internal: Some(is_internal),
        labels: Some(labels.clone().into_iter().collect()),
        ..NetworkCreateRequest::default()
    };
    answer(docker, docker.create_network(request)).await.map(drop)
}

/// Removes a network; one that is not there is fine.
pub async fn remove_network(docker: &Docker, name: &str) -> Result<(), Failure> {
    answer(docker, unless_missing(docker.remove_network(name))).await.map(drop)
}

/// Connects a container to a network under these names besides its own; one that is on it stays as it is.
pub async fn connect(
    docker: &Docker,
    network: &str,
    container: &str,
    aliases: &BTreeSet<String>,
) -> Result<(), Failure> {
    let endpoint = EndpointSettings { aliases: Some(aliases.iter().cloned().collect()), ..EndpointSettings::default() };
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
