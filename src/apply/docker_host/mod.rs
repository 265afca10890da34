//! The host that a Docker or Podman engine runs.

mod body;
mod checks;
mod gone;
mod images;
mod observe;
mod probe;
mod wait;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::models::ImageInspect;
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::time::Instant;

use super::desired::{Desired, DesiredContainer};
use super::files::{Known, NOTE_AT_MOST};
use super::host::{Host, HostError};
use super::state::{Endpoint, HostState, LABEL_PROJECT, ObservedContainer};
use super::step::{Action, Creation, NewFile};
use crate::docker::archive::{self, Content};
use crate::docker::events::{self, Whom};
use crate::docker::{self, Failure, containers, files, networks};
use crate::manifest::{ContainerSpec, FILES_NOTE, Network, Order};
use crate::model::{ContainerName, ImageId, ProjectName, Reference};
use crate::registry::{Again, Credentials, Keychain, RetryPolicy};

/// How many questions are put to the engine at a time. Arbitrary: it answers in milliseconds, and has locks of its own.
const AT_ONCE: usize = 8;

/// How long is waited for a container whose name is taken and that is not there yet. Arbitrary.
const WHILE_IT_IS_MADE: Duration = Duration::from_millis(100);

/// A host with an engine behind a socket.
#[derive(Debug)]
pub struct DockerHost {
    docker: Docker,
    /// The same with no other limit than the client's own: for transfers, which say themselves when they stall.
    patient: Docker,
    keychain: Keychain,
    retry: RetryPolicy,
    /// The engine's address where it is on this machine, so that its disk is one of ours.
    here: Option<String>,
}

impl From<Failure> for HostError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(message) => Self::Refused(message),
            Failure::Unreachable(message) => Self::Unreachable(message),
        }
    }
}

impl DockerHost {
    /// The host that a client talks to; images are pulled as whom the keychain says. The engine may take so long to
    /// answer a call, in whole seconds, at least one.
    pub fn new(patient: Docker, keychain: Keychain, retry: RetryPolicy, answers_within: Duration) -> Self {
        let limit = Duration::from_secs(answers_within.as_millis().div_ceil(1000).clamp(1, 86_400) as u64);
        Self { docker: patient.clone().with_timeout(limit), patient, keychain, retry, here: None }
    }

    /// The same on this machine, at an address such as `unix:///run/podman.sock`: how much room is left on its disk counts then,
    /// and health checks that nobody runs are run.
    #[must_use]
    pub fn here(self, address: String) -> Self {
        Self { here: Some(address), ..self }
    }

