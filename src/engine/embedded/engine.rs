//! The engine itself: what a pipeline asks, answered from the store, and built on threads of its own.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::build::{self, Busy, Fault, Job, Tools};
use super::carried::{Carried, Written};
use super::git::GitClient;
use super::images::{self, CachePlace, Image, MediaTypes};
use super::layer::Overlay;
use super::sandbox::{Sandbox, Stop, knows_all_users};
use super::store::Store;
use super::test;
use crate::diag::SourceText;
use crate::dockerfile::{self, ResolveInputs, parse};
use crate::engine::context::Context;
use crate::engine::{BuildRequest, BuiltImage, Engine, Error, StoredImage, TestVerdict};
use crate::event::{Event, Sink};
use crate::model::{ImageDigest, ImageId, ImageName, Platform, Reference, TestSpec};
use crate::registry::{self, Again, Registry};

/// How many events may wait to be shown; whoever makes more waits. Arbitrary.
const EVENTS_AT_MOST: usize = 256;

/// What the embedded engine is opened with.
#[derive(Debug)]
pub struct Options {
    /// Where images, layers and caches are kept.
    pub store: PathBuf,
    /// This program, which runs what a build runs: see [`enter_hidden_verb`](super::sandbox::enter_hidden_verb).
    pub program: PathBuf,
    /// The client that images are pulled and pushed by.
    pub registry: Registry,
    /// How git repositories are fetched.
    pub git: GitClient,
    /// Whether nothing may be pulled.
    pub offline: bool,
    /// Whether what steps come to is remembered for later builds.
    pub remembers: bool,
    /// Whether `RUN --security=insecure` gets what it wants.
    pub allow_insecure: bool,
}

/// Opens a store with layers in the form that is likely here; what the sandbox finds out has the last word.
///
/// # Errors
/// When its folder can't be made or written to.
pub fn open_store(folder: &Path) -> anyhow::Result<Store> {
    let is_root = nix::unistd::geteuid().is_root() && knows_all_users();
    Store::open(folder, if is_root { Overlay::Trusted } else { Overlay::User })
}

/// The engine that needs no daemon.
#[derive(Debug)]
pub struct EmbeddedEngine {
    store: Store,
    registry: Arc<Registry>,
    git: GitClient,
    offline: bool,
    remembers: bool,
    allow_insecure: bool,
    media_types: MediaTypes,
    program: PathBuf,
    /// Found out when something is to be run: a look at names costs nothing of that.
    sandbox: OnceLock<anyhow::Result<Sandbox>>,
    busy: Busy,
    carried: Arc<Carried>,
    /// The threads that build.
    running: Mutex<Vec<(Stop, JoinHandle<()>)>>,
}

impl EmbeddedEngine {
    /// Opens the store.
    ///
    /// # Errors
    /// When its folder can't be made or written to.
    pub fn open(options: Options) -> anyhow::Result<Self> {
        let Options { store, program, registry, git, offline, remembers, allow_insecure } = options;
        Ok(Self {
            store: open_store(&store)?,
            registry: Arc::new(registry),
            git,
            offline,
            remembers,
            allow_insecure,
            media_types: MediaTypes::default(),
            program,
            sandbox: OnceLock::new(),
            busy: Busy::default(),
            carried: Arc::default(),
            running: Mutex::default(),
        })
    }

    /// Says in whose words manifests are pushed; OCI's, where nobody does.
    pub fn set_media_types(&mut self, media_types: MediaTypes) {
        self.media_types = media_types;
    }

    /// Where its images are.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Has builds use what the steps in a cache came to, after what earlier builds here did; tells whether there is one.
    ///
    /// # Errors
    /// When it can't be read, or is something else.
    pub async fn read_cache(&self, place: &CachePlace) -> anyhow::Result<bool> {
        self.carried.read(&self.registry, &self.store, place).await
    }

    /// Puts what the steps of this engine's builds came to into a cache; what is there stays as long as builds that write
    /// it have a use for it. `with_mounts` says whether the cache mounts that the builds used go there too.
    ///
    /// # Errors
    /// When it can't be written.
    pub async fn write_cache(&self, place: &CachePlace, with_mounts: bool) -> anyhow::Result<Written> {
        self.carried.write(&self.registry, &self.store, place, with_mounts).await
    }

    /// The image with an id.
    ///
    /// # Errors
    /// When the store does not have it, or can't be read.
    pub fn image_of(&self, id: &ImageId) -> Result<Image, Error> {
        let manifest = self.store.by_id(id).map_err(refused)?;
        self.image(manifest.ok_or_else(|| Error::Refused(anyhow::anyhow!("the store has no image {}", id.short())))?)
    }

    /// What this machine lets us do.
    fn sandbox(&self) -> Result<&Sandbox, Fault> {
        let found = self.sandbox.get_or_init(|| {
            let scratch = self.store.scratch()?;
            Sandbox::find_out_with(&self.program, scratch.path())
        });
        found.as_ref().map_err(|error| Fault::Unsupported {
            message: format!("nothing can be built on this machine: {error:#}"),
            hint: "`windlass doctor` tells what is there".to_owned(),
        })
    }

