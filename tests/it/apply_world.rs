//! Manifests and hosts in a few characters, and what must hold of a host without asking the code that brought it there.
//!
//! `web#2<db` is a container `web` of version 2 that depends on `db`. Behind the version may stand, in any order:
//! `<db` depends on, `<h:db` waits until healthy, `<c:db` until completed, `<r:db` is restarted with; `&db` links to,
//! `&db:alias` by another name; `@80` publishes a port of the host; `%data` writes to a volume; `!` has a health check;
//! `|db` has the volumes of `db`; `$db` has its network; `?` is not started again; `*3` has three replicas, `/2` of which are replaced at a time;
//! `=start-first` asks for an order; `=stop` leaves a failure as it is; `+x` has an alias; `^x` finds a file, `^x:2` one with
//! `2` in it, of which it is told by SIGHUP; `,lan` is on a network, `,lan:5` with the address 10.0.0.5. `net:lan=x` among the containers says something of a network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use windlass::apply::{Desired, Health, RunState, World};
use windlass::manifest::{
    Attachment, Condition, Confines, ContainerSpec, Dependency, EnvValue, File, FileContent, Healthcheck, ImageSource,
    Joins, Manifest, ManifestImage, Mount, MountSource, Network, NetworkMode, NetworkSpec, OnChange, OnFailure, Order,
    PortBinding, Powers, Protocol, RestartPolicy, Update,
};
use windlass::model::{ContainerName, ContentHash, Digest, ImageId, ImageName};

/// The image id of a version.
pub(crate) fn image_id(version: u8) -> ImageId {
    ImageId::new(Digest::from_bytes([version; 32]))
}

/// What an engine knows the image of a version by.
pub(crate) fn image_names(version: u8) -> [String; 2] {
    let id = image_id(version);
    [id.to_string(), format!("registry.example/v{version}@{id}")]
}

fn image_name(version: u8) -> ImageName {
    format!("v{version}").parse().unwrap()
}

/// The manifest of the project `shop` with these containers.
pub(crate) fn manifest(serial: u64, containers: impl IntoIterator<Item = (ContainerName, ContainerSpec)>) -> Manifest {
    let image = |version| {
        let digest = Digest::from_bytes([version; 32]);
        let reference = format!("registry.example/v{version}@{digest}").parse().unwrap();
        let (id, content_hash) = (ImageId::new(digest), ContentHash::new(digest));
        (image_name(version), ManifestImage { reference: Some(reference), id, content_hash, tag: None })
    };
    Manifest {
        project: "shop".parse().unwrap(),
        revision: None,
        serial,
        created: None,
        images: (1..=9).map(image).collect(),
        networks: BTreeMap::new(),
        containers: containers.into_iter().collect(),
    }
}

/// The manifest that a text of containers means.
pub(crate) fn read_manifest(text: &str) -> Manifest {
    let is_network = |token: &&str| token.starts_with("net:");
    let containers = text.split_whitespace().filter(|token| !is_network(token)).map(read_container);
    let network = |token: &str| {
        let (name, said) = token.strip_prefix("net:").unwrap().split_once('=').unwrap();
        let network = match said.strip_prefix("external:") {
            Some(name) => Network::External(name.to_owned()),
            None if said == "internal" => Network::Own(NetworkSpec { internal: true, ..NetworkSpec::default() }),
            None => {
                let options = [("said".to_owned(), said.to_owned())].into();
                Network::Own(NetworkSpec { options, ..NetworkSpec::default() })
            }
        };
        (name.to_owned(), network)
    };
    let networks = text.split_whitespace().filter(is_network).map(network).collect();
    Manifest { networks, ..manifest(1, containers) }
}

pub(crate) fn plain_spec(version: u8) -> ContainerSpec {
    ContainerSpec {
        image: ImageSource::Own(image_name(version)),
        command: None,
        entrypoint: None,
        hostname: None,
        user: None,
        working_dir: None,
        env: [("TOKEN".to_owned(), EnvValue::new("hunter2"))].into(),
        env_file: Vec::new(),
        labels: BTreeMap::new(),
        ports: BTreeSet::new(),
        volumes: BTreeMap::new(),
        aliases: BTreeSet::new(),
        hosts_file: BTreeSet::new(),
        links: BTreeMap::new(),
        joins: Joins::default(),
        depends_on: BTreeMap::new(),
        healthcheck: None,
        restart: RestartPolicy::Always,
        stop_signal: None,
        stop_grace: windlass::manifest::DEFAULT_STOP_GRACE,
        confines: Confines::default(),
        powers: Powers::default(),
        files: BTreeMap::new(),
        logging: None,
        keep: false,
        replicas: 1,
        update: Update::default(),
    }
}

