//! Runs an image's tests in sandboxes, one after the other, as the Docker engine runs them in containers. Blocks, and is
//! called on a thread of its own.

mod health;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::build::{Fault, Tools, users};
use super::images::{ContainerConfig, Image};
use super::sandbox::{Command, Ended, Identity, Limits, Network, Workspace};
use super::view::{Found, View};
use crate::docker::archive::{Entry, Kind, Mode};
use crate::docker::commands::{Output, lossy};
use crate::dockerfile::DEFAULT_PATH;
use crate::engine::TestVerdict;
use crate::engine::test::{
    Limit, SEARCHED_AT_MOST, command_failures, environment, existence, license_failures, metadata, report,
};
use crate::event::{Event, Stream};
use crate::model::{
    CommandTest, Environment, FileContentTest, FileExistenceTest, ImageName, LicenseTest, MetadataTest, TestSpec,
};

/// Runs what `spec` asks for, all of it within `timeout`.
pub(super) fn run(
    tools: &Tools,
    name: &ImageName,
    image: &Image,
    spec: &TestSpec,
    timeout: Duration,
) -> Result<TestVerdict, Fault> {
    let folders = tools.store.folders(&image.layers).map_err(Fault::Machine)?;
    let view = View::new(&folders, tools.store.overlay());
    let deadline = now() + timeout;
    let results = Vec::new();
    let tests = Tests { tools, name, config: &image.config.config, folders, view, timeout, deadline, results };
    tests.all(spec)
}

#[expect(clippy::disallowed_methods, reason = "what has to end in bounded time is held against the clock")]
fn now() -> Instant {
    Instant::now()
}

/// Why a test did not come to its end.
enum Trouble {
    /// It failed by that.
    Test(String),
    /// The machine is at fault, or nobody waits any more.
    Fault(Fault),
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Fault(Fault::Machine(error))
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        Self::Fault(Fault::Machine(error.into()))
    }
}

/// What a test found out.
#[derive(Default)]
struct Findings {
    failures: Vec<String>,
    output: Output,
}

struct Tests<'a> {
    tools: &'a Tools,
    name: &'a ImageName,
    config: &'a ContainerConfig,
    folders: Vec<PathBuf>,
    view: View,
    timeout: Duration,
    deadline: Instant,
    results: Vec<(String, Option<String>)>,
}