    /// Waits until something took a container of a project away from those who use it, since a moment of the engine's
    /// clock. Ends too when the engine does.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn loss(&self, project: &ProjectName, since: Timestamp) -> Result<(), HostError> {
        let of_project = |whom, about: &BTreeMap<String, String>| {
            let key = match whom {
                Whom::Container => LABEL_PROJECT,
                Whom::Network => "name",
            };
            let is_of_project = |value: &String| match whom {
                Whom::Container => value == project.as_str(),
                // Its own ones have names that its name is part of. One look too many changes nothing.
                Whom::Network => value.contains(project.as_str()),
            };
            about.get(key).is_some_and(is_of_project)
        };
        Ok(events::loss(&self.patient, since, of_project).await?)
    }

    /// The images that are needed for containers that are not there yet; the engine has those of all others.
    async fn images(
        &self,
        desired: &Desired,
        there: &BTreeMap<String, ObservedContainer>,
    ) -> Result<BTreeSet<String>, HostError> {
        let names: BTreeSet<String> = missing(desired, there).flat_map(|(_, wanted)| wanted.image.names()).collect();
        let look = |name: String| async move { Ok::<_, HostError>(self.image_id(&name).await?.map(|_| name)) };
        let found: Vec<Option<String>> = stream::iter(names).map(look).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// How many bytes are left where the engine keeps containers; nothing where that can't be seen from here.
    async fn room(&self) -> Result<Option<u64>, HostError> {
        if self.here.is_none() {
            return Ok(None);
        }
        let Some(folder) = containers::data_folder(&self.docker).await? else { return Ok(None) };
        // In a container of its own windlass does not see the folder.
        let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(None) };
        let has_no_inode = disk.f_files > 0 && disk.f_favail == 0;
        Ok(Some(if has_no_inode { 0 } else { disk.f_bavail.saturating_mul(disk.f_frsize) }))
    }

    /// The answer of a call that knows no time of its own.
    async fn within<T>(&self, what: &str, call: impl Future<Output = Result<T, Failure>>) -> Result<T, HostError> {
        let limit = self.docker.timeout();
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(HostError::TimedOut { what: what.to_owned(), limit }),
        }
    }

    async fn image(&self, name: &str) -> Result<Option<ImageInspect>, HostError> {
        self.within(&format!("looking up `{name}`"), docker::find(&self.docker, name)).await
    }

    /// What the engine knows an image by; nothing where it does not have it.
    async fn image_id(&self, name: &str) -> Result<Option<String>, HostError> {
        Ok(self.image(name).await?.and_then(|image| image.id))
    }

    /// Which files a container knows, as the note in it says; none where there is no note, or nobody can read in it.
    async fn known(&self, name: &str) -> Result<Known, HostError> {
        let read = archive::read(&self.docker, name, FILES_NOTE, NOTE_AT_MOST);
        match self.within(&format!("reading a file of `{name}`"), read).await {
            Ok(Content::Bytes(note)) => Ok(Known::parse(&String::from_utf8_lossy(&note))),
            Ok(Content::Missing | Content::NoFile(_) | Content::TooLarge(_)) | Err(HostError::Refused(_)) => {
                Ok(Known::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a container. What a run that was killed had asked for may be made only now, under the same name: that is it.
    async fn create(&self, creation: &Creation) -> Result<(), HostError> {
        let docker = &self.docker;
        let (started, body) = (Instant::now(), body::body(creation));
        loop {
            let failure = match containers::create(docker, &creation.name, body.clone()).await {
                Err(Failure::Refused(why)) if why.contains("is already in use") => Failure::Refused(why),
                outcome => return Ok(outcome?),
            };
            match containers::inspect(docker, &creation.name).await? {
                Some(found) if observe::is_made_as(&body, &found) => return Ok(()),
                // Its name is taken before it is there.
                None if started.elapsed() < docker.timeout() => tokio::time::sleep(WHILE_IT_IS_MADE).await,
                Some(_) | None => return Err(failure.into()),
            }
        }
    }

    async fn pull(&self, reference: &Reference, id: Option<ImageId>) -> Result<(), HostError> {
        let credentials = self.credentials(reference).await?;
        let pull = || docker::pull(&self.patient, reference, credentials.clone(), &|_| {});
        let again = |failure: &Failure| match failure {
            Failure::Refused(_) => Again::Never,
            Failure::Unreachable(_) => Again::BackOff,
        };
        self.retry.run("pull", again, |_| {}, pull).await?;
        let Some(id) = id else { return Ok(()) };
        let digest = reference.digest();
        let name = reference.by_digest().map_or_else(|| reference.to_string(), |name| name.to_string());
        let found = self.image_id(&name).await?;
        // Engines that keep images in containerd's store name them by their manifest.
        let expected = [Some(id.to_string()), digest.map(|digest| digest.to_string())];
        if expected.contains(&found) {
            return Ok(());
        }
        let found = found.unwrap_or_else(|| "nothing".to_owned());
        Err(HostError::Refused(format!("`{reference}` is the image `{found}`, and the manifest says `{id}`")))
    }

    async fn credentials(&self, reference: &Reference) -> Result<Option<DockerCredentials>, HostError> {
        let registry = reference.repository().registry();
        let ours = self.keychain.credentials_for(registry).await;
        let nobody = DockerCredentials { serveraddress: Some(registry.to_owned()), ..DockerCredentials::default() };
        Ok(match ours.map_err(|error| HostError::Refused(error.to_string()))? {
            Credentials::Anonymous => None,
            Credentials::Password { username, password } => {
                Some(DockerCredentials { username: Some(username), password: Some(password), ..nobody })
            }
            Credentials::IdentityToken(token) => Some(DockerCredentials { identitytoken: Some(token), ..nobody }),
            Credentials::RegistryToken(token) => Some(DockerCredentials { registrytoken: Some(token), ..nobody }),
        })
    }
}

impl Host for DockerHost {
    async fn observe(&self, desired: &Desired) -> Result<HostState, HostError> {
        let volumes = format!("{}-", desired.project);
        let has_subnets = |network: &Network| matches!(network, Network::Own(spec) if !spec.subnets.is_empty());
        let network_names: Vec<&str> = match desired.networks.values().any(has_subnets) {
            // Any network may have the addresses.
            true => Vec::new(),
            false => {
                [desired.project.as_str()].into_iter().chain(desired.networks.keys().map(String::as_str)).collect()
            }
        };
        let (all, found_networks, volumes) = tokio::try_join!(
            containers::list(&self.docker),
            networks::networks(&self.docker, &network_names),
            networks::volumes(&self.docker, &volumes),
        )?;
        let (mut foreign, mut on_others) = (BTreeMap::new(), BTreeSet::new());
        let mut ours: Vec<(String, ContainerName)> = Vec::new();
        for summary in &all {
            let Some(name) = observe::name_of(summary) else { continue };
            match observe::our_container(&desired.project, summary) {
                Some(container) => ours.push((name.to_owned(), container)),
                None => {
                    foreign.insert(name.to_owned(), observe::held_ports(summary));
                    on_others.extend(observe::networks_of(summary));
                }
            }
        }
        let subnets = found_networks.iter().map(|(name, found)| (name.clone(), observe::subnets(found))).collect();
        let mut networks = BTreeMap::new();
        let found_networks = found_networks.into_iter().filter(|(name, found)| {
            let state = observe::network(desired, name, found, &on_others);
            state.map(|state| networks.insert(name.clone(), state)).is_some()
        });
        let found_networks = found_networks.collect();
        let inspect = |(name, container): (String, ContainerName)| async move {
            let Some(found) = containers::inspect(&self.docker, &name).await? else { return Ok::<_, HostError>(None) };
            let wanted = desired.containers.get(&container).filter(|wanted| observe::is_made_for(wanted, &found));
            let known = match wanted.is_some_and(|wanted| wanted.live().next().is_some()) {
                true => self.known(&name).await?,
                false => Known::default(),
            };
            Ok(Some((name, container, found, known)))
        };
        let found: Vec<_> = stream::iter(ours).map(inspect).buffered(AT_ONCE).try_collect().await?;
        let found = found.into_iter().flatten().map(|(name, container, found, known)| {
            (name, observe::observed(desired, &container, &found, &found_networks, known))
        });
        let containers: BTreeMap<String, _> = found.collect();
        let is_other = |labels: &BTreeMap<String, String>| {
            labels.get(LABEL_PROJECT).is_some_and(|project| project != desired.project.as_str())
        };
        let of_others = volumes.iter().filter(|(_, labels)| is_other(labels)).map(|(name, _)| name.clone()).collect();
        let swaps = |spec: &ContainerSpec| spec.update.order == Some(Order::Swap) && !spec.ports.is_empty();
        let swaps = desired.containers.values().any(|wanted| swaps(&wanted.spec));
        let room = if missing(desired, &containers).next().is_some() { self.room().await? } else { None };
        Ok(HostState {
            room,
            foreign,
            networks,
            subnets,
            ports_at_start: swaps && containers::takes_ports_at_start(&self.docker).await?,
            volumes: volumes.into_keys().collect(),
            volumes_of_others: of_others,
            images: self.images(desired, &containers).await?,
            containers,
        })
    }

    async fn perform(&self, action: &Action) -> Result<(), HostError> {
        let why = match self.do_it(action).await {
            Err(HostError::Refused(why)) if !matches!(action, Action::Pull { .. }) => why,
            outcome => return outcome,
        };
        match action {
            _ if !self.is_gone(action).await? => Err(HostError::Refused(why)),
            // Who is gone is found by no name.
            Action::Reconnect { endpoint, .. } if endpoint.aliases.is_empty() => Ok(()),
            _ => Err(HostError::Gone(why)),
        }
    }
}

impl DockerHost {
    async fn do_it(&self, action: &Action) -> Result<(), HostError> {
        let docker = &self.docker;
        match action {
            Action::Pull { reference, id } => return self.pull(reference, *id).await,
            Action::Await(wait) => return wait::wait(docker, self.here.as_deref(), wait).await,
            Action::CreateNetwork { name, project, spec } => {
                networks::create_network(docker, name, body::network(project, spec)).await
            }
            Action::RemoveNetwork { name } => networks::remove_network(docker, name).await,
            Action::CreateVolume { name, project } => {
                networks::create_volume(docker, name, &body::labels(project)).await
            }
            Action::Create(creation) => return self.create(creation).await,
            Action::PutFiles { name, files: all } => {
                let file = |(path, NewFile { content, uid, gid, mode }): (&'_ String, &'_ NewFile)| {
                    let content = content.reveal().as_bytes().to_vec();
                    (path.clone(), files::NewFile { content, uid: *uid, gid: *gid, mode: *mode })
                };
                files::put(docker, name, &all.iter().map(file).collect()).await
            }
            Action::Start { name } => containers::start(docker, name).await,
            Action::Stop { name, grace } => containers::stop(docker, name, *grace).await,
            Action::Restart { name, grace } => containers::restart(docker, name, *grace).await,
            Action::Signal { name, signal } => containers::signal(docker, name, signal).await,
            Action::Unpause { name } => containers::unpause(docker, name).await,
            Action::Drain { name: _, time } => {
                tokio::time::sleep(*time).await;
                return Ok(());
            }
            Action::Reconnect { name, network, endpoint: Endpoint { aliases, addresses } } => {
                networks::reconnect(docker, network, name, aliases, addresses).await
            }
            Action::Connect { name, network, endpoint: Endpoint { aliases, addresses } } => {
                networks::connect(docker, network, name, aliases, addresses).await
            }
            Action::Disconnect { name, network } => networks::disconnect(docker, network, name).await,
            Action::Rename { from, to } => containers::rename(docker, from, to).await,
            Action::Remove { name } => containers::remove(docker, name).await,
        }?;
        Ok(())
    }
}

/// What is wanted and is not there as it is wanted.
fn missing<'a>(
    desired: &'a Desired,
    there: &'a BTreeMap<String, ObservedContainer>,
) -> impl Iterator<Item = (&'a ContainerName, &'a DesiredContainer)> {
    let is_there = |name: &ContainerName, wanted: &DesiredContainer| {
        there.values().any(|found| found.container == *name && found.spec == wanted.hash.to_string())
    };
    desired.containers.iter().filter(move |(name, wanted)| !is_there(name, wanted))
}
