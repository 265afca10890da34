//! Caches that are carried from machine to machine: what steps came to, by their keys, with their layers. A cache has the
//! form of an image, so that registries and layouts keep it: its configuration is the list of steps.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::images::{self, CacheAt};
use super::layer::{Layer, text};
use super::store::Store;
use crate::model::{Digest, Reference};
use crate::registry::Registry;

/// Counts up when a list of steps comes to be something else.
const VERSION: u32 = 1;
/// After so many writings in which nobody had a use for it a step is left out. Arbitrary: as many as a busy repository has
/// in a day or two.
const UNUSED_AT_MOST: u32 = 20;

/// Where a cache is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachePlace {
    /// A name in a registry.
    Registry(Reference),
    /// A folder in the OCI image layout that holds nothing else.
    Folder(PathBuf),
}

impl FromStr for CachePlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':').filter(|(_, place)| !place.is_empty()) {
            Some(("registry", name)) => name.parse().map(Self::Registry).map_err(|error| format!("{error}")),
            Some(("dir", folder)) => Ok(Self::Folder(folder.into())),
            Some(_) | None => Err("expected `registry:NAME` or `dir:PATH`".to_owned()),
        }
    }
}

impl fmt::Display for CachePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(name) => write!(f, "registry:{name}"),
            Self::Folder(folder) => write!(f, "dir:{}", folder.display()),
        }
    }
}

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
    read: BTreeMap<Digest, (Option<Layer>, CacheAt)>,
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
    pub(super) fn find(&self, key: &Digest) -> Option<(Option<Layer>, CacheAt)> {
        self.lock().read.get(key).cloned()
    }

    /// Reads a cache; tells whether there is one.
    pub(super) async fn read(&self, registry: &Registry, store: &Store, place: &CachePlace) -> anyhow::Result<bool> {
        let Some(steps) = steps(registry, store, place).await? else { return Ok(false) };
        let at = match place {
            CachePlace::Registry(name) => CacheAt::Repository(name.repository().clone()),
            CachePlace::Folder(folder) => CacheAt::Folder(folder.clone()),
        };
        let read = &mut self.lock().read;
        for step in steps {
            // What was named first counts.
            read.entry(step.key).or_insert_with(|| (step.layer, at.clone()));
        }
        Ok(true)
    }

    /// Writes what this run met into a cache, and of what is there as much as was of use lately; tells how many steps.
    pub(super) async fn write(&self, registry: &Registry, store: &Store, place: &CachePlace) -> anyhow::Result<usize> {
        // One that can't be read is written anew.
        let former = steps(registry, store, place).await.ok().flatten().unwrap_or_default();
        let met = self.lock().met.clone();
        let mut steps: BTreeMap<Digest, Step> = BTreeMap::new();
        for step in former {
            let unused = step.unused.saturating_add(1);
            if unused <= UNUSED_AT_MOST {
                steps.insert(step.key, Step { unused, ..step });
            }
        }
        steps.extend(met.into_iter().map(|(key, layer)| (key, Step { key, layer, unused: 0 })));
        let mut layers: BTreeMap<Digest, Layer> = BTreeMap::new();
        layers.extend(steps.values().filter_map(|step| step.layer.clone()).map(|layer| (layer.blob, layer)));
        let layers: Vec<Layer> = layers.into_values().collect();
        let n_steps = steps.len();
        let config = serde_json::to_vec(&Steps { version: VERSION, steps: steps.into_values().collect() })?;
        match place {
            CachePlace::Registry(name) => images::push_cache(registry, store, name, &config, &layers).await?,
            CachePlace::Folder(folder) => images::write_cache(store, folder, &config, &layers)?,
        }
        Ok(n_steps)
    }
}

/// The steps of a cache; nothing where there is none.
async fn steps(registry: &Registry, store: &Store, place: &CachePlace) -> anyhow::Result<Option<Vec<Step>>> {
    let config = match place {
        CachePlace::Registry(name) => images::cache_of_registry(registry, store, name).await,
        CachePlace::Folder(folder) => images::cache_of_folder(folder),
    };
    let in_context = || format!("reading the cache `{place}`");
    let Some(config) = config.with_context(in_context)? else { return Ok(None) };
    let steps: Steps = serde_json::from_slice(&config).with_context(in_context)?;
    // What another version wrote is of no use, and overwritten.
    Ok((steps.version == VERSION).then_some(steps.steps))
}
