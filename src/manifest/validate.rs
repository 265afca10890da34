//! Checks containers as they are written and fills in their defaults. Finds everything that is wrong, not only the
//! first.

use std::collections::{BTreeMap, BTreeSet};

use super::lifecycle;
use super::port::parse_ports;
use super::problem::{Problem, Problems};
use super::volume::parse_mount;
use super::{ContainerEntry, DependencyEntry};
use super::{
    ContainerSpec, DEFAULT_STOP_GRACE, Dependency, ImageSource, Mount, Network, Order, PortBinding, REPLICAS_AT_MOST,
    RestartPolicy, Update,
};
use crate::diag::did_you_mean;
use crate::model::{ContainerName, ImageName, ProjectName, Reference};

/// The beginning of the label keys that are ours.
pub const OUR_LABELS: &str = "dev.windlass.";

/// How a container has to name an image from elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Externals {
    /// With its digest: a manifest says exactly what runs.
    Pinned,
    /// With a tag or a digest: somebody pins it later.
    Named,
}

/// Checks containers, each by itself and all together. Where the project is not known, names that are made of its
/// name are not looked at.
///
/// # Errors
/// Everything that is wrong, with paths that begin at the container's name.
pub fn validate_containers(
    project: Option<&ProjectName>,
    entries: &BTreeMap<String, ContainerEntry>,
    images: &BTreeSet<ImageName>,
    networks: &BTreeMap<String, Network>,
    externals: Externals,
) -> Result<BTreeMap<ContainerName, ContainerSpec>, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut specs = BTreeMap::new();
    for (name, entry) in entries {
        let known = Known { images, networks, externals, containers: entries };
        let spec = problems.within(name, |problems| container(problems, &known, entry));
        match (name.parse::<ContainerName>(), spec) {
            (Err(error), _) => problems.key(name, error.to_string(), None),
            (Ok(name), Some(spec)) => {
                specs.insert(name, spec);
            }
            (Ok(_), None) => {}
        }
    }
    super::together::check(&mut problems, &specs, project);
    problems.or(specs)
}

/// What names in an entry may refer to.
pub(super) struct Known<'a> {
    images: &'a BTreeSet<ImageName>,
    pub(super) networks: &'a BTreeMap<String, Network>,
    externals: Externals,
    containers: &'a BTreeMap<String, ContainerEntry>,
}

