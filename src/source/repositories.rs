//! Which repository a file lies in: that of the nearest folder above it that has a `.git`, so that submodules and
//! clones within a work tree answer for their own files.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::context::ContextRequest;
use super::git::GitError;
use super::git_index::{Conversion, Repository, open};

/// Folders with something of git in them: absolute, without symbolic links.
#[derive(Default)]
pub(super) struct Marks {
    /// With a `.git`.
    pub(super) tops: BTreeSet<OsString>,
    /// With a `.gitattributes`.
    pub(super) attributes: BTreeSet<OsString>,
}

/// The repositories that contexts lie in, with what their indices know.
#[derive(Default)]
pub struct Repositories {
    opened: Vec<Repository>,
    /// By their tops; none is one whose index is of no use.
    by_top: BTreeMap<OsString, Option<usize>>,
    /// The folders of submodules that are not checked out.
    missing: BTreeSet<PathBuf>,
    /// What attributes say of files, by repository and path below its top; none where git fails to tell.
    conversions: BTreeMap<usize, Option<BTreeMap<String, Conversion>>>,
    /// What the user should hear: why an index can't be used.
    pub(super) notes: Vec<String>,
}

/// A folder, and the repository that it lies in.
#[derive(Default)]
pub(super) struct Near {
    folder: Option<Vec<u8>>,
    repository: Option<usize>,
}

/// A file in its repository.
pub(super) struct Place<'a> {
    number: usize,
    pub(super) repository: &'a Repository,
    /// The file's path below the repository's top.
    pub(super) path: &'a str,
}

impl Marks {
    /// Looks into the folders above others.
    fn above<'a>(&mut self, folders: impl Iterator<Item = &'a Path>) {
        let mut seen: BTreeSet<&OsStr> = BTreeSet::new();
        for folder in folders {
            for above in folder.ancestors().skip(1).take_while(|above| seen.insert(above.as_os_str())) {
                if above.join(".git").symlink_metadata().is_ok() {
                    self.tops.insert(above.into());
                }
                if above.join(".gitattributes").symlink_metadata().is_ok() {
                    self.attributes.insert(above.into());
                }
            }
        }
    }

    /// These and those.
    pub(super) fn and(mut self, mut others: Self) -> Self {
        self.tops.append(&mut others.tops);
        self.attributes.append(&mut others.attributes);
        self
    }
}

impl Repositories {
    /// Opens those that begin above the contexts: of these no folder need be listed yet.
    pub fn above(contexts: &[ContextRequest]) -> Self {
        let (mut repositories, mut marks) = (Self::default(), Marks::default());
        marks.above(contexts.iter().map(|context| context.root.as_path()));
        repositories.open(marks);
        repositories
    }

    /// Opens more.
    pub(super) fn open(&mut self, Marks { tops, attributes }: Marks) {
        for top in tops {
            if !self.by_top.contains_key(&top) {
                let opened = self.add(Path::new(&top));
                self.by_top.insert(top, opened);
            }
        }
        for folder in attributes {
            if let Some(repository) = self.of_folder(Path::new(&folder)) {
                self.opened[repository].has_attributes = true;
            }
        }
    }

    fn add(&mut self, top: &Path) -> Option<usize> {
        match open(top) {
            Ok(repository) => {
                let repository = repository?;
                let submodules = repository.submodules().map(|path| repository.top.join(path));
                self.missing.extend(submodules.filter(|folder| !folder.join(".git").exists()));
                self.opened.push(repository);
                Some(self.opened.len() - 1)
            }
            Err(GitError(why)) => {
                let top = top.display();
                self.notes.push(format!(
                    "the files of `{top}` are read, clean ones too, as git's index can't be used: {why}"
                ));
                None
            }
        }
    }

    fn of_folder(&self, folder: &Path) -> Option<usize> {
        folder.ancestors().find_map(|above| self.by_top.get(above.as_os_str())).copied().flatten()
    }

    /// The repository of a file. `near` is what the file before lies in.
    pub(super) fn of<'a>(&'a self, file: &'a Path, near: &mut Near) -> Option<Place<'a>> {
        let path = file.as_os_str().as_bytes();
        let end = path.iter().rposition(|byte| *byte == b'/')?;
        let folder = &path[..end.max(1)];
        if near.folder.as_deref() != Some(folder) {
            near.repository = self.of_folder(Path::new(OsStr::from_bytes(folder)));
            let known = near.folder.get_or_insert_default();
            known.clear();
            known.extend_from_slice(folder);
        }
        let number = near.repository?;
        let repository = &self.opened[number];
        let below = path.strip_prefix(repository.top.as_os_str().as_bytes())?;
        let path = str::from_utf8(below.strip_prefix(b"/").unwrap_or(below)).ok()?;
        Some(Place { number, repository, path })
    }

    /// Whether a folder below a root is the empty place of a submodule that is not checked out.
    pub(super) fn is_missing(&self, root: &Path, below: &str) -> bool {
        !self.missing.is_empty() && self.missing.contains(&root.join(below))
    }

    /// Asks what attributes say of files. Where git fails to tell, every file may be converted.
    pub(super) fn ask_conversions(&mut self, files: impl Iterator<Item = PathBuf>) {
        if !self.opened.iter().any(|repository| repository.has_attributes) {
            return;
        }
        let mut paths: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
        let mut near = Near::default();
        for file in files {
            if let Some(place) = self.of(&file, &mut near).filter(|place| place.repository.has_attributes) {
                paths.entry(place.number).or_default().insert(place.path.to_owned());
            }
        }
        for (number, paths) in paths {
            let told = self.opened[number].conversions(&paths).map_err(|GitError(why)| {
                self.notes.push(format!("clean files are read, too, as git does not tell their attributes: {why}"));
            });
            self.conversions.insert(number, told.ok());
        }
    }

    /// What attributes say of a file.
    pub(super) fn conversion(&self, Place { number, path, .. }: &Place<'_>) -> Conversion {
        match self.conversions.get(number) {
            None => Conversion::default(),
            Some(None) => Conversion { converts: true, is_lfs: false },
            Some(Some(told)) => told.get(*path).copied().unwrap_or_default(),
        }
    }
}
