//! `windlass plan`.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bases::{Bases, Settled};
use super::deploy::StateArgs;
use super::jobs::{self, Service};
use super::past::{self, Present};
use super::project::{self, Project, SelectionArgs};
use super::{
    Exit, Refusal, Settings, bases, block_on_this_thread, connect, containers, lookups, stale, until_interrupted, why,
};
use crate::ci::{github, gitlab, travis};
use crate::config::{Config, Lock};
use crate::event::{Event, Sink as _};
use crate::model::ImageName;
use crate::plan::{self, Known, Plan, Resolved};
use crate::source::Commit;
use crate::ui::plan_json::{self, PlanJson};
use crate::ui::plan_why;
use crate::ui::{self, Graph, Progress, Reporter, Ui};

/// What `windlass plan` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    /// Tell what of an image changed since it was built last, down to the instruction and the file, and which of the
    /// images that it is made from changed before it.
    #[arg(long, value_name = "IMAGE", conflicts_with_all = ["images", "since", "force", "exit_code", "shards", "stale"])]
    why: Option<String>,
    /// Compare it with this commit instead.
    #[arg(long, value_name = "REF", requires = "why")]
    against: Option<String>,
    /// Only images that are not the same as they were at this commit, or where the branch parted from it; changes that
    /// are not committed count too.
    #[arg(long, value_name = "REF", conflicts_with = "stale")]
    since: Option<String>,
    /// Plan as `build --force` would build.
    #[arg(long)]
    pub(super) force: bool,
    /// Where the build writes the deploy manifest, which belongs to no context.
    #[arg(long, value_name = "FILE", env = "WINDLASS_MANIFEST")]
    manifest: Option<PathBuf>,
    /// Exit with 10 where something has to be built.
    #[arg(long)]
    exit_code: bool,
    /// Show instead which of the names in windlass.lock stand for something else by now; exit with 10 where one does.
    #[arg(long, conflicts_with_all = ["force", "manifest"])]
    stale: bool,
    /// How the plan is written.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Pack the images into at most so many CI jobs that run at once, by how long each took when it was built last.
    #[arg(long, value_name = "N", env = "WINDLASS_SHARDS")]
    shards: Option<NonZeroUsize>,
    #[command(flatten)]
    state: StateArgs,
}

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A table.
    Text,
    /// One JSON object; `windlass schema plan` is its schema.
    Json,
    /// A graph in the language of Graphviz.
    Dot,
    /// A graph in the language of mermaid.
    Mermaid,
    /// A graph as a picture.
    Svg,
    /// The jobs that build it, as matrices of GitHub Actions.
    GithubMatrix,
    /// The jobs that build it, as a child pipeline of GitLab CI.
    Gitlab,
    /// The jobs that build it, as stages of Travis CI.
    Travis,
}

pub(super) fn run(args: &PlanArgs, settings: &Settings) -> anyhow::Result<Exit> {
    if args.stale {
        return stale::run(&args.selection, args.format, settings);
    }
    // Who wants nothing but what is locked wants the same answer without a network.
    let settings = &Settings { offline: settings.offline || settings.locked, ..settings.clone() };
    // Where nobody says where state is, nothing is remembered.
    let state = args.state.folder(settings).ok();
    if let Some(image) = &args.why {
        return explain(image, args, state.as_deref(), settings);
    }
    let manifest = args.manifest.as_deref();
    let mut project = project::load(settings, &args.selection, manifest)?;
    let mut since = None;
    if let Some(name) = &args.since {
        let (changed, commit) = past::changed_since(project, name, &args.selection, manifest, settings)?;
        (project, since) = (changed, Some(commit));
    }
    let (plan, _) = decided(project, args.force, settings)?;
    let jobs = |service| jobs::jobs(&plan, args.shards, service, state.as_deref(), settings);
    let invocation = || jobs::invocation(&args.selection, settings);
    let answer = match args.format {
        Format::Text => ui::table(&plan, settings.ui.color),
        Format::Json => {
            let json = PlanJson { since: since.as_ref().map(plan_json::since), ..plan_json::json(&plan) };
            serde_json::to_string_pretty(&json)? + "\n"
        }
        Format::Dot => Graph::from(&plan).dot(),
        Format::Mermaid => Graph::from(&plan).mermaid(),
        Format::Svg => Graph::from(&plan).svg(),
        Format::GithubMatrix => github::matrix(&jobs(Service::Github)?) + "\n",
        Format::Gitlab => gitlab::pipeline(&jobs(Service::Gitlab)?, &invocation()),
        Format::Travis => travis::stages(&jobs(Service::Travis)?, &invocation()),
    };
    ui::print(answer.as_bytes())?;
    let exit = if args.exit_code && plan.to_build() > 0 { Exit::Changes } else { Exit::Done };
    // The process ends: to give all of it back piece by piece takes as long as to hash it.
    std::mem::forget(plan);
    Ok(exit)
}

