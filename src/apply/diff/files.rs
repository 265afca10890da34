//! What a container finds in files: all of them before its first start, and those that it is told of by a signal whenever
//! they change.

use std::collections::{BTreeMap, BTreeSet};

use super::container::{Case, Found};
use crate::apply::cause::Cause;
use crate::apply::files::Live;
use crate::apply::state::{ObservedContainer, RunState};
use crate::apply::step::{Action, NewFile, Step};
use crate::manifest::FILES_NOTE;

impl<'a> Case<'a> {
    /// The step that puts its files into a container that was never started, where it has any.
    pub(super) fn files(&self, name: &str, cause: Cause) -> Option<Step> {
        let mut files = self.wanted.files.clone();
        if self.wanted.live().next().is_some() {
            files.extend(self.note());
        }
        self.put(name, files, cause)
    }

    /// The step that puts files into a container that does not run before it is started: all where it never was, as it may
    /// have been left before it got them, else those that changed. It reads them when it starts.
    pub(super) fn files_before_start(&self, (name, observed): Found<'_>) -> Option<Step> {
        if observed.run == RunState::Created {
            return self.files(name, Cause::NotRunning(observed.run));
        }
        let mut files = self.changed(observed);
        if !files.is_empty() {
            files.extend(self.note());
        }
        self.put(name, files, Cause::FilesChanged)
    }

    /// The step that puts files into a container that runs, where they changed.
    pub(super) fn changed_files(&self, (name, observed): Found<'_>) -> Option<Step> {
        self.put(name, self.changed(observed), Cause::FilesChanged)
    }

    /// The steps that tell a container of files that changed.
    pub(super) fn tell(&self, (name, observed): Found<'_>) -> Vec<Step> {
        let signals: BTreeSet<&String> = self.wanted.untold(observed).map(|live| live.signal).collect();
        let send = |signal: &String| {
            let action = Action::Signal { name: name.clone(), signal: signal.clone() };
            self.step(action, Cause::FilesChanged)
        };
        signals.into_iter().map(send).collect()
    }

    /// The step that remembers that it was told.
    pub(super) fn note_told(&self, (name, observed): Found<'_>) -> Option<Step> {
        self.wanted.untold(observed).next()?;
        self.put(name, self.note().collect(), Cause::FilesChanged)
    }

    fn changed(&self, observed: &ObservedContainer) -> BTreeMap<String, NewFile> {
        let untold = self.wanted.untold(observed);
        untold.map(|Live { path, file, signal: _ }| (path.clone(), file.clone())).collect()
    }

    fn note(&self) -> impl Iterator<Item = (String, NewFile)> + use<'a> {
        std::iter::once((FILES_NOTE.to_owned(), self.wanted.known().note()))
    }

    fn put(&self, name: &str, files: BTreeMap<String, NewFile>, cause: Cause) -> Option<Step> {
        (!files.is_empty()).then(|| self.step(Action::PutFiles { name: name.to_owned(), files }, cause))
    }
}
