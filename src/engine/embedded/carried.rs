//! Caches that are carried from machine to machine: what steps came to, by their keys, with their layers, and where it is
//! asked what is in cache mounts, each as a layer. A cache has the form of an image, so that registries and layouts keep it:
//! its configuration is the list of both.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::images::{self, CachePlace};
use super::layer::{Layer, text};
use super::store::{Store, cache_mount_name};
use crate::model::Digest;
use crate::registry::Registry;

/// Counts up when a list of steps comes to be something else.
const VERSION: u32 = 1;
/// After so many writings in which nobody had a use for it a step is left out. Arbitrary: as many as a busy repository has
/// in a day or two.
const UNUSED_AT_MOST: u32 = 20;

/// The list of steps and cache mounts.
#[derive(Debug, Serialize, Deserialize)]
struct Steps {
    version: u32,
    steps: Vec<Step>,
    /// Not there in lists of versions that carried none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<Mount>,
}

/// What was in a cache mount.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Mount {
    /// What the store calls it.
    name: String,
    layer: Layer,
    /// In how many writings since nobody used it.
    unused: u32,
}

/// How much a cache has after it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Steps with what they came to.
    pub n_steps: usize,
    /// Cache mounts.
    pub n_mounts: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Step {
    #[serde(with = "text")]
    key: Digest,
    /// Nothing where it changed no file.
    layer: Option<Layer>,
    /// In how many writings since nobody had a use for it.
    unused: u32,
}

/// What the steps of a run came to, and what those of others did.
#[derive(Debug, Default)]
pub(super) struct Carried {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What was read, with where the layers are.
    read: BTreeMap<Digest, (Option<Layer>, CachePlace)>,
    /// What this run met.
    met: BTreeMap<Digest, Option<Layer>>,
    /// The cache mounts that were read, by name, with where their layers are.
    read_mounts: BTreeMap<String, (Layer, CachePlace)>,
    /// The ids of the cache mounts that this run used.
    used_mounts: BTreeSet<String>,
}

impl Carried {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of what a step came to.
    pub(super) fn meet(&self, key: Digest, layer: Option<Layer>) {
        self.lock().met.insert(key, layer);
    }

    /// What a step came to elsewhere, with where its layer is.
    pub(super) fn find(&self, key: &Digest) -> Option<(Option<Layer>, CachePlace)> {
        self.lock().read.get(key).cloned()
    }

    /// Takes note that a cache mount is used, and tells what was in it elsewhere, with where that is.
    pub(super) fn use_mount(&self, id: &str) -> Option<(Layer, CachePlace)> {
        let mut inner = self.lock();
        inner.used_mounts.insert(id.to_owned());
        inner.read_mounts.get(&cache_mount_name(id)).cloned()
    }

    /// Reads a cache; tells whether there is one.
    pub(super) async fn read(&self, registry: &Registry, store: &Store, place: &CachePlace) -> anyhow::Result<bool> {
        let Some(config) = images::read_cache(registry, store, place).await? else { return Ok(false) };
        let Steps { version: _, steps, mounts } =
            read(&config).with_context(|| format!("reading the cache `{place}`"))?;
        let mut inner = self.lock();
        for step in steps {
            // What was named first counts.
            inner.read.entry(step.key).or_insert_with(|| (step.layer, place.clone()));
        }
        for mount in mounts {
            inner.read_mounts.entry(mount.name).or_insert_with(|| (mount.layer, place.clone()));
        }
        Ok(true)
    }

    /// Writes what this run met into a cache, with the cache mounts that it used where `with_mounts`, and of what is there
    /// as much as was of use lately. Nothing is written where it met nothing.
    pub(super) async fn write(
        &self,
        registry: &Registry,
        store: &Store,
        place: &CachePlace,
        with_mounts: bool,
    ) -> anyhow::Result<Written> {
        let (met, used) = {
            let inner = self.lock();
            (inner.met.clone(), inner.used_mounts.clone())
        };
        if met.is_empty() {
            return Ok(Written { n_steps: 0, n_mounts: 0 });
        }
        let mut mounts = Vec::new();
        for id in used.iter().filter(|_| with_mounts) {
            let packed = store.pack_cache_mount(id).with_context(|| format!("packing the cache mount `{id}`"))?;
            mounts.extend(packed.map(|layer| Mount { name: cache_mount_name(id), layer, unused: 0 }));
        }
        // A list that can't be understood is written anew; what is no cache is left as it is.
        let former = images::read_cache(registry, store, place).await?.and_then(|config| read(&config).ok());
        let (former, former_mounts) = former.map_or_else(Default::default, |former| (former.steps, former.mounts));
        for mount in former_mounts {
            let unused = mount.unused.saturating_add(1);
            let is_new = mounts.iter().any(|known| known.name == mount.name);
            if !is_new && unused <= UNUSED_AT_MOST && is_there(store, place, Some(&mount.layer))? {
                mounts.push(Mount { unused, ..mount });
            }
        }
        let mut kept: BTreeMap<Digest, Step> = BTreeMap::new();
        for step in former {
            let unused = step.unused.saturating_add(1);
            if unused <= UNUSED_AT_MOST && is_there(store, place, step.layer.as_ref())? {
                kept.insert(step.key, Step { unused, ..step });
            }
        }
        kept.extend(met.into_iter().map(|(key, layer)| (key, Step { key, layer, unused: 0 })));
        match (put(registry, store, place, kept.values(), &mounts).await, place) {
            (Ok(()), _) => {}
            // It may have lost a layer that only it had.
            (Err(_), CachePlace::Registry(_)) => {
                let mut local = BTreeMap::new();
                for (key, step) in kept {
                    if step.layer.as_ref().map_or(Ok(true), |layer| store.has_blob(layer))? {
                        local.insert(key, step);
                    }
                }
                kept = local;
                mounts.retain(|mount| mount.unused == 0);
                put(registry, store, place, kept.values(), &mounts).await?;
            }
            (Err(error), CachePlace::Folder(_)) => return Err(error),
        }
        Ok(Written { n_steps: kept.len(), n_mounts: mounts.len() })
    }
}

/// Whether a step's layer can be in a cache that is written. A registry is not asked.
fn is_there(store: &Store, place: &CachePlace, layer: Option<&Layer>) -> anyhow::Result<bool> {
    let Some(layer) = layer else { return Ok(true) };
    Ok(match place {
        CachePlace::Registry(_) => true,
        CachePlace::Folder(folder) => store.has_blob(layer)? || images::has_layer(folder, layer),
    })
}

async fn put(
    registry: &Registry,
    store: &Store,
    place: &CachePlace,
    steps: impl Iterator<Item = &Step>,
    mounts: &[Mount],
) -> anyhow::Result<()> {
    let (steps, mounts): (Vec<Step>, _) = (steps.cloned().collect(), mounts.to_vec());
    let layers = steps.iter().filter_map(|step| step.layer.as_ref()).chain(mounts.iter().map(|mount| &mount.layer));
    let layers: BTreeMap<Digest, Layer> = layers.map(|layer| (layer.blob, layer.clone())).collect();
    let layers: Vec<Layer> = layers.into_values().collect();
    let config = serde_json::to_vec(&Steps { version: VERSION, steps, mounts })?;
    images::write_cache(registry, store, place, &config, &layers).await
}

fn read(config: &[u8]) -> anyhow::Result<Steps> {
    let steps: Steps = serde_json::from_slice(config)?;
    anyhow::ensure!(steps.version == VERSION, "another version of windlass wrote it");
    Ok(steps)
}
