//! The mounts of `RUN` (Dockerfile reference, "RUN --mount").

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::chosen::choose_path;
use super::copy::{self, Target};
use super::fault::Fault;
use super::key::Key;
use super::origin::Origin;
use super::ssh::Forwarded;
use super::stage::{Place, State};
use super::transfer::feed_chosen;
use super::{Given, Work, config};
use crate::dockerfile::{MountStep, MountType, RunStep, Sharing};
use crate::engine::context::Context;
use crate::engine::embedded::canvas::Canvas;
use crate::engine::embedded::images::{self, CachePlace};
use crate::engine::embedded::layer::Layer;
use crate::engine::embedded::sandbox::{Mount, Source};
use crate::engine::embedded::store::{CacheMount, Scratch};
use crate::engine::ssh::DEFAULT_ID;
use crate::event::Event;
use crate::model::Digest;

/// The directory of secrets that say no target.
const SECRETS: &str = "/run/secrets";
/// The socket of an agent whose mount says no target, but for its number.
const SSH_AGENTS: &str = "/run/buildkit/ssh_agent";

/// What has to stay for as long as a command runs.
#[derive(Default)]
pub(super) struct InUse {
    caches: Vec<CacheMount>,
    agents: Vec<Forwarded>,
}

/// A mount, looked at but not yet made.
pub(super) struct Wanted<'a> {
    step: &'a MountStep,
    target: String,
    what: What<'a>,
    /// What of it the result follows from.
    pub(super) key: Digest,
}

enum What<'a> {
    Bind(Given<'a>),
    Cache {
        id: String,
        seed: Option<Given<'a>>,
    },
    Tmpfs,
    Secret(Vec<u8>),
    /// The socket of an agent, where it is given, and whether it is the one that SSH_AUTH_SOCK names.
    Ssh(Option<PathBuf>, bool),
    /// What is optional and not there.
    Nothing,
}