    fn image(&self, digest: ImageDigest) -> Result<Image, Error> {
        images::load(&self.store, digest).map_err(|error| Error::Refused(error.context("reading the store")))
    }

    /// What the store has under a name; by a digest in whatever repository it is.
    fn named(&self, reference: &Reference) -> Result<Option<Image>, Error> {
        let found = self.store.find(reference).map_err(|error| Error::Refused(error.context("reading the store")))?;
        found.map(|digest| self.image(digest)).transpose()
    }

    /// The image for a platform that a Dockerfile is made from: in the store, else from its registry.
    async fn base(&self, reference: &Reference, platform: &Platform, events: &dyn Sink) -> Result<Image, Error> {
        if let Some(image) = self.named(reference)? {
            return Ok(image);
        }
        if self.offline {
            let error = anyhow::anyhow!("`{reference}` is not in the store, and no registry may be asked");
            return Err(Error::Refused(error));
        }
        events.send(Event::Note(format!("{reference}: it is pulled")));
        let pulled = images::pull(&self.registry, &self.store, reference, platform, &|_| {}).await;
        pulled.map_err(|error| explain(error, format!("pulling `{reference}`")))
    }

    /// Everything that the build needs, with the images that it is made from.
    async fn job(&self, request: &BuildRequest<'_>, events: &dyn Sink) -> Result<Job, Error> {
        let parsed = parse(&SourceText::new("Dockerfile", request.dockerfile));
        let contexts = request.named.keys().map(|name| (*name).to_owned()).collect();
        let inputs = ResolveInputs {
            args: request.args,
            target: request.target,
            target_platform: request.platform,
            build_platform: request.platform,
            contexts: &contexts,
        };
        let resolved = dockerfile::resolve(&parsed.dockerfile, &inputs);
        let mut bases = std::collections::BTreeMap::new();
        for edge in resolved.edges.iter().filter(|edge| !contexts.contains(&edge.reference)) {
            let line = parsed.dockerfile.source.line_column(edge.span.start).0;
            let wrong = |message: String| Error::Image { message, line: Some(line), hint: None };
            let reference: Reference =
                edge.reference.parse().map_err(|error| wrong(format!("`{}`: {error}", edge.reference)))?;
            let key = (edge.reference.clone(), edge.platform.clone());
            if let std::collections::btree_map::Entry::Vacant(vacant) = bases.entry(key) {
                vacant.insert(self.base(&reference, &edge.platform, events).await?);
            }
        }
        let named = |folder| Context::of_folder(folder, request.source_date_epoch);
        let epoch = i64::try_from(request.source_date_epoch).unwrap_or(0);
        let created = jiff::Timestamp::from_second(epoch).unwrap_or_default();
        Ok(Job {
            image: request.image.clone(),
            context: Context::of(request)?,
            named: request.named.iter().map(|(name, folder)| ((*name).to_owned(), named(*folder))).collect(),
            dockerfile: parsed.dockerfile,
            resolved,
            args: request.args.clone(),
            platform: request.platform.clone(),
            labels: request.labels.clone(),
            secrets: request.secrets.to_vec(),
            ssh: request.ssh.to_vec(),
            no_cache: request.no_cache,
            epoch: request.source_date_epoch,
            created: created.to_string(),
            bases,
        })
    }

    /// Works on a thread of its own, and tells what it tells.
    async fn on_a_thread<T: Send + 'static>(
        &self,
        name: &str,
        events: &dyn Sink,
        work: impl FnOnce(&Tools) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let stop = Stop::new().map_err(Fault::Machine)?;
        // Dropped with this future: then nobody waits any more.
        let _stopping = Stopping(stop.clone());
        let (sender, mut told) = mpsc::channel(EVENTS_AT_MOST);
        let (answer, answered) = tokio::sync::oneshot::channel();
        let sandbox = self.sandbox()?.clone();
        let tools = Tools {
            store: self.store.in_form(sandbox.overlay()),
            sandbox,
            registry: Arc::clone(&self.registry),
            git: self.git.clone(),
            runtime: Handle::current(),
            stop: stop.clone(),
            events: sender,
            allow_insecure: self.allow_insecure,
            remembers: self.remembers,
            busy: Arc::clone(&self.busy),
            carried: Arc::clone(&self.carried),
        };
        let thread = std::thread::Builder::new().name(name.to_owned());
        let thread = thread.spawn(move || {
            let outcome = work(&tools);
            // Nobody waits where it was given up.
            let _sent = answer.send(outcome);
        });
        let thread = thread.map_err(|error| Fault::Machine(error.into()))?;
        {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.retain(|(_, thread)| !thread.is_finished());
            running.push((stop, thread));
        }
        while let Some(event) = told.recv().await {
            events.send(event);
        }
        answered.await.unwrap_or(Err(Fault::Elsewhere))
    }
}

