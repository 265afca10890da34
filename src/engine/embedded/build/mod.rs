//! Builds an image: its stages at the same time where they are independent, every instruction once. Blocks, and is
//! called on a thread of its own.

mod archive;
mod beforehand;
mod chosen;
pub(super) mod config;
mod copy;
mod fault;
mod key;
mod mode;
mod mounts;
mod origin;
mod remote;
mod run;
mod select;
mod sparse;
mod ssh;
mod stage;
mod transfer;
pub(super) mod users;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

pub(super) use self::fault::Fault;
use self::key::Key;
use self::stage::{Done, Place, State};
use super::carried::Carried;
use super::git::GitClient;
use super::images::{self, Image};
use super::layer::{self, Layer};
use super::sandbox::{Sandbox, Stop};
use super::store::Store;
use super::view::View;
use crate::dockerfile::{Base, Dockerfile, ResolveInputs, Resolved, ResolvedStage, Stepper};
use crate::engine::context::Context;
use crate::engine::{Secret, SshAgent};
use crate::event::Event;
use crate::model::{Digest, ImageName, Platform};
use crate::registry::Registry;

/// What is built.
pub(super) struct Job {
    pub(super) image: ImageName,
    pub(super) context: Context,
    /// The folders that the Dockerfile calls by a name.
    pub(super) named: BTreeMap<String, Context>,
    pub(super) dockerfile: Dockerfile,
    pub(super) resolved: Resolved,
    pub(super) args: BTreeMap<String, String>,
    pub(super) platform: Platform,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) secrets: Vec<Secret>,
    pub(super) ssh: Vec<SshAgent>,
    pub(super) no_cache: bool,
    /// The time of everything, in seconds since 1970, and as a configuration says it.
    pub(super) epoch: u64,
    pub(super) created: String,
    /// The images that it is made from, by reference and platform.
    pub(super) bases: BTreeMap<(String, Platform), Image>,
}

/// With what it is built.
#[derive(Clone)]
pub(super) struct Tools {
    pub(super) store: Store,
    pub(super) sandbox: Sandbox,
    pub(super) registry: Arc<Registry>,
    pub(super) git: GitClient,
    /// Where downloads run.
    pub(super) runtime: Handle,
    pub(super) stop: Stop,
    pub(super) events: Sender<Event>,
    /// Whether `RUN --security=insecure` gets what it wants.
    pub(super) allow_insecure: bool,
    /// Whether what steps come to is remembered.
    pub(super) remembers: bool,
    /// The instructions that are being carried out, each by one at a time: who comes second finds it done.
    pub(super) busy: Busy,
    pub(super) carried: Arc<Carried>,
}

impl Tools {
    /// Tells something; whoever listens slowly slows the work.
    pub(super) fn send(&self, event: Event) {
        // Nobody listens any more when the work is given up.
        let _sent = self.events.blocking_send(event);
    }
}

/// A lock for each key.
pub(super) type Busy = Arc<Mutex<BTreeMap<Digest, Arc<Mutex<()>>>>>;

