//! `windlass build`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bases::{Bases, Settled};
use super::caches::CacheArgs;
use super::connect::Allowed;
use super::deploy::StateArgs;
use super::export::ExportArgs;
use super::last_build::{self, LastBuild};
use super::project::{self, Project};
use super::secrets::Masked;
use super::ssh::SshArgs;
use super::{
    Exit, Refusal, Settings, bases, block_on, caches, connect, containers, export, interrupted, lookups,
    manifest_artifact, manifest_file, secrets, ssh, until_interrupted,
};
use crate::diag::Diagnostic;
use crate::engine::{AnyEngine, Engine as _};
use crate::event::{Event, Outcome, Sink};
use crate::manifest::{ContainerSpec, ImageSource};
use crate::model::{ContainerName, LABEL_REVISION, Reference};
use crate::pipeline::{self, About, Report, Run};
use crate::plan::{self, Facts, Plan, Resolved};
use crate::registry::RetryPolicy;
use crate::source::Revision;
use crate::ui::{self, Record, Reporter, build_report};

/// What `windlass build` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    pub(super) selection: project::SelectionArgs,
    /// Push what passed its tests, and move the channels in the registry too.
    #[arg(long, env = "WINDLASS_PUSH", value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) push: bool,
    /// Leave `latest` and `previous` as they are, and write no manifest: for jobs that each build a part, before one that
    /// builds all of them and promotes.
    #[arg(long, env = "WINDLASS_NO_PROMOTE", value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) no_promote: bool,
    /// Build the chosen images though they are there; those that they are made from only where needed.
    #[arg(long)]
    pub(super) force: bool,
    /// Use nothing of the builder's cache.
    #[arg(long)]
    pub(super) no_cache: bool,
    /// Let `RUN --security=insecure` have every right on this machine (embedded engine).
    #[arg(long, env = "WINDLASS_ALLOW_INSECURE", value_parser = clap::builder::BoolishValueParser::new())]
    pub(super) allow_insecure: bool,
    /// Where to write the deploy manifest [default: `deploy.json`, where the configuration has `deploy`]; with `--push` it may be
    /// an artifact of a registry, `oci://registry/repository:tag`.
    #[arg(long, value_name = "FILE", env = "WINDLASS_MANIFEST")]
    pub(super) manifest: Option<PathBuf>,
    #[command(flatten)]
    pub(super) export: ExportArgs,
    #[command(flatten)]
    pub(super) caches: CacheArgs,
    #[command(flatten)]
    pub(super) ssh: SshArgs,
    /// The manifest's serial [default: the CI's run number, else one more than the former manifest's].
    #[arg(long, value_name = "N", env = "WINDLASS_SERIAL")]
    pub(super) serial: Option<u64>,
    #[command(flatten)]
    pub(super) state: StateArgs,
    /// How the result is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A line an image.
    Text,
    /// One JSON object.
    Json,
}

/// A build that came to its end, green or not.
pub(super) struct Built {
    pub(super) plan: Plan,
    pub(super) report: Report,
    pub(super) record: Record,
    /// Where the deploy manifest was written, if it was.
    pub(super) manifest: Option<Written>,
}

/// Where a deploy manifest was written.
pub(super) enum Written {
    File(PathBuf),
    /// The address, with its digest.
    Registry(String),
}

impl Built {
    pub(super) fn exit(&self) -> Exit {
        match (self.report.all_green(), self.report.unreachable) {
            (true, _) => Exit::Done,
            (false, true) => Exit::Unreachable,
            (false, false) => Exit::Failed,
        }
    }

    /// Where the manifest is as people know it: a path below the root where it is there.
    pub(super) fn manifest_shown(&self, root: &Path) -> Option<String> {
        self.manifest.as_ref().map(|written| match written {
            Written::File(path) => path.strip_prefix(root).unwrap_or(path).display().to_string(),
            Written::Registry(address) => address.clone(),
        })
    }
}

pub(super) fn run(args: &BuildArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let built = build(args, settings)?;
    show(&built, args.format, settings)?;
    Ok(built.exit())
}

/// Prints how a build ended: what failed once more, then the result.
pub(super) fn show(built: &Built, format: Format, settings: &Settings) -> anyhow::Result<()> {
    ui::failures(&built.record, &settings.ui);
    let answer = match format {
        Format::Text => {
            let report = build_report::text(&built.plan, &built.report, &built.record, settings.ui.color);
            match &built.manifest {
                Some(Written::Registry(address)) => format!("{report}deploy manifest: {address}\n"),
                Some(Written::File(_)) | None => report,
            }
        }
        Format::Json => {
            let json = build_report::json(&built.plan, &built.report, built.manifest_shown(&settings.root));
            serde_json::to_string_pretty(&json)? + "\n"
        }
    };
    Ok(ui::print(answer.as_bytes())?)
}

