//! Caches that are carried from machine to machine: what steps came to, by their keys, with their layers. A cache has the
//! form of an image, so that registries and layouts keep it: its configuration is the list of steps.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::images::{self, CachePlace};
use super::layer::{Layer, text};
use super::store::Store;
use crate::model::Digest;
use crate::registry::Registry;

/// Counts up when a list of steps comes to be something else.
const VERSION: u32 = 1;
/// After so many writings in which nobody had a use for it a step is left out. Arbitrary: as many as a busy repository has
/// in a day or two.
const UNUSED_AT_MOST: u32 = 20;

/// The list of steps.
#[derive(Debug, Serialize, Deserialize)]
struct Steps {
    version: u32,
    steps: Vec<Step>,
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

    /// Reads a cache; tells whether there is one.
    pub(super) async fn read(&self, registry: &Registry, store: &Store, place: &CachePlace) -> anyhow::Result<bool> {
        let Some(config) = images::read_cache(registry, store, place).await? else { return Ok(false) };
        let steps = steps(&config).with_context(|| format!("reading the cache `{place}`"))?;
        let read = &mut self.lock().read;
        for step in steps {
            // What was named first counts.
            read.entry(step.key).or_insert_with(|| (step.layer, place.clone()));
        }
        Ok(true)
    }

    /// Writes what this run met into a cache, and of what is there as much as was of use lately; tells how many steps.
    /// Nothing is written where it met nothing.
    pub(super) async fn write(&self, registry: &Registry, store: &Store, place: &CachePlace) -> anyhow::Result<usize> {
        let met = self.lock().met.clone();
        if met.is_empty() {
            return Ok(0);
        }
        // A list that can't be understood is written anew; what is no cache is left as it is.
        let former = images::read_cache(registry, store, place).await?.and_then(|config| steps(&config).ok());
        let mut kept: BTreeMap<Digest, Step> = BTreeMap::new();
        for step in former.unwrap_or_default() {
            let unused = step.unused.saturating_add(1);
            if unused <= UNUSED_AT_MOST && is_there(store, place, step.layer.as_ref())? {
                kept.insert(step.key, Step { unused, ..step });
            }
        }
        kept.extend(met.into_iter().map(|(key, layer)| (key, Step { key, layer, unused: 0 })));
        match (put(registry, store, place, kept.values()).await, place) {
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
                put(registry, store, place, kept.values()).await?;
            }
            (Err(error), CachePlace::Folder(_)) => return Err(error),
        }
        Ok(kept.len())
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
) -> anyhow::Result<()> {
    let steps: Vec<Step> = steps.cloned().collect();
    let layers: BTreeMap<Digest, Layer> =
        steps.iter().filter_map(|step| step.layer.clone()).map(|layer| (layer.blob, layer)).collect();
    let layers: Vec<Layer> = layers.into_values().collect();
    let config = serde_json::to_vec(&Steps { version: VERSION, steps })?;
    images::write_cache(registry, store, place, &config, &layers).await
}

fn steps(config: &[u8]) -> anyhow::Result<Vec<Step>> {
    let Steps { version, steps } = serde_json::from_slice(config)?;
    anyhow::ensure!(version == VERSION, "another version of windlass wrote it");
    Ok(steps)
}