impl Tests<'_> {
    fn all(mut self, spec: &TestSpec) -> Result<TestVerdict, Fault> {
        let TestSpec { commands, file_content, file_existence, licenses, metadata, healthy_within } = spec;
        for test in commands {
            self.one(format!("Command Test: {}", test.name), |tests, findings| tests.command(test, findings))?;
        }
        for test in file_content {
            self.one(format!("File Content Test: {}", test.name), |tests, findings| tests.content(test, findings))?;
        }
        for test in file_existence {
            self.one(format!("File Existence Test: {}", test.name), |tests, findings| tests.existence(test, findings))?;
        }
        for test in licenses {
            self.one("License Test".to_owned(), |tests, findings| tests.license(test, findings))?;
        }
        for test in metadata.iter().filter(|test| **test != MetadataTest::default()) {
            self.one("Metadata Test".to_owned(), |tests, findings| {
                findings.failures = metadata::failures(test, &tests.as_docker_has_it());
                Ok(())
            })?;
        }
        if let Some(within) = *healthy_within {
            self.one("Healthcheck".to_owned(), |tests, findings| tests.health(within, findings))?;
        }
        Ok(TestVerdict { results: self.results, kept: None })
    }

    /// Runs one test, and tells how it ended.
    fn one(
        &mut self,
        test: String,
        work: impl FnOnce(&Self, &mut Findings) -> Result<(), Trouble>,
    ) -> Result<(), Fault> {
        if self.tools.stop.is_stopped() {
            return Err(Fault::Stopped);
        }
        let mut findings = Findings::default();
        match work(self, &mut findings) {
            Ok(()) => {}
            Err(Trouble::Test(failure)) => findings.failures.push(failure),
            Err(Trouble::Fault(fault)) => return Err(fault),
        }
        let Findings { failures, output } = findings;
        let failure = (!failures.is_empty()).then(|| failures.join("; "));
        if failure.is_some() {
            for (stream, captured) in [(Stream::Stdout, &output.stdout), (Stream::Stderr, &output.stderr)] {
                for line in report::lines(captured) {
                    self.tools.send(Event::Output { image: self.name.clone(), stream, line });
                }
            }
        }
        self.tools.send(Event::Tested { image: self.name.clone(), test: test.clone(), failure: failure.clone() });
        self.results.push((test, failure));
        Ok(())
    }

    /// How long a test may run that asks for `limit`.
    fn limit(&self, limit: Option<Duration>) -> Result<Limit, Trouble> {
        Limit::of(limit, self.deadline.saturating_duration_since(now()), self.timeout).map_err(Trouble::Test)
    }

    fn command(&self, test: &CommandTest, findings: &mut Findings) -> Result<(), Trouble> {
        let limit = self.limit(test.timeout)?;
        let deadline = now() + limit.time;
        let left = || deadline.saturating_duration_since(now());
        let shared = environment::lay_over(&self.environment(), &test.global_env);
        let all = environment::lay_over(&shared, &test.env);
        if test.options.tty {
            let warning = format!("`{}` runs without a terminal on the embedded engine", test.name);
            self.tools.send(Event::Warning(warning));
        }
        let scratch = self.tools.store.scratch()?;
        let mut workspace = Workspace::begin(&self.tools.sandbox, scratch.path(), &self.folders)?;
        let user = test.options.user.as_deref();
        for words in &test.setup {
            let what = format!("setup `{}`", words.join(" "));
            let command = self.in_image(words.clone(), &all, user, left())?;
            let command = Command { privileged: test.options.privileged, ..command };
            findings.output = Output::default();
            match self.run(&mut workspace, &command, &mut findings.output)? {
                Ended::Exited(0) => {}
                Ended::Exited(code) => {
                    let warning = format!("{what} of `{}` exited with {code}", test.name);
                    self.tools.send(Event::Warning(warning));
                }
                other => return Err(not_ended(&what, &other, &limit)),
            }
        }
        let mut words = test.command.clone();
        if test.expand {
            words.iter_mut().for_each(|word| *word = environment::expand(word, &all));
        }
        let command = self.in_image(words, &all, user, left())?;
        let capabilities = test.options.capabilities.clone();
        let command = Command { privileged: test.options.privileged, capabilities, ..command };
        findings.output = Output::default();
        let code = match self.run(&mut workspace, &command, &mut findings.output)? {
            Ended::Exited(code) => i64::from(code),
            Ended::Signalled(signal) => 128 + i64::from(signal),
            other => return Err(not_ended("it", &other, &limit)),
        };
        findings.failures.extend(command_failures(test, code, &findings.output));
        Ok(())
    }

    fn environment(&self) -> Environment {
        environment::of_image(&self.config.env)
    }

    /// A command as the image's containers run it.
    fn in_image(
        &self,
        argv: Vec<String>,
        env: &Environment,
        user: Option<&str>,
        time: Duration,
    ) -> Result<Command, Trouble> {
        let identity = users::of_user(&self.view, user.unwrap_or(&self.config.user));
        let identity = identity.map_err(|error| Trouble::Test(format!("it can't be started: {error}")))?;
        let mut env = env.clone();
        env.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
        env.entry("HOME".to_owned()).or_insert_with(|| identity.home.clone().unwrap_or_else(|| "/".to_owned()));
        env.entry("HOSTNAME".to_owned()).or_insert_with(|| self.name.as_str().to_owned());
        let folder = self.config.working_dir.as_str();
        Ok(Command {
            argv,
            env: env.into_iter().collect(),
            cwd: if folder.is_empty() { "/".to_owned() } else { folder.to_owned() },
            user: Identity { uid: identity.uid, gid: identity.gid, groups: identity.groups },
            mounts: Vec::new(),
            network: Network::Default,
            privileged: false,
            capabilities: Vec::new(),
            hostname: "test".to_owned(),
            limits: Limits { time: Some(time), ..Limits::default() },
        })
    }

    fn run(&self, workspace: &mut Workspace, command: &Command, output: &mut Output) -> Result<Ended, Trouble> {
        let captured = Mutex::new(std::mem::take(output));
        let ended = workspace.run(command, &take_into(&captured), &self.tools.stop)?;
        *output = captured.into_inner().unwrap_or_default();
        match ended {
            Ended::Stopped => Err(Trouble::Fault(Fault::Stopped)),
            ended => Ok(ended),
        }
    }

    fn content(&self, test: &FileContentTest, findings: &mut Findings) -> Result<(), Trouble> {
        let text = self.read(&test.path)?;
        findings.failures.extend(report::match_failures(&format!("`{}`", test.path), &text, &test.content));
        Ok(())
    }

    fn license(&self, test: &LicenseTest, findings: &mut Findings) -> Result<(), Trouble> {
        for path in &test.files {
            match self.read(path) {
                Ok(text) => findings.failures.extend(license_failures(path, &text)),
                Err(Trouble::Test(failure)) => findings.failures.push(failure),
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(())
    }

    fn existence(&self, test: &FileExistenceTest, findings: &mut Findings) -> Result<(), Trouble> {
        let FileExistenceTest { path, global_env, should_exist, .. } = test;
        let path = environment::expand(path, &environment::lay_over(&self.environment(), global_env));
        let place = self.view.resolve(Path::new(&path), false)?;
        match (self.view.look(&place)?, should_exist) {
            (Some(found), true) => findings.failures.extend(existence::failures(test, &path, &entry(&found))),
            (None, false) => {}
            (None, true) => return Err(Trouble::Test(format!("`{path}` does not exist"))),
            (Some(_), false) => return Err(Trouble::Test(format!("`{path}` exists, and may not"))),
        }
        Ok(())
    }

    fn read(&self, path: &str) -> Result<String, Trouble> {
        self.limit(None)?;
        let place = self.view.resolve(Path::new(path), true)?;
        let Some(found) = self.view.look(&place)? else {
            return Err(Trouble::Test(format!("`{path}` does not exist")));
        };
        let size = found.metadata.len();
        if !found.metadata.is_file() {
            return Err(Trouble::Test(format!("`{path}` is no file: `{}`", entry(&found).mode)));
        }
        if size > SEARCHED_AT_MOST as u64 {
            let most = SEARCHED_AT_MOST >> 20;
            return Err(Trouble::Test(format!("`{path}` has {size} bytes; {most} MiB at most are searched")));
        }
        Ok(lossy(&std::fs::read(&found.at)?))
    }

    /// The configuration in the type in which Docker's is judged.
    fn as_docker_has_it(&self) -> bollard::models::ImageConfig {
        let config = self.config;
        bollard::models::ImageConfig {
            user: Some(config.user.clone()),
            exposed_ports: Some(config.exposed_ports.keys().cloned().collect()),
            env: Some(config.env.clone()),
            entrypoint: config.entrypoint.clone(),
            cmd: config.cmd.clone(),
            volumes: Some(config.volumes.keys().cloned().collect()),
            working_dir: Some(config.working_dir.clone()),
            labels: Some(config.labels.clone().into_iter().collect()),
            ..bollard::models::ImageConfig::default()
        }
    }
}

/// Takes what a command writes.
fn take_into(captured: &Mutex<Output>) -> impl Fn(Stream, &[u8]) + Sync {
    move |stream, piece| {
        let mut output = captured.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match stream {
            Stream::Stdout => output.stdout.take(piece),
            Stream::Stderr => output.stderr.take(piece),
        }
    }
}

/// Tells a command's end that is none of its own.
fn not_ended(what: &str, ended: &Ended, limit: &Limit) -> Trouble {
    Trouble::Test(match ended {
        Ended::TimedOut => format!("{what} took longer than {} and was killed", limit.words),
        Ended::NotStarted(why) => format!("{what} can't be started: {}", report::one_line(why)),
        Ended::Signalled(signal) => format!("{what} was ended by signal {signal}"),
        Ended::Exited(code) => format!("{what} exited with {code}"),
        Ended::Stopped => return Trouble::Fault(Fault::Stopped),
    })
}

fn entry(found: &Found) -> Entry {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    let kind = match found.metadata.file_type() {
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_symlink() => Kind::Symlink,
        kind if kind.is_fifo() => Kind::Fifo,
        kind if kind.is_char_device() => Kind::CharDevice,
        kind if kind.is_block_device() => Kind::BlockDevice,
        _ => Kind::File,
    };
    let (uid, gid) = found.owner;
    let mode = Mode { kind, bits: found.metadata.mode() & 0o7777 };
    Entry { mode, uid: uid.into(), gid: gid.into(), size: found.metadata.len() }
}
