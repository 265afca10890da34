//! What two images of a store differ in: their configurations, and the files of their layers.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader};

use anyhow::Context as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::images::Image;
use super::layer::{Archive, Entry, EntryKind, Layer, Uncompressed, shown};
use super::store::Store;

/// One thing in which an image differs from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// A key of the configuration, such as `config.Env`.
    Configuration(String),
    /// How many layers they have.
    Layers {
        /// Of the one.
        before: usize,
        /// Of the other.
        after: usize,
    },
    /// The files of a layer.
    Files {
        /// The number of the layer, the lowest is 1.
        layer: usize,
        /// The instruction that made it, as the history says.
        step: String,
        /// Each file, as the archives name it, with what is different.
        files: Vec<(String, Change)>,
    },
    /// How the same files of a layer are archived or packed.
    Packing {
        /// The number of the layer, the lowest is 1.
        layer: usize,
        /// The instruction that made it, as the history says.
        step: String,
    },
}

/// What is different about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The other alone has it.
    Added,
    /// The one alone has it.
    Removed,
    /// Both have it, and these are not the same: `content`, `type`, `mode`, `owner`, `time`, `attributes`.
    Changed(Vec<&'static str>),
}

/// In what `after` differs from `before`; nothing where both are the same image.
///
/// # Errors
/// When a layer is not in the store, or can't be read.
pub fn compare(store: &Store, before: &Image, after: &Image) -> anyhow::Result<Vec<Difference>> {
    if before.manifest == after.manifest {
        return Ok(Vec::new());
    }
    let mut differences = Vec::new();
    let configs = [before, after].map(|image| serde_json::to_value(&image.config).unwrap_or_default());
    keys(&configs[0], &configs[1], "", &mut differences);
    if before.layers.len() != after.layers.len() {
        differences.push(Difference::Layers { before: before.layers.len(), after: after.layers.len() });
    }
    let steps = steps(after);
    for (index, (one, other)) in before.layers.iter().zip(&after.layers).enumerate() {
        if one == other {
            continue;
        }
        let (layer, step) = (index + 1, steps.get(index).cloned().unwrap_or_default());
        let files =
            if one.diff_id == other.diff_id { Vec::new() } else { changes(&files(store, one)?, &files(store, other)?) };
        differences.push(match files.is_empty() {
            true => Difference::Packing { layer, step },
            false => Difference::Files { layer, step, files },
        });
    }
    Ok(differences)
}

/// The keys that differ, those of objects each by itself; what layers there are is told otherwise.
fn keys(before: &Value, after: &Value, path: &str, differences: &mut Vec<Difference>) {
    match (before, after) {
        (Value::Object(one), Value::Object(other)) => {
            let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for name in names.into_iter().filter(|name| !path.is_empty() || *name != "rootfs") {
                let (one, other) = (one.get(name).unwrap_or(&Value::Null), other.get(name).unwrap_or(&Value::Null));
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                keys(one, other, &path, differences);
            }
        }
        _ if before == after => {}
        _ => differences.push(Difference::Configuration(path.to_owned())),
    }
}

/// The instructions that made the layers, the lowest first.
fn steps(image: &Image) -> Vec<String> {
    let made = image.config.history.iter().filter(|step| !step.empty_layer);
    made.map(|step| step.created_by.clone().unwrap_or_default()).collect()
}

/// A file of a layer, its content as a digest.
struct Found {
    kind: EntryKind,
    content: [u8; 32],
    mode: u32,
    owner: (u32, u32),
    mtime: i64,
    xattrs: Vec<(OsString, Vec<u8>)>,
}

fn files(store: &Store, layer: &Layer) -> anyhow::Result<BTreeMap<Vec<u8>, Found>> {
    let in_context = || format!("reading the layer `{}`", layer.diff_id);
    let blob = File::open(store.blob_path(&layer.blob)).with_context(in_context)?;
    let mut archive = Archive::new(Uncompressed::new(BufReader::new(blob)).with_context(in_context)?);
    let mut files = BTreeMap::new();
    while let Some(entry) = archive.next_entry().with_context(in_context)? {
        let mut content = Sha256::new();
        io::copy(&mut archive, &mut content).with_context(in_context)?;
        let Entry { path, kind, size: _, mode, owner, mtime, xattrs } = entry;
        files.insert(path, Found { kind, content: content.finalize().into(), mode, owner, mtime, xattrs });
    }
    Ok(files)
}

fn changes(before: &BTreeMap<Vec<u8>, Found>, after: &BTreeMap<Vec<u8>, Found>) -> Vec<(String, Change)> {
    let paths: BTreeSet<&Vec<u8>> = before.keys().chain(after.keys()).collect();
    let change = |path: &Vec<u8>| match (before.get(path), after.get(path)) {
        (Some(one), Some(other)) => {
            let differ = [
                ("type", one.kind != other.kind),
                ("content", one.content != other.content),
                ("mode", one.mode != other.mode),
                ("owner", one.owner != other.owner),
                ("time", one.mtime != other.mtime),
                ("attributes", one.xattrs != other.xattrs),
            ];
            let differ: Vec<_> = differ.iter().filter(|(_, differ)| *differ).map(|(what, _)| *what).collect();
            (!differ.is_empty()).then_some(Change::Changed(differ))
        }
        (Some(_), None) => Some(Change::Removed),
        (None, _) => Some(Change::Added),
    };
    paths.into_iter().filter_map(|path| Some((shown(path), change(path)?))).collect()
}
