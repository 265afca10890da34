//! The mounts of `RUN` (Dockerfile reference, "RUN --mount").

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::chosen::choose;
use super::copy::{self, Target};
use super::fault::Fault;
use super::key::Key;
use super::origin::Origin;
use super::stage::{Place, State};
use super::{Work, config};
use crate::dockerfile::{MountStep, MountType, RunStep, Sharing, TransferOf, TransferStep};
use crate::engine::embedded::canvas::Canvas;
use crate::engine::embedded::layer::Layer;
use crate::engine::embedded::sandbox::{Mount, Source};
use crate::engine::embedded::store::{CacheMount, Scratch};
use crate::model::Digest;

/// The directory of secrets that say no target.
const SECRETS: &str = "/run/secrets";

/// A mount, looked at but not yet made.
pub(super) struct Wanted<'a> {
    step: &'a MountStep,
    target: String,
    what: What,
    /// What of it the result follows from.
    pub(super) key: Digest,
}

enum What {
    /// From the build context.
    Context,
    /// From a stage or an image.
    Layers(Vec<Layer>),
    Cache {
        id: String,
        seed: Vec<Layer>,
    },
    Tmpfs,
    Secret(Vec<u8>),
    /// What is optional and not there.
    Nothing,
}

impl Work<'_> {
    /// Looks at all mounts of a command.
    pub(super) fn mounts<'a>(&self, state: &State, run: &'a RunStep, place: &Place) -> Result<Vec<Wanted<'a>>, Fault> {
        run.mounts.iter().map(|mount| self.wanted(state, mount, place)).collect()
    }

    fn wanted<'a>(&self, state: &State, step: &'a MountStep, place: &Place) -> Result<Wanted<'a>, Fault> {
        let no_target = || Fault::image("a mount needs a target".to_owned(), place.line);
        let target = step.target.as_deref().map(|target| config::absolute(&state.config, target));
        let mut key = Key::new("mount");
        key.text(&format!("{:?} {} {:?} {:?} {:?}", step.kind, step.read_only, step.mode, step.uid, step.gid));
        key.maybe(target.as_deref());
        let (target, what) = match step.kind {
            MountType::Bind => {
                key.maybe(step.source.as_deref());
                let what = match &step.from {
                    None => {
                        let origin = Origin::Context(&self.job.context);
                        let chosen = choose(&origin, &as_copy(step)).map_err(|error| Fault::at(place.line, error))?;
                        self.feed_chosen(&mut key, &chosen);
                        What::Context
                    }
                    Some(from) => {
                        let layers = self.layers_of(from, place)?;
                        key.all(layers.iter(), |key, layer| key.bytes(layer.diff_id.as_bytes()));
                        What::Layers(layers)
                    }
                };
                (target.ok_or_else(no_target)?, what)
            }
            MountType::Cache => {
                let target = target.ok_or_else(no_target)?;
                let id = step.id.clone().unwrap_or_else(|| target.clone());
                key.text(&id);
                let seed = step.from.as_ref().map_or(Ok(Vec::new()), |from| self.layers_of(from, place))?;
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
            MountType::Ssh if !step.required => (String::new(), What::Nothing),
            MountType::Ssh => {
                return Err(Fault::Unsupported {
                    message: format!("line {}: the embedded engine passes no SSH agent on", place.line),
                    hint: "build it with `--engine docker`, or give a key as a secret".to_owned(),
                });
            }
        };
        Ok(Wanted { step, target, what, key: key.finish() })
    }

    /// Makes what a command finds at a mount; the variable of a secret is set.
    pub(super) fn prepare(
        &self,
        wanted: Wanted<'_>,
        scratch: &Scratch,
        env: &mut BTreeMap<String, String>,
        in_use: &mut Vec<CacheMount>,
        place: &Place,
    ) -> Result<Option<Mount>, Fault> {
        let Wanted { step, target, what, key } = wanted;
        let machine = |error: std::io::Error| Fault::Machine(error.into());
        let source = match what {
            What::Nothing => return Ok(None),
            What::Context => {
                let folder = scratch.path().join(format!("context-{key}"));
                fs::create_dir(&folder).map_err(machine)?;
                self.lay_out(&folder, step).map_err(|error| Fault::at(place.line, error))?;
                Source::Layers { lowers: vec![folder], subpath: "source".to_owned() }
            }
            What::Layers(layers) => {
                let subpath = step.source.clone().unwrap_or_else(|| "/".to_owned());
                Source::Layers { lowers: self.folders(&layers)?, subpath }
            }
            What::Cache { id, seed } => {
                let cache = match step.sharing {
                    Sharing::Shared => self.store.cache_mount(&id),
                    Sharing::Private => self.store.private_cache_mount(&id),
                    Sharing::Locked => self.store.locked_cache_mount(&id),
                };
                let cache = cache.map_err(Fault::Machine)?;
                if cache.is_new() {
                    self.seed(cache.path(), &seed, step, place)?;
                }
                let path = cache.path().to_owned();
                in_use.push(cache);
                Source::Folder(path)
            }
            What::Tmpfs => Source::Tmpfs { size: step.size },
            What::Secret(content) => {
                if let Some(name) = &step.env {
                    env.insert(name.clone(), String::from_utf8_lossy(&content).into_owned());
                    if step.target.is_none() {
                        return Ok(None);
                    }
                }
                let (uid, gid) = (step.uid.unwrap_or(0), step.gid.unwrap_or(0));
                Source::Secret { content, mode: step.mode.unwrap_or(0o400), uid, gid }
            }
        };
        Ok(Some(Mount { target, source, read_only: step.read_only }))
    }

    /// Puts what a bind mount shows of the context into a folder, as `source`.
    fn lay_out(&self, folder: &Path, step: &MountStep) -> anyhow::Result<()> {
        let origin = Origin::Context(&self.job.context);
        let nothing = self.view(&[]);
        let mut canvas = Canvas::new(folder.to_owned(), &nothing, self.job.epoch);
        for chosen in choose(&origin, &as_copy(step))? {
            let path = Path::new("source");
            let target = Target { path, is_folder: false, owner: None, chmod: None, unpack: false };
            copy::copy(&mut canvas, &origin, &chosen, &target)?;
        }
        Ok(())
    }

    /// Fills a cache that nobody used yet.
    fn seed(&self, path: &Path, seed: &[Layer], step: &MountStep, place: &Place) -> Result<(), Fault> {
        let at = |error: anyhow::Error| Fault::at(place.line, error);
        if !seed.is_empty() {
            let folders: Vec<PathBuf> = self.folders(seed)?;
            let view = self.view(&folders);
            let origin = Origin::Layers(&view);
            let mut canvas = Canvas::new(path.to_owned(), &self.view(&[]), self.job.epoch);
            for chosen in choose(&origin, &as_copy(step)).map_err(at)? {
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

/// A bind mount's source as `COPY` would have it.
fn as_copy(step: &MountStep) -> TransferStep {
    TransferStep {
        is_add: false,
        from: None,
        sources: vec![TransferOf::Path(step.source.clone().unwrap_or_else(|| "/".to_owned()))],
        destination: "/".to_owned(),
        chown: None,
        chmod: None,
        link: false,
        parents: false,
        excludes: Vec::new(),
        checksum: None,
        unpack: None,
        keep_git_dir: false,
    }
}