/// Tells why an image is not what it was.
fn explain(image: &str, args: &PlanArgs, state: Option<&Path>, settings: &Settings) -> anyhow::Result<Exit> {
    let manifest = args.manifest.as_deref();
    if !matches!(args.format, Format::Text | Format::Json) {
        return Err(Refusal::usage("`--why` is told as text or JSON").into());
    }
    let selection = SelectionArgs { images: vec![image.to_owned()], ..args.selection.clone() };
    let project = project::load(settings, &selection, manifest)?;
    let [image] = project.resolved.chosen.iter().collect::<Vec<_>>()[..] else {
        return Err(Refusal::usage(format!("`--why` explains one image, and `{image}` chooses several")).into());
    };
    let present = Present { project: &project, selection: &selection, manifest, settings };
    let against = args.against.as_ref().map(|name| Commit::find(&settings.root, name)).transpose()?;
    let of_commit = against.map(|commit| why::since_commit(image, &commit, present)).transpose()?;
    let dockerfile = |name: &ImageName| {
        let images = &project.resolved.images;
        images.iter().find(|image| image.name == *name).map_or("", |image| image.dockerfile.path())
    };
    let answer = match (of_commit, args.format) {
        // No engine and no registry has to be asked for what git knows.
        (Some((explained, against)), Format::Text) => {
            plan_why::why(&explained, &against, dockerfile, settings.ui.color)
        }
        (of_commit, format) => {
            let (plan, known) = decided(project.clone(), false, settings)?;
            let (explained, against) = match of_commit {
                Some(explained) => explained,
                None => why::since_last_build(image, &plan, &known, state, present)?,
            };
            match format {
                Format::Json => {
                    let json = PlanJson { why: Some(plan_why::json(&explained, &against)), ..plan_json::json(&plan) };
                    serde_json::to_string_pretty(&json)? + "\n"
                }
                _ => plan_why::why(&explained, &against, dockerfile, settings.ui.color),
            }
        }
    };
    ui::print(answer.as_bytes())?;
    Ok(Exit::Done)
}

/// Loads the project and decides what would be built, by what is there already.
pub(super) fn plan(
    selection: &SelectionArgs,
    force: bool,
    manifest: Option<&Path>,
    settings: &Settings,
) -> anyhow::Result<Plan> {
    Ok(decided(project::load(settings, selection, manifest)?, force, settings)?.0)
}

/// Says what there is to say of a project, and decides what would be built of it.
fn decided(project: Project, force: bool, settings: &Settings) -> anyhow::Result<(Plan, Known)> {
    let Project { resolved, config, lock, names } = project;
    ui::warn(&resolved.warnings, &settings.ui);
    if settings.locked {
        bases::complete(&resolved, &containers::bases(&config, &names)?, lock.as_ref())?;
    }
    let forced = if force { resolved.chosen.clone() } else { BTreeSet::new() };
    let (plan, known) = decide(resolved, &config, lock.as_ref(), &forced, settings)?;
    ui::notes(&plan.notes, &settings.ui);
    Ok((plan, known))
}

/// Decides by what the engine and the registry have. Where no engine answers, the plan is made without one.
fn decide(
    resolved: Resolved,
    config: &Config,
    lock: Option<&Lock>,
    forced: &BTreeSet<ImageName>,
    settings: &Settings,
) -> anyhow::Result<(Plan, Known)> {
    // A plan is there before a live view could be looked at.
    let progress = if settings.ui.progress == Progress::Tty { Progress::Plain } else { settings.ui.progress };
    let reporter = Arc::new(Reporter::new(&Ui { progress, ..settings.ui.clone() }, resolved.images.len()));
    block_on_this_thread(until_interrupted(settings, async {
        let engine = match connect::engine(settings, connect::Allowed::default()).await {
            Ok(engine) => Some(engine),
            Err(error) => {
                reporter.send(Event::Note(format!("{error:#}; the plan is made without an engine")));
                None
            }
        };
        let registry = lookups::registry(settings, &reporter)?;
        // What containers run is asked when a manifest is written.
        let none = Bases::new();
        let Settled { resolved, containers: _ } =
            bases::settle(resolved, &none, lock, engine.as_ref(), registry.as_ref()).await?;
        let of_project = lookups::of_project(registry.as_ref(), config);
        let known = lookups::known(&resolved, engine.as_ref(), of_project, false, &*reporter).await?;
        Ok((plan::decide(resolved, &known, forced), known))
    }))
}