/// The container, or nothing where a part without which it makes no sense could not be read; a part that is left out
/// was reported.
fn container(problems: &mut Problems, known: &Known<'_>, entry: &ContainerEntry) -> Option<ContainerSpec> {
    let ContainerEntry {
        image,
        command,
        entrypoint,
        hostname,
        user,
        working_dir,
        env,
        env_file,
        labels,
        ports,
        volumes,
        volumes_from: _,
        network_mode: _,
        networks: _,
        signals: _,
        aliases,
        hosts_file,
        links,
        depends_on,
        healthcheck,
        restart,
        stop_signal,
        stop_grace,
        keep,
        replicas,
        update,
        cpus: _,
        cpu_shares: _,
        memory: _,
        pids_limit: _,
        shm_size: _,
        ulimits: _,
        init: _,
        read_only: _,
        tmpfs: _,
        systemd,
        cap_drop: _,
        sysctls: _,
        extra_hosts: _,
        dns: _,
        files,
        logging,
        privileged: _,
        cap_add: _,
        devices: _,
        security_opt: _,
        pid: _,
        cgroup: _,
        ipc: _,
    } = entry;
    let image = image_source(problems, known, image);
    if let Some(name) = hostname
        && !is_host_name(name)
    {
        problems.value("hostname", format!("`{name}` is no host name"), None);
    }
    if user.as_ref().is_some_and(String::is_empty) {
        problems.value("user", "the user is empty", None);
    }
    if let Some(path) = working_dir
        && !path.starts_with('/')
    {
        problems.value("working_dir", format!("`{path}` is no absolute path"), None);
    }
    problems.within("env", |problems| {
        for name in env.keys().filter(|name| name.is_empty() || name.contains(['=', '\0'])) {
            problems.key(name, format!("`{name}` is no name for an environment variable"), None);
        }
    });
    problems.within("labels", |problems| {
        for name in labels.keys().filter(|name| name.is_empty() || name.starts_with(OUR_LABELS)) {
            problems.key(name, format!("the label `{name}` can't be set"), Some(format!("`{OUR_LABELS}…` is ours")));
        }
    });
    let ports = port_bindings(problems, ports);
    let restart = restart
        .as_ref()
        .map_or(Some(RestartPolicy::default()), |text| problems.read("restart", lifecycle::restart_policy(text)));
    if let Some(signal) = stop_signal
        && !lifecycle::is_signal(signal)
    {
        problems.value("stop_signal", format!("`{signal}` is no signal: expected `SIGTERM` or a number"), None);
    }
    let replicas = replicas.unwrap_or(1);
    if !(1..=REPLICAS_AT_MOST).contains(&replicas) {
        problems.value("replicas", format!("there can be 1 to {REPLICAS_AT_MOST} of a container"), None);
    } else if let Some(port) = ports.iter().find(|port| port.host.is_some()).filter(|_| replicas > 1) {
        let message = format!("only one of them could have `{}`", port.host_side());
        problems.value("replicas", message, Some("publish no fixed port of the host".to_owned()));
    }
    let joins = super::joins::read(problems, known, entry);
    if let Some(address) = joins.addresses().next() {
        if replicas > 1 {
            problems.value("replicas", format!("only one of them could have the address {address}"), None);
        }
        if update.as_ref().is_some_and(|update| update.order == Some(Order::StartFirst)) {
            let message = format!("`start-first` can't be done: two can't have the address {address}");
            let hint = Some("leave `order` away, or ask for `swap`".to_owned());
            problems.within("update", |problems| problems.value("order", message, hint));
        }
    }
    let on = joins.networks();
    let is_inside = |name: &String| known.networks.get(name).is_some_and(Network::is_internal);
    if !ports.is_empty() && !on.is_empty() && on.keys().all(is_inside) {
        problems.value("ports", "no port of the host leads to networks that are `internal`", None);
    }
    let confines = super::confines::read(problems, entry);
    if confines.read_only && !files.is_empty() {
        // Engines put no file into a container that can't be written to.
        problems.value("files", "they can't be put into a container that is `read_only`", None);
    }
    let mut spec = ContainerSpec {
        command: command.clone(),
        entrypoint: entrypoint.clone(),
        hostname: hostname.clone(),
        user: user.clone(),
        working_dir: working_dir.clone(),
        env: env.clone(),
        env_file: items(problems, "env_file", env_file, |path| super::files::beside(path).map_err(Wrong::from)),
        labels: labels.clone(),
        volumes: mounts(problems, volumes),
        aliases: host_names(problems, "aliases", aliases),
        hosts_file: host_names(problems, "hosts_file", hosts_file),
        links: container_links(problems, known, links),
        joins,
        depends_on: dependencies(problems, known, depends_on),
        healthcheck: healthcheck
            .as_ref()
            .and_then(|check| problems.within("healthcheck", |problems| lifecycle::health(problems, check))),
        restart: restart.unwrap_or_default(),
        stop_signal: stop_signal.clone(),
        confines,
        powers: super::powers::read(problems, entry),
        files: super::files::read(problems, files),
        logging: logging
            .as_ref()
            .map(|entry| problems.within("logging", |problems| lifecycle::logging(problems, entry))),
        stop_grace: lifecycle::duration(problems, "stop_grace", stop_grace.as_ref()).unwrap_or(DEFAULT_STOP_GRACE),
        keep: keep.unwrap_or(false),
        replicas,
        update: update.as_ref().map_or_else(Update::default, |update| {
            problems.within("update", |problems| lifecycle::update(problems, update, &ports))
        }),
        ports,
        image: image?,
    };
    if systemd.unwrap_or(false) {
        lifecycle::under_systemd(&mut spec);
    }
    Some(spec)
}

fn image_source(problems: &mut Problems, known: &Known<'_>, text: &str) -> Option<ImageSource> {
    if let Ok(name) = text.parse::<ImageName>()
        && known.images.contains(&name)
    {
        return Some(ImageSource::Own(name));
    }
    let reference = match text.parse::<Reference>() {
        Ok(reference) if reference.digest().is_some() => return Some(ImageSource::External(reference)),
        Ok(reference) if reference.tag().is_some() && known.externals == Externals::Named => {
            return Some(ImageSource::External(reference));
        }
        other => other,
    };
    let own = did_you_mean(text, known.images.iter().map(ImageName::as_str));
    let (message, hint) = match (reference, own) {
        (_, Some(near)) => (format!("there is no image `{text}`"), format!("did you mean `{near}`?")),
        (Ok(reference), None) if reference.tag().is_some() || reference.repository().path().contains('.') => (
            format!("`{text}` has no digest"),
            format!("write `{}@sha256:…`, so that it is always the same", reference.repository()),
        ),
        (Ok(_), None) => match known.externals {
            Externals::Pinned => {
                (format!("there is no image `{text}`"), "an image from elsewhere is written with its digest".to_owned())
            }
            Externals::Named => (
                format!("there is no image `{text}`"),
                "an image from elsewhere is written with its tag or digest".to_owned(),
            ),
        },
        (Err(error), None) => {
            (error.to_string(), "expected an image of the project or a reference to one from elsewhere".to_owned())
        }
    };
    problems.value("image", message, Some(hint));
    None
}

