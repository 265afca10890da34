//! What an engine is told to make a container from. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, DeviceMapping, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    IpamConfig, Mount, MountType, NetworkingConfig, PortBinding as EnginePort, ResourcesUlimits,
    RestartPolicy as EngineRestart, RestartPolicyNameEnum,
};

use crate::apply::desired::engine_name;
use crate::apply::state::{LABEL_CONTAINER, LABEL_KEEP, LABEL_PROJECT, LABEL_SERIAL, LABEL_SPEC};
use crate::apply::step::{Creation, EngineMount};
use crate::docker::networks::{self, NewNetwork};
use crate::manifest::{
    Confines, ContainerSpec, Device, Healthcheck, Logging, MountSource, Namespace, NetworkMode, NetworkSpec,
    PortBinding, Powers, RestartPolicy, SOURCE_IP, Subnet, default_host_name,
};
use crate::model::{ContainerName, ProjectName};

/// The body of the engine's `POST /containers/create`.
pub(super) fn body(creation: &Creation) -> ContainerCreateBody {
    let Creation { name: _, project, container, serial, hash, image, network, endpoint, mounts, spec } = creation;
    let ContainerSpec {
        image: _,
        command,
        entrypoint,
        hostname,
        user,
        working_dir,
        env,
        env_file: _,
        labels,
        ports,
        volumes: _,
        aliases: _,
        hosts_file: _,
        links: _,
        joins,
        depends_on: _,
        healthcheck,
        restart,
        stop_signal,
        stop_grace,
        confines,
        powers,
        files: _,
        logging,
        keep,
        replicas: _,
        update: _,
    } = spec;
    let ours = [
        (LABEL_PROJECT, project.to_string()),
        (LABEL_CONTAINER, container.to_string()),
        (LABEL_SERIAL, serial.to_string()),
        (LABEL_SPEC, hash.to_string()),
    ];
    let ours = ours.into_iter().chain(keep.then(|| (LABEL_KEEP, "true".to_owned())));
    let ours = ours.into_iter().map(|(key, value)| (key.to_owned(), value));
    let endpoint = networks::endpoint(&endpoint.aliases, &endpoint.addresses);
    let network_mode = match &joins.network {
        NetworkMode::Project => None,
        NetworkMode::None => Some("none".to_owned()),
        NetworkMode::Host => Some("host".to_owned()),
        NetworkMode::Container(name) => Some(format!("container:{}", engine_name(project, name))),
    };
    let from = |(name, read_only): (&ContainerName, &bool)| {
        format!("{}:{}", engine_name(project, name), if *read_only { "ro" } else { "rw" })
    };
    ContainerCreateBody {
        hostname: hostname.clone().or_else(|| default_hostname(creation)),
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
        stop_timeout: i64::try_from(stop_grace.as_millis().div_ceil(1000).max(1)).ok(),
        host_config: Some(HostConfig {
            port_bindings: Some(bindings(ports).into_iter().collect()),
            mounts: Some(mounts.iter().map(mount).collect()),
            restart_policy: Some(restart_policy(*restart)),
            network_mode: Some(network_mode.clone().unwrap_or_else(|| network.clone())),
            volumes_from: some(joins.volumes_from.iter().map(from).collect()),
            log_config: logging.as_ref().map(log),
            ..empowered(powers, confined(confines))
        }),
        networking_config: network_mode
            .is_none()
            .then(|| NetworkingConfig { endpoints_config: Some([(network.clone(), endpoint)].into()) }),
        ..ContainerCreateBody::default()
    }
}

/// The label of everything that belongs to a project.
pub(super) fn labels(project: &ProjectName) -> BTreeMap<String, String> {
    [(LABEL_PROJECT.to_owned(), project.to_string())].into()
}