/// Builds, and puts the image into the store.
///
/// # Errors
/// What stands in the way; of several stages that fail, the first.
pub(super) fn build(tools: &Tools, job: &Job) -> Result<Image, Fault> {
    beforehand::check(tools, job)?;
    let contexts = job.named.keys().cloned().collect();
    let inputs = ResolveInputs {
        args: &job.args,
        target: None,
        target_platform: &job.platform,
        build_platform: &job.platform,
        contexts: &contexts,
    };
    let stages = &job.resolved.stages;
    let n_of = |stage: &ResolvedStage| {
        let is_of_folder = matches!(&stage.base, Base::Outside(name) if job.named.contains_key(name));
        job.dockerfile.stages[stage.index].instructions.len() + usize::from(is_of_folder)
    };
    let n_instructions = stages.iter().map(n_of).sum();
    let work = Work {
        tools,
        job,
        stepper: Stepper::new(&job.dockerfile, &inputs),
        done: Mutex::new(BTreeMap::new()),
        changed: Condvar::new(),
        begun: AtomicUsize::new(0),
        n_instructions,
    };
    let mut fault: Option<Fault> = None;
    std::thread::scope(|scope| {
        let threads: Vec<_> = stages.iter().map(|stage| scope.spawn(|| work.stage_to_its_end(stage))).collect();
        for thread in threads {
            let ended = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            if let Err(later) = ended {
                fault = Some(match fault.take() {
                    Some(first) => first.or(later),
                    None => later,
                });
            }
        }
    });
    if let Some(fault) = fault {
        return Err(fault);
    }
    let last = stages.last().map(|stage| stage.index);
    let state = last.and_then(|index| work.finished(index)).ok_or(Fault::Elsewhere)?;
    let mut config = state.config.clone();
    config.created = Some(job.created.clone());
    config.config.labels.extend(job.labels.clone());
    images::save(&tools.store, &config, &state.layers).map_err(Fault::Machine)
}

/// What an instruction reads from.
enum Given<'a> {
    /// Files of this machine.
    Context(&'a Context),
    /// A stage or an image.
    Layers(Vec<Layer>),
}

/// What the stages of one build share.
struct Work<'a> {
    tools: &'a Tools,
    job: &'a Job,
    stepper: Stepper<'a>,
    /// The stages that came to their end, by index; of one that failed, nothing.
    done: Mutex<BTreeMap<usize, Done>>,
    changed: Condvar,
    begun: AtomicUsize,
    n_instructions: usize,
}

impl std::ops::Deref for Work<'_> {
    type Target = Tools;

    fn deref(&self) -> &Tools {
        self.tools
    }
}

