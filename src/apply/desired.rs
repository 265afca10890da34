//! What a host shall run, with every name, digest and label worked out: a manifest as `diff` sees it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::state::{Endpoint, ObservedContainer};
use super::step::{EngineMount, NewFile};
use crate::manifest::{
    Attachment, AttachmentEntry, Condition, ContainerEntry, ContainerSpec, DEFAULT_NETWORK, Dependency, File,
    FileContent, FileEntry, ImageSource, Manifest, Mount, MountSource, Network, NetworkEntry, NetworkMode, NetworkSpec,
    replica_names,
};
use crate::model::{ContainerName, Digest, ImageId, ImageName, NameError, ProjectName, Reference};

/// Everything that a host shall run of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The project.
    pub project: ProjectName,
    /// The manifest's serial.
    pub serial: u64,
    /// The networks that containers are on, by the engine's names. The project's own is always one of them.
    pub networks: BTreeMap<String, Network>,
    /// The containers.
    pub containers: BTreeMap<ContainerName, DesiredContainer>,
}

/// A container that shall run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredContainer {
    /// What is wanted of it.
    pub spec: ContainerSpec,
    /// What it is made from.
    pub image: DesiredImage,
    /// What it is recognised by.
    pub hash: SpecHash,
    /// Files that it finds, by their paths in it.
    pub files: BTreeMap<String, NewFile>,
    /// The networks that it is on by the engine's names, with every name that it has there besides the engine's: its own,
    /// its aliases, and those that others link to it by.
    pub networks: BTreeMap<String, Endpoint>,
    /// Its name in the manifest, which all its replicas share.
    pub of: ContainerName,
    /// What has to be there first: what it links to, which it is restarted with, and what it depends on; every replica.
    pub needs: BTreeMap<ContainerName, Dependency>,
    /// What it shares a network or volumes with: once one of them is another one, it has to be made anew.
    pub joins: BTreeSet<ContainerName>,
    /// The replicas that are replaced before this one is, so that the others serve meanwhile.
    pub follows: BTreeSet<ContainerName>,
}

impl DesiredContainer {
    /// The networks that a container is not on as it is wanted to be.
    pub fn lost<'a>(&'a self, found: &'a ObservedContainer) -> impl Iterator<Item = (&'a String, &'a Endpoint)> {
        let is_fine =
            |(name, wanted): &(&String, &Endpoint)| found.networks.get(*name).is_some_and(|e| e.is_as(wanted));
        self.networks.iter().filter(move |wanted| !is_fine(wanted))
    }

    /// The networks of the project that a container is on, and not wanted on.
    pub fn left<'a>(&'a self, found: &'a ObservedContainer) -> impl Iterator<Item = &'a String> {
        found.networks.keys().filter(|name| !self.networks.contains_key(*name))
    }
}

/// An image by which an engine may know it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DesiredImage {
    /// The name that people know.
    pub shown: String,
    /// The digest of its configuration, where the manifest tells it.
    pub id: Option<ImageId>,
    /// Where to pull it, by digest; nothing where it was not pushed.
    pub reference: Option<Reference>,
}

impl DesiredImage {
    /// What engines may know the image by, the surest first.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let by_digest = |reference: &Reference| {
            reference.by_digest().map_or_else(|| reference.to_string(), |name| name.to_string())
        };
        self.id.iter().map(ToString::to_string).chain(self.reference.iter().map(by_digest))
    }
}

/// A manifest that can't be what a host shall run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// A container names an image that is not among the manifest's.
    #[error("container `{container}` names the image `{image}`, which the manifest does not have")]
    NoImage {
        /// The container.
        container: ContainerName,
        /// The image.
        image: ImageName,
    },
    /// An image from elsewhere has no digest.
    #[error("container `{container}` names the image `{image}` without its digest")]
    NoDigest {
        /// The container.
        container: ContainerName,
        /// The image, as it is written.
        image: String,
    },
    /// A replica can't have the name that it would have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// What is in a file was not read yet.
    #[error("what is in the file `{path}` of the container `{container}` was not read")]
    Unread {
        /// The container.
        container: ContainerName,
        /// The file's path in it.
        path: String,
    },
}

