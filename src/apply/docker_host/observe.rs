//! What an engine tells of its objects, in our words.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, HealthStatusEnum,
    HostConfig, Network, PortSummaryTypeEnum, RestartPolicyNameEnum,
};
use jiff::Timestamp;

use crate::apply::desired::{Desired, DesiredContainer, engine_name};
use crate::apply::files::Known;
use crate::apply::state::{
    Endpoint, Health, LABEL_CONTAINER, LABEL_KEEP, LABEL_PROJECT, LABEL_SERIAL, LABEL_SPEC, ObservedContainer,
    ObservedNetwork, RunState,
};
use crate::manifest::{Cidr, DEFAULT_STOP_GRACE, PortBinding, Protocol};
use crate::model::{ContainerName, ProjectName};

/// The name of a container; names that links gave it are left out.
pub(super) fn name_of(summary: &ContainerSummary) -> Option<&str> {
    let names = summary.names.iter().flatten().map(|name| name.strip_prefix('/').unwrap_or(name));
    names.into_iter().find(|name| !name.contains('/'))
}

/// What a container of the project is in its manifest. It has to carry our labels and a name that we give: labels
/// alone may come from an image that was made of one of our containers.
pub(super) fn our_container(project: &ProjectName, summary: &ContainerSummary) -> Option<ContainerName> {
    let label = |key: &str| summary.labels.as_ref()?.get(key);
    if label(LABEL_PROJECT)? != project.as_str() {
        return None;
    }
    let container: ContainerName = label(LABEL_CONTAINER)?.parse().ok()?;
    let rest = name_of(summary)?.strip_prefix(&engine_name(project, &container))?;
    (rest.is_empty() || rest.starts_with(".next-")).then_some(container)
}

/// The state of a network, on which these containers of others are; nothing where the project has nothing to do with it.
pub(super) fn network(
    desired: &Desired,
    name: &str,
    found: &Network,
    on_others: &BTreeSet<String>,
) -> Option<ObservedNetwork> {
    let label = found.labels.as_ref().and_then(|labels| labels.get(LABEL_PROJECT));
    match label.is_some_and(|label| label == desired.project.as_str()) {
        true if on_others.contains(name) => Some(ObservedNetwork::Shared),
        true => Some(ObservedNetwork::Ours),
        false => (desired.networks.contains_key(name) || name == desired.gate()).then_some(ObservedNetwork::Foreign),
    }
}

/// The addresses that a network has, as far as they can be read.
pub(super) fn subnets(found: &Network) -> Vec<Cidr> {
    let told = found.ipam.iter().flat_map(|ipam| ipam.config.iter().flatten());
    told.filter_map(|part| part.subnet.as_ref()?.parse().ok()).collect()
}

/// The networks that a container is on.
pub(super) fn networks_of(summary: &ContainerSummary) -> impl Iterator<Item = String> {
    let networks = summary.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    networks.into_iter().flat_map(|networks| networks.keys().cloned())
}

/// A container of ours as the engine describes it.
pub(super) fn observed(
    desired: &Desired,
    container: &ContainerName,
    found: &ContainerInspectResponse,
    networks: &BTreeMap<String, Network>,
    known: Known,
) -> ObservedContainer {
    let wanted = desired.containers.get(container).map(|wanted| &wanted.networks);
    let is_elsewhere = is_elsewhere(found);
    let on = networks.iter().filter(|(name, _)| !is_elsewhere && **name != desired.gate());
    let on = on.filter_map(|(name, network)| {
        let wanted = wanted.and_then(|wanted| wanted.get(name)).map(|endpoint| &endpoint.aliases);
        Some((name.clone(), endpoint(found, name, network.id.as_deref(), wanted)?))
    });
    let label = |key: &str| label(found, key).cloned();
    let grace = found.config.as_ref().and_then(|config| config.stop_timeout);
    let grace = grace.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    ObservedContainer {
        container: container.clone(),
        spec: label(LABEL_SPEC).unwrap_or_default(),
        serial: label(LABEL_SERIAL).and_then(|serial| serial.parse().ok()),
        image: found.image.clone().unwrap_or_default(),
        run: run_state(found),
        health: health(found),
        created: time(found.created.as_deref()).unwrap_or(Timestamp::UNIX_EPOCH),
        started: started_at(found),
        networks: on.collect(),
        is_elsewhere,
        ports: found.host_config.as_ref().map(ports).unwrap_or_default(),
        keep: label(LABEL_KEEP).is_some(),
        may_end: found.host_config.as_ref().is_none_or(may_end),
        stop_grace: grace.unwrap_or(DEFAULT_STOP_GRACE),
        known,
    }
}

