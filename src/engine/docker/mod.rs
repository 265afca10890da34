//! The engine that a Docker or Podman socket is.

mod build;
mod buildkit;
mod classic;
mod complaint;
mod images;
mod outline;
mod test;
mod trouble;

use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::{BuildRequest, BuiltImage, Engine, Error, StoredImage, TestVerdict};
use crate::docker::{self, ConnectError, Failure, commands};
use crate::engine::test::report::KEPT;
use crate::event::Sink;
use crate::model::{ImageDigest, ImageId, ImageName, Reference, TestSpec};
use crate::registry::{Keychain, RetryPolicy};

/// The label under which a container carries the id of the run that started it and may remove it.
pub const LABEL_RUN: &str = "dev.windlass.run";

/// Which of Docker's builders builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Builder {
    /// BuildKit where the engine has it, else the classic one.
    Best,
    /// The one of `POST /build`, a container for each instruction. It is all that Podman has.
    Classic,
}

/// By which builder an engine's images are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Route {
    BuildKit,
    Classic,
}

/// What an engine is connected with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which builder to use.
    pub builder: Builder,
    /// What tells this run's containers from those of another run.
    pub run: String,
    /// How long the engine may take to answer what it has no work with.
    pub answers_within: Duration,
    /// Who we are to the registries that the engine pulls from and pushes to.
    pub keychain: Keychain,
    /// How often a registry that fails is asked again.
    pub retry: RetryPolicy,
}

/// A Docker or Podman engine behind its socket.
#[derive(Debug)]
pub struct DockerEngine {
    docker: Docker,
    host: String,
    route: Route,
    options: Options,
}

impl DockerEngine {
    /// Connects to the engine at `host` (`unix://…`, `tcp://…` or `http://…`).
    ///
    /// # Errors
    /// When nothing answers there in time.
    pub async fn connect(host: &str, options: Options) -> Result<Self, ConnectError> {
        let limit = options.answers_within;
        let docker = docker::connect(host, limit).await?;
        let route = match options.builder {
            Builder::Classic => Route::Classic,
            Builder::Best => match tokio::time::timeout(limit, buildkit::is_there(host)).await {
                Ok(Ok(true)) => Route::BuildKit,
                Ok(Ok(false)) => Route::Classic,
                Ok(Err(failure)) => {
                    return Err(ConnectError::Unreachable { host: host.to_owned(), why: failure.to_string() });
                }
                Err(_) => return Err(ConnectError::Silent { host: host.to_owned(), limit }),
            },
        };
        Ok(Self { docker, host: host.to_owned(), route, options })
    }

    /// Waits for what the engine answers from its own books.
    async fn in_time<T>(&self, what: String, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Error> {
        let limit = self.options.answers_within;
        match tokio::time::timeout(limit, call).await {
            Ok(answer) => answer.map_err(|failure| explain(failure, what)),
            Err(_) => Err(Error::TimedOut { what, limit }),
        }
    }

    async fn remove_containers(&self) -> Result<(), Failure> {
        let label = format!("{LABEL_RUN}={}", self.options.run);
        let filters = [("label", vec![label])].into();
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        for container in self.docker.list_containers(Some(options)).await? {
            let names = container.names.unwrap_or_default();
            if names.iter().any(|name| name.trim_start_matches('/').starts_with(KEPT)) {
                continue;
            }
            commands::remove(&self.docker, &container.id.unwrap_or_default()).await?;
        }
        test::remove_images(&self.docker, &self.options.run).await
    }
}

/// The API of Docker 25, whose own frontend is Dockerfile 1.6, the first that takes `ADD --checksum`.
const API_WITH_CHECKSUMS: (usize, usize) = (1, 44);

/// Whether a frontend takes `ADD --checksum`: Docker's, of a version from 1.6 or a tag that moves with the versions.
fn takes_checksums(frontend: &str) -> bool {
    let (name, tag) = frontend.rsplit_once(':').unwrap_or((frontend, "latest"));
    let tag = tag.split('@').next().unwrap_or_default();
    let numbers = tag.strip_suffix("-labs").unwrap_or(tag);
    let minor = numbers.strip_prefix("1.").map(|rest| rest.split('.').next().unwrap_or_default().parse::<u32>());
    let is_new = matches!(numbers, "1" | "latest" | "labs") || minor.is_some_and(|minor| minor.is_ok_and(|n| n >= 6));
    name.ends_with("docker/dockerfile") && is_new
}

fn explain(failure: Failure, what: String) -> Error {
    match failure {
        Failure::Refused(_) => Error::Refused(anyhow::Error::new(failure).context(what)),
        Failure::Unreachable(_) => Error::Unreachable(anyhow::Error::new(failure).context(what)),
    }
}

impl Engine for DockerEngine {
    fn takes_checksums(&self, frontend: Option<&str>) -> bool {
        match (self.route, frontend) {
            (Route::Classic, _) => false,
            (Route::BuildKit, Some(frontend)) => takes_checksums(frontend),
            (Route::BuildKit, None) => {
                let version = self.docker.client_version();
                (version.major_version, version.minor_version) >= API_WITH_CHECKSUMS
            }
        }
    }

    async fn build(&self, request: &BuildRequest<'_>, events: &dyn Sink) -> Result<BuiltImage, Error> {
        build::build(self, request, events).await
    }

    async fn test(
        &self,
        image: &BuiltImage,
        spec: &TestSpec,
        timeout: Duration,
        events: &dyn Sink,
    ) -> Result<TestVerdict, Error> {
        test::run(&self.docker, image, spec, timeout, events, &self.options.run).await
    }

    async fn find(&self, reference: &Reference) -> Result<Option<StoredImage>, Error> {
        images::find(self, &reference.to_string()).await
    }

    async fn tag(&self, id: &ImageId, reference: &Reference) -> Result<(), Error> {
        let what = format!("naming {} `{reference}`", id.short());
        self.in_time(what, docker::tag(&self.docker, &id.to_string(), reference)).await
    }

    async fn untag(&self, reference: &Reference) -> Result<(), Error> {
        self.in_time(format!("taking the name `{reference}` away"), docker::untag(&self.docker, reference)).await
    }

    async fn pull(&self, reference: &Reference, events: &dyn Sink) -> Result<StoredImage, Error> {
        images::pull(self, reference, events).await
    }

    async fn push(&self, image: &ImageName, reference: &Reference, events: &dyn Sink) -> Result<ImageDigest, Error> {
        images::push(self, image, reference, events).await
    }

    async fn clean_up(&self) -> Result<(), Error> {
        self.in_time("removing this run's containers".to_owned(), self.remove_containers()).await
    }
}

#[cfg(test)]
mod tests {
    use super::takes_checksums;

    #[test]
    fn frontends_take_checksums_from_one_version_on() {
        let good = [
            "docker/dockerfile:1",
            "docker/dockerfile",
            "docker.io/docker/dockerfile:1.6",
            "docker/dockerfile:1.12-labs",
        ];
        for frontend in good {
            assert!(takes_checksums(frontend), "{frontend}");
        }
        for frontend in
            ["docker/dockerfile:1.5", "docker/dockerfile:1.2.1", "docker/dockerfile:experimental", "acme/other:1"]
        {
            assert!(!takes_checksums(frontend), "{frontend}");
        }
    }
}