impl Desired {
    /// Works out what a host shall run.
    ///
    /// # Errors
    /// When the manifest contradicts itself, which one that was read from a file does not.
    pub fn new(manifest: &Manifest) -> Result<Self, DesiredError> {
        let project = &manifest.project;
        let mut containers = BTreeMap::new();
        let mut networks = BTreeMap::from([named_network(manifest, DEFAULT_NETWORK)]);
        for (name, spec) in &manifest.containers {
            let image = match &spec.image {
                ImageSource::Own(image) => {
                    let found = manifest.images.get(image);
                    let missing = || DesiredError::NoImage { container: name.clone(), image: image.clone() };
                    let found = found.ok_or_else(missing)?;
                    DesiredImage { shown: image.to_string(), id: Some(found.id), reference: found.reference.clone() }
                }
                ImageSource::External(reference) if reference.digest().is_none() => {
                    return Err(DesiredError::NoDigest { container: name.clone(), image: reference.to_string() });
                }
                ImageSource::External(reference) => {
                    DesiredImage { shown: reference.to_string(), id: None, reference: Some(reference.clone()) }
                }
            };
            let hash = SpecHash::new(&image, spec, &manifest.networks);
            let on = spec.joins.networks();
            let on: Vec<_> = on.iter().map(|(network, how)| (named_network(manifest, network), how)).collect();
            networks.extend(on.iter().map(|(network, _)| network.clone()));
            let files = files(name, spec)?;
            let needs = needs(manifest, spec)?;
            let names = replica_names(name, spec.replicas)?;
            let mut follows = BTreeSet::new();
            for batch in names.chunks(spec.update.batch.max(1) as usize) {
                for replica in batch {
                    let mut aliases = aliases(manifest, name);
                    aliases.insert(replica.to_string());
                    let endpoint = |attachment: &Attachment| Endpoint {
                        aliases: aliases.union(&attachment.aliases).cloned().collect(),
                        addresses: attachment.addresses.clone(),
                    };
                    let on = on.iter().map(|((network, _), how)| (network.clone(), endpoint(how)));
                    let wanted = DesiredContainer {
                        spec: spec.clone(),
                        image: image.clone(),
                        hash,
                        files: files.clone(),
                        networks: on.collect(),
                        of: name.clone(),
                        needs: needs.clone(),
                        joins: spec.joins.joined().into_iter().cloned().collect(),
                        follows: follows.clone(),
                    };
                    containers.insert(replica.clone(), wanted);
                }
                follows = batch.iter().cloned().collect();
            }
        }
        Ok(Self { project: project.clone(), serial: manifest.serial, networks, containers })
    }

    /// The network by which a container goes out, and to which ports of the host lead; none where it is on none. Engines
    /// choose it by name, one that leads out before one that does not.
    pub fn way_out<'a>(&self, container: &'a DesiredContainer) -> Option<&'a String> {
        let is_internal = |name: &String| self.networks.get(name).is_some_and(Network::is_internal);
        container.networks.keys().min_by_key(|name| (is_internal(name), *name))
    }

    /// The name of the network that leads nowhere, where a container shows that it is good before it takes over a port.
    /// No project and no container has a dot in its name.
    pub fn gate(&self) -> String {
        format!("{}.gate", self.project)
    }

    /// The name of a container on the engine.
    pub fn engine_name(&self, container: &ContainerName) -> String {
        engine_name(&self.project, container)
    }

    /// The engine's names of all volumes of the project.
    pub fn volumes(&self) -> BTreeSet<String> {
        let mounts = self.containers.values().flat_map(|container| &container.spec.volumes);
        let mounts = mounts.map(|(path, mount)| self.mount(path, mount));
        mounts
            .filter_map(|mount| match mount.source {
                MountSource::Volume(name) => Some(name),
                MountSource::Host(_) => None,
            })
            .collect()
    }

    /// A mount as the engine names it.
    pub(super) fn mount(&self, path: &str, mount: &Mount) -> EngineMount {
        let source = match &mount.source {
            MountSource::Volume(name) => MountSource::Volume(format!("{}-{name}", self.project)),
            MountSource::Host(path) => MountSource::Host(path.clone()),
        };
        EngineMount { source, target: path.to_owned(), read_only: mount.read_only }
    }
}

/// The name of a container on the engine.
pub(super) fn engine_name(project: &ProjectName, container: &ContainerName) -> String {
    format!("{project}-{container}")
}

fn files(container: &ContainerName, spec: &ContainerSpec) -> Result<BTreeMap<String, NewFile>, DesiredError> {
    let file = |(path, file): (&String, &File)| match &file.content {
        FileContent::Text(content) => {
            let File { content: _, uid, gid, mode, on_change: _ } = file;
            Ok((path.clone(), NewFile { content: content.clone(), uid: *uid, gid: *gid, mode: *mode }))
        }
        FileContent::File(_) | FileContent::Env(_) => {
            Err(DesiredError::Unread { container: container.clone(), path: path.clone() })
        }
    };
    spec.files.iter().map(file).collect()
}

