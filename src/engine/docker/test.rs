//! Runs an image's tests in containers of the engine, one after the other, and tells each by the name that
//! container-structure-test gives it.

mod command;
mod files;
mod health;
mod leftovers;

use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, ImageConfig};
use tokio::time::Instant;

use super::{LABEL_RUN, explain};
use crate::docker::commands::{Ended, Output};
use crate::docker::{self, Failure};
use crate::engine::test::{Limit, metadata, report};
use crate::engine::{BuiltImage, Error, TestVerdict};
use crate::event::{Event, Sink, Stream};
use crate::model::{MetadataTest, TestSpec};
use leftovers::Leftovers;
pub(super) use leftovers::remove_images;

/// The label under which a container, and an image that is made of it, carry the image they stand on.
const LABEL_MADE_OF: &str = "dev.windlass.made-of";

/// How much longer than its tests the engine may take around them, before it counts as silent. Arbitrary: enough
/// for a busy engine to make and remove some containers.
const GRACE: Duration = Duration::from_secs(60);

/// Runs what `spec` asks for, all of it within `timeout`. Containers, and images that are made on the way, carry
/// the label [`LABEL_RUN`] with `run` as its value, by which [`crate::engine::Engine::clean_up`] finds what a
/// dropped future left; the container of the first failing test stays, under a name that begins with [`KEPT`](report::KEPT).
pub(super) async fn run(
    docker: &Docker,
    image: &BuiltImage,
    spec: &TestSpec,
    timeout: Duration,
    events: &dyn Sink,
    run: &str,
) -> Result<TestVerdict, Error> {
    let verdict = TestVerdict { results: Vec::new(), kept: None };
    if spec.is_empty() {
        return Ok(verdict);
    }
    let what = format!("testing `{}`", image.image);
    let work = async {
        let id = image.id.to_string();
        let found = docker::find(docker, &id).await.map_err(|failure| explain(failure, what.clone()))?;
        let found = found.ok_or_else(|| Error::Refused(anyhow::anyhow!("{what}: the engine has no image {id}")))?;
        let config = found.config.unwrap_or_default();
        let left = Leftovers::new(docker);
        let deadline = Instant::now() + timeout;
        let tests = Tests { docker, run, image, config, events, timeout, deadline, left, files: None, verdict };
        tests.all(spec).await
    };
    let limit = timeout.saturating_add(GRACE);
    tokio::time::timeout(limit, work).await.unwrap_or(Err(Error::TimedOut { what, limit }))
}

/// Why a test did not come to its end.
enum Trouble {
    /// It failed by that.
    Test(String),
    /// The engine is at fault.
    Engine(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Engine(failure)
    }
}

/// What a test found out.
#[derive(Default)]
struct Findings {
    /// Why it failed; nothing where it passed.
    failures: Vec<String>,
    /// What was written, to be shown where it failed.
    output: Output,
    /// The container it ran in.
    container: Option<String>,
}

struct Tests<'a> {
    docker: &'a Docker,
    run: &'a str,
    image: &'a BuiltImage,
    config: ImageConfig,
    events: &'a dyn Sink,
    timeout: Duration,
    deadline: Instant,
    left: Leftovers,
    /// The container that files are read from. It is never started.
    files: Option<String>,
    verdict: TestVerdict,
}

