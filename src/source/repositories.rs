//! Which repository a file lies in: that of the nearest folder above it that has a `.git`, so that submodules and
//! clones within a work tree answer for their own files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::git::GitError;
use super::git_index::{Conversion, Repository, open};

/// The repositories of folders.
#[derive(Default)]
pub(super) struct Repositories {
    opened: Vec<Repository>,
    /// Which of them a folder lies in; none lies in one whose index is of no use, or in no repository.
    of_folders: BTreeMap<PathBuf, Option<usize>>,
    /// The folders of submodules that are not checked out.
    missing: BTreeSet<PathBuf>,
    /// What the user should hear: why an index can't be used.
    pub(super) notes: Vec<String>,
}

impl Repositories {
    /// Opens the repositories of folders, which are absolute and without symbolic links.
    pub(super) fn of_folders<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut repositories = Self::default();
        for folder in folders {
            repositories.enter(folder);
        }
        for repository in &repositories.opened {
            let folders = repository.submodules().map(|path| repository.top.join(path));
            repositories.missing.extend(folders.filter(|folder| !folder.join(".git").exists()));
        }
        repositories
    }

    fn enter(&mut self, folder: &Path) -> Option<usize> {
        if let Some(known) = self.of_folders.get(folder) {
            return *known;
        }
        let repository = if folder.join(".git").symlink_metadata().is_ok() {
            self.open(folder)
        } else {
            folder.parent().and_then(|above| self.enter(above))
        };
        if let Some(repository) = repository
            && folder.join(".gitattributes").symlink_metadata().is_ok()
        {
            self.opened[repository].has_attributes = true;
        }
        self.of_folders.insert(folder.to_owned(), repository);
        repository
    }

    fn open(&mut self, folder: &Path) -> Option<usize> {
        match open(folder) {
            Ok(repository) => {
                self.opened.push(repository?);
                Some(self.opened.len() - 1)
            }
            Err(GitError(why)) => {
                let folder = folder.display();
                self.notes.push(format!(
                    "the files of `{folder}` are read, clean ones too, as git's index can't be used: {why}"
                ));
                None
            }
        }
    }

    /// The repository of a file whose folder was asked for, and the file's path below the repository's top.
    pub(super) fn of<'a>(&self, file: &'a Path) -> Option<(&Repository, &'a str)> {
        let repository = &self.opened[(*self.of_folders.get(file.parent()?)?)?];
        Some((repository, file.strip_prefix(&repository.top).ok()?.to_str()?))
    }

    /// Whether a folder below a root is the empty place of a submodule that is not checked out.
    pub(super) fn is_missing(&self, root: &Path, folder: &str) -> bool {
        !self.missing.is_empty() && self.missing.contains(&root.join(folder))
    }

    /// What attributes say of each file. Where git fails to tell, every file may be converted.
    pub(super) fn conversions(&mut self, files: &[PathBuf]) -> Vec<Conversion> {
        let mut conversions = vec![Conversion::default(); files.len()];
        let mut notes = Vec::new();
        for repository in self.opened.iter().filter(|repository| repository.has_attributes) {
            let places = files.iter().enumerate().filter_map(|(place, file)| {
                let (other, below) = self.of(file)?;
                std::ptr::eq(other, repository).then_some((place, below))
            });
            let (places, paths): (Vec<usize>, Vec<&str>) = places.unzip();
            match repository.conversions(&paths) {
                Ok(found) => {
                    let found = paths.iter().map(|path| found.get(*path).copied().unwrap_or_default());
                    places.iter().zip(found).for_each(|(place, conversion)| conversions[*place] = conversion);
                }
                Err(GitError(why)) => {
                    places.iter().for_each(|place| conversions[*place].converts = true);
                    notes.push(format!("clean files are read, too, as git does not tell their attributes: {why}"));
                }
            }
        }
        self.notes.extend(notes);
        conversions
    }
}
