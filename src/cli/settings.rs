//! What the flags, the environment and the machine say together. Precedence: flag, `WINDLASS_*`, CI, default.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::ValueEnum;
use clap::builder::BoolishValueParser;

use super::{Environment, Refusal};
use crate::engine::embedded;
use crate::model::parse_duration;
use crate::ui::{Color, Progress, Ui};

/// Flags that every command takes.
#[derive(Debug, Clone, clap::Args)]
pub struct GlobalArgs {
    /// Work as if started in this folder.
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true, help_heading = "Global options")]
    directory: Option<PathBuf>,
    /// The configuration file [default: `windlass.yaml`, where there is one].
    #[arg(short, long, value_name = "FILE", global = true, env = "WINDLASS_FILE", help_heading = "Global options")]
    file: Option<PathBuf>,
    /// Which engine builds and runs.
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        global = true,
        env = "WINDLASS_ENGINE",
        help_heading = "Global options"
    )]
    engine: EngineChoice,
    /// Where the embedded engine keeps images and caches [default: `$XDG_DATA_HOME/windlass/store`; for root
    /// `/var/lib/windlass/store`].
    #[arg(long, value_name = "DIR", global = true, env = "WINDLASS_STORE", help_heading = "Global options")]
    store: Option<PathBuf>,
    /// Address of the engine, such as `unix:///run/docker.sock` [default: `DOCKER_HOST`, then the usual sockets].
    #[arg(long, value_name = "ADDRESS", global = true, env = "WINDLASS_HOST", help_heading = "Global options")]
    host: Option<String>,
    /// How many images are made at once [default: the number of processors].
    #[arg(long, value_name = "N", global = true, env = "WINDLASS_JOBS", help_heading = "Global options")]
    jobs: Option<NonZeroUsize>,
    /// Give up after this time, such as `30m`.
    #[arg(long, value_name = "TIME", global = true, env = "WINDLASS_TIMEOUT", value_parser = parse_duration, help_heading = "Global options")]
    timeout: Option<Duration>,
    /// Ask no registry.
    #[arg(long, global = true, env = "WINDLASS_OFFLINE", value_parser = BoolishValueParser::new(), help_heading = "Global options")]
    offline: bool,
    /// Ask nobody what the names of others' images stand for: `windlass.lock` must say it. `plan` asks no registry at all
    /// then, and fetches nothing: what this machine's engine has counts.
    #[arg(long, global = true, env = "WINDLASS_LOCKED", value_parser = BoolishValueParser::new(), help_heading = "Global options")]
    locked: bool,
    /// How progress is shown.
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        global = true,
        env = "WINDLASS_PROGRESS",
        help_heading = "Global options"
    )]
    progress: ProgressChoice,
    /// When colour is used.
    #[arg(
        long,
        value_enum,
        default_value = "auto",
        global = true,
        env = "WINDLASS_COLOR",
        help_heading = "Global options"
    )]
    color: ColorChoice,
    /// Say less: errors and answers alone.
    #[arg(short, long, global = true, help_heading = "Global options")]
    quiet: bool,
}

/// `--engine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EngineChoice {
    /// The first that answers: Docker, then Podman; where none does, the embedded one builds.
    Auto,
    /// Docker Engine.
    Docker,
    /// Podman's Docker-compatible service.
    Podman,
    /// The one in windlass itself, which needs no daemon; it builds and tests.
    Embedded,
}

/// `--progress`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ProgressChoice {
    /// `tty` on a terminal, `github` in GitHub Actions, else `plain`.
    Auto,
    /// A live view.
    Tty,
    /// A line an event.
    Plain,
    /// Groups and annotations of GitHub Actions.
    Github,
    /// A JSON object an event, on standard error.
    Json,
    /// Nothing but errors.
    Quiet,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Everything that a command needs to know besides its own flags.