/// Plans, builds, tests, promotes, pushes, and writes the manifest where all is green.
pub(super) fn build(args: &BuildArgs, settings: &Settings) -> anyhow::Result<Built> {
    connect::enter_user_namespace_where_needed(settings)?;
    let Project { mut resolved, config, lock, names } =
        project::load(settings, &args.selection, args.manifest.as_deref())?;
    let revision = project::revision(settings, args.manifest.as_deref(), &mut resolved.notes);
    ui::warn(&resolved.warnings, &settings.ui);
    if args.push && config.registry.is_none() {
        let message = "`--push` needs to know where to";
        return Err(Refusal::usage_with_hint(message, "write `registry: HOST/PREFIX` into windlass.yaml").into());
    }
    if args.push && settings.offline {
        return Err(Refusal::usage("`--push` and `--offline` exclude each other").into());
    }
    let agents = ssh::agents(&args.ssh, settings)?;
    let containers = config.deploy.containers(&names)?;
    let place = place(args, settings, &containers, &resolved)?;
    // What is no manifest is not overwritten, which is known before anything is built.
    let former = match &place {
        Some(Place::File(path)) => manifest_file::read(path)?,
        Some(Place::Registry(reference)) => {
            block_on(until_interrupted(settings, manifest_artifact::former(reference, settings)))?
        }
        None => None,
    };
    let of_containers = containers::of(&containers, &config);
    if settings.locked {
        bases::complete(&resolved, &of_containers, lock.as_ref())?;
    }
    // A manifest names them by digest: what a tag stood for when it was made.
    let run_by = if place.is_some() { of_containers } else { Bases::new() };
    let forced = if args.force { resolved.chosen.clone() } else { Default::default() };
    let reporter = Arc::new(Reporter::new(&settings.ui, resolved.images.len()));
    let chosen = &resolved.chosen.clone();
    let run = async |engine: &AnyEngine| {
        export::check(&args.export, engine, settings).await?;
        caches::read(&args.caches, engine, settings, &*reporter).await?;
        let registry = lookups::registry(settings, &reporter)?;
        let Settled { resolved, containers: digests } =
            bases::settle(resolved, &run_by, lock.as_ref(), Some(engine), registry.as_ref()).await?;
        // What a manifest can't say is known before anything is built.
        let containers = match &place {
            Some(_) => containers::pinned(containers, &digests)?,
            None => containers,
        };
        let patient = || registry.as_ref().map(|registry| registry.with_retry(RetryPolicy::default()));
        let registry = if args.push { patient() } else { registry };
        let registry = lookups::of_project(registry.as_ref(), &config);
        let known = lookups::known(&resolved, Some(engine), registry, args.push, &*reporter).await?;
        let plan = plan::decide(resolved, &known, &forced);
        plan.notes.iter().for_each(|note| reporter.send(Event::Note(note.clone())));
        let secrets = secrets::read(&plan, settings)?;
        let run = Run {
            plan: &plan,
            engine,
            registry,
            push: args.push,
            promote: !args.no_promote,
            secrets: &secrets,
            ssh: &agents,
            labels: &labels(settings, revision.as_ref()),
            jobs: settings.jobs,
            no_cache: args.no_cache,
            source_date_epoch: source_date_epoch(settings, revision.as_ref())?,
            events: &Masked::new(&*reporter, &secrets),
        };
        let report = pipeline::drive(&run).await;
        caches::write(&args.caches, engine, settings, &*reporter).await?;
        let mut built = Built { plan, report, record: Record::default(), manifest: None };
        if built.report.all_green() {
            export::export(args, &built, chosen, engine, settings, &*reporter).await?;
        }
        if let (true, Some(place)) = (built.report.all_green(), place) {
            let about = About {
                project: built.plan.project.clone(),
                revision: revision.as_ref().map(Revision::shown),
                created: revision.as_ref().and_then(|revision| jiff::Timestamp::from_second(revision.time).ok()),
                networks: config.deploy.networks().clone(),
                containers,
            };
            let serial = args.serial.or_else(|| settings.ci_run_number());
            let manifest = pipeline::describe(&built.plan, &built.report, about, former.as_ref(), serial);
            built.manifest = Some(match place {
                Place::File(path) => {
                    manifest_file::write(&path, &manifest)?;
                    Written::File(path)
                }
                Place::Registry(reference) => {
                    let digest = manifest_artifact::write(&reference, &manifest, settings).await?;
                    Written::Registry(manifest_artifact::address(&reference, digest))
                }
            });
        }
        Ok(built)
    };
    let allowed = Allowed { insecure: args.allow_insecure, no_trace: false };
    block_on(async {
        let mut engine = until_interrupted(settings, connect::engine(settings, allowed)).await?;
        export::set_media_types(&args.export, &mut engine)?;
        let built = until_interrupted(settings, run(&engine)).await;
        let record = reporter.end();
        clean_up(&engine, settings).await;
        let built = built.map(|built| Built { record, ..built })?;
        if let Err(error) = remember(&built, &args.state, settings) {
            let warning = Diagnostic::warning(format!("what was built is not remembered: {error:#}"));
            ui::warn(&[warning], &settings.ui);
        }
        Ok(built)
    })
}