impl Tests<'_> {
    async fn all(mut self, spec: &TestSpec) -> Result<TestVerdict, Error> {
        let TestSpec { commands, file_content, file_existence, licenses, metadata, healthy_within } = spec;
        for test in commands {
            let mut findings = Findings::default();
            let ended = self.command(test, &mut findings).await;
            self.conclude(format!("Command Test: {}", test.name), findings, ended).await?;
        }
        for test in file_content {
            let mut findings = Findings::default();
            let ended = self.file_content(test, &mut findings).await;
            self.conclude(format!("File Content Test: {}", test.name), findings, ended).await?;
        }
        for test in file_existence {
            let mut findings = Findings::default();
            let ended = self.file_existence(test, &mut findings).await;
            self.conclude(format!("File Existence Test: {}", test.name), findings, ended).await?;
        }
        for test in licenses {
            let mut findings = Findings::default();
            let ended = self.license(test, &mut findings).await;
            self.conclude("License Test".to_owned(), findings, ended).await?;
        }
        for test in metadata.iter().filter(|test| **test != MetadataTest::default()) {
            let failures = metadata::failures(test, &self.config);
            self.conclude("Metadata Test".to_owned(), Findings { failures, ..Findings::default() }, Ok(())).await?;
        }
        if let Some(within) = *healthy_within {
            let mut findings = Findings::default();
            let ended = self.health(within, &mut findings).await;
            self.conclude("Healthcheck".to_owned(), findings, ended).await?;
        }
        self.left.remove_all().await.map_err(|failure| self.explain(failure))?;
        Ok(self.verdict)
    }

    fn explain(&self, failure: Failure) -> Error {
        explain(failure, format!("testing `{}`", self.image.image))
    }

    /// Tells how a test ended, keeps the container of the first that failed and removes that of any other.
    async fn conclude(&mut self, test: String, findings: Findings, ended: Result<(), Trouble>) -> Result<(), Error> {
        let Findings { mut failures, output, container } = findings;
        match ended {
            Ok(()) => {}
            Err(Trouble::Test(failure)) => failures.push(failure),
            Err(Trouble::Engine(failure)) => return Err(self.explain(failure)),
        }
        let failure = (!failures.is_empty()).then(|| failures.join("; "));
        if failure.is_some() {
            for (stream, captured) in [(Stream::Stdout, &output.stdout), (Stream::Stderr, &output.stderr)] {
                for line in report::lines(captured) {
                    self.events.send(Event::Output { image: self.image.image.clone(), stream, line });
                }
            }
        }
        let image = self.image.image.clone();
        self.events.send(Event::Tested { image, test: test.clone(), failure: failure.clone() });
        let may_keep = failure.is_some() && self.verdict.kept.is_none();
        self.verdict.results.push((test.clone(), failure));
        let kept = match &container {
            Some(container) if may_keep => self.keep(container, &test).await,
            _ => Ok(()),
        };
        let removed = self.left.remove_all_but(self.files.as_deref()).await;
        kept.and(removed).map_err(|failure| self.explain(failure))
    }

    /// Gives a container the name under which people find it, in place of an older one that has it.
    async fn keep(&mut self, container: &str, test: &str) -> Result<(), Failure> {
        let name = report::kept_name(self.image.image.as_str(), test);
        if !leftovers::make_room(self.docker, &name).await? {
            let warning = format!("the container of `{test}` is not kept: `{name}` is the name of another");
            self.events.send(Event::Warning(warning));
            return Ok(());
        }
        let options = bollard::query_parameters::RenameContainerOptionsBuilder::new().name(&name).build();
        self.docker.rename_container(container, options).await?;
        self.left.leave(container);
        self.verdict.kept = Some(name.clone());
        self.events.send(Event::Kept { image: self.image.image.clone(), container: name });
        Ok(())
    }

    /// How long a test may run that asks for `limit`.
    fn limit(&self, limit: Option<Duration>) -> Result<Limit, Trouble> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        Limit::of(limit, left, self.timeout).map_err(Trouble::Test)
    }

    /// What every container of a test has; it does what the image says where nothing else is put in.
    fn container(&self, image: &str) -> ContainerCreateBody {
        // A runaway command fills one small file of the host's, not its disk.
        let config = [("max-size".to_owned(), "32m".to_owned()), ("max-file".to_owned(), "1".to_owned())];
        let labels = [(LABEL_RUN, self.run), (LABEL_MADE_OF, image)];
        let log = HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(config.into()) };
        ContainerCreateBody {
            image: Some(image.to_owned()),
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            host_config: Some(HostConfig { log_config: Some(log), ..HostConfig::default() }),
            ..ContainerCreateBody::default()
        }
    }

    /// Makes a container, which is removed in the end unless it is kept.
    async fn create(&mut self, body: ContainerCreateBody) -> Result<String, Trouble> {
        match self.docker.create_container(None, body).await.map_err(Failure::from) {
            Ok(created) => {
                self.left.add_container(created.id.clone());
                Ok(created.id)
            }
            Err(Failure::Refused(why)) => Err(Trouble::Test(format!("the engine makes no container: {why}"))),
            Err(failure) => Err(failure.into()),
        }
    }
}

/// A container's own HEALTHCHECK, turned off.
fn no_healthcheck() -> HealthConfig {
    HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }
}

/// Tells a command's end that is none of its own.
fn not_ended(what: &str, ended: &Ended, limit: &Limit) -> Option<Trouble> {
    match ended {
        Ended::Exited(_) => None,
        Ended::TimedOut => Some(Trouble::Test(format!("{what} took longer than {} and was killed", limit.words))),
        Ended::NotStarted(why) => Some(Trouble::Test(format!("{what} can't be started: {}", report::one_line(why)))),
    }
}