impl Work<'_> {
    fn stage_to_its_end(&self, stage: &ResolvedStage) -> Result<(), Fault> {
        let ended = Ending { work: self, index: stage.index };
        let state = self.stage(stage)?;
        ended.well(state);
        Ok(())
    }

    fn finished(&self, index: usize) -> Option<Arc<State>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner).get(&index).cloned().flatten()
    }

    /// What a stage has come to, once it has.
    fn wait_for(&self, index: usize) -> Result<Arc<State>, Fault> {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        let done = self.changed.wait_while(done, |done| !done.contains_key(&index));
        done.unwrap_or_else(PoisonError::into_inner).get(&index).cloned().flatten().ok_or(Fault::Elsewhere)
    }

    /// An image that the Dockerfile names.
    fn image(&self, reference: &str, platform: &Platform, line: usize) -> Result<&Image, Fault> {
        let found = self.job.bases.get(&(reference.to_owned(), platform.clone()));
        found.ok_or_else(|| Fault::image(format!("`{reference}` is named where the build can't know it before"), line))
    }

    /// What `--from` names: a folder comes before a stage, and that before an image; without it the context.
    fn given(&self, from: Option<&str>, place: &Place) -> Result<Given<'_>, Fault> {
        let Some(from) = from else { return Ok(Given::Context(&self.job.context)) };
        if let Some(folder) = self.job.named.get(from) {
            return Ok(Given::Context(folder));
        }
        if from == "scratch" {
            return Ok(Given::Layers(Vec::new()));
        }
        Ok(Given::Layers(match self.job.dockerfile.stage_called(from) {
            Some(index) => self.wait_for(index)?.layers.clone(),
            None => self.image(from, &self.job.platform, place.line)?.layers.clone(),
        }))
    }

    /// The folders of layers, unpacked where they are not yet.
    fn folders(&self, layers: &[Layer]) -> Result<Vec<PathBuf>, Fault> {
        self.store.folders(layers).map_err(Fault::Machine)
    }

    fn view(&self, folders: &[PathBuf]) -> View {
        View::new(folders, self.store.overlay())
    }

    /// Makes a layer of a folder, and puts it into the store.
    fn write_layer(&self, folder: &Path) -> anyhow::Result<Layer> {
        let layer = layer::write(folder, &self.store, self.job.epoch)?;
        self.store.adopt(folder, &layer)?;
        Ok(layer)
    }

    fn keep(&self, folder: &Path) -> Result<Layer, Fault> {
        self.write_layer(folder).map_err(Fault::Machine)
    }

    fn feed_layers(&self, key: &mut Key, layers: &[Layer]) {
        key.all(layers.iter(), |key, layer| key.bytes(layer.diff_id.as_bytes()));
    }

    /// Feeds what every instruction that runs something follows from.
    fn feed_state(&self, key: &mut Key, state: &State) {
        self.feed_layers(key, &state.layers);
        key.text(&format!("{}/{}", state.config.os, state.config.architecture));
        key.number(self.job.epoch);
    }

    /// The layer of an instruction: what is remembered under its key, else what `work` makes. Of several that want the
    /// same at a time, one works.
    fn once(
        &self,
        key: &Digest,
        place: &Place,
        work: impl FnOnce() -> Result<Option<Layer>, Fault>,
    ) -> Result<Option<Layer>, Fault> {
        let lock = {
            let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(busy.entry(*key).or_default())
        };
        let _mine = lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.job.no_cache
            && let Some(layer) = self.remembered(key).map_err(Fault::Machine)?
        {
            self.carried.meet(*key, layer.clone());
            self.tell(place, true);
            return Ok(layer);
        }
        self.tell(place, false);
        let layer = work()?;
        if self.remembers {
            let value = serde_json::to_vec(&layer).map_err(|error| Fault::Machine(error.into()))?;
            self.store.remember(key, &value).map_err(Fault::Machine)?;
        }
        self.carried.meet(*key, layer.clone());
        Ok(layer)
    }

    /// What an instruction came to, where that is known and its layer is there: here, else in a cache from elsewhere.
    fn remembered(&self, key: &Digest) -> anyhow::Result<Option<Option<Layer>>> {
        if let Some(known) = self.remembered_here(key)? {
            return Ok(Some(known));
        }
        let Some((layer, place)) = self.carried.find(key) else { return Ok(None) };
        if let Some(layer) = &layer {
            let fetched = self.runtime.block_on(images::fetch_layer(&self.registry, &self.store, &place, layer));
            if let Err(error) = fetched {
                // The step can be done all the same.
                self.send(Event::Warning(format!("a layer of the cache is of no use: {error:#}")));
                return Ok(None);
            }
        }
        self.store.remember(key, &serde_json::to_vec(&layer)?)?;
        Ok(Some(layer))
    }

    fn remembered_here(&self, key: &Digest) -> anyhow::Result<Option<Option<Layer>>> {
        let Some(value) = self.store.cached(key)? else { return Ok(None) };
        // What another version wrote is not understood, and made anew.
        let Ok(layer) = serde_json::from_slice::<Option<Layer>>(&value) else { return Ok(None) };
        let is_there = layer.as_ref().map_or(Ok(true), |layer| self.store.has_blob(layer))?;
        Ok(is_there.then_some(layer))
    }

    /// The number of an instruction that begins, and of all.
    fn count(&self) -> (usize, usize) {
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        (number, self.n_instructions.max(number))
    }
}

/// Lets the others know that a stage ended, however it did.
struct Ending<'w, 'a> {
    work: &'w Work<'a>,
    index: usize,
}

impl Ending<'_, '_> {
    fn well(self, state: State) {
        let mut done = self.work.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.insert(self.index, Some(Arc::new(state)));
    }
}

impl Drop for Ending<'_, '_> {
    fn drop(&mut self) {
        self.work.done.lock().unwrap_or_else(PoisonError::into_inner).entry(self.index).or_insert(None);
        self.work.changed.notify_all();
    }
}

/// The longest that an instruction is shown, in characters. Arbitrary.
const SHOWN_AT_MOST: usize = 80;

/// An instruction on one line, cut where it is long.
fn short(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_AT_MOST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
