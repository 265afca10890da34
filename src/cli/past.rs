//! The project as it was at a commit.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::project::{self, Project, SelectionArgs};
use super::{Settings, bases, lock_file};
use crate::config::{Config, FileFrom, ImageConfig, NamedContext};
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::ImageName;
use crate::plan::{Image, Resolved};
use crate::source::{Commit, check_out};
use crate::ui::{self, words};

/// The project as it is, and what it was loaded with.
#[derive(Clone, Copy)]
pub(super) struct Present<'a> {
    pub(super) project: &'a Project,
    pub(super) selection: &'a SelectionArgs,
    pub(super) manifest: Option<&'a Path>,
    pub(super) settings: &'a Settings,
}

impl Present<'_> {
    /// The images that are chosen now, and what they are made from, as they were at a commit, with the build arguments
    /// that are given now.
    ///
    /// # Errors
    /// When git does not have the files, or [`Diagnostics`]: when the project was not right then.
    pub(super) fn at(self, commit: &Commit) -> anyhow::Result<Then> {
        let Self { project, selection, manifest, settings } = self;
        let mut checkout = check_out(&settings.root, commit, &inputs(project, settings))?;
        let root = checkout.root.clone();
        let file =
            |file: &PathBuf| file.strip_prefix(&settings.root).map_or_else(|_| file.clone(), |file| root.join(file));
        let then = Settings { file: settings.file.as_ref().map(file), root: root.clone(), ..settings.clone() };
        let of_project = [super::config::path(&then), root.join(lock_file::FILE)];
        checkout
            .write(&of_project.iter().filter_map(|path| Some(path.strip_prefix(&root).ok()?.to_owned())).collect())?;
        // What is wrong with it is said when the rest is.
        if let Ok(config) = super::config::read(&then) {
            checkout.write(&named(&config))?;
        }
        let names = project.resolved.images.iter().map(|image| image.name.clone()).collect();
        let (Project { resolved, lock, .. }, broken) =
            project::load_rest(&then, checkout.folders(), &names, &selection.build_args, manifest)?;
        Ok(Then { resolved: bases::by_lock(resolved, lock.as_ref()), broken })
    }

    /// The images as they are: of what others' names stand for only what git knows counts, as at a commit.
    pub(super) fn now(self) -> Resolved {
        bases::by_lock(self.project.resolved.clone(), self.project.lock.as_ref())
    }

    /// The chosen images that are the same as they were when the work tree parted from a commit. Those that were not
    /// right then are not.
    fn same_since(self, commit: &Commit) -> anyhow::Result<BTreeSet<ImageName>> {
        let (then, note) = match self.at(commit) {
            Ok(Then { resolved, broken }) => (resolved.images, of_broken(&broken, commit)),
            Err(error) => {
                let Diagnostics(errors) = error.downcast()?;
                let first = errors.first().map(ToString::to_string).unwrap_or_default();
                let note =
                    format!("all images count as changed since `{}`, because it has errors: {first}", commit.name);
                (Vec::new(), Some(note))
            }
        };
        ui::notes(&Vec::from_iter(note), &self.settings.ui);
        let hashes: BTreeMap<_, _> = then.iter().map(|image| (&image.name, image.content_hash)).collect();
        let is_same = |image: &Image| hashes.get(&image.name) == Some(&image.content_hash);
        Ok(self.now().images.iter().filter(|image| is_same(image)).map(|image| image.name.clone()).collect())
    }
}

/// The project with those of its chosen images that are not the same as they were where the work tree parted from a
/// commit, and that commit.
///
/// # Errors
/// When git does not know the commit, or does not have its files.
pub(super) fn changed_since(
    mut project: Project,
    name: &str,
    selection: &SelectionArgs,
    manifest: Option<&Path>,
    settings: &Settings,
) -> anyhow::Result<(Project, Commit)> {
    let commit = Commit::find(&settings.root, name)?.parted(&settings.root)?;
    let same = Present { project: &project, selection, manifest, settings }.same_since(&commit)?;
    project.resolved = project.resolved.without(&same);
    Ok((project, commit))
}

/// The images of a commit.
pub(super) struct Then {
    /// Those that could be hashed.
    pub(super) resolved: Resolved,
    /// Those that could not, each with the first thing that was wrong with it. What was made from them is nowhere.
    pub(super) broken: BTreeMap<ImageName, Diagnostic>,
}

fn of_broken(broken: &BTreeMap<ImageName, Diagnostic>, commit: &Commit) -> Option<String> {
    let first = broken.values().next()?;
    let count = if broken.len() == 1 { "counts" } else { "count" };
    let names = words::these(&Vec::from_iter(broken.keys()));
    Some(format!("{names} {count} as changed since `{}`, where this is wrong: {first}", commit.name))
}

/// The files and folders that a configuration names, as paths below the root.
fn named(config: &Config) -> BTreeSet<PathBuf> {
    let mut named: BTreeSet<PathBuf> = project::declared_paths(config).into_iter().map(PathBuf::from).collect();
    for image in config.images.values() {
        let contexts = image.contexts.values().filter_map(|context| match &context.value {
            NamedContext::Folder(path) => Some(path),
            NamedContext::Image(_) => None,
        });
        let contexts = contexts.chain(image.context.as_ref().map(|context| &context.value));
        named.extend(contexts.map(|path| PathBuf::from(path.as_str())));
        named.extend(texts(image));
    }
    named
}

/// The files besides its Dockerfile that are read for an image.
fn texts(image: &ImageConfig) -> impl Iterator<Item = PathBuf> {
    let structure = image.test.structure.iter().map(|path| PathBuf::from(path.value.as_str()));
    structure.chain(image.files.iter().filter_map(|file| match &file.from {
        FileFrom::File(path) => Some(PathBuf::from(path)),
        FileFrom::Env(_) | FileFrom::Text(_) => None,
    }))
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
        inputs.extend(texts(image));
    }
    inputs
}
