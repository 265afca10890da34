//! `windlass ci`: a command as a step of a CI job, whose result the service is told in its own way.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Subcommand, ValueEnum};

use super::build::{self, BuildArgs, Built, Format};
use super::caches::CacheArgs;
use super::deploy::StateArgs;
use super::export::ExportArgs;
use super::jobs;
use super::project::{SelectionArgs, build_arg};
use super::ssh::SshArgs;
use super::{Exit, Refusal, Settings, plan};
use crate::ci::github::{self, Step, Summary};
use crate::plan::Plan;
use crate::ui::{self, plan_json};

/// What `windlass ci` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct CiArgs {
    #[command(subcommand)]
    service: Service,
}

/// The services that are told.
#[derive(Debug, Subcommand)]
enum Service {
    /// GitHub Actions: sets the step's outputs, and adds to its summary.
    Github(GithubArgs),
}

/// What is done in a job of GitHub Actions: the inputs of action.yml, as its environment.
#[derive(Debug, clap::Args)]
struct GithubArgs {
    /// What is done.
    #[arg(long, value_enum, default_value = "build", env = "WINDLASS_COMMAND")]
    command: Command,
    /// Only these images, and what building them needs: words as `windlass plan` takes them, apart by white space [default: all].
    #[arg(long, value_name = "WORDS", env = "WINDLASS_IMAGES", default_value = "", hide_default_value = true)]
    images: String,
    /// Build arguments, `NAME=VALUE` in a line each.
    #[arg(long, value_name = "LINES", env = "WINDLASS_BUILD_ARGS", default_value = "", hide_default_value = true)]
    build_args: String,
    /// Push what passed its tests, and move the channels in the registry too.
    #[arg(long, env = "WINDLASS_PUSH")]
    push: bool,
    /// Leave `latest` and `previous` as they are, and write no manifest.
    #[arg(long, env = "WINDLASS_NO_PROMOTE", value_parser = BoolishValueParser::new())]
    no_promote: bool,
    /// Let `RUN --security=insecure` have every right on this machine (embedded engine).
    #[arg(long, env = "WINDLASS_ALLOW_INSECURE", value_parser = clap::builder::BoolishValueParser::new())]
    allow_insecure: bool,
    #[command(flatten)]
    export: ExportArgs,
    #[command(flatten)]
    caches: CacheArgs,
    #[command(flatten)]
    ssh: SshArgs,
    /// Pack the images of the output `matrix` into at most so many jobs that run at once.
    #[arg(long, value_name = "N", env = "WINDLASS_SHARDS")]
    shards: Option<NonZeroUsize>,
    #[command(flatten)]
    state: StateArgs,
    /// Where to write the deploy manifest [default: `deploy.json`, where the configuration has `deploy`].
    #[arg(long, value_name = "FILE", env = "WINDLASS_MANIFEST")]
    manifest: Option<PathBuf>,
}

/// `--command`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Command {
    /// As `windlass plan`.
    Plan,
    /// As `windlass build`.
    Build,
}

pub(super) fn run(args: &CiArgs, settings: &Settings) -> anyhow::Result<Exit> {
    match &args.service {
        Service::Github(args) => github(args, settings),
    }
}

fn github(args: &GithubArgs, settings: &Settings) -> anyhow::Result<Exit> {
    let step = Step::new(|name| settings.environment.get(name));
    let outcome = selection(args).and_then(|selection| match args.command {
        Command::Plan => github_plan(args, &selection, &step, settings),
        Command::Build => github_build(args, selection, &step, settings),
    });
    if outcome.is_err() {
        step.set_output("result", "failed")?;
    }
    outcome
}

fn selection(args: &GithubArgs) -> anyhow::Result<SelectionArgs> {
    let build_args = args.build_args.lines().map(str::trim).filter(|line| !line.is_empty());
    let build_args = build_args.map(|line| {
        build_arg(line).map_err(|why| Refusal::usage(format!("the build argument `{line}` can't be read: {why}")))
    });
    Ok(SelectionArgs {
        images: args.images.split_whitespace().map(str::to_owned).collect(),
        build_args: build_args.collect::<Result<_, _>>()?,
    })
}

fn github_plan(args: &GithubArgs, selection: &SelectionArgs, step: &Step, settings: &Settings) -> anyhow::Result<Exit> {
    let plan = plan::plan(selection, false, args.manifest.as_deref(), settings)?;
    tell_plan(&plan, args, step, settings)?;
    step.set_output("result", if plan.to_build() > 0 { "pending" } else { "unchanged" })?;
    step.add_summary(&Summary::of_plan(&plan).markdown())?;
    ui::print(ui::table(&plan, settings.ui.color).as_bytes())?;
    Ok(Exit::Done)
}

fn github_build(args: &GithubArgs, selection: SelectionArgs, step: &Step, settings: &Settings) -> anyhow::Result<Exit> {
    let GithubArgs {
        command: _,
        images: _,
        build_args: _,
        push,
        no_promote,
        allow_insecure,
        export,
        caches,
        ssh,
        shards: _,
        state,
        manifest,
    } = args;
    let build_args = BuildArgs {
        selection,
        push: *push,
        no_promote: *no_promote,
        state: state.clone(),
        force: false,
        no_cache: false,
        allow_insecure: *allow_insecure,
        export: export.clone(),
        caches: caches.clone(),
        ssh: ssh.clone(),
        manifest: manifest.clone(),
        serial: None,
        format: Format::Text,
    };
    let built = build::build(&build_args, settings)?;
    let Built { plan, report, record, manifest: _ } = &built;
    tell_plan(plan, args, step, settings)?;
    step.set_output("manifest", &built.manifest_shown(&settings.root).unwrap_or_default())?;
    step.set_output("digests", &github::digests(plan, report))?;
    let result = match (report.all_green(), plan.to_build() > 0) {
        (false, _) => "failed",
        (true, true) => "built",
        (true, false) => "unchanged",
    };
    step.set_output("result", result)?;
    step.add_summary(&Summary::of_run(plan, report, record).markdown())?;
    build::show(&built, build_args.format, settings)?;
    Ok(built.exit())
}

fn tell_plan(plan: &Plan, args: &GithubArgs, step: &Step, settings: &Settings) -> anyhow::Result<()> {
    step.set_output("plan", &serde_json::to_string(&plan_json::json(plan))?)?;
    let state = args.state.folder(settings).ok();
    let jobs = jobs::jobs(plan, args.shards, jobs::Service::Github, state.as_deref(), settings)?;
    step.set_output("matrix", &github::matrix(&jobs))
}