#[derive(Clone)]
pub struct Settings {
    /// The project's root, absolute.
    pub root: PathBuf,
    /// `-C`, `-f` and `--locked` as they were given, for those who call windlass again.
    pub called: Vec<String>,
    /// The configuration file that was asked for; none means `windlass.yaml` where there is one.
    pub file: Option<PathBuf>,
    /// Which engine is wanted.
    pub engine: EngineChoice,
    /// The engine addresses to try, in this order.
    pub hosts: Vec<String>,
    /// Whether somebody named the engine's address, so that no other will do.
    pub host_is_named: bool,
    /// Where the embedded engine keeps images and caches; none where nobody says where.
    pub store: Option<PathBuf>,
    /// What tells the containers of this run from those of another.
    pub run_id: String,
    /// How many images are made at once.
    pub jobs: usize,
    /// How long the whole command may take.
    pub timeout: Option<Duration>,
    /// Whether no registry may be asked.
    pub offline: bool,
    /// Whether the lock file alone may say what the names of others' images stand for.
    pub locked: bool,
    /// Whether somebody sits at a terminal and can be asked.
    pub may_prompt: bool,
    /// Whether this run belongs to a terminal, whatever its input and output are.
    pub has_terminal: bool,
    /// How things are shown.
    pub ui: Ui,
    /// The environment.
    pub environment: Environment,
}

impl Settings {
    /// Puts flags, environment and machine together.
    ///
    /// # Errors
    /// When the folder or the file that was asked for is not there.
    pub fn new(args: GlobalArgs, environment: &Environment) -> anyhow::Result<Self> {
        let called = called(&args);
        let root = root(args.directory.as_deref())?;
        let file = args.file.map(|file| root.join(file));
        if let Some(file) = file.as_deref().filter(|file| !file.is_file()) {
            return Err(Refusal::usage(format!("the configuration file `{}` is not there", file.display())).into());
        }
        let started = now();
        Ok(Self {
            host_is_named: args.host.is_some() || environment.get("DOCKER_HOST").is_some(),
            hosts: hosts(args.host, args.engine, environment),
            store: store(args.store.map(|folder| root.join(folder)), environment),
            root,
            called,
            file,
            engine: args.engine,
            run_id: run_id(),
            jobs: args.jobs.map_or_else(processors, NonZeroUsize::get),
            timeout: args.timeout,
            offline: args.offline,
            locked: args.locked,
            may_prompt: may_prompt(),
            has_terminal: std::fs::File::open("/dev/tty").is_ok(),
            ui: Ui {
                color: color(args.color, environment),
                progress: progress(args.progress, args.quiet, environment),
                clock: Arc::new(move || now().duration_since(started)),
            },
            environment: environment.clone(),
        })
    }

    /// The number that the CI service counts this run by: GitHub Actions, GitLab CI, Travis CI.
    pub fn ci_run_number(&self) -> Option<u64> {
        let names = ["GITHUB_RUN_NUMBER", "CI_PIPELINE_IID", "TRAVIS_BUILD_NUMBER"];
        names.iter().find_map(|name| self.environment.get(name)?.parse().ok())
    }

    /// Where the CI service found the sources.
    pub fn source_url(&self) -> Option<String> {
        let github = || {
            let (server, repository) =
                (self.environment.get("GITHUB_SERVER_URL")?, self.environment.get("GITHUB_REPOSITORY")?);
            Some(format!("{server}/{repository}"))
        };
        self.environment.get("CI_PROJECT_URL").map(str::to_owned).or_else(github)
    }

    /// Where what can be fetched again is kept: `WINDLASS_CACHE`, else the user's own cache (XDG Base Directory
    /// Specification); none where there is no home either.
    pub fn cache(&self) -> Option<PathBuf> {
        let get = |name| self.environment.get(name).filter(|value| !value.is_empty());
        let xdg = || get("XDG_CACHE_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
        let home = || get("HOME").map(|home| Path::new(home).join(".cache"));
        let own = get("WINDLASS_CACHE").map(|folder| self.root.join(folder));
        own.or_else(|| xdg().or_else(home).map(|folder| folder.join("windlass")))
    }

    /// The folder with Docker's own configuration: `DOCKER_CONFIG`, else `~/.docker`.
    pub fn docker_config(&self) -> Option<PathBuf> {
        let home = || self.environment.get("HOME").map(|home| Path::new(home).join(".docker"));
        self.environment.get("DOCKER_CONFIG").map(PathBuf::from).or_else(home)
    }
}

fn called(args: &GlobalArgs) -> Vec<String> {
    let flag = |flag: &str, path: &Option<PathBuf>| {
        path.iter().flat_map(|path| [flag.to_owned(), path.display().to_string()]).collect::<Vec<_>>()
    };
    let locked = args.locked.then(|| "--locked".to_owned());
    [flag("-C", &args.directory), flag("-f", &args.file), Vec::from_iter(locked)].concat()
}

#[expect(clippy::disallowed_methods, reason = "this is where the clock enters")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "this is where the working directory enters")]
fn root(directory: Option<&Path>) -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("the working directory can't be read")?;
    let root = directory.map_or_else(|| here.clone(), |directory| here.join(directory));
    if !root.is_dir() {
        return Err(Refusal::usage(format!("the folder `{}` is not there", root.display())).into());
    }
    root.canonicalize().with_context(|| format!("`{}` can't be read", root.display()))
}

