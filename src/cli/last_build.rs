//! What is remembered of the last build of each image on this machine: a file an image below windlass' state,
//! `PROJECT/builds/IMAGE.json`, `/` in a name written `+`. Nothing depends on them: without them CI jobs are packed by
//! guessed times, and changes are told in less detail. A folder of them can be kept in a CI service's cache, and those of several jobs be put together.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::whole_file::{self, Readers};
use crate::hash::{Fingerprint, InputHash};
use crate::model::{ContentHash, Digest, ImageName, ProjectName, TreePath};
use crate::plan::{Details, Facts, InstructionFact};

/// The version of the file's shape. A file of another version is passed over.
const VERSION: u32 = 2;

/// A folder with more entries than this is not remembered, so that no file grows beyond a few megabytes. Arbitrary.
const ENTRIES_AT_MOST: usize = 20_000;

/// The file's shape. Keys that a reader does not know are passed over. No secret is in it: of arguments that may be one
/// there is no value, and instructions are as they are written.
#[derive(Debug, Serialize, Deserialize)]
struct Wire {
    version: u32,
    image: String,
    content_hash: String,
    seconds: f64,
    fingerprint: String,
    instructions: Vec<WireInstruction>,
    folders: BTreeMap<String, BTreeMap<String, String>>,
    args: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct WireInstruction {
    line: usize,
    text: String,
    hash: String,
}

/// What is remembered of one build that succeeded.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LastBuild {
    /// What was built.
    pub(super) image: ImageName,
    /// From which inputs.
    pub(super) content_hash: ContentHash,
    /// How long building, testing and pushing took.
    pub(super) took: Duration,
    /// The inputs.
    pub(super) facts: Facts,
}

/// The folder of a project's files.
pub(super) fn folder(state: &Path, project: &ProjectName) -> PathBuf {
    state.join(project.as_str()).join("builds")
}

/// Reads all files of a folder. One that is not there, and files that can't be understood, say nothing.
///
/// # Errors
/// When the folder or a file in it can't be read.
pub(super) fn read(folder: &Path) -> anyhow::Result<BTreeMap<ImageName, LastBuild>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        entries => entries.with_context(|| format!("reading the folder `{}`", folder.display()))?,
    };
    let mut builds = BTreeMap::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading the folder `{}`", folder.display()))?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read(&path).with_context(|| format!("reading `{}`", path.display()))?;
        if let Some(build) = understood(&text) {
            builds.insert(build.image.clone(), build);
        }
    }
    Ok(builds)
}

/// Writes the files of builds, each whole or not at all, for their owner alone.
///
/// # Errors
/// When they can't be written.
pub(super) fn write(folder: &Path, builds: &[LastBuild]) -> anyhow::Result<()> {
    if builds.is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).with_context(|| format!("making the folder `{}`", folder.display()))?;
    for build in builds {
        let path = folder.join(format!("{}.json", build.image.as_str().replace('/', "+")));
        whole_file::write(&path, &text(build), Readers::Owner)
            .with_context(|| format!("writing `{}`", path.display()))?;
    }
    Ok(())
}

fn understood(text: &[u8]) -> Option<LastBuild> {
    let Wire { version, image, content_hash, seconds, fingerprint, instructions, folders, args } =
        serde_json::from_slice(text).ok()?;
    if version != VERSION {
        return None;
    }
    let instruction = |WireInstruction { line, text, hash }| {
        let hash: Digest = format!("sha256:{hash}").parse().ok()?;
        Some(InstructionFact { line, text, hash: InputHash::from_bytes(*hash.as_bytes()) })
    };
    let entry = |(path, hash): (String, String)| Some((path.parse().ok()?, u64::from_str_radix(&hash, 16).ok()?));
    let folder = |(name, entries): (String, BTreeMap<_, _>)| {
        Some((name, entries.into_iter().map(entry).collect::<Option<_>>()?))
    };
    let details = Details {
        instructions: instructions.into_iter().map(instruction).collect::<Option<_>>()?,
        folders: folders.into_iter().map(folder).collect::<Option<_>>()?,
        args,
    };
    Some(LastBuild {
        image: image.parse().ok()?,
        content_hash: content_hash.parse().ok()?,
        took: Duration::try_from_secs_f64(seconds).ok()?,
        facts: Facts { fingerprint: Fingerprint::from_label(&fingerprint)?, details: Some(details) },
    })
}

fn text(build: &LastBuild) -> String {
    let LastBuild { image, content_hash, took, facts: Facts { fingerprint, details } } = build;
    let Details { instructions, folders, args } = details.clone().unwrap_or_default();
    let instruction = |InstructionFact { line, text, hash }| WireInstruction {
        line,
        text,
        hash: Digest::from_bytes(*hash.as_bytes()).hex(),
    };
    let folders = folders.into_iter().filter(|(_, entries)| entries.len() <= ENTRIES_AT_MOST);
    let entry = |(path, hash): (TreePath, u64)| (path.to_string(), format!("{hash:016x}"));
    let wire = Wire {
        version: VERSION,
        image: image.to_string(),
        content_hash: content_hash.to_string(),
        // Milliseconds are more than anybody needs.
        seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
        fingerprint: fingerprint.to_label(),
        instructions: instructions.into_iter().map(instruction).collect(),
        folders: folders.map(|(name, entries)| (name, entries.into_iter().map(entry).collect())).collect(),
        args,
    };
    serde_json::to_string_pretty(&wire).expect("texts and numbers are JSON") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_read_back_and_what_is_no_record_says_nothing() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let builds = folder.path().join("shop/builds");
        assert_eq!(read(&builds).expect("nothing is there"), BTreeMap::new());
        let label = format!("{1} dockerfile={0} context={0} platform=linux/amd64", "1".repeat(64), crate::hash::SCHEMA);
        let fingerprint = Fingerprint::from_label(&label).expect("a good label");
        let hash = InputHash::from_bytes([7; 32]);
        let path = "a \" b".parse().expect("a plain path");
        let details = Details {
            instructions: vec![InstructionFact { line: 3, text: "RUN \u{7}".to_owned(), hash }],
            folders: BTreeMap::from([(String::new(), BTreeMap::from([(path, u64::MAX)]))]),
            args: BTreeMap::from([("LEVEL".to_owned(), "1".to_owned())]),
        };
        let build = LastBuild {
            image: "team/api".parse().expect("a good name"),
            content_hash: format!("sha256:{}", "0".repeat(64)).parse().expect("a good hash"),
            took: Duration::from_millis(1_250),
            facts: Facts { fingerprint, details: Some(details) },
        };
        write(&builds, std::slice::from_ref(&build)).expect("the folder is writable");
        for (name, text) in [
            ("broken.json", "{"),
            ("newer.json", r#"{"version": 3, "image": "api", "content_hash": "", "seconds": 1}"#),
            ("negative.json", r#"{"version": 2, "image": "api", "content_hash": "", "seconds": -1}"#),
            (".build-x", "left by a run that was killed"),
        ] {
            fs::write(builds.join(name), text).expect("the folder is writable");
        }
        assert_eq!(read(&builds).expect("the folder is readable"), BTreeMap::from([(build.image.clone(), build)]));
    }
}