/// What a container needs: a link is restarted with what it leads to.
fn needs(manifest: &Manifest, spec: &ContainerSpec) -> Result<BTreeMap<ContainerName, Dependency>, NameError> {
    let mut all: BTreeMap<ContainerName, Dependency> = BTreeMap::new();
    let links = spec.links.values().map(|name| (name, Dependency { condition: Condition::Started, restart: true }));
    for (name, need) in links.chain(spec.depends_on.iter().map(|(name, need)| (name, *need))) {
        let replicas = manifest.containers.get(name).map_or(1, |target| target.replicas);
        for replica in replica_names(name, replicas)? {
            let known = all.entry(replica).or_insert(need);
            known.condition = known.condition.max(need.condition);
            known.restart |= need.restart;
        }
    }
    for name in spec.joins.joined() {
        // What shares a network shares its end.
        let restart = spec.joins.network == NetworkMode::Container(name.clone());
        let known = all.entry(name.clone()).or_insert(Dependency { condition: Condition::Started, restart });
        known.restart |= restart;
    }
    Ok(all)
}

fn aliases(manifest: &Manifest, name: &ContainerName) -> BTreeSet<String> {
    let own = manifest.containers.get(name).into_iter().flat_map(|spec| spec.aliases.iter().cloned());
    let linked = manifest.containers.values().flat_map(|spec| &spec.links);
    let linked = linked.filter(|(_, target)| *target == name).map(|(alias, _)| alias.clone());
    own.chain(linked).chain([name.to_string()]).collect()
}

/// A network by the engine's name. One of which something is said has a hash of that in its name: the engine can't change a
/// network, so another one takes its place. Engines let containers go out by the first of their networks, so one with a
/// `source_ip` has a name that is before all of the others.
fn named_network(manifest: &Manifest, name: &str) -> (String, Network) {
    let project = &manifest.project;
    let base = if name == DEFAULT_NETWORK { project.to_string() } else { format!("{project}-{name}") };
    let network = manifest.networks.get(name).cloned().unwrap_or_else(|| Network::Own(NetworkSpec::default()));
    let name = match &network {
        Network::External(name) => name.clone(),
        Network::Own(spec) if *spec == NetworkSpec::default() => base,
        Network::Own(spec) => {
            let entry = serde_json::to_string(&NetworkEntry::from(&network)).expect("texts and maps are valid JSON");
            let hash = hash_of(&["windlass network", HASH_VERSION, &entry]).hex();
            let first = if spec.source_ip.is_some() { "0." } else { "" };
            format!("{first}{base}.{}", &hash[..8])
        }
    };
    (name, network)
}

/// A hash of parts, with their lengths.
pub(super) fn hash_of(parts: &[&str]) -> Digest {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    Digest::from_bytes(hash.finalize().into())
}

/// What a container is recognised by: a hash of everything that a running container can't be given anew. Its text
/// begins with the version of what is hashed, so that a windlass that hashes more still knows containers of old.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpecHash(Digest);

/// The version of what is hashed. Another version has to go on computing this one for the containers that carry it.
const HASH_VERSION: &str = "1";

impl SpecHash {
    /// Hashes the image's identity and the entry as a manifest would carry it. Defaults are left away in that form,
    /// so that a key that is added later changes no hash. What can be changed on a running container is not hashed:
    /// networks and names there, order, how it is updated, and files that it is told of by a signal. Addresses are, as
    /// ports are; and so are networks of others: nothing else tells later that it was on one for the manifest's sake.
    pub fn new(image: &DesiredImage, spec: &ContainerSpec, networks: &BTreeMap<String, Network>) -> Self {
        let identity = match (image.id, &image.reference) {
            (Some(id), _) => id.to_string(),
            (None, Some(reference)) => reference.digest().map_or_else(|| reference.to_string(), |d| d.to_string()),
            (None, None) => String::new(),
        };
        let mut entry = ContainerEntry::from(spec);
        entry.image.clear();
        entry.aliases.clear();
        entry.links.clear();
        entry.depends_on.clear();
        entry.update = None;
        entry.replicas = None;
        entry.signals.clear();
        entry.hosts_file.clear();
        // That it finds a file there counts: none can be taken away again.
        entry.files.values_mut().filter(|file| file.on_change.is_some()).for_each(|file| *file = FileEntry::default());
        let on = std::mem::take(&mut entry.networks).into_iter().filter_map(|(name, how)| {
            let how = AttachmentEntry { aliases: Vec::new(), ..how };
            match networks.get(&name) {
                Some(Network::External(of_engine)) => Some((format!("external:{of_engine}"), how)),
                Some(Network::Own(_)) | None => (how != AttachmentEntry::default()).then_some((name, how)),
            }
        });
        entry.networks = on.collect();
        let entry = serde_json::to_string(&entry).expect("texts, numbers and maps by text are valid JSON");
        Self(hash_of(&["windlass container", HASH_VERSION, &identity, &entry]))
    }

    /// The first 12 hex digits, for names on the engine.
    pub fn short(&self) -> String {
        self.0.hex()[..12].to_owned()
    }
}

impl fmt::Display for SpecHash {
    /// `1:` and 64 hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HASH_VERSION}:{}", self.0.hex())
    }
}

impl fmt::Debug for SpecHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