/// Remembers what was built, for later plans.
fn remember(built: &Built, state: &StateArgs, settings: &Settings) -> anyhow::Result<()> {
    let folder = last_build::folder(&state.folder(settings)?, &built.plan.project);
    let built_now = built.plan.images.iter().map(|planned| &planned.image).filter_map(|image| {
        let recorded = built.record.images.get(&image.name)?;
        (recorded.outcome == Some(Outcome::Built)).then(|| LastBuild {
            image: image.name.clone(),
            content_hash: image.content_hash,
            took: recorded.took,
            facts: Facts::of(image),
        })
    });
    last_build::write(&folder, &built_now.collect::<Vec<_>>())
}

/// Where a deploy manifest goes.
enum Place {
    File(PathBuf),
    Registry(Reference),
}

/// Where the manifest is written: where somebody asks for it, else in its usual place where hosts have something to
/// run. A manifest tells of everything that runs, so a build of some images writes none.
fn place(
    args: &BuildArgs,
    settings: &Settings,
    containers: &BTreeMap<ContainerName, ContainerSpec>,
    resolved: &Resolved,
) -> Result<Option<Place>, Refusal> {
    let missing = containers.iter().find_map(|(name, container)| match &container.image {
        ImageSource::Own(image) if !resolved.chosen.contains(image) => Some((name, image)),
        ImageSource::Own(_) | ImageSource::External(_) => None,
    });
    let place = match (&args.manifest, missing) {
        _ if args.no_promote => return Ok(None),
        (Some(path), None) => match path.to_str().map(manifest_artifact::reference).transpose()?.flatten() {
            Some(reference) => Place::Registry(reference),
            None => Place::File(settings.root.join(path)),
        },
        (Some(_), Some((container, image))) => {
            let message = format!("the manifest would lack `{image}`, which the container `{container}` runs");
            return Err(Refusal::usage_with_hint(message, "choose it too, or build all images"));
        }
        (None, None) if !containers.is_empty() => Place::File(settings.root.join(project::MANIFEST)),
        (None, _) => return Ok(None),
    };
    if let Place::Registry(reference) = &place {
        manifest_artifact::check(containers)?;
        if !args.push {
            let message = format!("who reads `{reference}` finds no images: they are not pushed");
            return Err(Refusal::usage_with_hint(message, "say `--push`"));
        }
        if reference.digest().is_some() {
            return Err(Refusal::usage(format!("`{reference}` is named by its digest: nothing can be put there")));
        }
    }
    Ok(Some(place))
}

/// What a dropped build left on the engine is removed, within the time that an engine may take to answer; a second
/// Ctrl-C leaves it.
pub(super) async fn clean_up(engine: &AnyEngine, settings: &Settings) {
    let interrupted = async { anyhow::Ok(interrupted().await?) };
    let cleaned = async { anyhow::Ok(engine.clean_up().await?) };
    if let Err(error) = tokio::select! { outcome = cleaned => outcome, outcome = interrupted => outcome } {
        ui::warn(&[Diagnostic::warning(format!("containers of this run may be left: {error}"))], &settings.ui);
    }
}

/// What the labels that every image of a run gets are called.
const LABELS_OF_RUN: [&str; 3] =
    [LABEL_REVISION, "org.opencontainers.image.created", "org.opencontainers.image.source"];

/// Those of an image's labels that it has from the run that built it.
pub(super) fn labels_of_run(labels: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let of_run = labels.iter().filter(|(name, _)| LABELS_OF_RUN.contains(&name.as_str()));
    of_run.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Labels that every image of the run gets (OCI image specification, "Pre-Defined Annotation Keys"). The time is the
/// commit's, so that the same commit gives the same labels at any time.
fn labels(settings: &Settings, revision: Option<&Revision>) -> BTreeMap<String, String> {
    let [of_revision, of_time, of_source] = LABELS_OF_RUN.map(str::to_owned);
    let created = revision.and_then(|revision| jiff::Timestamp::from_second(revision.time).ok());
    let labels = [
        revision.map(|revision| (of_revision, revision.shown())),
        created.map(|created| (of_time, created.to_string())),
        settings.source_url().map(|url| (of_source, url)),
    ];
    labels.into_iter().flatten().collect()
}

/// `SOURCE_DATE_EPOCH` (reproducible-builds.org), else the commit's time, else 1970.
fn source_date_epoch(settings: &Settings, revision: Option<&Revision>) -> Result<u64, Refusal> {
    match settings.environment.get("SOURCE_DATE_EPOCH") {
        Some(text) => text
            .parse()
            .map_err(|_| Refusal::usage(format!("`SOURCE_DATE_EPOCH` is `{text}`, not a number of seconds"))),
        None => Ok(revision.and_then(|revision| u64::try_from(revision.time).ok()).unwrap_or(0)),
    }
}