/// Why an item can't be read.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self { message, hint: None }
    }
}

/// Reads every item of a list, and reports those that can't be read.
pub(super) fn items<'a, T>(
    problems: &mut Problems,
    key: &str,
    texts: &'a [String],
    mut read: impl FnMut(&'a str) -> Result<T, Wrong>,
) -> Vec<T> {
    problems.within(key, |problems| {
        let read = texts
            .iter()
            .enumerate()
            .filter_map(|(i, text)| read(text).map_err(|why| problems.item(i, why.message, why.hint)).ok());
        read.collect()
    })
}

fn port_bindings(problems: &mut Problems, texts: &[String]) -> BTreeSet<PortBinding> {
    let mut all: BTreeSet<PortBinding> = BTreeSet::new();
    items(problems, "ports", texts, |text| {
        for port in parse_ports(text)? {
            if let Some(other) = all.iter().find(|other| other.clashes_with(&port)) {
                return Err(format!("`{}` is published twice, here and as `{other}`", port.host_side()).into());
            }
            if !all.insert(port) {
                return Err(format!("`{port}` stands here twice").into());
            }
        }
        Ok(())
    });
    all
}

fn mounts(problems: &mut Problems, texts: &[String]) -> BTreeMap<String, Mount> {
    let mut all = BTreeMap::new();
    items(problems, "volumes", texts, |text| {
        let (path, mount) = parse_mount(text)?;
        match all.insert(path.clone(), mount) {
            None => Ok(()),
            Some(other) => Err(format!("`{path}` is mounted twice, here and from `{}`", other.source).into()),
        }
    });
    all
}

pub(super) fn host_names(problems: &mut Problems, key: &str, texts: &[String]) -> BTreeSet<String> {
    let read = |text: &str| {
        if is_host_name(text) { Ok(text.to_owned()) } else { Err(format!("`{text}` is no host name").into()) }
    };
    items(problems, key, texts, read).into_iter().collect()
}

fn container_links(problems: &mut Problems, known: &Known<'_>, texts: &[String]) -> BTreeMap<String, ContainerName> {
    let mut all: BTreeMap<String, ContainerName> = BTreeMap::new();
    items(problems, "links", texts, |text| {
        let (name, alias) = text.split_once(':').unwrap_or((text, text));
        let target = known.container(name)?;
        if !is_host_name(alias) {
            return Err(format!("`{alias}` is no host name").into());
        }
        match all.insert(alias.to_owned(), target) {
            Some(other) if other.as_str() != name => {
                Err(format!("`{alias}` is linked twice, here and to `{other}`").into())
            }
            _ => Ok(()),
        }
    });
    all
}

impl Known<'_> {
    /// A container that there is.
    pub(super) fn container(&self, name: &str) -> Result<ContainerName, Wrong> {
        match name.parse::<ContainerName>() {
            Ok(target) if self.containers.contains_key(name) => Ok(target),
            _ => {
                let near = did_you_mean(name, self.containers.keys().map(String::as_str));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                Err(Wrong { message: format!("there is no container `{name}`"), hint })
            }
        }
    }
}

fn dependencies(
    problems: &mut Problems,
    known: &Known<'_>,
    entries: &BTreeMap<String, DependencyEntry>,
) -> BTreeMap<ContainerName, Dependency> {
    problems.within("depends_on", |problems| {
        let mut all = BTreeMap::new();
        for (name, DependencyEntry { condition, restart }) in entries {
            match known.container(name) {
                Ok(target) => {
                    let condition = condition.unwrap_or_default();
                    all.insert(target, Dependency { condition, restart: restart.unwrap_or(false) });
                }
                Err(why) => problems.key(name, why.message, why.hint),
            }
        }
        all
    })
}

/// Whether the text is a host name: RFC 1123 labels with dots between them.
pub(super) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    text.len() <= 253 && text.split('.').all(label)
}