impl Work<'_> {
    /// Looks at all mounts of a command.
    pub(super) fn mounts<'a>(
        &'a self,
        state: &State,
        run: &'a RunStep,
        place: &Place,
    ) -> Result<Vec<Wanted<'a>>, Fault> {
        let mut n_agents = 0;
        let wanted = run.mounts.iter().map(|mount| {
            let wanted = self.wanted(state, mount, n_agents, place);
            n_agents += usize::from(mount.kind == MountType::Ssh);
            wanted
        });
        wanted.collect()
    }

    /// Looks at a mount; so many agents are mounted by those before it.
    fn wanted<'a>(
        &'a self,
        state: &State,
        step: &'a MountStep,
        nth_agent: usize,
        place: &Place,
    ) -> Result<Wanted<'a>, Fault> {
        let no_target = || Fault::image("a mount needs a target".to_owned(), place.line);
        let target = step.target.as_deref().map(|target| config::absolute(&state.config, target));
        let mut key = Key::new("mount");
        key.text(&format!("{:?} {} {:?} {:?} {:?}", step.kind, step.read_only, step.mode, step.uid, step.gid));
        key.maybe(target.as_deref());
        let (target, what) = match step.kind {
            MountType::Bind => {
                key.maybe(step.source.as_deref());
                let given = self.given(step.from.as_deref(), place)?;
                match &given {
                    Given::Context(context) => {
                        let origin = Origin::Context(context);
                        let chosen =
                            choose_path(&origin, source_of(step), &[]).map_err(|error| Fault::at(place.line, error))?;
                        feed_chosen(&mut key, context, &chosen);
                    }
                    Given::Layers(layers) => {
                        key.all(layers.iter(), |key, layer| key.bytes(layer.diff_id.as_bytes()));
                    }
                }
                (target.ok_or_else(no_target)?, What::Bind(given))
            }
            MountType::Cache => {
                let target = target.ok_or_else(no_target)?;
                let id = step.id.clone().unwrap_or_else(|| target.clone());
                key.text(&id);
                let seed = step.from.as_deref().map(|from| self.given(Some(from), place)).transpose()?;
                (target, What::Cache { id, seed })
            }
            MountType::Tmpfs => (target.ok_or_else(no_target)?, What::Tmpfs),
            MountType::Secret => {
                let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
                let id = step.source.clone().or_else(|| step.id.clone());
                let id = id.unwrap_or_else(|| last(target.as_deref().unwrap_or_default()));
                key.text(&id);
                key.maybe(step.env.as_deref());
                let value = self.job.secrets.iter().find(|secret| secret.id == id).map(|secret| secret.value.clone());
                let what = match value {
                    Some(value) => What::Secret(value),
                    None if !step.required => What::Nothing,
                    None => {
                        let message = format!("the secret `{id}` is required, and nobody gave it");
                        let hint = Some(format!(
                            "write `secrets: [{{ id: {id}, env: NAME }}]` of the image into windlass.yaml"
                        ));
                        return Err(Fault::Image { message, line: place.line, hint });
                    }
                };
                (target.unwrap_or_else(|| format!("{SECRETS}/{}", last(&id))), what)
            }
            MountType::Ssh => {
                let id = step.id.clone().filter(|id| !id.is_empty()).unwrap_or_else(|| DEFAULT_ID.to_owned());
                key.text(&id);
                key.number(nth_agent as u64);
                let agent = self.job.ssh.iter().find(|agent| agent.id == id);
                let what = match agent {
                    Some(agent) => What::Ssh(Some(agent.socket.clone()), nth_agent == 0),
                    None if !step.required => What::Ssh(None, nth_agent == 0),
                    None => {
                        let message = format!("the agent `{id}` of SSH is required, and nobody gave it");
                        return Err(Fault::Image {
                            message,
                            line: place.line,
                            hint: Some(format!("add `--ssh {id}`")),
                        });
                    }
                };
                (target.unwrap_or_else(|| format!("{SSH_AGENTS}.{nth_agent}")), what)
            }
        };
        Ok(Wanted { step, target, what, key: key.finish() })
    }

    /// Makes what a command finds at a mount; the variables of a secret and of an agent are set.
    pub(super) fn prepare(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        env: &mut BTreeMap<String, String>,
        in_use: &mut InUse,
        place: &Place,
    ) -> Result<Option<Mount>, Fault> {
        let Wanted { step, target, what, key } = wanted;
        let machine = |error: std::io::Error| Fault::Machine(error.into());
        let owner = (step.uid.unwrap_or(0), step.gid.unwrap_or(0));
        let source = match what {
            What::Nothing => return Ok(None),
            What::Bind(Given::Context(context)) => {
                let folder = scratch.path().join(format!("context-{key}"));
                fs::create_dir(&folder).map_err(machine)?;
                self.lay_out(&folder, context, step).map_err(|error| Fault::at(place.line, error))?;
                Source::Layers { lowers: vec![folder], subpath: "source".to_owned() }
            }
            What::Bind(Given::Layers(layers)) => {
                Source::Layers { lowers: self.folders(&layers)?, subpath: source_of(step).to_owned() }
            }
            What::Cache { id, seed } => {
                let cache = match step.sharing {
                    Sharing::Shared => self.store.cache_mount(&id),
                    Sharing::Private => self.store.private_cache_mount(&id),
                    Sharing::Locked => self.store.locked_cache_mount(&id),
                };
                let cache = cache.map_err(Fault::Machine)?;
                let elsewhere = self.carried.use_mount(&id);
                if cache.is_new() {
                    let carried = elsewhere.and_then(|(layer, from)| self.fetched(&id, layer, &from));
                    match carried {
                        Some(layer) => self.seed(cache.path(), Some(&Given::Layers(vec![layer])), "/", step, place)?,
                        None => self.seed(cache.path(), seed.as_ref(), source_of(step), step, place)?,
                    }
                }
                let path = cache.path().to_owned();
                in_use.caches.push(cache);
                Source::Folder(path)
            }
            What::Tmpfs => Source::Tmpfs { size: step.size },
            What::Ssh(agent, is_first) => {
                if is_first {
                    env.insert("SSH_AUTH_SOCK".to_owned(), target.clone());
                }
                let Some(agent) = agent else { return Ok(None) };
                let folder = scratch.path().join(format!("agent-{}", in_use.agents.len()));
                let rights = (step.mode.unwrap_or(0o600), owner);
                let forwarded = Forwarded::new(&self.runtime, self.store.overlay(), &folder, agent, rights);
                let forwarded = forwarded.map_err(Fault::Machine)?;
                let path = forwarded.path.clone();
                in_use.agents.push(forwarded);
                Source::Socket(path)
            }
            What::Secret(content) => {
                if let Some(name) = &step.env {
                    env.insert(name.clone(), String::from_utf8_lossy(&content).into_owned());
                    if step.target.is_none() {
                        return Ok(None);
                    }
                }
                let (uid, gid) = owner;
                Source::Secret { content, mode: step.mode.unwrap_or(0o400), uid, gid }
            }
        };
        Ok(Some(Mount { target, source, read_only: step.read_only }))
    }

    /// Puts what a bind mount shows of a context into a folder, as `source`.
    fn lay_out(&self, folder: &Path, context: &Context, step: &MountStep) -> anyhow::Result<()> {
        let origin = Origin::Context(context);
        let nothing = self.view(&[]);
        let mut canvas = Canvas::new(folder.to_owned(), &nothing, self.job.epoch);
        for chosen in choose_path(&origin, source_of(step), &[])? {
            let path = Path::new("source");
            let target = Target { path, is_folder: false, owner: None, chmod: None, unpack: false };
            copy::copy(&mut canvas, &origin, &chosen, &target)?;
        }
        Ok(())
    }

    /// What was in a cache mount elsewhere, where that is to be had.
    fn fetched(&self, id: &str, layer: Layer, from: &CachePlace) -> Option<Layer> {
        match self.runtime.block_on(images::fetch_layer(&self.registry, &self.store, from, &layer)) {
            Ok(()) => Some(layer),
            Err(error) => {
                let warning = format!("the cache mount `{id}` begins empty, not as in `{from}`: {error:#}");
                self.send(Event::Warning(warning));
                None
            }
        }
    }

    /// Fills a cache that nobody used yet.
    fn seed(
        &self,
        path: &Path,
        seed: Option<&Given<'_>>,
        source: &str,
        step: &MountStep,
        place: &Place,
    ) -> Result<(), Fault> {
        let at = |error: anyhow::Error| Fault::at(place.line, error);
        if let Some(seed) = seed {
            let view;
            let origin = match seed {
                Given::Context(context) => Origin::Context(context),
                Given::Layers(layers) => {
                    view = self.view(&self.folders(layers)?);
                    Origin::Layers(&view)
                }
            };
            let mut canvas = Canvas::new(path.to_owned(), &self.view(&[]), self.job.epoch);
            for chosen in choose_path(&origin, source, &[]).map_err(at)? {
                let target = Target { path: Path::new(""), is_folder: true, owner: None, chmod: None, unpack: false };
                copy::copy(&mut canvas, &origin, &chosen, &target).map_err(at)?;
            }
        }
        let mode = fs::Permissions::from_mode(step.mode.unwrap_or(0o755));
        fs::set_permissions(path, mode).map_err(|error| Fault::Machine(error.into()))?;
        let owner = (step.uid.unwrap_or(0), step.gid.unwrap_or(0));
        self.store.overlay().set_owner(path, owner).map_err(|error| Fault::Machine(error.into()))
    }
}

/// What a bind mount shows of what it is from.
fn source_of(step: &MountStep) -> &str {
    step.source.as_deref().unwrap_or("/")
}