/// Stops what runs when it is dropped.
struct Stopping(Stop);

impl Drop for Stopping {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn explain(error: anyhow::Error, what: String) -> Error {
    let again = error.chain().find_map(|cause| cause.downcast_ref::<registry::Error>()).map(registry::Error::again);
    match again {
        Some(Again::Never) => Error::Refused(error.context(what)),
        Some(_) => Error::Unreachable(error.context(what)),
        None => Error::Refused(error.context(what)),
    }
}

/// The platform of the machine that builds, in the words of OCI.
pub(super) fn this_machine() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    Platform { architecture: architecture.to_owned(), ..Platform::linux_amd64() }
}

fn refused(error: anyhow::Error) -> Error {
    Error::Refused(error)
}

impl Engine for EmbeddedEngine {
    fn takes_checksums(&self, _frontend: Option<&str>) -> bool {
        true
    }

    async fn build(&self, request: &BuildRequest<'_>, events: &dyn Sink) -> Result<BuiltImage, Error> {
        let building = async {
            let job = self.job(request, events).await?;
            let what = format!("build {}", request.image);
            let built = self.on_a_thread(&what, events, move |tools| build::build(tools, &job)).await;
            built.map_err(|fault| fault.explain(&format!("building `{}`", request.image), request.timeout))
        };
        let limit = request.timeout;
        let built = tokio::time::timeout(limit, building).await;
        let image = built.map_err(|_| Error::TimedOut { what: format!("building `{}`", request.image), limit })??;
        self.store.name(request.tag, image.manifest).map_err(refused)?;
        Ok(BuiltImage { image: request.image.clone(), id: image.id })
    }

    async fn test(
        &self,
        image: &BuiltImage,
        spec: &TestSpec,
        timeout: Duration,
        events: &dyn Sink,
    ) -> Result<TestVerdict, Error> {
        if spec.is_empty() {
            return Ok(TestVerdict { results: Vec::new(), kept: None });
        }
        let (stored, name, spec) = (self.image_of(&image.id)?, image.image.clone(), spec.clone());
        let what = format!("test {name}");
        let tested = self.on_a_thread(&what, events, move |tools| test::run(tools, &name, &stored, &spec, timeout));
        tested.await.map_err(|fault| fault.explain(&format!("testing `{}`", image.image), timeout))
    }

    async fn has_no_names(&self) -> Result<bool, Error> {
        self.store.has_no_names().map_err(|error| Error::Refused(error.context("reading the store")))
    }

    async fn find(&self, reference: &Reference) -> Result<Option<StoredImage>, Error> {
        let Some(image) = self.named(reference)? else { return Ok(None) };
        let in_registry = reference.repository().with_digest(image.manifest);
        let is_there = self.store.find(&in_registry).map_err(refused)?.is_some();
        Ok(Some(StoredImage {
            id: image.id,
            labels: image.config.config.labels,
            repo_digests: is_there.then_some(in_registry).into_iter().collect(),
        }))
    }

    async fn tag(&self, id: &ImageId, reference: &Reference) -> Result<(), Error> {
        self.store.name(reference, self.image_of(id)?.manifest).map_err(refused)
    }

    async fn untag(&self, reference: &Reference) -> Result<(), Error> {
        self.store.unname(reference).map_err(refused)
    }

    async fn pull(&self, reference: &Reference, events: &dyn Sink) -> Result<StoredImage, Error> {
        let image = self.base(reference, &this_machine(), events).await?;
        for name in [reference, &reference.repository().with_digest(image.manifest)] {
            self.store.name(name, image.manifest).map_err(refused)?;
        }
        let missing = || Error::Unreachable(anyhow::anyhow!("`{reference}` was pulled and is not there"));
        self.find(reference).await?.ok_or_else(missing)
    }

    async fn push(&self, image: &ImageName, reference: &Reference, events: &dyn Sink) -> Result<ImageDigest, Error> {
        let gone = || Error::Refused(anyhow::anyhow!("the store has no `{reference}`"));
        let stored = self.named(reference)?.ok_or_else(gone)?;
        let pushed = images::push(&self.registry, &self.store, &stored, reference, self.media_types, &|_| {}).await;
        let digest = pushed.map_err(|error| explain(error, format!("pushing `{reference}`")))?;
        self.store.name(&reference.repository().with_digest(digest), stored.manifest).map_err(refused)?;
        events.send(Event::Pushed { image: image.clone(), reference: reference.clone(), digest });
        Ok(digest)
    }

    async fn clean_up(&self) -> Result<(), Error> {
        let running = std::mem::take(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner));
        let ending = tokio::task::spawn_blocking(move || {
            for (stop, thread) in running {
                stop.stop();
                // It has told what it met, unless it panicked, which is on standard error already.
                let _ended = thread.join();
            }
        });
        ending.await.map_err(|error| Error::Refused(error.into()))
    }
}