/// The process and the time in one word: no two runs on one machine share it.
#[expect(clippy::disallowed_methods, reason = "this is where the clock enters")]
fn run_id() -> String {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{:x}", std::process::id(), since_epoch.as_nanos())
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Whether this is the root of the machine, and not of a user namespace, in which a normal user's windlass builds.
pub(super) fn is_root() -> bool {
    nix::unistd::geteuid().is_root() && embedded::sandbox::knows_all_users()
}

fn store(asked: Option<PathBuf>, environment: &Environment) -> Option<PathBuf> {
    let get = |name| environment.get(name).map(Path::new).filter(|folder| folder.is_absolute());
    let own = || match is_root() {
        true => Some(PathBuf::from("/var/lib")),
        false => get("HOME").map(|home| home.join(".local/share")),
    };
    asked.or_else(|| Some(get("XDG_DATA_HOME").map(Path::to_owned).or_else(own)?.join("windlass/store")))
}

fn hosts(asked: Option<String>, engine: EngineChoice, environment: &Environment) -> Vec<String> {
    if let Some(host) = asked {
        return vec![host];
    }
    let runtime = environment.get("XDG_RUNTIME_DIR");
    let in_runtime = |socket: &str| runtime.map(|folder| format!("unix://{folder}/{socket}"));
    let docker = || match environment.get("DOCKER_HOST") {
        Some(host) => vec![host.to_owned()],
        None => Vec::from_iter(
            [Some("unix:///var/run/docker.sock".to_owned()), in_runtime("docker.sock")].into_iter().flatten(),
        ),
    };
    let podman = || match environment.get("CONTAINER_HOST") {
        Some(host) => vec![host.to_owned()],
        None => Vec::from_iter(
            [in_runtime("podman/podman.sock"), Some("unix:///run/podman/podman.sock".to_owned())].into_iter().flatten(),
        ),
    };
    match engine {
        EngineChoice::Docker => docker(),
        EngineChoice::Podman => podman(),
        // The embedded one builds, and images of it can be loaded into another.
        EngineChoice::Auto | EngineChoice::Embedded if environment.get("DOCKER_HOST").is_some() => docker(),
        EngineChoice::Auto | EngineChoice::Embedded => [docker(), podman()].concat(),
    }
}

fn may_prompt() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn color(choice: ColorChoice, environment: &Environment) -> Color {
    use std::io::IsTerminal as _;
    let plain = environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
    match choice {
        ColorChoice::Always => Color::Always,
        ColorChoice::Never => Color::Never,
        ColorChoice::Auto if plain => Color::Never,
        ColorChoice::Auto if std::io::stderr().is_terminal() && std::io::stdout().is_terminal() => Color::Always,
        ColorChoice::Auto => Color::Never,
    }
}

fn progress(choice: ProgressChoice, quiet: bool, environment: &Environment) -> Progress {
    use std::io::IsTerminal as _;
    match choice {
        _ if quiet => Progress::Quiet,
        ProgressChoice::Tty => Progress::Tty,
        ProgressChoice::Plain => Progress::Plain,
        ProgressChoice::Github => Progress::Github,
        ProgressChoice::Json => Progress::Json,
        ProgressChoice::Quiet => Progress::Quiet,
        ProgressChoice::Auto if environment.get("GITHUB_ACTIONS") == Some("true") => Progress::Github,
        ProgressChoice::Auto if environment.is_set("CI") || !std::io::stderr().is_terminal() => Progress::Plain,
        ProgressChoice::Auto => Progress::Tty,
    }
}
