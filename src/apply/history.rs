//! The manifests that were applied on a host, so that a run can go back to one of them. Nothing of `apply` itself
//! depends on them: without any, only the way back is lost.
//!
//! A record is a file that holds a deploy manifest as it stands, named `SEQUENCE-SERIAL-TIME-OUTCOME.json`: the place in
//! the sequence, the manifest's serial, seconds since 1970, and `done`, `failed`, `restored` or `cut`. It appears whole or
//! not at all. A windlass that knows other outcomes passes over those that it does not know.

use std::fs::{self, DirBuilder};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::undo::{Entry, Outcome};
use crate::manifest::{self, Manifest};
use crate::model::ProjectName;

/// How many records are kept. Arbitrary; a timer that fails every minute must not fill the disk.
const KEPT: usize = 100;

/// The folder for what is remembered of one engine, below the folder for windlass' state: `hosts/` and the engine's
/// address, `unix://` left away. Two engines that one machine deploys to have nothing in common.
pub fn host_folder(state: &Path, address: &str) -> PathBuf {
    let path = address.strip_prefix("unix://").map(|path| path.trim_start_matches('/'));
    let mut name = String::new();
    for byte in path.unwrap_or(address).bytes() {
        match byte {
            b'/' => name.push('+'),
            b'.' if name.is_empty() => name.push_str("%2e"),
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'-' | b'_' | b':' => name.push(byte.into()),
            _ => name.push_str(&format!("%{byte:02x}")),
        }
    }
    state.join("hosts").join(name)
}

/// The records of one project.
#[derive(Debug)]
pub struct History {
    folder: PathBuf,
}

impl History {
    /// The history of a project below the folder for its host, be there one or not.
    pub fn new(host: &Path, project: &ProjectName) -> Self {
        Self { folder: host.join(project.as_str()) }
    }

    /// Makes the folder, which only its owner can read.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn make_folder(&self) -> anyhow::Result<()> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(self.folder.join("history"));
        made.with_context(|| format!("making the folder `{}`", self.folder.display()))
    }

    /// The folder of the project, where its lock is too.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The projects that have a history below the folder for their host.
    ///
    /// # Errors
    /// When the folder can't be read; one that is not there has none.
    pub fn projects(host: &Path) -> anyhow::Result<Vec<ProjectName>> {
        let names = file_names(host)?;
        let has_history = |name: &ProjectName| host.join(name.as_str()).join("history").is_dir();
        Ok(names.iter().filter_map(|name| name.parse().ok()).filter(has_history).collect())
    }

    /// What was recorded, the first first.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub fn entries(&self) -> anyhow::Result<Vec<Entry>> {
        let mut entries: Vec<Entry> =
            file_names(&self.folder.join("history"))?.iter().filter_map(|name| entry(name)).collect();
        entries.sort();
        Ok(entries)
    }

    /// The file of a record and the text of its manifest.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn text(&self, entry: &Entry) -> anyhow::Result<(PathBuf, String)> {
        let path = self.path(entry);
        let text = fs::read_to_string(&path).with_context(|| format!("reading `{}`", path.display()))?;
        Ok((path, text))
    }

    /// How the last run with just this manifest ended; nothing where it never ran.
    ///
    /// # Errors
    /// When the records can't be read.
    pub fn last_outcome(&self, manifest: &Manifest) -> anyhow::Result<Option<Outcome>> {
        let text = manifest::to_json(manifest);
        for entry in self.entries()?.iter().rev().filter(|entry| entry.serial == manifest.serial) {
            if self.text(entry)?.1 == text {
                return Ok(Some(entry.outcome));
            }
        }
        Ok(None)
    }

    /// Records how a manifest was applied, unless the last record says the same, and drops the oldest records.
    ///
    /// # Errors
    /// When the record can't be written.
    pub fn record(&self, manifest: &Manifest, at: Timestamp, outcome: Outcome) -> anyhow::Result<()> {
        let entries = self.entries()?;
        let text = manifest::to_json(manifest);
        if let Some(last) = entries.last()
            && last.outcome == outcome
            && fs::read_to_string(self.path(last)).is_ok_and(|former| former == text)
        {
            return Ok(());
        }
        let sequence = entries.last().map_or(1, |last| last.sequence + 1);
        let entry = Entry { sequence, serial: manifest.serial, at: at.as_second(), outcome };
        let path = self.path(&entry);
        write_whole(&path, &text).with_context(|| format!("writing `{}`", path.display()))?;
        let n_too_many = (entries.len() + 1).saturating_sub(KEPT);
        for old in droppable(&entries).take(n_too_many) {
            fs::remove_file(self.path(old)).with_context(|| format!("removing `{}`", self.path(old).display()))?;
        }
        Ok(())
    }

    fn path(&self, entry: &Entry) -> PathBuf {
        let Entry { sequence, serial, at, outcome } = entry;
        self.folder.join("history").join(format!("{sequence:06}-{serial}-{at}-{outcome}.json"))
    }
}

/// The records that may go, the oldest first: failures before what can be gone back to.
fn droppable(entries: &[Entry]) -> impl Iterator<Item = &Entry> {
    let (done, failed): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|e| e.outcome == Outcome::Done);
    failed.into_iter().chain(done)
}

fn entry(name: &str) -> Option<Entry> {
    let mut parts = name.strip_suffix(".json")?.split('-');
    let entry = Entry {
        sequence: parts.next()?.parse().ok()?,
        serial: parts.next()?.parse().ok()?,
        at: parts.next()?.parse().ok()?,
        outcome: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(entry)
}

fn file_names(folder: &Path) -> anyhow::Result<Vec<String>> {
    let read = || -> io::Result<Vec<String>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        names => {
            let mut names = names.with_context(|| format!("reading the folder `{}`", folder.display()))?;
            names.sort();
            Ok(names)
        }
    }
}

/// Writes a file that is there whole or not at all, readable by its owner alone: a manifest may carry secrets.
pub(super) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".record-").tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
