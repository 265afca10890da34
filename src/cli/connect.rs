//! Finding the engine and the registries.

use std::sync::Arc;
use std::time::Duration;

use super::Settings;
use crate::apply::DockerHost;
use crate::docker::{self, ConnectError};
use crate::engine::docker::{Builder, DockerEngine, Options};
use crate::event::{Event, Sink};
use crate::registry::{self, Keychain, Registry, RetryPolicy};

/// How long an engine may take to answer what it has no work with.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// Connects to the first of the engine addresses where something answers: to build and test with.
pub(super) async fn engine(settings: &Settings) -> anyhow::Result<DockerEngine> {
    let options = Options {
        builder: Builder::Best,
        run: settings.run_id.clone(),
        answers_within: ANSWERS_WITHIN,
        keychain: keychain(settings)?,
        retry: RetryPolicy::default(),
    };
    first(settings, |host| DockerEngine::connect(host, options.clone())).await
}

/// Connects to the first of the engine addresses where something answers: to run containers on. A call may take so long.
pub(super) async fn host(settings: &Settings, answers_within: Duration) -> anyhow::Result<DockerHost> {
    let keychain = keychain(settings)?;
    let docker = first(settings, |host| docker::connect(host, answers_within)).await?;
    Ok(DockerHost::new(docker, keychain, RetryPolicy::default(), answers_within))
}

/// The first of the engine addresses where something answers.
pub(super) async fn address(settings: &Settings, answers_within: Duration) -> anyhow::Result<String> {
    let connect = |host: &'_ str| {
        let host = host.to_owned();
        async move { docker::connect(&host, answers_within).await.map(|_| host) }
    };
    first(settings, connect).await
}

async fn first<'a, T, F>(settings: &'a Settings, connect: impl Fn(&'a str) -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, ConnectError>>,
{
    let mut refusals = Vec::new();
    for host in &settings.hosts {
        match connect(host).await {
            Ok(connected) => return Ok(connected),
            Err(refusal) => refusals.push(refusal),
        }
    }
    Err(none_answers(refusals))
}

/// The client of all registries, which tries as often as `retry` says; retries are told to `events`.
pub(super) fn registry(settings: &Settings, retry: RetryPolicy, events: Arc<dyn Sink>) -> anyhow::Result<Registry> {
    let tell = move |retry: registry::Retry| {
        let registry::Retry { what, why, attempt, wait: _ } = retry;
        events.send(Event::Retrying { what, why, attempt });
    };
    Ok(Registry::new(registry::Options { retry, ..registry::Options::new(keychain(settings)?) }, tell))
}

fn keychain(settings: &Settings) -> Result<Keychain, registry::Error> {
    settings.docker_config().map_or_else(|| Ok(Keychain::empty()), |folder| Keychain::load(&folder.join("config.json")))
}

/// One refusal stands for itself; of several, all are told.
fn none_answers(mut refusals: Vec<ConnectError>) -> anyhow::Error {
    let last = refusals.pop().expect("there is at least one address to try");
    if refusals.is_empty() {
        return last.into();
    }
    let others: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    anyhow::Error::new(last).context(format!("no engine was found: {}", others.join("; ")))
}