fn label<'a>(found: &'a ContainerInspectResponse, key: &str) -> Option<&'a String> {
    found.config.as_ref()?.labels.as_ref()?.get(key)
}

/// Whether what a container was made for is wanted still, as its label says.
pub(super) fn is_made_for(wanted: &DesiredContainer, found: &ContainerInspectResponse) -> bool {
    label(found, LABEL_SPEC).is_some_and(|spec| *spec == wanted.hash.to_string())
}

/// Whether a container is what would be made now, and was never started.
pub(super) fn is_made_as(wanted: &ContainerCreateBody, found: &ContainerInspectResponse) -> bool {
    let has = |(key, value): (&String, &String)| label(found, key) == Some(value);
    let network = |host: &Option<HostConfig>| host.as_ref().and_then(|host| host.network_mode.clone());
    let wanted_network = network(&wanted.host_config);
    // Podman tells of all networks that they are bridges.
    let is_on = |name: &String| {
        let networks = found.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
        networks.is_some_and(|networks| networks.contains_key(name))
    };
    run_state(found) == RunState::Created
        && wanted.labels.iter().flatten().all(has)
        && (wanted_network == network(&found.host_config) || wanted_network.as_ref().is_some_and(is_on))
}

/// What a container does.
pub(super) fn run_state(found: &ContainerInspectResponse) -> RunState {
    let Some(state) = &found.state else { return RunState::Dead };
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => RunState::Created,
        // What Podman calls stopping runs until it has stopped.
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => RunState::Running,
        Some(ContainerStateStatusEnum::PAUSED) => RunState::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => RunState::Restarting,
        Some(ContainerStateStatusEnum::EXITED) => RunState::Exited(state.exit_code.unwrap_or(-1)),
        Some(ContainerStateStatusEnum::REMOVING | ContainerStateStatusEnum::DEAD) => RunState::Dead,
        // Podman has words of its own for what has ended.
        Some(ContainerStateStatusEnum::EMPTY) | None if state.running == Some(true) => RunState::Running,
        Some(ContainerStateStatusEnum::EMPTY) | None => RunState::Exited(state.exit_code.unwrap_or(-1)),
    }
}

/// Whether a container is healthy. Podman says nothing, and not `none`, where there is no check.
pub(super) fn health(found: &ContainerInspectResponse) -> Health {
    match found.state.as_ref().and_then(|state| state.health.as_ref()).and_then(|health| health.status) {
        None | Some(HealthStatusEnum::EMPTY | HealthStatusEnum::NONE) => Health::Unchecked,
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
    }
}

/// When a container was last started.
pub(super) fn started_at(found: &ContainerInspectResponse) -> Option<Timestamp> {
    time(found.state.as_ref().and_then(|state| state.started_at.as_deref()))
}

/// A time of the engine; its zero, the first day of the year 1, is none.
fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok().filter(|time| *time > Timestamp::UNIX_EPOCH)
}