/// What a network of a project is made from.
pub(super) fn network(project: &ProjectName, spec: &NetworkSpec) -> NewNetwork {
    let NetworkSpec { subnets, internal, source_ip, options } = spec;
    let subnet = |Subnet { subnet, gateway, ip_range }: &Subnet| IpamConfig {
        subnet: Some(subnet.to_string()),
        gateway: gateway.map(|address| address.to_string()),
        ip_range: ip_range.map(|range| range.to_string()),
        ..IpamConfig::default()
    };
    let source_ip = source_ip.map(|address| (SOURCE_IP.to_owned(), address.to_string()));
    NewNetwork {
        labels: labels(project),
        subnets: subnets.iter().map(subnet).collect(),
        internal: *internal,
        options: options.clone().into_iter().chain(source_ip).collect(),
    }
}

/// The host name where none is written. Docker makes it one more name on the network, so it is none that anybody asks for;
/// where it would be longer than the kernel takes, the engine picks one.
fn default_hostname(Creation { project, container, spec, .. }: &Creation) -> Option<String> {
    let has_its_own = matches!(spec.joins.network, NetworkMode::Project | NetworkMode::None);
    Some(default_host_name(container, project)).filter(|name| has_its_own && name.len() <= 63)
}

/// The engine's words for what a container may use and finds; what is not said is left away.
fn confined(confines: &Confines) -> HostConfig {
    let Confines {
        milli_cpus,
        cpu_shares,
        memory,
        pids_limit,
        shm_size,
        ulimits,
        init,
        read_only,
        tmpfs,
        cap_drop,
        sysctls,
        extra_hosts,
        dns,
    } = confines;
    let number = |number: &Option<u64>| number.and_then(|number| i64::try_from(number).ok());
    let ulimit = |(name, (soft, hard)): (&String, &(u64, u64))| ResourcesUlimits {
        name: Some(name.clone()),
        soft: number(&Some(*soft)),
        hard: number(&Some(*hard)),
    };
    HostConfig {
        nano_cpus: number(milli_cpus).and_then(|milli| milli.checked_mul(1_000_000)),
        cpu_shares: cpu_shares.map(i64::from),
        memory: number(memory),
        pids_limit: pids_limit.map(i64::from),
        shm_size: number(shm_size),
        ulimits: some(ulimits.iter().map(ulimit).collect()),
        init: init.then_some(true),
        readonly_rootfs: read_only.then_some(true),
        tmpfs: (!tmpfs.is_empty()).then(|| tmpfs.clone().into_iter().collect()),
        cap_drop: some(cap_drop.iter().cloned().collect()),
        sysctls: (!sysctls.is_empty()).then(|| sysctls.clone().into_iter().collect()),
        extra_hosts: some(extra_hosts.iter().map(|(name, address)| format!("{name}:{address}")).collect()),
        dns: some(dns.iter().map(ToString::to_string).collect()),
        ..HostConfig::default()
    }
}

/// The same with what a container may do to its host.
fn empowered(powers: &Powers, config: HostConfig) -> HostConfig {
    let Powers { privileged, cap_add, devices, security_opt, pid, cgroup, ipc } = powers;
    let device = |Device { host, container, access }: &Device| DeviceMapping {
        path_on_host: Some(host.clone()),
        path_in_container: Some(container.clone()),
        cgroup_permissions: Some(access.clone()),
    };
    let of_host = |namespace: &Option<Namespace>| namespace.map(|Namespace::Host| "host".to_owned());
    HostConfig {
        privileged: privileged.then_some(true),
        cap_add: some(cap_add.iter().cloned().collect()),
        devices: some(devices.iter().map(device).collect()),
        security_opt: some(security_opt.iter().cloned().collect()),
        pid_mode: of_host(pid),
        cgroupns_mode: cgroup.map(|Namespace::Host| HostConfigCgroupnsModeEnum::HOST),
        ipc_mode: of_host(ipc),
        ..config
    }
}