pub(crate) fn port(host: u16) -> PortBinding {
    PortBinding { container: 80, protocol: Protocol::Tcp, address: [127, 0, 0, 1].into(), host: Some(host) }
}

pub(crate) fn health_check() -> Healthcheck {
    let test = Some(vec!["CMD".to_owned(), "true".to_owned()]);
    Healthcheck::Check { test, interval: None, timeout: None, retries: None, start_period: None }
}

/// `name#version` and flags.
pub(crate) fn read_container(token: &str) -> (ContainerName, ContainerSpec) {
    let (name, rest) = token.split_once('#').unwrap();
    let (version, mut rest) = rest.split_at(1);
    let mut spec = plain_spec(version.parse().unwrap());
    while let Some(flag) = rest.chars().next() {
        let end = rest[1..]
            .find(['<', '&', '@', '%', '!', '?', '=', '+', '^', '*', '/', '|', '$', ','])
            .map_or(rest.len(), |at| at + 1);
        let value = &rest[1..end];
        rest = &rest[end..];
        match flag {
            '<' => {
                let (kind, target) = value.split_once(':').unwrap_or(("", value));
                let condition = match kind {
                    "h" => Condition::Healthy,
                    "c" => Condition::Completed,
                    _ => Condition::Started,
                };
                spec.depends_on.insert(target.parse().unwrap(), Dependency { condition, restart: kind == "r" });
            }
            '&' => {
                let (target, alias) = value.split_once(':').unwrap_or((value, value));
                spec.links.insert(alias.to_owned(), target.parse().unwrap());
            }
            '@' => {
                spec.ports.insert(port(value.parse().unwrap()));
            }
            '%' => {
                let source = MountSource::Volume(value.to_owned());
                spec.volumes.insert(format!("/{value}"), Mount { source, read_only: false });
            }
            '!' => spec.healthcheck = Some(health_check()),
            '?' => spec.restart = RestartPolicy::No,
            ',' => {
                let (network, address) = value.split_once(':').map_or((value, None), |(name, last)| (name, Some(last)));
                let address = address.map(|last| IpAddr::from([10, 0, 0, last.parse().unwrap()]));
                let attachment = Attachment { addresses: address.into_iter().collect(), ..Attachment::default() };
                spec.joins.networks.insert(network.to_owned(), attachment);
            }
            '*' => spec.replicas = value.parse().unwrap(),
            '|' => drop(spec.joins.volumes_from.insert(value.parse().unwrap(), false)),
            '$' => spec.joins.network = NetworkMode::Container(value.parse().unwrap()),
            '/' => spec.update.batch = value.parse().unwrap(),
            '=' if value == "stop" => spec.update.on_failure = OnFailure::Stop,
            '=' if value == "start-first" => spec.update.order = Some(Order::StartFirst),
            '=' if value == "swap" => spec.update.order = Some(Order::Swap),
            '=' if value == "stop-first" => spec.update.order = Some(Order::StopFirst),
            '^' => {
                let (name, content, on_change) = match value.split_once(':') {
                    None => (value, value, OnChange::Replace),
                    Some((name, content)) => (name, content, OnChange::Signal("SIGHUP".to_owned())),
                };
                let content = FileContent::Text(EnvValue::new(content));
                spec.files.insert(format!("/etc/{name}"), File { content, uid: 0, gid: 0, mode: 0o644, on_change });
            }
            '+' => {
                spec.aliases.insert(value.to_owned());
            }
            other => panic!("`{other}` is no flag"),
        }
    }
    (name.parse().unwrap(), spec)
}

