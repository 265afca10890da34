//! The project as it was at a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::project::{self, Project, SelectionArgs};
use super::{Settings, bases, lock_file};
use crate::config::FileFrom;
use crate::diag::Diagnostics;
use crate::model::ImageName;
use crate::plan::{Image, Resolved};
use crate::source::{Commit, check_out};
use crate::ui;

/// The project as it is, and what it was loaded with.
#[derive(Clone, Copy)]
pub(super) struct Present<'a> {
    pub(super) project: &'a Project,
    pub(super) selection: &'a SelectionArgs,
    pub(super) manifest: Option<&'a Path>,
    pub(super) settings: &'a Settings,
}

impl Present<'_> {
    /// All images of the project as they were at a commit, with the build arguments that are given now.
    ///
    /// # Errors
    /// When git does not have the files, or [`Diagnostics`]: when the project was not right then.
    pub(super) fn at(self, commit: &Commit) -> anyhow::Result<Resolved> {
        let Self { project, selection, manifest, settings } = self;
        let checkout = check_out(&settings.root, commit, &inputs(project, settings))?;
        let root = &checkout.root;
        let file =
            |file: &PathBuf| file.strip_prefix(&settings.root).map_or_else(|_| file.clone(), |file| root.join(file));
        let then = Settings { root: root.clone(), file: settings.file.as_ref().map(file), ..settings.clone() };
        let selection = SelectionArgs { images: Vec::new(), build_args: selection.build_args.clone() };
        let Project { resolved, lock, .. } = project::load(&then, &selection, manifest)?;
        Ok(bases::by_lock(resolved, lock.as_ref()))
    }

    /// The images as they are: of what others' names stand for only what git knows counts, as at a commit.
    pub(super) fn now(self) -> Resolved {
        bases::by_lock(self.project.resolved.clone(), self.project.lock.as_ref())
    }

    /// The chosen images that are the same as they were when the work tree parted from a commit. Where the project was
    /// not right then, none is.
    pub(super) fn same_since(self, commit: &Commit) -> anyhow::Result<BTreeSet<ImageName>> {
        let then = match self.at(commit) {
            Ok(then) => then.images,
            Err(error) => {
                let Diagnostics(errors) = error.downcast()?;
                let first = errors.first().map(ToString::to_string).unwrap_or_default();
                let note =
                    format!("all images count as changed since `{}`, because it has errors: {first}", commit.name);
                ui::notes(&[note], &self.settings.ui);
                Vec::new()
            }
        };
        let hashes: BTreeMap<_, _> = then.iter().map(|image| (&image.name, image.content_hash)).collect();
        let is_same = |image: &&Image| hashes.get(&image.name) == Some(&image.content_hash);
        Ok(self.now().images.iter().filter(is_same).map(|image| image.name.clone()).collect())
    }
}

/// What the images are made from, as paths below the root.
fn inputs(project: &Project, settings: &Settings) -> BTreeSet<PathBuf> {
    let root = &settings.root;
    let mut inputs: BTreeSet<PathBuf> =
        [PathBuf::from(project.config.source.path()), PathBuf::from(lock_file::FILE)].into();
    for image in &project.resolved.images {
        inputs.insert(image.dockerfile.path().into());
        let folders = image.named_contexts.values().map(|folder| (&folder.root, folder.tree.iter()));
        for (folder, tree) in folders.chain([(&image.context_root, image.context.iter())]) {
            let Ok(folder) = folder.strip_prefix(root) else { continue };
            inputs.insert(folder.join(".dockerignore"));
            inputs.extend(tree.map(|(path, _)| folder.join(path.as_str())));
        }
    }
    for image in project.config.images.values() {
        inputs.extend(image.test.structure.iter().map(|path| PathBuf::from(path.value.as_str())));
        inputs.extend(image.files.iter().filter_map(|file| match &file.from {
            FileFrom::File(path) => Some(PathBuf::from(path)),
            FileFrom::Env(_) | FileFrom::Text(_) => None,
        }));
    }
    inputs.into_iter().filter(|path| path.is_relative() && root.join(path).symlink_metadata().is_ok()).collect()
}
