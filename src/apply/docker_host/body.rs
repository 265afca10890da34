//! What an engine is told to make a container from. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, Mount, MountType, NetworkingConfig,
    PortBinding as EnginePort, RestartPolicy as EngineRestart, RestartPolicyNameEnum,
};

use crate::apply::state::{LABEL_CONTAINER, LABEL_PROJECT, LABEL_SERIAL, LABEL_SPEC};
use crate::apply::step::{Creation, EngineMount};
use crate::manifest::{ContainerSpec, Healthcheck, MountSource, PortBinding, RestartPolicy};

/// The body of the engine's `POST /containers/create`.
pub(super) fn body(creation: &Creation) -> ContainerCreateBody {
    let Creation { name: _, project, container, serial, hash, image, network, aliases, mounts, spec } = creation;
    let ContainerSpec {
        image: _,
        command,
        entrypoint,
        hostname,
        user,
        working_dir,
        env,
        labels,
        ports,
        volumes: _,
        aliases: _,
        links: _,
        depends_on: _,
        healthcheck,
        restart,
        stop_signal,
        stop_grace,
        update: _,
    } = spec;
    let ours = [
        (LABEL_PROJECT, project.to_string()),
        (LABEL_CONTAINER, container.to_string()),
        (LABEL_SERIAL, serial.to_string()),
        (LABEL_SPEC, hash.to_string()),
    ];
    let ours = ours.into_iter().map(|(key, value)| (key.to_owned(), value));
    let endpoint = EndpointSettings { aliases: Some(aliases.iter().cloned().collect()), ..EndpointSettings::default() };
    ContainerCreateBody {
        hostname: Some(hostname.clone().unwrap_or_else(|| container.to_string())),
        user: user.clone(),
        env: Some(env.iter().map(|(key, value)| format!("{key}={}", value.reveal())).collect()),
        cmd: command.clone(),
        // An empty list means the image's to the engine; a list of an empty word means none.
        entrypoint: entrypoint.clone().map(|words| if words.is_empty() { vec![String::new()] } else { words }),
        image: Some(image.clone()),
        working_dir: working_dir.clone(),
        labels: Some(labels.clone().into_iter().chain(ours).collect()),
        exposed_ports: Some(ports.iter().map(inside).collect()),
        healthcheck: healthcheck.as_ref().map(health),
        stop_signal: stop_signal.clone(),
        stop_timeout: i64::try_from(stop_grace.as_millis().div_ceil(1000)).ok(),
        host_config: Some(HostConfig {
            port_bindings: Some(bindings(ports).into_iter().collect()),
            mounts: Some(mounts.iter().map(mount).collect()),
            restart_policy: Some(restart_policy(*restart)),
            network_mode: Some(network.clone()),
            ..HostConfig::default()
        }),
        networking_config: Some(NetworkingConfig { endpoints_config: Some([(network.clone(), endpoint)].into()) }),
        ..ContainerCreateBody::default()
    }
}

/// A port as the engine names it: `80/tcp`.
fn inside(port: &PortBinding) -> String {
    format!("{}/{}", port.container, port.protocol)
}

fn bindings<'a>(ports: impl IntoIterator<Item = &'a PortBinding>) -> BTreeMap<String, Option<Vec<EnginePort>>> {
    let mut all: BTreeMap<String, Option<Vec<EnginePort>>> = BTreeMap::new();
    for port in ports {
        let binding = EnginePort {
            host_ip: Some(port.address.to_string()),
            host_port: Some(port.host.map(|port| port.to_string()).unwrap_or_default()),
        };
        all.entry(inside(port)).or_default().get_or_insert_default().push(binding);
    }
    all
}

fn mount(mount: &EngineMount) -> Mount {
    let (kind, source) = match &mount.source {
        MountSource::Volume(name) => (MountType::VOLUME, name),
        MountSource::Host(path) => (MountType::BIND, path),
    };
    Mount {
        typ: Some(kind),
        source: Some(source.clone()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    }
}

fn health(check: &Healthcheck) -> HealthConfig {
    let nanoseconds = |time: &Option<Duration>| time.and_then(|time| i64::try_from(time.as_nanos()).ok());
    match check {
        Healthcheck::None => HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() },
        Healthcheck::Check { test, interval, timeout, retries, start_period } => HealthConfig {
            test: test.clone(),
            interval: nanoseconds(interval),
            timeout: nanoseconds(timeout),
            retries: retries.map(i64::from),
            start_period: nanoseconds(start_period),
            ..HealthConfig::default()
        },
    }
}

fn restart_policy(policy: RestartPolicy) -> EngineRestart {
    let (name, times) = match policy {
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::OnFailure(times) => (RestartPolicyNameEnum::ON_FAILURE, Some(i64::from(times))),
    };
    EngineRestart { name: Some(name), maximum_retry_count: times }
}
