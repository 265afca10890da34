//! Finding the engine and the registries.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::settings::EngineChoice;
use super::{Refusal, Settings, git};
use crate::apply::DockerHost;
use crate::docker::{self, ConnectError};
use crate::engine::AnyEngine;
use crate::engine::docker::{Builder, DockerEngine, Options};
use crate::engine::embedded::store::Store;
use crate::engine::embedded::{self, EmbeddedEngine};
use crate::event::{Event, Sink};
use crate::registry::{self, Keychain, Registry, RetryPolicy};

/// How long an engine may take to answer what it has no work with.
pub(super) const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// What is allowed to a build that not every machine's owner would allow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Allowed {
    /// `RUN --security=insecure`.
    pub(super) insecure: bool,
    /// To leave no trace in the cache of later builds.
    pub(super) no_trace: bool,
}

/// Connects to the first of the engine addresses where something answers, to build and test with; where none does and
/// none was named, the embedded engine it is.
pub(super) async fn engine(settings: &Settings, allowed: Allowed) -> anyhow::Result<AnyEngine> {
    let options = Options {
        builder: Builder::Best,
        run: settings.run_id.clone(),
        answers_within: ANSWERS_WITHIN,
        keychain: keychain(settings)?,
        retry: RetryPolicy::default(),
    };
    if settings.engine == EngineChoice::Embedded {
        return embedded(settings, allowed);
    }
    match first(settings, |host| DockerEngine::connect(host, options.clone())).await {
        Ok(engine) => Ok(AnyEngine::Docker(Box::new(engine))),
        Err(_silent) if settings.engine == EngineChoice::Auto && !settings.host_is_named => embedded(settings, allowed),
        Err(error) => Err(error),
    }
}

/// Has a normal user's windlass go on as root of a user namespace, where the embedded engine is to build: it alone can
/// keep a command apart and its files in order. The process is executed anew, with all that it was given.
pub(super) fn enter_user_namespace_where_needed(settings: &Settings) -> anyhow::Result<()> {
    let silent = match settings.engine {
        _ if nix::unistd::geteuid().is_root() => return Ok(()),
        EngineChoice::Embedded => None,
        EngineChoice::Auto if !settings.host_is_named => match super::block_on(address(settings, ANSWERS_WITHIN)) {
            Ok(_answers) => return Ok(()),
            Err(silent) => Some(silent),
        },
        EngineChoice::Auto | EngineChoice::Docker | EngineChoice::Podman => return Ok(()),
    };
    enter_user_namespace().map_err(|error| match silent {
        Some(silent) => silent.context(format!("{error:#}")),
        None => error,
    })
}

/// Has a normal user's windlass go on as root of a user namespace: layers of its store belong to users that it alone has.
pub(super) fn enter_user_namespace() -> anyhow::Result<()> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    match embedded::sandbox::enter_user_namespace(std::env::args_os().skip(1))? {}
}

/// The embedded engine's store, made where it is not there.
pub(super) fn store(settings: &Settings) -> anyhow::Result<Store> {
    embedded::open_store(store_folder(settings)?).map_err(|error| not_opened(&error))
}

fn not_opened(error: &anyhow::Error) -> anyhow::Error {
    let message = format!("the embedded engine can't use its store: {error:#}");
    Refusal::usage_with_hint(message, "`--store` names another folder").into()
}

pub(super) fn store_folder(settings: &Settings) -> Result<&Path, Refusal> {
    let nowhere =
        || Refusal::usage_with_hint("nobody says where the embedded engine keeps its images", "use `--store`");
    settings.store.as_deref().ok_or_else(nowhere)
}

/// The embedded engine, whoever else answers.
pub(super) fn embedded(settings: &Settings, Allowed { insecure, no_trace }: Allowed) -> anyhow::Result<AnyEngine> {
    let store = store_folder(settings)?.to_owned();
    let registry = Registry::new(registry::Options::new(keychain(settings)?), |_| {});
    let options = embedded::Options {
        store,
        program: "/proc/self/exe".into(),
        registry,
        git: git::client(settings),
        offline: settings.offline,
        remembers: !no_trace,
        allow_insecure: insecure,
    };
    Ok(AnyEngine::Embedded(EmbeddedEngine::open(options).map_err(|error| not_opened(&error))?))
}

/// Connects to the first of the engine addresses where something answers: to run containers on. A call may take so long.
pub(super) async fn host(settings: &Settings, answers_within: Duration) -> anyhow::Result<DockerHost> {
    let keychain = keychain(settings)?;
    let (address, docker) = docker(settings, answers_within).await?;
    let host = DockerHost::new(docker, keychain, RetryPolicy::default(), answers_within);
    Ok(if address.starts_with("unix://") { host.here(address) } else { host })
}

/// The first of the engine addresses where something answers.
pub(super) async fn address(settings: &Settings, answers_within: Duration) -> anyhow::Result<String> {
    Ok(docker(settings, answers_within).await?.0)
}

/// The same with what answers.
pub(super) async fn docker(settings: &Settings, answers_within: Duration) -> anyhow::Result<(String, bollard::Docker)> {
    let connect = |host: &'_ str| {
        let host = host.to_owned();
        async move { docker::connect(&host, answers_within).await.map(|docker| (host, docker)) }
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