/// Checks that a host runs what a manifest says and nothing else of the project, by the manifest alone.
pub(crate) fn assert_serves(world: &World, manifest: &Manifest) {
    let project = &manifest.project;
    let all = |name: &ContainerName| replicas(name, &manifest.containers[name]);
    let wanted: BTreeSet<String> =
        manifest.containers.keys().flat_map(all).map(|name| format!("{project}-{name}")).collect();
    let there: BTreeSet<String> = world.containers.keys().cloned().collect();
    assert_eq!(there, wanted, "the containers on the host");
    let each = manifest.containers.iter().flat_map(|(of, spec)| all(of).into_iter().map(move |name| (of, name, spec)));
    for (of, name, spec) in each {
        let container = &world.containers[&format!("{project}-{name}")];
        let (creation, observed) = (&container.creation, &container.observed);
        let ImageSource::Own(image) = &spec.image else { panic!("every image is one of ours") };
        assert!(creation.image.contains(&manifest.images[image].id.digest().hex()), "`{name}` is made from `{image}`");
        assert_eq!(creation.spec.ports, spec.ports, "ports of `{name}`");
        assert_eq!(creation.spec.env, spec.env, "environment of `{name}`");
        assert_eq!(creation.spec.healthcheck, spec.healthcheck, "health check of `{name}`");
        for mount in &creation.mounts {
            let MountSource::Volume(volume) = &mount.source else { panic!("every mount is a volume") };
            assert!(world.volumes.contains(volume), "volume `{volume}`");
        }
        assert_eq!(creation.mounts.len(), spec.volumes.len(), "volumes of `{name}`");
        if spec.restart == RestartPolicy::No {
            assert_eq!(observed.run, RunState::Exited(0), "`{name}` has done its work");
        } else {
            for (path, file) in &spec.files {
                let FileContent::Text(content) = &file.content else { panic!("every file's content is there") };
                assert_eq!(container.has_read[path].content, *content, "`{name}` has read `{path}`");
            }
            assert_eq!(observed.run, RunState::Running, "`{name}` runs");
            let health = if spec.healthcheck.is_some() { Health::Healthy } else { Health::Unchecked };
            assert_eq!(observed.health, health, "health of `{name}`");
        }
        let linked = manifest.containers.values().flat_map(|other| &other.links);
        let mut names: BTreeSet<String> = linked.filter(|(_, to)| *to == of).map(|(alias, _)| alias.clone()).collect();
        names.extend(spec.aliases.iter().cloned());
        names.extend([of.to_string(), name.clone()]);
        for joined in spec.joins.joined() {
            let joined = &world.containers[&format!("{project}-{joined}")].observed;
            assert!(joined.created < observed.created, "`{name}` was made for what it joins");
        }
        if spec.restart != RestartPolicy::No {
            let on: BTreeMap<String, Attachment> = match spec.joins.network {
                NetworkMode::Project if spec.joins.networks.is_empty() => {
                    [("default".to_owned(), Attachment::default())].into()
                }
                NetworkMode::Project => spec.joins.networks.clone(),
                _ => BTreeMap::new(),
            };
            let on = on.into_iter().map(|(network, how)| (network_on_engine(manifest, &network), how));
            let on: BTreeMap<_, _> = on.map(|(name, how)| (name, (names.clone(), how.addresses))).collect();
            let found = observed.networks.iter();
            let found = found.map(|(name, e)| (name.clone(), (e.aliases.clone(), e.addresses.clone())));
            assert_eq!(found.collect::<BTreeMap<_, _>>(), on, "networks of `{name}` and its names there");
        }
        let followed = spec.depends_on.iter().filter(|(_, d)| d.restart).map(|(target, _)| target);
        let followed = followed.chain(spec.links.values()).flat_map(all);
        for target in followed.filter(|_| spec.restart != RestartPolicy::No) {
            let target = &world.containers[&format!("{project}-{target}")].observed;
            assert!(observed.started.unwrap() > target.created, "`{name}` was started after what it follows");
        }
    }
    let on = |spec: &ContainerSpec| spec.joins.networks.keys().cloned().collect::<Vec<_>>();
    let on = manifest.containers.values().flat_map(on).chain(["default".to_owned()]);
    let networks: BTreeSet<String> = on.map(|name| network_on_engine(manifest, &name)).collect();
    let there = world.networks.iter().filter(|(name, is_ours)| **is_ours && !name.ends_with(".gate"));
    let there: BTreeSet<String> = there.map(|(name, _)| name.clone()).collect();
    assert!(wanted.is_empty() || there == networks, "the networks: {there:?}, and not {networks:?}");
    assert_eq!(world.violations, Vec::<String>::new());
}

/// What a network of a manifest is called on the engine; where something is said of it, there is a hash of that in its name.
fn network_on_engine(manifest: &Manifest, name: &str) -> String {
    let plain = if name == "default" { "shop".to_owned() } else { format!("shop-{name}") };
    match manifest.networks.contains_key(name) {
        false => plain,
        true => {
            let wanted = desired(manifest);
            let mut named = wanted.networks.keys().filter(|found| found.starts_with(&format!("{plain}.")));
            named.next().cloned().unwrap_or(plain)
        }
    }
}

/// The names of all replicas of a container.
pub(crate) fn replicas(name: &ContainerName, spec: &ContainerSpec) -> Vec<String> {
    let others = (2..=spec.replicas).map(|n| format!("{name}-{n}"));
    [name.to_string()].into_iter().chain(others).collect()
}

/// Whether any container of this name serves.
pub(crate) fn somebody_serves(world: &World, name: &ContainerName) -> bool {
    world.containers.values().any(|container| {
        let observed = &container.observed;
        observed.container == *name
            && observed.run == RunState::Running
            && matches!(observed.health, Health::Unchecked | Health::Healthy)
    })
}

/// What a manifest means; the tests' manifests make sense.
pub(crate) fn desired(manifest: &Manifest) -> Desired {
    Desired::new(manifest).unwrap()
}
