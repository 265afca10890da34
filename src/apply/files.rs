//! Of which of its files a container was told by a signal. Pure.
//!
//! Those may change while it runs, so nothing of them is part of what it is recognised by but their paths. A note says which it
//! knows: a file of ours in the container, put there with the files before its first start, and again after each signal. Who is
//! killed between the file and the note does both once more, so that no signal is lost, and one may come twice.

use std::collections::BTreeSet;

use super::desired::{DesiredContainer, hash_of};
use super::state::ObservedContainer;
use super::step::NewFile;
use crate::manifest::{EnvValue, OnChange};

/// The version of what is hashed. Another one tells every container of its files once more.
const HASH_VERSION: &str = "1";

/// A longer note is none. Arbitrary: it has lines for a quarter of a million files.
pub(super) const NOTE_AT_MOST: usize = 16 << 20;

/// Which files a container knows: a hash of each, with its path, owner and mode.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known(BTreeSet<String>);

impl Known {
    /// Reads a note. Nothing that stands in it is wrong: what is no hash is that of no file.
    pub fn parse(note: &str) -> Self {
        Self(note.lines().map(str::to_owned).collect())
    }

    /// The note that says it, for nobody to read but root: who sees the hash of a short secret can find the secret.
    pub fn note(&self) -> NewFile {
        let text: String = self.0.iter().map(|hash| format!("{hash}\n")).collect();
        NewFile { content: EnvValue::new(text), uid: 0, gid: 0, mode: 0o400 }
    }
}

/// A file that a container is told of by a signal.
#[derive(Debug, Clone, Copy)]
pub struct Live<'a> {
    /// Its path in the container.
    pub path: &'a String,
    /// The file.
    pub file: &'a NewFile,
    /// The signal.
    pub signal: &'a String,
}

impl Live<'_> {
    fn hash(&self) -> String {
        let NewFile { content, uid, gid, mode } = self.file;
        let parts = [
            "windlass file",
            HASH_VERSION,
            self.path,
            content.reveal(),
            &uid.to_string(),
            &gid.to_string(),
            &mode.to_string(),
        ];
        format!("{HASH_VERSION}:{}", hash_of(&parts).hex())
    }
}

impl DesiredContainer {
    /// The files that it is told of by a signal.
    pub fn live(&self) -> impl Iterator<Item = Live<'_>> {
        self.files.iter().filter_map(|(path, file)| match &self.spec.files.get(path)?.on_change {
            OnChange::Replace => None,
            OnChange::Signal(signal) => Some(Live { path, file, signal }),
        })
    }

    /// What it knows once it was told of all of them.
    pub fn known(&self) -> Known {
        Known(self.live().map(|live| live.hash()).collect())
    }

    /// Those that a container does not know.
    pub fn untold<'a>(&'a self, found: &'a ObservedContainer) -> impl Iterator<Item = Live<'a>> {
        self.live().filter(|live| !found.known.0.contains(&live.hash()))
    }
}
