//! The command line: flags, settings, one file a command, exit codes. Only here are the environment and the clock.

mod apply;
mod audit;
mod bases;
mod build;
mod caches;
mod ci;
mod completions;
mod config;
mod connect;
mod container_files;
mod containers;
mod deploy;
mod dockerup;
mod doctor;
mod ec2;
mod environment;
mod exit;
mod export;
mod gc;
mod git;
mod graph;
mod history;
mod hosts_file;
mod image_gc;
mod init;
mod jobs;
mod last_build;
mod lock;
mod lock_file;
mod lookups;
mod man;
mod manifest_artifact;
mod manifest_file;
mod past;
mod plan;
mod policy;
mod project;
mod remote_files;
mod remote_refs;
mod rollback;
mod schema;
mod secrets;
mod settings;
mod sources;
mod ssh;
mod stale;
mod status;
mod threads;
mod verify;
mod watch;
mod whole_file;
mod why;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use tokio::sync::oneshot;

pub use environment::Environment;
pub use exit::{Exit, Refusal};
pub use settings::{GlobalArgs, Settings};

use self::threads::{block_on, block_on_this_thread};
use crate::diag::Diagnostics;
use crate::ui::{self, Color, Progress, Ui};

/// What `windlass --help` shows before the options.
const EXAMPLES: &str = "\
Examples:
  windlass init                       look at a repository and write what it needs besides its Dockerfiles
  windlass plan                       what would be built, in which order and why
  windlass plan 'web-*' ./db/ base+   of images by glob, by folder, and base with all made from it
  windlass build                      build and test what changed, here
  windlass build --push               and publish it, and write deploy.json
  windlass apply deploy.json          make this host run it
  windlass rollback                   go back to what it ran before";

/// Turns Dockerfiles into tested, published images and into running containers.
#[derive(Debug, Parser)]
#[command(name = "windlass", version, before_help = EXAMPLES, disable_help_subcommand = true, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at the repository and write a windlass.yaml with what its Dockerfiles do not say.
    #[command(before_help = init::EXAMPLES)]
    Init(init::InitArgs),
    /// Show what would be built, in which order and why.
    Plan(plan::PlanArgs),
    /// Build, test, promote and publish what changed.
    Build(build::BuildArgs),
    /// Make this host run what a deploy manifest says.
    Apply(apply::ApplyArgs),
    /// Print what another tool's files say, as a windlass.yaml.
    Import(dockerup::ImportArgs),
    /// Go back to a manifest that this host ran before.
    Rollback(rollback::RollbackArgs),
    /// Show what is wanted on this host against what runs.
    Status(status::StatusArgs),
    /// Tell which manifests were applied on this host.
    History(history::HistoryArgs),
    /// Write down what the names of others' images stand for, in windlass.lock.
    Lock(lock::LockArgs),
    /// Show what each image is made from.
    Graph(graph::GraphArgs),
    /// Build images once more, and tell in what they differ from those that are there.
    #[command(before_help = verify::EXAMPLES)]
    Verify(verify::VerifyArgs),
    /// Remove what builds without a daemon have not used for a while.
    #[command(before_help = gc::EXAMPLES)]
    Gc(gc::GcArgs),
    /// Print the configuration that holds, defaults written out.
    Config(config::ConfigArgs),
    /// Print the JSON Schema of a file format.
    Schema(schema::SchemaArgs),
    /// Run as a step of a CI job, and tell the service what came of it.
    Ci(ci::CiArgs),
    /// Tell what is there to build and run with.
    Doctor,
    /// Print completions for a shell.
    Completions(completions::CompletionsArgs),
    /// Write the manual pages.
    Man(man::ManArgs),
}

