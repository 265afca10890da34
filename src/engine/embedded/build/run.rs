//! `RUN`: a command on the layers so far, and the layer of what it changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::fault::Fault;
use super::key::Key;
use super::mounts::InUse;
use super::stage::{Place, State};
use super::{Work, config, users};
use crate::dockerfile::{Network, RunStep, Security};
use crate::engine::embedded::layer::Layer;
use crate::engine::embedded::sandbox::{self, Command, Ended, Limits, Mount, Source, Workspace};
use crate::engine::embedded::store::Scratch;
use crate::engine::lines::Lines;
use crate::event::{Event, Stream};

impl Work<'_> {
    pub(super) fn run(&self, state: &State, run: &RunStep, place: &Place) -> Result<Option<Layer>, Fault> {
        let argv = config::words(&state.config, &run.command);
        let mounts = self.mounts(state, run, place)?;
        let key = {
            let mut key = Key::new("run");
            self.feed_state(&mut key, state);
            key.all(argv.iter(), |key, word| key.text(word));
            key.maybe(run.script.as_ref().map(|(_, content)| content.as_str()));
            let environment = state.variables.environment();
            key.all(environment.iter(), |key, (name, value)| {
                key.text(name);
                key.text(value);
            });
            key.text(&state.config.config.user);
            key.text(&state.config.config.working_dir);
            key.text(&format!("{:?} {:?}", run.network, run.security));
            key.all(mounts.iter(), |key, mount| key.bytes(mount.key.as_bytes()));
            key.finish()
        };
        self.once(&key, place, || {
            let lowers = self.folders(&state.layers)?;
            let view = self.view(&lowers);
            let at = |error| Fault::at(place.line, error);
            let identity = users::of_user(&view, &state.config.config.user).map_err(at)?;
            let scratch = self.store.scratch().map_err(Fault::Machine)?;
            let mut env: BTreeMap<String, String> =
                self.stepper.proxies().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            env.extend(state.variables.environment());
            let home = identity.home.clone().unwrap_or_else(|| "/".to_owned());
            env.entry("HOME".to_owned()).or_insert(home);
            let mut in_use = InUse::default();
            let mut ready = Vec::new();
            for mount in mounts {
                ready.extend(self.prepare(mount, &scratch, &mut env, &mut in_use, place)?);
            }
            if let Some((name, content)) = &run.script {
                let source = Source::Folder(write_script(&scratch, content).map_err(Fault::Machine)?);
                ready.push(Mount { target: format!("/dev/pipes/{name}"), source, read_only: true });
            }
            let command = Command {
                argv,
                env: env.into_iter().collect(),
                cwd: config::absolute(&state.config, ""),
                user: sandbox::Identity { uid: identity.uid, gid: identity.gid, groups: identity.groups },
                mounts: ready,
                network: match run.network {
                    Network::Default => sandbox::Network::Default,
                    Network::None => sandbox::Network::None,
                    Network::Host => sandbox::Network::Host,
                },
                privileged: run.security == Security::Insecure,
                capabilities: Vec::new(),
                hostname: "buildkitsandbox".to_owned(),
                limits: Limits::default(),
            };
            self.execute(&command, &lowers, &scratch.path().join("root"), place)
        })
    }

    /// Runs a command to its end, and takes what it changed as a layer.
    fn execute(
        &self,
        command: &Command,
        lowers: &[PathBuf],
        scratch: &Path,
        place: &Place,
    ) -> Result<Option<Layer>, Fault> {
        std::fs::create_dir(scratch).map_err(|error| Fault::Machine(error.into()))?;
        let mut workspace = Workspace::begin(&self.sandbox, scratch, lowers).map_err(Fault::Machine)?;
        let (out, err) = (Mutex::new(Lines::default()), Mutex::new(Lines::default()));
        let of = |stream| match stream {
            Stream::Stdout => &out,
            Stream::Stderr => &err,
        };
        let send = |stream, line| self.send(Event::Output { image: self.job.image.clone(), stream, line });
        let said = |stream, piece: &[u8]| {
            let lines = of(stream).lock().unwrap_or_else(PoisonError::into_inner).take(piece);
            lines.into_iter().for_each(|line| send(stream, line));
        };
        let ended = workspace.run(command, &said, &self.stop).map_err(Fault::Machine)?;
        for stream in [Stream::Stdout, Stream::Stderr] {
            let last = of(stream).lock().unwrap_or_else(PoisonError::into_inner).end();
            last.into_iter().for_each(|line| send(stream, line));
        }
        let shown = super::short(&place.text);
        let message = match ended {
            Ended::Exited(0) => {
                let folder = workspace.commit().map_err(Fault::Machine)?;
                return folder.map(|folder| self.keep(&folder)).transpose();
            }
            Ended::Exited(code) => format!("`{shown}` failed with exit code {code}"),
            Ended::Signalled(signal) => format!("`{shown}` was ended by signal {signal}"),
            Ended::NotStarted(why) => format!("`{shown}` can't be started: {why}"),
            Ended::TimedOut => return Err(Fault::TimedOut),
            Ended::Stopped => return Err(Fault::Stopped),
        };
        Err(Fault::image(message, place.line))
    }
}

/// Puts a script where it can be run from.
fn write_script(scratch: &Scratch, content: &str) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    let path = scratch.path().join("script");
    std::fs::write(&path, content)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}