/// Whether a container was made to be on no network of the project, so that it has no names there and loses none.
pub(super) fn is_elsewhere(found: &ContainerInspectResponse) -> bool {
    let mode = found.host_config.as_ref().and_then(|config| config.network_mode.as_deref()).unwrap_or_default();
    matches!(mode, "none" | "host") || mode.starts_with("container:")
}

/// How a container is on a network: its names without the short id and the host name that the engine adds to them, unless the
/// latter is wanted, and its addresses; nothing where it is not on it, or on one of the same name that is gone.
fn endpoint(
    found: &ContainerInspectResponse,
    network: &str,
    network_id: Option<&str>,
    wanted: Option<&BTreeSet<String>>,
) -> Option<Endpoint> {
    let endpoint = found.network_settings.as_ref()?.networks.as_ref()?.get(network)?;
    // A container that was never started has no id of its network yet.
    let its_id = endpoint.network_id.as_deref().filter(|id| !id.is_empty());
    // Podman tells the network's name.
    if its_id.is_some() && its_id != network_id && its_id != Some(network) {
        return None;
    }
    let id = found.id.as_deref().unwrap_or_default();
    let is_id = |alias: &str| alias.len() >= 12 && id.starts_with(alias);
    let hostname = found.config.as_ref().and_then(|config| config.hostname.as_ref());
    let is_added = |alias: &String| {
        is_id(alias) || (Some(alias) == hostname && !wanted.is_some_and(|wanted| wanted.contains(alias)))
    };
    let told = endpoint.ipam_config.as_ref();
    let address = |has: &Option<String>, told: Option<&String>| {
        has.as_ref().filter(|address| !address.is_empty()).or(told)?.parse::<IpAddr>().ok()
    };
    let ipv4 = address(&endpoint.ip_address, told.and_then(|told| told.ipv4_address.as_ref()));
    let ipv6 = address(&endpoint.global_ipv6_address, told.and_then(|told| told.ipv6_address.as_ref()));
    Some(Endpoint {
        aliases: endpoint.aliases.iter().flatten().filter(|alias| !is_added(alias)).cloned().collect(),
        addresses: ipv4.into_iter().chain(ipv6).collect(),
    })
}

/// The ports of the host that a container holds now; of one that does not run, none.
pub(super) fn held_ports(summary: &ContainerSummary) -> BTreeSet<PortBinding> {
    let held = summary.ports.iter().flatten().filter_map(|port| {
        let protocol = match port.typ {
            Some(PortSummaryTypeEnum::UDP) => Protocol::Udp,
            Some(PortSummaryTypeEnum::SCTP) => Protocol::Sctp,
            Some(PortSummaryTypeEnum::TCP | PortSummaryTypeEnum::EMPTY) | None => Protocol::Tcp,
        };
        let address = port.ip.as_deref().and_then(|address| address.parse().ok());
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Some(PortBinding { container: port.private_port, protocol, address, host: Some(port.public_port?) })
    });
    held.collect()
}

fn may_end(config: &HostConfig) -> bool {
    match config.restart_policy.as_ref().and_then(|policy| policy.name) {
        Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED) => false,
        Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::ON_FAILURE | RestartPolicyNameEnum::EMPTY) | None => {
            true
        }
    }
}

/// The ports that a container claims when it runs.
fn ports(config: &HostConfig) -> BTreeSet<PortBinding> {
    let all = config.port_bindings.iter().flatten();
    let all = all.flat_map(|(inside, bindings)| bindings.iter().flatten().map(move |binding| (inside, binding)));
    all.filter_map(|(inside, binding)| {
        let (container, protocol) = inside.split_once('/').unwrap_or((inside, "tcp"));
        let protocol = match protocol {
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => Protocol::Tcp,
        };
        let address = binding.host_ip.as_deref().and_then(|address| address.parse().ok());
        let host = binding.host_port.as_deref().and_then(|port| port.parse().ok()).filter(|port| *port != 0);
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Some(PortBinding { container: container.parse().ok()?, protocol, address, host })
    })
    .collect()
}