/// Runs the program that the arguments ask for and returns its exit code.
pub fn run(args: impl IntoIterator<Item = OsString>, environment: &Environment) -> Exit {
    let cli = match parse(args) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // Nobody is left to be told when the terminal itself is gone.
            return error.print().map_or(exit, |()| exit);
        }
    };
    let (outcome, ui) = match Settings::new(cli.global, environment) {
        Ok(settings) => (dispatch(cli.command, &settings), settings.ui),
        Err(error) => {
            let clock = Arc::new(|| Duration::ZERO);
            (Err(error), Ui { color: Color::Never, progress: Progress::Plain, clock })
        }
    };
    outcome.unwrap_or_else(|error| tell(&error, &ui))
}

/// Tells what went wrong, and how the program ends by it.
fn tell(error: &anyhow::Error, ui: &Ui) -> Exit {
    let exit::Meaning { exit, hint } = exit::meaning(error);
    match error.chain().find_map(|cause| cause.downcast_ref::<Diagnostics>()) {
        Some(Diagnostics(said)) => ui::refuse(said, ui),
        None => ui::error(error, hint.as_deref(), ui),
    }
    exit
}

fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::from_arg_matches(&Cli::command().try_get_matches_from(args)?)
}

fn dispatch(command: Command, settings: &Settings) -> anyhow::Result<Exit> {
    match command {
        Command::Init(args) => init::run(&args, settings),
        Command::Plan(args) => plan::run(&args, settings),
        Command::Config(args) => config::run(&args, settings),
        Command::Schema(args) => schema::run(&args),
        Command::Lock(args) => lock::run(&args, settings),
        Command::Graph(args) => graph::run(&args, settings),
        Command::Apply(args) => apply::run(&args, settings),
        Command::Import(args) => dockerup::import(&args, settings),
        Command::Rollback(args) => rollback::run(&args, settings),
        Command::Status(args) => status::run(&args, settings),
        Command::History(args) => history::run(&args, settings),
        Command::Verify(args) => verify::run(&args, settings),
        Command::Gc(args) => gc::run(&args, settings),
        Command::Build(args) => build::run(&args, settings),
        Command::Ci(args) => ci::run(&args, settings),
        Command::Doctor => doctor::run(settings),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args, settings),
    }
}

/// Lets work go on until it ends, somebody interrupts it or `--timeout` is over; in the last two cases it is dropped.
async fn until_interrupted<T>(settings: &Settings, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // Each arm only waits; dropping `work` at any of its awaits is what its author prepared for.
    tokio::select! {
        outcome = work => outcome,
        signal = interrupted() => Err(signal.map_or_else(Into::into, |()| Refusal::Interrupted.into())),
        () = expired(settings) => Err(Refusal::TimedOut.into()),
    }
}

/// Lets work go on until it ends, and tells it to stop when somebody interrupts it or `--timeout` is over. Then it puts
/// things in order, unless somebody interrupts that too. Answers with what it came to, and why it was told to stop.
async fn until_stopped<T, F: Future<Output = anyhow::Result<T>>>(
    settings: &Settings,
    work: impl FnOnce(oneshot::Receiver<()>) -> F,
) -> anyhow::Result<(T, Option<anyhow::Error>)> {
    let (tell, told) = oneshot::channel();
    let mut work = std::pin::pin!(work(told));
    // Each arm only waits.
    let why = tokio::select! {
        outcome = &mut work => return Ok((outcome?, None)),
        signal = interrupted() => signal.map_or_else(Into::into, |()| Refusal::Interrupted.into()),
        () = expired(settings) => Refusal::TimedOut.into(),
    };
    let _is_at_its_end = tell.send(()).is_err();
    tokio::select! {
        outcome = work => Ok((outcome?, Some(why))),
        _ = interrupted() => Err(why),
    }
}

async fn interrupted() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        outcome = tokio::signal::ctrl_c() => outcome,
        _ = terminate.recv() => Ok(()),
    }
}

/// Ends when the time that the whole command may take is over.
async fn expired(settings: &Settings) {
    match settings.timeout {
        Some(timeout) => tokio::time::sleep(timeout.saturating_sub((settings.ui.clock)())).await,
        None => std::future::pending().await,
    }
}
