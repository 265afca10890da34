//! Manifests and hosts in a few characters, and what must hold of a host without asking the code that brought it there.
//!
//! `web#2<db` is a container `web` of version 2 that depends on `db`. Behind the version may stand, in any order:
//! `<db` depends on, `<h:db` waits until healthy, `<c:db` until completed, `<r:db` is restarted with; `&db` links to,
//! `&db:alias` by another name; `@80` publishes a port of the host; `%data` writes to a volume; `!` has a health check;
//! `|db` has the volumes of `db`; `$db` has its network; `?` is not started again; `*3` has three replicas, `/2` of which are replaced at a time;
//! `=start-first` asks for an order; `=stop` leaves a failure as it is; `+x` has an alias; `^x` finds a file.

use std::collections::{BTreeMap, BTreeSet};

use windlass::apply::{Desired, Health, RunState, World};
use windlass::manifest::{
    Condition, Confines, ContainerSpec, Dependency, EnvValue, File, FileContent, Healthcheck, ImageSource, Joins,
    Manifest, ManifestImage, Mount, MountSource, NetworkMode, OnFailure, Order, PortBinding, Powers, Protocol,
    RestartPolicy, Update,
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
        containers: containers.into_iter().collect(),
    }
}

/// The manifest that a text of containers means.
pub(crate) fn read_manifest(text: &str) -> Manifest {
    manifest(1, text.split_whitespace().map(read_container))
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
            .find(['<', '&', '@', '%', '!', '?', '=', '+', '^', '*', '/', '|', '$'])
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
            '*' => spec.replicas = value.parse().unwrap(),
            '|' => drop(spec.joins.volumes_from.insert(value.parse().unwrap(), false)),
            '$' => spec.joins.network = NetworkMode::Container(value.parse().unwrap()),
            '/' => spec.update.batch = value.parse().unwrap(),
            '=' if value == "stop" => spec.update.on_failure = OnFailure::Stop,
            '=' if value == "start-first" => spec.update.order = Some(Order::StartFirst),
            '=' if value == "swap" => spec.update.order = Some(Order::Swap),
            '=' if value == "stop-first" => spec.update.order = Some(Order::StopFirst),
            '^' => {
                let content = FileContent::Text(EnvValue::new(value));
                spec.files.insert(format!("/etc/{value}"), File { content, uid: 0, gid: 0, mode: 0o644 });
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
    assert!(wanted.is_empty() || world.networks.get("shop") == Some(&true), "the network");
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
            assert_eq!(observed.run, RunState::Running, "`{name}` runs");
            let health = if spec.healthcheck.is_some() { Health::Healthy } else { Health::Unchecked };
            assert_eq!(observed.health, health, "health of `{name}`");
        }
        let linked = manifest.containers.values().flat_map(|other| &other.links);
        let mut names: BTreeSet<String> = linked.filter(|(_, to)| *to == of).map(|(alias, _)| alias.clone()).collect();
        names.extend(spec.aliases.iter().cloned());
        names.extend([of.to_string(), name.clone()]);
        if spec.joins.network != NetworkMode::Project {
            names.clear();
        }
        for joined in spec.joins.joined() {
            let joined = &world.containers[&format!("{project}-{joined}")].observed;
            assert!(joined.created < observed.created, "`{name}` was made for what it joins");
        }
        if spec.restart != RestartPolicy::No {
            assert_eq!(observed.aliases.as_ref(), Some(&names), "names of `{name}` on the network");
        }
        let followed = spec.depends_on.iter().filter(|(_, d)| d.restart).map(|(target, _)| target);
        let followed = followed.chain(spec.links.values()).flat_map(all);
        for target in followed.filter(|_| spec.restart != RestartPolicy::No) {
            let target = &world.containers[&format!("{project}-{target}")].observed;
            assert!(observed.started.unwrap() > target.created, "`{name}` was started after what it follows");
        }
    }
    assert_eq!(world.violations, Vec::<String>::new());
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
