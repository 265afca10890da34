//! Images that the engine has, and how they come from registries and go to them.

use anyhow::anyhow;
use bollard::auth::DockerCredentials;

use super::{DockerEngine, explain};
use crate::docker::{self, Failure};
use crate::engine::{Error, StoredImage};
use crate::event::{Event, Sink, Stream};
use crate::model::{ImageDigest, ImageName, Reference};
use crate::registry::{Again, Credentials, Retry};

/// Looks an image up by a name, digest or id.
pub(super) async fn find(engine: &DockerEngine, name: &str) -> Result<Option<StoredImage>, Error> {
    let found = engine.in_time(format!("looking up `{name}`"), docker::find(&engine.docker, name)).await?;
    let Some(image) = found else { return Ok(None) };
    // Podman leaves the algorithm away.
    let id = image.id.map(|id| if id.contains(':') { id } else { format!("sha256:{id}") });
    let id = id.and_then(|id| id.parse().ok());
    let id = id.ok_or_else(|| Error::Unreachable(anyhow!("the engine tells no id of `{name}`")))?;
    let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
    let digests = image.repo_digests.unwrap_or_default();
    Ok(Some(StoredImage {
        id,
        labels: labels.into_iter().collect(),
        repo_digests: digests.iter().filter_map(|digest| digest.parse().ok()).collect(),
    }))
}

pub(super) async fn pull(
    engine: &DockerEngine,
    reference: &Reference,
    events: &dyn Sink,
) -> Result<StoredImage, Error> {
    let credentials = credentials_for(engine, reference.repository().registry()).await?;
    let said = |line: &str| events.send(Event::Note(format!("{reference}: {line}")));
    let what = format!("pulling `{reference}`");
    let pull = || docker::pull(&engine.docker, reference, credentials.clone(), &said);
    let pulled = engine.options.retry.run(&what, again, |retry| tell(events, retry), pull).await;
    pulled.map_err(|failure| explain(failure, what))?;
    let missing = || Error::Unreachable(anyhow!("`{reference}` was pulled and is not there"));
    find(engine, &reference.to_string()).await?.ok_or_else(missing)
}

pub(super) async fn push(
    engine: &DockerEngine,
    image: &ImageName,
    reference: &Reference,
    events: &dyn Sink,
) -> Result<ImageDigest, Error> {
    let credentials = credentials_for(engine, reference.repository().registry()).await?;
    let said = |line: &str| {
        events.send(Event::Output { image: image.clone(), stream: Stream::Stdout, line: line.to_owned() });
    };
    let what = format!("pushing `{reference}`");
    let push = || docker::push(&engine.docker, reference, credentials.clone(), &said);
    let pushed = engine.options.retry.run(&what, again, |retry| tell(events, retry), push).await;
    let digest = pushed.map_err(|failure| explain(failure, what))?;
    events.send(Event::Pushed { image: image.clone(), reference: reference.clone(), digest });
    Ok(digest)
}

fn again(failure: &Failure) -> Again {
    match failure {
        Failure::Refused(_) => Again::Never,
        Failure::Unreachable(_) => Again::BackOff,
    }
}

fn tell(events: &dyn Sink, retry: Retry) {
    let Retry { what, why, attempt, wait: _ } = retry;
    events.send(Event::Retrying { what, why, attempt });
}

/// Who we are to a registry; none for nobody in particular.
pub(super) async fn credentials_for(engine: &DockerEngine, registry: &str) -> Result<Option<DockerCredentials>, Error> {
    let ours = engine.options.keychain.credentials_for(registry).await;
    let ours = ours.map_err(|error| Error::Refused(anyhow::Error::new(error)))?;
    let nobody = DockerCredentials { serveraddress: Some(registry.to_owned()), ..DockerCredentials::default() };
    Ok(match ours {
        Credentials::Anonymous => None,
        Credentials::Password { username, password } => {
            Some(DockerCredentials { username: Some(username), password: Some(password), ..nobody })
        }
        Credentials::IdentityToken(token) => Some(DockerCredentials { identitytoken: Some(token), ..nobody }),
        Credentials::RegistryToken(token) => Some(DockerCredentials { registrytoken: Some(token), ..nobody }),
    })
}