fn log(Logging { driver, options }: &Logging) -> HostConfigLogConfig {
    HostConfigLogConfig { typ: Some(driver.clone()), config: Some(options.clone().into_iter().collect()) }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
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

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::apply::{DesiredImage, Endpoint, SpecHash};
    use crate::manifest::{EnvValue, ImageSource, Joins, Mount as WantedMount, Protocol, Update};

    #[test]
    fn every_key_reaches_the_engine() {
        let port = |container, protocol, address: [u8; 4], host| PortBinding {
            container,
            protocol,
            address: address.into(),
            host,
        };
        let mount = |source, read_only| WantedMount { source, read_only };
        let spec = ContainerSpec {
            image: ImageSource::Own("api".parse().unwrap()),
            command: Some(vec!["serve".to_owned(), "--port".to_owned(), "80".to_owned()]),
            entrypoint: Some(Vec::new()),
            hostname: Some("web.local".to_owned()),
            user: Some("70:70".to_owned()),
            working_dir: Some("/app".to_owned()),
            env: [("A".to_owned(), EnvValue::new("1=2"))].into(),
            env_file: Vec::new(),
            labels: [("tier".to_owned(), "front".to_owned())].into(),
            ports: [
                port(80, Protocol::Tcp, [127, 0, 0, 1], Some(8080)),
                port(80, Protocol::Tcp, [0, 0, 0, 0], Some(8081)),
                port(53, Protocol::Udp, [127, 0, 0, 1], None),
            ]
            .into(),
            volumes: [
                ("/data".to_owned(), mount(MountSource::Volume("data".to_owned()), false)),
                ("/etc/x".to_owned(), mount(MountSource::Host("/etc/x".to_owned()), true)),
            ]
            .into(),
            aliases: Default::default(),
            hosts_file: Default::default(),
            links: Default::default(),
            joins: Joins { volumes_from: [("data".parse().unwrap(), true)].into(), ..Joins::default() },
            depends_on: Default::default(),
            healthcheck: Some(Healthcheck::Check {
                test: Some(vec!["CMD".to_owned(), "true".to_owned()]),
                interval: Some(Duration::from_secs(5)),
                timeout: None,
                retries: Some(4),
                start_period: Some(Duration::from_millis(1500)),
            }),
            restart: RestartPolicy::OnFailure(3),
            stop_signal: Some("SIGINT".to_owned()),
            stop_grace: Duration::from_millis(1500),
            confines: Confines {
                milli_cpus: Some(1500),
                cpu_shares: Some(512),
                memory: Some(64 << 20),
                pids_limit: Some(20),
                shm_size: Some(1 << 20),
                ulimits: [("nofile".to_owned(), (64, 128))].into(),
                init: true,
                read_only: true,
                tmpfs: [("/run".to_owned(), "size=1m".to_owned())].into(),
                cap_drop: ["NET_RAW".to_owned()].into(),
                sysctls: [("net.core.somaxconn".to_owned(), "64".to_owned())].into(),
                extra_hosts: [("host".to_owned(), "host-gateway".to_owned())].into(),
                dns: vec![[9, 9, 9, 9].into()],
            },
            powers: Powers {
                privileged: true,
                cap_add: ["NET_ADMIN".to_owned()].into(),
                devices: [Device {
                    host: "/dev/fuse".to_owned(),
                    container: "/dev/fuse".to_owned(),
                    access: "rw".to_owned(),
                }]
                .into(),
                security_opt: ["no-new-privileges".to_owned()].into(),
                pid: Some(Namespace::Host),
                cgroup: Some(Namespace::Host),
                ipc: Some(Namespace::Host),
            },
            files: Default::default(),
            logging: Some(Logging {
                driver: "json-file".to_owned(),
                options: [("max-size".to_owned(), "10m".to_owned())].into(),
            }),
            keep: true,
            replicas: 1,
            update: Update::default(),
        };
        let image = DesiredImage { shown: "api".to_owned(), id: None, reference: None };
        let mounts = spec.volumes.iter().map(|(target, mount)| EngineMount {
            source: mount.source.clone(),
            target: target.clone(),
            read_only: mount.read_only,
        });
        let creation = Creation {
            name: "shop-web".to_owned(),
            project: "shop".parse().unwrap(),
            container: "web".parse().unwrap(),
            serial: 7,
            hash: SpecHash::new(&image, &spec, &BTreeMap::new()),
            image: "sha256:1".to_owned(),
            network: "shop".to_owned(),
            endpoint: Endpoint {
                aliases: ["web".to_owned(), "front".to_owned()].into(),
                addresses: [[172, 31, 0, 5].into()].into(),
            },
            mounts: mounts.collect(),
            spec,
        };
        // By way of a value, which sorts what the client's own types leave in any order.
        let body = serde_json::to_value(body(&creation)).unwrap();
        expect![[r#"
            {
              "Cmd": [
                "serve",
                "--port",
                "80"
              ],
              "Entrypoint": [
                ""
              ],
              "Env": [
                "A=1=2"
              ],
              "ExposedPorts": {
                "53/udp": {},
                "80/tcp": {}
              },
              "Healthcheck": {
                "Interval": 5000000000,
                "Retries": 4,
                "StartPeriod": 1500000000,
                "Test": [
                  "CMD",
                  "true"
                ]
              },
              "HostConfig": {
                "CapAdd": [
                  "NET_ADMIN"
                ],
                "CapDrop": [
                  "NET_RAW"
                ],
                "CgroupnsMode": "host",
                "CpuShares": 512,
                "Devices": [
                  {
                    "CgroupPermissions": "rw",
                    "PathInContainer": "/dev/fuse",
                    "PathOnHost": "/dev/fuse"
                  }
                ],
                "Dns": [
                  "9.9.9.9"
                ],
                "ExtraHosts": [
                  "host:host-gateway"
                ],
                "Init": true,
                "IpcMode": "host",
                "LogConfig": {
                  "Config": {
                    "max-size": "10m"
                  },
                  "Type": "json-file"
                },
                "Memory": 67108864,
                "Mounts": [
                  {
                    "ReadOnly": false,
                    "Source": "data",
                    "Target": "/data",
                    "Type": "volume"
                  },
                  {
                    "ReadOnly": true,
                    "Source": "/etc/x",
                    "Target": "/etc/x",
                    "Type": "bind"
                  }
                ],
                "NanoCpus": 1500000000,
                "NetworkMode": "shop",
                "PidMode": "host",
                "PidsLimit": 20,
                "PortBindings": {
                  "53/udp": [
                    {
                      "HostIp": "127.0.0.1",
                      "HostPort": ""
                    }
                  ],
                  "80/tcp": [
                    {
                      "HostIp": "0.0.0.0",
                      "HostPort": "8081"
                    },
                    {
                      "HostIp": "127.0.0.1",
                      "HostPort": "8080"
                    }
                  ]
                },
                "Privileged": true,
                "ReadonlyRootfs": true,
                "RestartPolicy": {
                  "MaximumRetryCount": 3,
                  "Name": "on-failure"
                },
                "SecurityOpt": [
                  "no-new-privileges"
                ],
                "ShmSize": 1048576,
                "Sysctls": {
                  "net.core.somaxconn": "64"
                },
                "Tmpfs": {
                  "/run": "size=1m"
                },
                "Ulimits": [
                  {
                    "Hard": 128,
                    "Name": "nofile",
                    "Soft": 64
                  }
                ],
                "VolumesFrom": [
                  "shop-data:ro"
                ]
              },
              "Hostname": "web.local",
              "Image": "sha256:1",
              "Labels": {
                "dev.windlass.container": "web",
                "dev.windlass.keep": "true",
                "dev.windlass.project": "shop",
                "dev.windlass.serial": "7",
                "dev.windlass.spec": "1:3c2b48ccadf083b37340d57a651e83b5f847cbb4b88910085764fc9e463401d6",
                "tier": "front"
              },
              "NetworkingConfig": {
                "EndpointsConfig": {
                  "shop": {
                    "Aliases": [
                      "front",
                      "web"
                    ],
                    "IPAMConfig": {
                      "IPv4Address": "172.31.0.5"
                    }
                  }
                }
              },
              "StopSignal": "SIGINT",
              "StopTimeout": 2,
              "User": "70:70",
              "WorkingDir": "/app"
            }"#]]
        .assert_eq(&serde_json::to_string_pretty(&body).unwrap());
    }
}
